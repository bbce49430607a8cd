/*
 * futex.c: waiting on a word of the program's memory. A futex in a shared mapping
 * is where the mapped data is, wherever it is mapped; any other is its address
 * in its space, and one for private use is none of the others.
 */
#include "task/futex.h"

#include <linux/futex.h>
#include <linux/mman.h>

#include "mm/space.h"
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

static struct waitq *bucket(struct futex_key key)
{
	return &buckets[((key.at >> 2) + (u64)key.of) * 0x9e3779b97f4a7c15ull >>
			58];
}

static bool same(struct futex_key a, struct futex_key b)
{
	return a.of == b.of && a.at == b.at && a.private == b.private;
}

/* Of the word at address: 0, -EINVAL, -EFAULT. */
static long key_find(u64 address, bool private, struct futex_key *key)
{
	const struct vma *v;
	u32 value;

	*key = (struct futex_key){ space, address, private };
	if (address & 3)
		return -EINVAL;
	if (private)
		return user_range(address, 4) ? 0 : -EFAULT;
	if (copy_from_user(&value, address, sizeof(value)))
		return -EFAULT;
	v = vma_at(address);
	if (v && v->object && v->flags & MAP_SHARED)
		*key = (struct futex_key){ v->object->data,
					   address - v->start + v->offset,
					   false };
	return 0;
}

static long wake(struct futex_key key, u32 count, u32 bits)
{
	struct waitq *q = bucket(key);
	struct thread *t = q->head, *next;
	u32 woken = 0;

	for (; t && woken < count; t = next) {
		next = t->next;
		if (!same(t->futex, key) || !(t->futex_bits & bits))
			continue;
		t->futex.of = NULL;
		thread_wake(t, 0);
		woken++;
	}
	return woken;
}

void futex_wake_address(u64 address)
{
	struct futex_key key;

	if (key_find(address, false, &key) == 0)
		wake(key, 1, FUTEX_BITSET_MATCH_ANY);
}

/* Whether the word has this value: 0, -EAGAIN, -EFAULT. */
static long compare(u64 address, u32 expected)
{
	u32 value;

	if (copy_from_user(&value, address, sizeof(value)))
		return -EFAULT;
	return value == expected ? 0 : -EAGAIN;
}

static long wait(u64 address, struct futex_key key, u32 value, u64 deadline,
		 u32 bits)
{
	long r = compare(address, value);

	if (r)
		return r;
	current->futex = key;
	current->futex_bits = bits;
	r = thread_wait(bucket(key), deadline);
	/* Requeued or woken meanwhile: a wake wins over a signal or time. */
	if (r != 0 && !current->futex.of)
		r = 0;
	current->futex.of = NULL;
	return r == -EINTR && deadline == FOREVER ? -ERESTARTSYS : r;
}

/* Moves t, which is behind previous, from queue a to the end of b. */
static void move(struct thread *t, struct thread *previous, struct waitq *a,
		 struct waitq *b)
{
	if (previous)
		previous->next = t->next;
	else
		a->head = t->next;
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

static long requeue(struct futex_key from, struct futex_key to, s32 wake_count,
		    s32 move_count)
{
	struct waitq *a = bucket(from), *b = bucket(to);
	struct thread *t, *next, *previous = NULL;
	s32 moved = 0;
	long woken;

	if (wake_count < 0 || move_count < 0)
		return -EINVAL;
	woken = wake(from, (u32)wake_count, FUTEX_BITSET_MATCH_ANY);
	for (t = a->head; t && moved < move_count; t = next) {
		next = t->next;
		if (!same(t->futex, from)) {
			previous = t;
			continue;
		}
		t->futex = to;
		moved++;
		if (a == b)
			previous = t;
		else
			move(t, previous, a, b);
	}
	return woken + moved;
}

static u32 sign_extend_12(u32 v)
{
	return v & 0x800 ? v | 0xfffff000 : v & 0xfff;
}

/* The value that FUTEX_WAKE_OP makes of the second word's. 0 or -ENOSYS. */
static long change(u32 *value, u32 op)
{
	u32 argument = sign_extend_12(op >> 12);

	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		argument = 1u << (argument & 31);
	switch (op >> 28 & 7) {
	case FUTEX_OP_SET:
		*value = argument;
		return 0;
	case FUTEX_OP_ADD:
		*value += argument;
		return 0;
	case FUTEX_OP_OR:
		*value |= argument;
		return 0;
	case FUTEX_OP_ANDN:
		*value &= ~argument;
		return 0;
	case FUTEX_OP_XOR:
		*value ^= argument;
		return 0;
	}
	return -ENOSYS;
}

/* Whether its old value is as FUTEX_WAKE_OP asks: 0, 1, -ENOSYS. */
static long hits(u32 old, u32 op)
{
	s32 expected = (s32)sign_extend_12(op), value = (s32)old;

	switch (op >> 24 & 15) {
	case FUTEX_OP_CMP_EQ:
		return value == expected;
	case FUTEX_OP_CMP_NE:
		return value != expected;
	case FUTEX_OP_CMP_LT:
		return value < expected;
	case FUTEX_OP_CMP_LE:
		return value <= expected;
	case FUTEX_OP_CMP_GT:
		return value > expected;
	case FUTEX_OP_CMP_GE:
		return value >= expected;
	}
	return -ENOSYS;
}

/* FUTEX_WAKE_OP: changes the second word, wakes on the first and, depending on
 * the second word's old value, on the second: futex(2). */
static long wake_op(struct futex_key first, u32 count, u64 address,
		    struct futex_key second, u32 count2, u32 op)
{
	u32 old, value;
	long hit, woken, r;

	if (copy_from_user(&old, address, sizeof(old)))
		return -EFAULT;
	value = old;
	r = change(&value, op);
	if (!r)
		r = copy_to_user(address, &value, sizeof(value));
	hit = hits(old, op);
	if (r || hit < 0)
		return r ? r : hit;
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
	*deadline = FOREVER - 1; /* further than that: never, but not for ever */
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

/* WAIT and WAIT_BITSET */
static long wait_command(u64 address, u64 op, u32 value, u64 timeout, u32 bits)
{
	int command = (int)op & FUTEX_CMD_MASK;
	struct futex_key key;
	u64 deadline;
	long r = read_deadline(timeout, command,
			       (op & FUTEX_CLOCK_REALTIME) != 0, &deadline);

	if (r)
		return r;
	if (op & FUTEX_CLOCK_REALTIME && command == FUTEX_WAIT)
		return -ENOSYS;
	if (bits == 0)
		return -EINVAL;
	r = key_find(address, op & FUTEX_PRIVATE_FLAG, &key);
	return r ? r : wait(address, key, value, deadline, bits);
}

/* As Linux: who asks for none to be woken gets one. */
static long wake_command(u64 address, u64 op, s32 count, u32 bits)
{
	struct futex_key key;
	long r;

	if (bits == 0)
		return -EINVAL;
	r = key_find(address, op & FUTEX_PRIVATE_FLAG, &key);
	return r ? r : wake(key, (u32)MAX(count, 1), bits);
}

/* Those with a second word. */
static long two_words(u64 address, u64 op, s32 count, s32 count2, u64 address2,
		      u32 value3)
{
	bool private = op & FUTEX_PRIVATE_FLAG;
	int command = (int)op & FUTEX_CMD_MASK;
	struct futex_key key, key2;
	long r = key_find(address, private, &key);

	if (!r)
		r = key_find(address2, private, &key2);
	if (r)
		return r;
	if (command == FUTEX_WAKE_OP)
		return wake_op(key, (u32)MAX(count, 1), address2, key2,
			       (u32)MAX(count2, 1), value3);
	if (command == FUTEX_CMP_REQUEUE)
		r = compare(address, value3);
	return r ? r : requeue(key, key2, count, count2);
}

long sys_futex(u64 address, u64 op, u64 value, u64 timeout, u64 address2,
	       u64 value3)
{
	int command = (int)op & FUTEX_CMD_MASK;

	if (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET)
		return wait_command(address, op, (u32)value, timeout,
				    command == FUTEX_WAIT ?
					    FUTEX_BITSET_MATCH_ANY :
					    (u32)value3);
	if (op & FUTEX_CLOCK_REALTIME)
		return -ENOSYS;
	switch (command) {
	case FUTEX_WAKE:
		return wake_command(address, op, (s32)value,
				    FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return wake_command(address, op, (s32)value, (u32)value3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_WAKE_OP:
		return two_words(address, op, (s32)value, (s32)timeout,
				 address2, (u32)value3);
	}
	return -ENOSYS;
}

/* ---- robust lists: locks that a thread holds when it ends ---- */

static void release_lock(u64 address, s32 tid)
{
	u32 word, left;

	if ((address & 3) || copy_from_user(&word, address, sizeof(word)) ||
	    (word & FUTEX_TID_MASK) != (u32)tid)
		return;
	left = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
	if (!copy_to_user(address, &left, sizeof(left)) && word & FUTEX_WAITERS)
		futex_wake_address(address);
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
