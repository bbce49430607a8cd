/*
 * futex.c: waiting on a word of the program's memory. A futex in a shared mapping
 * is where the mapped data is, wherever it is mapped (of memory without a file:
 * in which frame); any other is its address in its space, and one for private use
 * is none of the others. Locks with an owner: futex_lock.c; lists of locks:
 * robust.c.
 */
#include "task/futex.h"

#include <linux/futex.h>
#include <linux/mman.h>

#include "mm/page.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/deadline.h"
#include "task/thread.h"

#define BUCKETS 64

static struct waitq buckets[BUCKETS];

struct waitq *futex_bucket(struct futex_key key)
{
	return &buckets[((key.at >> 2) + (u64)key.of) * 0x9e3779b97f4a7c15ull >>
			58];
}

bool futex_same(struct futex_key a, struct futex_key b)
{
	return a.of == b.of && a.at == b.at && a.private == b.private;
}

long futex_key_find(u64 address, bool private, struct futex_key *key)
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
	if (!v || !(v->flags & MAP_SHARED))
		return 0;
	if (v->object && !v->object->anonymous)
		*key = (struct futex_key){ v->object->data,
					   address - v->start + v->offset,
					   false };
	else
		*key = (struct futex_key){ page_memory(address),
					   address % PAGE_SIZE, false };
	return 0;
}

void futex_hand_over(struct thread *t)
{
	t->futex.of = NULL;
	thread_wake(t, 0);
}

/* How many were woken; -EINVAL when one waits for a lock with an owner. */
static long wake(struct futex_key key, u32 count, u32 bits)
{
	struct waitq *q = futex_bucket(key);
	struct thread *t = q->head, *next;
	u32 woken = 0;

	for (; t && woken < count; t = next) {
		next = t->next;
		if (!futex_same(t->futex, key))
			continue;
		if (t->futex_lock)
			return -EINVAL;
		if (!(t->futex_bits & bits))
			continue;
		futex_hand_over(t);
		woken++;
	}
	return woken;
}

void futex_wake_address(u64 address)
{
	struct futex_key key;

	if (futex_key_find(address, false, &key) == 0)
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

long futex_sleep(struct futex_key key, enum clock_base base, u64 at)
{
	struct thread *t = current;
	long r;

	t->futex = key;
	r = thread_wait_by(futex_bucket(key), base, at);
	/* A wake wins over a signal or the end of the time. */
	if (!t->futex.of)
		return 0;
	t->futex.of = NULL;
	return r ? r : FUTEX_AGAIN;
}

static long wait(u64 address, struct futex_key key, u32 value,
		 enum clock_base base, u64 at, u32 bits)
{
	long r;

	do {
		r = compare(address, value);
		if (r)
			return r;
		current->futex_bits = bits;
		current->futex_lock = 0;
		r = futex_sleep(key, base, at);
	} while (r == FUTEX_AGAIN);
	return r == -EINTR && at == FOREVER ? -ERESTARTSYS : r;
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
	struct waitq *a = futex_bucket(from), *b = futex_bucket(to);
	struct thread *t, *next, *previous = NULL;
	s32 moved = 0;
	long woken;

	if (wake_count < 0 || move_count < 0)
		return -EINVAL;
	woken = wake(from, (u32)wake_count, FUTEX_BITSET_MATCH_ANY);
	if (woken < 0)
		return woken;
	for (t = a->head; t && moved < move_count; t = next) {
		next = t->next;
		if (!futex_same(t->futex, from)) {
			previous = t;
			continue;
		}
		if (t->futex_lock)
			return -EINVAL;
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
	if (woken < 0 || !hit)
		return woken;
	r = wake(second, count2, FUTEX_BITSET_MATCH_ANY);
	return r < 0 ? r : woken + r;
}

/* 0 and *at. WAIT's time is relative, the others' absolute. */
static long read_time(u64 address, int command, u64 *at)
{
	u64 ns;
	long r;

	*at = FOREVER;
	if (!address)
		return 0;
	r = timespec_read(address, &ns);
	if (r)
		return r;
	*at = command == FUTEX_WAIT ? deadline_after(ns) : ns;
	return 0;
}

/* WAIT and WAIT_BITSET */
static long wait_command(u64 address, u64 op, u32 value, u64 timeout, u32 bits)
{
	int command = (int)op & FUTEX_CMD_MASK;
	struct futex_key key;
	bool wall = op & FUTEX_CLOCK_REALTIME;
	u64 at;
	long r = read_time(timeout, command, &at);

	if (r)
		return r;
	if (op & FUTEX_CLOCK_REALTIME && command == FUTEX_WAIT)
		return -ENOSYS;
	if (bits == 0)
		return -EINVAL;
	r = futex_key_find(address, op & FUTEX_PRIVATE_FLAG, &key);
	return r ? r :
		   wait(address, key, value, wall ? BY_WALL : BY_MONO, at,
			bits);
}

/* As Linux: who asks for none to be woken gets one. */
static long wake_command(u64 address, u64 op, s32 count, u32 bits)
{
	struct futex_key key;
	long r;

	if (bits == 0)
		return -EINVAL;
	r = futex_key_find(address, op & FUTEX_PRIVATE_FLAG, &key);
	return r ? r : wake(key, (u32)MAX(count, 1), bits);
}

/* Those with a second word. */
static long two_words(u64 address, u64 op, s32 count, s32 count2, u64 address2,
		      u32 value3)
{
	bool private = op & FUTEX_PRIVATE_FLAG;
	int command = (int)op & FUTEX_CMD_MASK;
	struct futex_key key, key2;
	long r = futex_key_find(address, private, &key);

	if (!r)
		r = futex_key_find(address2, private, &key2);
	if (r)
		return r;
	if (command == FUTEX_WAKE_OP)
		return wake_op(key, (u32)MAX(count, 1), address2, key2,
			       (u32)MAX(count2, 1), value3);
	if (command == FUTEX_CMP_REQUEUE)
		r = compare(address, value3);
	return r ? r : requeue(key, key2, count, count2);
}

/* Locks with an owner. */
static long lock_command(u64 address, u64 op, u64 timeout)
{
	int command = (int)op & FUTEX_CMD_MASK;
	bool wall = command == FUTEX_LOCK_PI || op & FUTEX_CLOCK_REALTIME;
	struct futex_key key;
	u64 at = FOREVER;
	long r = 0;

	if (command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2)
		r = read_time(timeout, command, &at);
	if (!r && op & FUTEX_CLOCK_REALTIME && command != FUTEX_LOCK_PI2)
		r = -ENOSYS;
	if (!r)
		r = futex_key_find(address, op & FUTEX_PRIVATE_FLAG, &key);
	if (r)
		return r;
	switch (command) {
	case FUTEX_TRYLOCK_PI:
		return futex_trylock(address, key);
	case FUTEX_UNLOCK_PI:
		return futex_unlock(address, key);
	default:
		return futex_lock(address, key, wall ? BY_WALL : BY_MONO, at);
	}
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
	if (command == FUTEX_LOCK_PI || command == FUTEX_LOCK_PI2 ||
	    command == FUTEX_TRYLOCK_PI || command == FUTEX_UNLOCK_PI)
		return lock_command(address, op, timeout);
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

void futex_release(struct thread *t)
{
	u32 zero = 0;

	futex_release_locks(t);
	futex_release_robust(t);
	if (t->clear_tid && !copy_to_user(t->clear_tid, &zero, sizeof(zero)))
		futex_wake_address(t->clear_tid);
}
