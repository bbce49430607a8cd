/*
 * mlock.c: mlock and its relatives. Nothing is ever swapped: a locked mapping
 * (MAP_LOCKED in its flags) is one whose pages are there, and is counted.
 */
#include "task/mlock.h"

#include <linux/mman.h>

#include "mm/map.h"
#include "mm/space.h"
#include "syscalls.h"
#include "task/process.h"

static u64 locked_in(u64 start, u64 end)
{
	u64 sum = 0;

	for (struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v))
		if (v->flags & MAP_LOCKED)
			sum += MIN(v->end, end) - MAX(v->start, start);
	return sum;
}

u64 mm_locked_pages(void)
{
	return locked_in(0, USER_TOP) / PAGE_SIZE;
}

/* The range of the arguments in whole pages; false: it wraps. */
static bool whole_pages(u64 addr, u64 size, u64 *start, u64 *end)
{
	*start = PAGE_DOWN(addr);
	*end = *start + PAGE_UP(size + (addr - *start));
	return *end >= *start && !(size && *end == *start);
}

/* mlock(2): what is mapped is done, also when a gap makes it -ENOMEM. */
static long set_locked(u64 start, u64 end, bool lock)
{
	u64 at = start;

	if (start == end)
		return 0;
	if (!vma_cut(start, end))
		return -ENOMEM;
	for (struct vma *v = vma_next(start); v && v->start < end;
	     v = vma_after(v)) {
		if (v->start != at)
			break;
		v->flags = lock ? v->flags | MAP_LOCKED :
				  v->flags & ~(u32)MAP_LOCKED;
		at = v->end;
	}
	vma_tidy(start, end);
	return at < end ? -ENOMEM : 0;
}

static bool within_limit(u64 bytes)
{
	return bytes <= limit_of(RLIMIT_MEMLOCK) || ids_capable(CAP_IPC_LOCK);
}

static bool may_lock_more(u64 bytes)
{
	return within_limit(bytes + locked_in(0, USER_TOP));
}

void mlock_init(void)
{
	space_on_lock(may_lock_more);
}

static bool may_lock(void)
{
	return limit_of(RLIMIT_MEMLOCK) || ids_capable(CAP_IPC_LOCK);
}

long mlock_check_new(u64 size, u32 flags)
{
	if (!(flags & MAP_LOCKED) && !space->lock_new)
		return 0;
	if ((flags & MAP_LOCKED) && !may_lock())
		return -EPERM;
	return may_lock_more(size) ? 0 : -EAGAIN;
}

static long lock_range(u64 addr, u64 size, bool populate)
{
	u64 start, end;
	long r;

	if (!may_lock())
		return -EPERM;
	if (!whole_pages(addr, size, &start, &end))
		return -EINVAL;
	if (!within_limit(end - start + locked_in(0, USER_TOP) -
			  locked_in(start, end)))
		return -ENOMEM;
	r = set_locked(start, end, true);
	if (r == 0 && populate)
		mm_populate(start, end - start);
	return r;
}

long sys_mlock(u64 addr, u64 size)
{
	return lock_range(addr, size, true);
}

long sys_mlock2(u64 addr, u64 size, u64 flags)
{
	if ((u32)flags & ~(u32)MLOCK_ONFAULT)
		return -EINVAL;
	return lock_range(addr, size, !(flags & MLOCK_ONFAULT));
}

long sys_munlock(u64 addr, u64 size)
{
	u64 start, end;

	if (!whole_pages(addr, size, &start, &end))
		return -EINVAL;
	return set_locked(start, end, false);
}

static void set_all_locked(bool lock, bool populate)
{
	for (struct vma *v = vma_next(0); v; v = vma_after(v)) {
		v->flags = lock ? v->flags | MAP_LOCKED :
				  v->flags & ~(u32)MAP_LOCKED;
		if (populate && (v->prot & (PROT_READ | PROT_WRITE)))
			mm_populate(v->start, v->end - v->start);
	}
	vma_tidy(0, USER_TOP);
}

long sys_mlockall(u64 flags)
{
	u32 f = (u32)flags;

	if (!f || (f & ~(u32)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
	    f == MCL_ONFAULT)
		return -EINVAL;
	if (!may_lock())
		return -EPERM;
	if ((f & MCL_CURRENT) && !within_limit(mm_mapped_pages() * PAGE_SIZE))
		return -ENOMEM;
	space->lock_new = (f & MCL_FUTURE) != 0;
	if (f & MCL_CURRENT)
		set_all_locked(true, !(f & MCL_ONFAULT));
	return 0;
}

long sys_munlockall(void)
{
	space->lock_new = false;
	set_all_locked(false, false);
	return 0;
}
