/*
 * futex.c: waiting on a word of the program's memory. All threads share one
 * address space, so the key is the address, private or not.
 */
#include "task/futex.h"

#include <linux/futex.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/thread.h"

#define BUCKETS 64
#define ROBUST_LIMIT 2048 /* as Linux, kernel/futex/core.c's ROBUST_LIST_LIMIT */

struct ktime {
	s64 sec, nsec;
};

static struct waitq buckets[BUCKETS];

static struct waitq *bucket(u64 address)
{
	return &buckets[(address >> 2) * 0x9e3779b97f4a7c15ull >> 58];
}

static long wake(u64 address, u32 count, u32 bits)
{
	struct waitq *q = bucket(address);
	struct thread *t = q->head, *next;
	u32 woken = 0;

	for (; t && woken < count; t = next) {
		next = t->next;
		if (t->futex_key != address || !(t->futex_bits & bits))
			continue;
		t->futex_key = 0;
		thread_wake(t, 0);
		woken++;
	}
	return woken;
}

void futex_wake_address(u64 address, u32 count)
{
	wake(address, count, FUTEX_BITSET_MATCH_ANY);
}

static long wait(u64 address, u32 value, u64 deadline, u32 bits)
{
	long r;

	if (bits == 0)
		return -EINVAL;
	if (!user_readable(address, 4))
		return -EFAULT;
	if (__atomic_load_n((u32 *)address, __ATOMIC_ACQUIRE) != value)
		return -EAGAIN;
	current->futex_key = address;
	current->futex_bits = bits;
	r = thread_wait(bucket(address), deadline);
	/* Requeued or woken meanwhile: a wake wins over a signal or time. */
	if (r != 0 && current->futex_key == 0)
		r = 0;
	current->futex_key = 0;
	return r == -EINTR && deadline == FOREVER ? -ERESTARTSYS : r;
}

static long requeue(u64 from, u64 to, u32 wake_count, u32 move_count,
		    bool compare, u32 value)
{
	struct waitq *a = bucket(from), *b = bucket(to);
	struct thread *t, *next, *previous = NULL;
	long woken;
	u32 moved = 0;

	if (!user_readable(from, 4) || !user_readable(to, 4))
		return -EFAULT;
	if (compare && *(u32 *)from != value)
		return -EAGAIN;
	woken = wake(from, wake_count, FUTEX_BITSET_MATCH_ANY);
	for (t = a->head; t && moved < move_count; t = next) {
		next = t->next;
		if (t->futex_key != from) {
			previous = t;
			continue;
		}
		t->futex_key = to;
		moved++;
		if (a == b) {
			previous = t;
			continue;
		}
		if (previous)
			previous->next = next;
		else
			a->head = next;
		if (a->tail == t)
			a->tail = previous;
		t->next = NULL;
		t->queue = b;
		if (b->tail)
			b->tail->next = t;
		else
			b->head = t;
		b->tail = t;
	}
	return woken + (compare ? moved : 0);
}

static u32 sign_extend_12(u32 v)
{
	return v & 0x800 ? v | 0xfffff000 : v & 0xfff;
}

/* FUTEX_WAKE_OP: changes the second word, wakes on the first and, depending on
 * the second word's old value, on the second: futex(2). */
static long wake_op(u64 first, u64 second, u32 count, u32 count2, u32 op)
{
	u32 argument = sign_extend_12(op >> 12), expected = sign_extend_12(op);
	u32 old, value;
	bool hit;
	long woken;

	if (!user_writable(second, 4) || !user_readable(first, 4))
		return -EFAULT;
	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		argument = 1u << (argument & 31);
	old = value = *(u32 *)second;
	switch (op >> 28 & 7) {
	case FUTEX_OP_SET:
		value = argument;
		break;
	case FUTEX_OP_ADD:
		value += argument;
		break;
	case FUTEX_OP_OR:
		value |= argument;
		break;
	case FUTEX_OP_ANDN:
		value &= ~argument;
		break;
	case FUTEX_OP_XOR:
		value ^= argument;
		break;
	default:
		return -ENOSYS;
	}
	*(u32 *)second = value;
	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		hit = old == expected;
		break;
	case FUTEX_OP_CMP_NE:
		hit = old != expected;
		break;
	case FUTEX_OP_CMP_LT:
		hit = (s32)old < (s32)expected;
		break;
	case FUTEX_OP_CMP_LE:
		hit = (s32)old <= (s32)expected;
		break;
	case FUTEX_OP_CMP_GT:
		hit = (s32)old > (s32)expected;
		break;
	case FUTEX_OP_CMP_GE:
		hit = (s32)old >= (s32)expected;
		break;
	default:
		return -ENOSYS;
	}
	woken = wake(first, count, FUTEX_BITSET_MATCH_ANY);
	if (hit)
		woken += wake(second, count2, FUTEX_BITSET_MATCH_ANY);
	return woken;
}

/* 0 and *deadline in mono ns. WAIT is relative, WAIT_BITSET absolute. */
static long read_deadline(u64 address, int command, bool realtime,
			  u64 *deadline)
{
	struct ktime t;
	u64 ns, now;

	*deadline = FOREVER;
	if (!address)
		return 0;
	if (copy_from_user(&t, address, sizeof(t)))
		return -EFAULT;
	if (t.sec < 0 || t.nsec < 0 || t.nsec >= (s64)NSEC)
		return -EINVAL;
	if (t.sec > (s64)(FOREVER / NSEC / 4))
		return 0;
	ns = (u64)t.sec * NSEC + (u64)t.nsec;
	now = mono_now();
	if (command == FUTEX_WAIT) {
		*deadline = now + ns;
		return 0;
	}
	if (realtime) {
		u64 wall = wall_now();

		ns = ns > wall ? now + (ns - wall) : 0;
	}
	*deadline = ns;
	return 0;
}

long sys_futex(u64 address, u64 op, u64 value, u64 timeout, u64 address2,
	       u64 value3)
{
	int command = (int)op & FUTEX_CMD_MASK;
	u64 deadline;
	long r;

	if (address & 3)
		return -EINVAL;
	switch (command) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		r = read_deadline(timeout, command,
				  (op & FUTEX_CLOCK_REALTIME) != 0, &deadline);
		if (r)
			return r;
		return wait(address, (u32)value, deadline,
			    command == FUTEX_WAIT ? FUTEX_BITSET_MATCH_ANY :
						    (u32)value3);
	case FUTEX_WAKE:
		return wake(address, (u32)value, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		if ((u32)value3 == 0)
			return -EINVAL;
		return wake(address, (u32)value, (u32)value3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return requeue(address, address2, (u32)value, (u32)timeout,
			       command == FUTEX_CMP_REQUEUE, (u32)value3);
	case FUTEX_WAKE_OP:
		return wake_op(address, address2, (u32)value, (u32)timeout,
			       (u32)value3);
	default:
		return -ENOSYS;
	}
}

/* ---- robust lists: locks that a thread holds when it ends ---- */

static void release_lock(u64 address, s32 tid)
{
	u32 word;

	if ((address & 3) || !user_writable(address, 4))
		return;
	word = *(u32 *)address;
	if ((word & FUTEX_TID_MASK) != (u32)tid)
		return;
	*(u32 *)address = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	if (word & FUTEX_WAITERS)
		futex_wake_address(address, 1);
}

void futex_release_robust(struct thread *t)
{
	struct robust_list_head head;
	u64 entry;

	if (!t->robust_list ||
	    copy_from_user(&head, t->robust_list, sizeof(head)))
		return;
	entry = (u64)head.list.next;
	for (int i = 0; i < ROBUST_LIMIT && entry != t->robust_list; i++) {
		u64 next;

		if (copy_from_user(&next, entry & ~1ull, sizeof(next)))
			break;
		if (entry != (u64)head.list_op_pending)
			release_lock((entry & ~1ull) + (u64)head.futex_offset,
				     t->tid);
		entry = next;
	}
	if (head.list_op_pending)
		release_lock(((u64)head.list_op_pending & ~1ull) +
				     (u64)head.futex_offset,
			     t->tid);
}

long sys_set_robust_list(u64 head, u64 size)
{
	if (size != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

long sys_get_robust_list(u64 tid, u64 head, u64 size)
{
	struct thread *t = tid ? thread_find((s32)tid) : current;
	u64 length = sizeof(struct robust_list_head);

	if (!t)
		return -ESRCH;
	if (copy_to_user(head, &t->robust_list, 8))
		return -EFAULT;
	return copy_to_user(size, &length, 8);
}
