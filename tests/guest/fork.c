/* fork.c: fork: what a child has, and what becomes of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int value = 1;

static void end_of(pid_t pid)
{
	int status = -1;
	pid_t got = waitpid(pid, &status, 0);

	printf("waited: %d, exited %d code %d, signalled %d by %d\n",
	       got == pid, WIFEXITED(status), WEXITSTATUS(status),
	       WIFSIGNALED(status), WTERMSIG(status));
	fflush(stdout);
}

static void memory_is_its_own(void)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int local = 5;
	pid_t pid = fork();

	if (pid == 0) {
		value = 2;
		local = 6;
		*shared = value + local;
		_exit(3);
	}
	end_of(pid);
	printf("parent has %d %d, shared %d\n", value, local, *shared);
}

static void descriptors_are_copied(void)
{
	int ends[2];
	char byte = 0;
	pid_t pid;

	pipe(ends);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		write(ends[1], "x", 1);
		_exit(0);
	}
	close(ends[1]);
	SHOW(read(ends[0], &byte, 1));
	SHOW(byte);
	SHOW(read(ends[0], &byte, 1));
	close(ends[0]);
	end_of(pid);
}

static void many(void)
{
	int sum = 0, status;

	for (int i = 0; i < 1000; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i % 100);
		if (pid < 0 || waitpid(pid, &status, 0) != pid) {
			perror("fork");
			exit(1);
		}
		sum += WEXITSTATUS(status);
	}
	printf("1,000 one after the other: %d\n", sum);
	sum = 0;
	for (int i = 0; i < 200; i++)
		if (fork() == 0) {
			usleep(1000);
			_exit(1);
		}
	while (wait(&status) > 0)
		sum += WEXITSTATUS(status);
	printf("200 at once: %d\n", sum);
}

int main(void)
{
	setbuf(stdout, NULL);
	memory_is_its_own();
	descriptors_are_copied();
	many();
	SHOW(wait(NULL));
	return 0;
}
