/*
 * check.h: what the guest programs share. SHOW prints a call as it is written
 * and its result, or the name of its errno: `close(fd): 0`, `read(9): EBADF`.
 * Print no addresses, times, process numbers or what differs between machines.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

__attribute__((unused)) static void check_show(const char *what, long result)
{
	if (result == -1 && errno)
		printf("%s: %s\n", what, strerrorname_np(errno));
	else
		printf("%s: %ld\n", what, result);
	fflush(stdout);
}
#define SHOW(call) check_show(#call, (errno = 0, (long)(call)))

/* A system call by its number, where the C library has none or calls another. */
#define RAW(name, ...) syscall(SYS_##name __VA_OPT__(, ) __VA_ARGS__)

#endif
