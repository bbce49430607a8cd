/* The number of a system call: 32 bits of it count, and what none has is ENOSYS. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* At a site of its own, with all of rax. */
static long call(long rax, long first)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(rax), "D"(first)
			 : "rcx", "r11", "memory");
	return result;
}

int main(void)
{
	SHOW(syscall(-1));
	SHOW(syscall(-2));
	SHOW(syscall(99999));
	SHOW(syscall(0x7fffffff));
	printf("%ld %ld\n", call(-1, 5), call(-2, 5));
	printf("%ld\n", call(0xffffffffl, 5));
	printf("%ld\n", call(1l << 31, 5));
	/* the upper half is not looked at */
	printf("%ld\n", call(1l << 48 | SYS_close, -1));
	printf("%d\n", call(1l << 32 | SYS_getpid, 0) == getpid());
	printf("%d\n", call(-1l << 32 | SYS_getpid, 0) == getpid());
	return 0;
}
