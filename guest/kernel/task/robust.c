/* robust.c: the list of locks that a thread holds, for when it ends. */
#include <linux/futex.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/futex.h"
#include "task/process.h"

#define ROBUST_LIMIT                                                           \
	2048 /* as Linux, kernel/futex/core.c's ROBUST_LIST_LIMIT */

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

/* Bit 0 of an entry's address tells a lock with an owner, which is one that
 * nobody waits for any more. */
static void release_entry(const struct thread *t, u64 entry, long offset)
{
	release_lock((entry & ~1ull) + (u64)offset, t->tid);
}

void futex_release_robust(const struct thread *t)
{
	struct robust_list_head head;
	u64 entry, pending;

	if (!t->robust_list ||
	    copy_from_user(&head, t->robust_list, sizeof(head)))
		return;
	entry = (u64)head.list.next;
	pending = (u64)head.list_op_pending;
	for (int i = 0; i < ROBUST_LIMIT && (entry & ~1ull) != t->robust_list;
	     i++) {
		u64 next;

		if (copy_from_user(&next, entry & ~1ull, sizeof(next)))
			break;
		if ((entry & ~1ull) != (pending & ~1ull))
			release_entry(t, entry, head.futex_offset);
		entry = next;
	}
	if (pending & ~1ull)
		release_entry(t, pending, head.futex_offset);
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
	if (!process_may_look(t->process))
		return -EPERM;
	if (copy_to_user(head, &t->robust_list, 8))
		return -EFAULT;
	return copy_to_user(size, &length, 8);
}
