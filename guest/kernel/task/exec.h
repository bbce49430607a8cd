/* exec.h: starts an ELF program. */
#ifndef EXEC_H
#define EXEC_H

#include "kernel.h"

/*
 * Maps the program at path, its interpreter, its stack with arguments,
 * environment and auxiliary vector. args: argc strings, then the environment's,
 * args_size bytes in all. 0 or -errno; *rip and *rsp: where to begin.
 */
long exec_load(const char *path, const char *args, size_t args_size, u32 argc,
	       u64 *rip, u64 *rsp);

#endif
