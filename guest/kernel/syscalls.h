/*
 * syscalls.h: the prototypes of all handlers, sys_<linux name>, from
 * syscalls.def. Arguments arrive as the program's registers hold them; a
 * handler narrows them as Linux does. Returns >= 0 or -errno.
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include "kernel.h"

#define ARGS_0 void
#define ARGS_1 u64
#define ARGS_2 u64, u64
#define ARGS_3 u64, u64, u64
#define ARGS_4 u64, u64, u64, u64
#define ARGS_5 u64, u64, u64, u64, u64
#define ARGS_6 u64, u64, u64, u64, u64, u64
#define SYSCALL(number, name, argc, level, kinds, note)                        \
	long sys_##name(ARGS_##argc);
#include "syscalls.def"
#undef SYSCALL

#endif
