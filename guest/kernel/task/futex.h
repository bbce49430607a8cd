/* futex.h: waiting on words of memory. */
#ifndef TASK_FUTEX_H
#define TASK_FUTEX_H

#include "task/thread.h"

/* t ends: its locks are given up, its number's word is cleared. */
void futex_release(struct thread *t);

/* ---- for the parts of futexes ---- */

/* Of the word at address: 0, -EINVAL, -EFAULT. */
long futex_key_find(u64 address, bool private, struct futex_key *key);
bool futex_same(struct futex_key a, struct futex_key b);
/* Where those are that wait on the key, among others. */
struct waitq *futex_bucket(struct futex_key key);
/* The running thread waits until it is woken for the key: 0, -ETIMEDOUT,
 * -EINTR. Its futex_bits and futex_lock are set. FUTEX_AGAIN: it has stopped
 * waiting for a signal that another thread took, and may have missed the wake:
 * look at the word again. */
#define FUTEX_AGAIN 1
long futex_sleep(struct futex_key key, enum clock_base base, u64 at);
/* Ends t's wait. */
void futex_hand_over(struct thread *t);
/* Wakes one that waits for this word, which is not for private use. */
void futex_wake_address(u64 address);

/* ---- futex_lock.c ---- */

long futex_lock(u64 address, struct futex_key key, enum clock_base base,
		u64 at);
long futex_trylock(u64 address, struct futex_key key);
long futex_unlock(u64 address, struct futex_key key);
/* What t owns, and others wait for, goes to them. */
void futex_release_locks(const struct thread *t);

/* ---- robust.c ---- */

/* The locks in t's list say that their owner has ended. */
void futex_release_robust(const struct thread *t);

#endif
