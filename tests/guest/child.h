/*
 * child.h: processes of a guest program: starting them, meeting them, and saying
 * how they ended. Print in one process at a time: a gate lets another one on.
 */
#ifndef CHILD_H
#define CHILD_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

struct gate {
	int ends[2];
};

__attribute__((unused)) static struct gate gate_make(void)
{
	struct gate g;

	if (pipe2(g.ends, O_CLOEXEC)) {
		perror("pipe2");
		exit(1);
	}
	return g;
}

__attribute__((unused)) static void gate_open(struct gate *g)
{
	if (write(g->ends[1], "", 1) != 1)
		perror("gate_open");
}

/* Waits until somebody opens it, for one. */
__attribute__((unused)) static void gate_pass(struct gate *g)
{
	char c;

	while (read(g->ends[0], &c, 1) < 0 && errno == EINTR)
		;
}

/* The child's exit code is what run returns. */
__attribute__((unused)) static pid_t child_start(int (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	if (pid < 0)
		perror("fork");
	return pid;
}

__attribute__((unused)) static void child_show(const char *what, int status)
{
	if (WIFEXITED(status))
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		printf("%s: SIG%s%s\n", what, sigabbrev_np(WTERMSIG(status)),
		       WCOREDUMP(status) ? ", core" : "");
	else if (WIFSTOPPED(status))
		printf("%s: stopped by SIG%s\n", what,
		       sigabbrev_np(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else
		printf("%s: status %x\n", what, status);
	fflush(stdout);
}

/* Waits for the child and says how it ended. */
__attribute__((unused)) static void child_end(const char *what, pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			printf("%s: %s\n", what, strerrorname_np(errno));
			return;
		}
	child_show(what, status);
}

/* Runs it in a child to its end. */
__attribute__((unused)) static void child_run(const char *what,
					      int (*run)(void))
{
	child_end(what, child_start(run));
}

__attribute__((unused)) static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* The letter that /proc has for the process, '?' when it has none. */
__attribute__((unused)) static char child_state(pid_t pid)
{
	char path[40], text[256], *end;
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : '?';
}

/* Waits until it is in that state: asleep, stopped, a zombie. */
__attribute__((unused)) static void child_until(pid_t pid, char state)
{
	for (int i = 0; i < 20000 && child_state(pid) != state; i++)
		pause_ms(1);
}

#endif
