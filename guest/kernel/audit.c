/*
 * audit.c: at the end of a program gives back all that it had, and counts: a
 * frame is free, or one of those that know what they have has it. What nobody
 * has is lost.
 */
#include "audit.h"

#include "fs/descriptor.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/pte.h"
#include "mm/shared.h"
#include "mm/space.h"
#include "syscalls.h"
#include "task/process.h"
#include "vdso.h"

static u64 before; /* what the kernel took for good at boot */

static u64 unknown(void)
{
	return frames_total() - frames_available() - heap_frames() -
	       pte_tables() - data_frames() - thread_frames() - shared_frames();
}

static void give_back(void)
{
	for (s32 fd = fd_next(0); fd >= 0; fd = fd_next(fd))
		sys_close((u64)fd);
	mm_unmap(LOWEST_ADDRESS, USER_TOP);
}

static bool has_others(void)
{
	return processes != first_process || first_process->all_next;
}

static void end(u32 kind)
{
	/* Another thread may be in the middle of something. */
	if (current->process->thread_count > 1) {
		klog("pages are not counted: %u threads",
		     current->process->thread_count);
		return;
	}
	if (kind == ZB_STATUS_OUT_OF_MEMORY && has_others()) {
		klog("pages are not counted: the memory of others is needed");
		return;
	}
	process_end_others();
	give_back();
	klog("%ld pages are lost", (long)(unknown() - before));
}

void audit_start(void)
{
	if (!(control->flags & ZB_FLAG_AUDIT) || !vdso_load())
		return;
	before = unknown();
	process_at_end(end);
}
