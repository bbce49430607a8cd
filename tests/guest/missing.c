/* A system call that does not exist, and a program that dies. Guest only. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		*(volatile int *)8 = 1;
	getppid();
	for (int i = 0; i < 2; i++)
		printf("%s%s",
		       syscall(999) < 0 && errno == ENOSYS ? "ENOSYS" : "?",
		       i ? "\n" : " ");
	return 0;
}
