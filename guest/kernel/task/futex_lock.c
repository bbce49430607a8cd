/*
 * futex_lock.c: locks whose word names their owner: FUTEX_LOCK_PI and relatives,
 * which PTHREAD_PRIO_INHERIT uses. Threads take turns whatever their priority,
 * so there is none to inherit; what remains is that the kernel hands the lock
 * over, in the order of waiting.
 */
#include <linux/futex.h>

#include "mm/space.h"
#include "mm/user.h"
#include "task/futex.h"
#include "task/process.h"

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
static long give(u64 address, struct futex_key key)
{
	struct thread *next = first_waiter(key);
	u32 word = next ? (u32)next->tid | FUTEX_WAITERS : 0;

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
	return give(address, key);
}

/* Whether w waits for a lock that t has, whose word may be in memory that their
 * processes share. */
static bool waits_for(const struct thread *w, const struct thread *t)
{
	u32 word;

	return w->futex.of && w->futex_lock &&
	       space_read(w->process->space, &word, w->futex_lock,
			  sizeof(word)) == sizeof(word) &&
	       (word & FUTEX_TID_MASK) == (u32)t->tid;
}

/* The owner of the lock that w waits for ends: it goes to the first that waits,
 * by the address which that one knows, as the owner's may be gone. */
static void inherit(struct thread *w)
{
	struct thread *next = first_waiter(w->futex);
	u32 word = FUTEX_OWNER_DIED;

	if (next && next->futex_lock) {
		word |= (u32)next->tid | FUTEX_WAITERS;
		w = next;
	}
	if (space_write(w->process->space, w->futex_lock, &word,
			sizeof(word)) == sizeof(word) &&
	    w == next)
		futex_hand_over(w);
	else
		thread_wake(w, 0); /* to look again what there is */
}

void futex_release_locks(const struct thread *t)
{
	for (struct thread *w = threads; waiting && w; w = w->all_next)
		if (waits_for(w, t))
			inherit(w);
}
