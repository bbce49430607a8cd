/*
 * membarrier.c: with one CPU every barrier is there already; what is left is who
 * may ask for one.
 */
#include <linux/membarrier.h>

#include "syscalls.h"
#include "task/process.h"

#define GET_REGISTRATIONS (1 << 9) /* MEMBARRIER_CMD_, of Linux 6.3 */
/* All but those for restartable sequences, which are refused. */
#define COMMANDS                                                               \
	(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |             \
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |                            \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED |                                    \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |                           \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |                          \
	 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |                 \
	 GET_REGISTRATIONS)

/* Each private barrier's number is half of its registration's. */
static long private_barrier(u32 command)
{
	return current->process->barriers & command << 1 ? 0 : -EPERM;
}

long sys_membarrier(u64 command, u64 flags, u64 cpu)
{
	u32 *barriers = &current->process->barriers;

	(void)cpu;
	if ((u32)flags)
		return -EINVAL;
	switch ((u32)command) {
	case MEMBARRIER_CMD_QUERY:
		return COMMANDS;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		return 0;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
		*barriers |= (u32)command;
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		return private_barrier((u32)command);
	case GET_REGISTRATIONS:
		return *barriers;
	}
	return -EINVAL;
}
