/* limits.c: resource limits, locked memory, what they refuse. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	set_and_get();
	files();
	locked();
	users_limits();
	return 0;
}
