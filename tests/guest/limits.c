/* limits.c: resource limits, locked memory, what they refuse. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096

/* kB of a line of /proc/self/status. */
static long status_of(const char *name)
{
	char line[256];
	long value = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name) + 1);
	fclose(f);
	return value;
}

static void set_and_get(void)
{
	struct rlimit l = { 10, 5 };

	SHOW(setrlimit(RLIMIT_CORE, &l));
	l.rlim_max = 1000;
	SHOW(setrlimit(RLIMIT_CORE, &l));
	SHOW(getrlimit(RLIMIT_CORE, &l));
	printf("core %lu %lu\n", l.rlim_cur, l.rlim_max);
	l.rlim_max = 500;
	SHOW(setrlimit(RLIMIT_CORE, &l));
	SHOW(RAW(prlimit64, 0, RLIMIT_CORE, NULL, &l));
	printf("core %lu %lu\n", l.rlim_cur, l.rlim_max);
	SHOW(RAW(prlimit64, getpid(), RLIMIT_CORE, NULL, NULL));
	SHOW(RAW(prlimit64, 99999, RLIMIT_CORE, NULL, &l));
	SHOW(RAW(prlimit64, 0, 16, NULL, &l));
	SHOW(RAW(prlimit64, 0, RLIMIT_CORE, (void *)8, NULL));
	SHOW(RAW(prlimit64, 0, RLIMIT_CORE, NULL, (void *)8));
	SHOW(RAW(getrlimit, 16, &l));
	SHOW(RAW(setrlimit, 16, &l));
	SHOW(RAW(getrlimit, RLIMIT_CORE, NULL));
	SHOW(RAW(setrlimit, RLIMIT_CORE, NULL));
	l.rlim_cur = l.rlim_max = RLIM_INFINITY;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	getrlimit(RLIMIT_STACK, &l);
	printf("stack %lu\n", l.rlim_cur);
}

static void files(void)
{
	struct rlimit l, old;
	int fd = dup(1);

	getrlimit(RLIMIT_NOFILE, &old);
	l = old;
	l.rlim_cur = fd + 1;
	SHOW(setrlimit(RLIMIT_NOFILE, &l));
	SHOW(dup(1));
	SHOW(open("/dev/null", O_RDONLY));
	SHOW(dup2(1, fd + 1));
	SHOW(fcntl(1, F_DUPFD, fd + 1));
	SHOW(dup2(1, fd) == fd);
	SHOW(setrlimit(RLIMIT_NOFILE, &old));
	close(fd);
}

static void locked(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	SHOW(status_of("VmLck:"));
	SHOW(mlock(p, 4 * PAGE));
	SHOW(status_of("VmLck:"));
	SHOW(mlock(p, 1));
	SHOW(status_of("VmLck:"));
	SHOW(munlock(p + PAGE, 1));
	SHOW(status_of("VmLck:"));
	munmap(p, PAGE);
	SHOW(status_of("VmLck:"));
	SHOW(mlock(p, 2 * PAGE));
	SHOW(munlock(p, 2 * PAGE));
	SHOW(munlock(p + PAGE, 3 * PAGE));
	SHOW(status_of("VmLck:"));
	SHOW(RAW(mlock2, p + PAGE, PAGE, 1));
	SHOW(RAW(mlock2, p + PAGE, PAGE, 2));
	SHOW(status_of("VmLck:"));
	SHOW(RAW(mlock, -1l, 2));
	SHOW(RAW(mlock, p + PAGE, -PAGE));
	SHOW(RAW(mlock, p, 0));
	SHOW(mlockall(0));
	SHOW(mlockall(8));
	SHOW(mlockall(MCL_ONFAULT));
	SHOW(munlockall());
	SHOW(status_of("VmLck:"));
	SHOW(mlockall(MCL_FUTURE));
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SHOW(status_of("VmLck:"));
	SHOW(munlockall());
	SHOW(status_of("VmLck:"));
}

static void *idle(void *fd)
{
	char c;

	return (void *)read(*(int *)fd, &c, 1);
}

static int start_threads(int most)
{
	pthread_t t[16];
	int fd[2], n = 0, r = 0;

	pipe(fd);
	while (n < most && !(r = pthread_create(&t[n], NULL, idle, fd)))
		n++;
	close(fd[1]);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	close(fd[0]);
	printf("%s after %d\n", r ? strerrorname_np(r) : "all", n);
	return n;
}

static void users_limits(void)
{
	struct rlimit l;
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	l = (struct rlimit){ 4, 5 };
	SHOW(setrlimit(RLIMIT_NPROC, &l));
	start_threads(8); /* root is not counted */
	SHOW(setresuid(54321, 54321, 54321));
	start_threads(8);
	l.rlim_cur = 5;
	SHOW(setrlimit(RLIMIT_NPROC, &l));
	l.rlim_max = 6;
	SHOW(setrlimit(RLIMIT_NPROC, &l));
	SHOW(getrlimit(RLIMIT_NPROC, &l));
	printf("processes %lu %lu\n", l.rlim_cur, l.rlim_max);
	start_threads(8);
	l = (struct rlimit){ 4 * PAGE, 4 * PAGE };
	SHOW(setrlimit(RLIMIT_MEMLOCK, &l));
	SHOW(mlock(p, 5 * PAGE));
	SHOW(mlock(p, 3 * PAGE));
	SHOW(mlock(p + PAGE, 3 * PAGE));
	SHOW(mlock(p + 4 * PAGE, PAGE));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(mmap(NULL, PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		  0) == MAP_FAILED);
	munlock(p, 8 * PAGE);
	SHOW(mmap(NULL, PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		  0) == MAP_FAILED);
	l.rlim_cur = 0;
	SHOW(setrlimit(RLIMIT_MEMLOCK, &l));
	SHOW(mlock(p, PAGE));
	SHOW(munlock(p, 8 * PAGE));
	SHOW(mlockall(MCL_FUTURE));
	SHOW(mmap(NULL, PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1,
		  0) == MAP_FAILED);
}

/* A child that becomes another user, and then another program. */
static void becomes(uid_t uid, rlim_t before, rlim_t after, int forks)
{
	struct rlimit l = { before, 100 };
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		setrlimit(RLIMIT_NPROC, &l);
		if (setuid(uid))
			_exit(1);
		l.rlim_cur = after;
		setrlimit(RLIMIT_NPROC, &l);
		if (forks && fork())
			_exit(wait(&status) < 0 ? 2 : WEXITSTATUS(status));
		execl("/proc/self/exe", "limits", "end", NULL);
		printf("execve: %s\n", strerrorname_np(errno));
		l.rlim_cur = 20;
		setrlimit(RLIMIT_NPROC, &l);
		execl("/proc/self/exe", "limits", "end", NULL);
		_exit(3);
	}
	waitpid(child, &status, 0);
	printf("user %d, limit %lu, then %lu, fork %d: %x\n", uid != 0, before,
	       after, forks, status);
}

/* setuid does not fail where there are too many of the user, execve does. */
static void crowd(void)
{
	const uid_t uid = 54322;
	pid_t others[2];
	int ready[2];
	char c;

	pipe(ready);
	for (int i = 0; i < 2; i++) {
		others[i] = fork();
		if (!others[i]) {
			SHOW(setuid(uid));
			write(ready[1], "", 1);
			pause();
		}
		read(ready[0], &c, 1);
	}
	for (rlim_t most = 0; most < 5; most++) {
		becomes(uid, most, most, 0);
		becomes(uid, most, 20, 0);
		becomes(uid, 20, most, 0);
		becomes(0, most, most, 0);
	}
	becomes(uid, 0, 20, 1);
	becomes(uid, 0, 0, 1);
	for (int i = 0; i < 2; i++) {
		kill(others[i], SIGKILL);
		waitpid(others[i], NULL, 0);
	}
	close(ready[0]);
	close(ready[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_and_get();
	files();
	locked();
	crowd();
	users_limits();
	(void)argv;
	return 0;
}
