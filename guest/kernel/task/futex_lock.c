/*
 * futex_lock.c: locks whose word names their owner: FUTEX_LOCK_PI and relatives,
 * which PTHREAD_PRIO_INHERIT uses. Threads take turns whatever their priority,
 * so there is none to inherit; what remains is that the kernel hands the lock
 * over, in the order of waiting.
 */
#include <linux/futex.h>

#include "mm/user.h"
#include "task/futex.h"

static u32 waiting; /* threads that wait for such locks */

/* The first that waits for the key, or NULL. */
static struct thread *first_waiter(struct futex_key key)
{
	struct thread *t = futex_bucket(key)->head;

	while (t && !futex_same(t->futex, key))
		t = t->next;
	return t;
}

/* 1: taken. 0: somebody has it, word says who. Else -errno. */
static long try(u64 address, struct futex_key key, u32 *word)
{
	u32 me = (u32)current->tid, owner;
	struct thread *waiter;

	if (copy_from_user(word, address, sizeof(*word)))
		return -EFAULT;
	owner = *word & FUTEX_TID_MASK;
	if (owner == me)
		return -EDEADLK;
	waiter = first_waiter(key);
	if (waiter && !waiter->futex_lock)
		return -EINVAL;
	if (owner)
		return thread_find((s32)owner) ? 0 : -ESRCH;
	*word = me | (*word & FUTEX_OWNER_DIED) | (waiter ? FUTEX_WAITERS : 0);
	return copy_to_user(address, word, sizeof(*word)) ? -EFAULT : 1;
}

long futex_trylock(u64 address, struct futex_key key)
{
	u32 word;
	long r;

	r = try(address, key, &word);
	return r == 0 ? -EAGAIN : r < 0 ? r : 0;
}

long futex_lock(u64 address, struct futex_key key, enum clock_base base, u64 at)
{
	u32 word;
	long r;

	do {
		r = try(address, key, &word);
		if (r)
			return r < 0 ? r : 0;
		word |= FUTEX_WAITERS;
		if (copy_to_user(address, &word, sizeof(word)))
			return -EFAULT;
		current->futex_lock = address;
		waiting++;
		r = futex_sleep(key, base, at);
		waiting--;
	} while (r == FUTEX_AGAIN);
	return r == -EINTR ? -ERESTARTNOINTR : r;
}

/* To the first that waits, or to nobody. As on Linux who gets it gives it back
 * by a call, whether others wait or not. */
static long give(u64 address, struct futex_key key, u32 died)
{
	struct thread *next = first_waiter(key);
	u32 word = next ? died | (u32)next->tid | FUTEX_WAITERS : died;

	if (copy_to_user(address, &word, sizeof(word)))
		return -EFAULT;
	if (next)
		futex_hand_over(next);
	return 0;
}

long futex_unlock(u64 address, struct futex_key key)
{
	struct thread *waiter;
	u32 word;

	if (copy_from_user(&word, address, sizeof(word)))
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) != (u32)current->tid)
		return -EPERM;
	waiter = first_waiter(key);
	if (waiter && !waiter->futex_lock)
		return -EINVAL;
	return give(address, key, 0);
}

/* A lock that t has, and that somebody waits for; NULL: none. */
static struct thread *waits_for(const struct thread *t)
{
	u32 word;

	for (struct thread *w = threads; w; w = w->all_next)
		if (w->futex.of && w->futex_lock && w->process == t->process &&
		    !copy_from_user(&word, w->futex_lock, sizeof(word)) &&
		    (word & FUTEX_TID_MASK) == (u32)t->tid)
			return w;
	return NULL;
}

void futex_release_locks(const struct thread *t)
{
	struct thread *w;

	while (waiting && (w = waits_for(t)))
		if (give(w->futex_lock, w->futex, FUTEX_OWNER_DIED))
			return;
}
