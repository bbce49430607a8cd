/* exec.h: starts a program. */
#ifndef EXEC_H
#define EXEC_H

#include "kernel.h"

/*
 * The first one, in the space that is there. args: argc strings, then the
 * environment's, args_size bytes in all. 0 or -errno; *rip and *rsp: where to
 * begin.
 */
long exec_load(const char *path, const char *args, size_t args_size, u32 argc,
	       u64 *rip, u64 *rsp);

#endif
