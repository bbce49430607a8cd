/* usage.c: getrusage: what is counted goes up, and what was used stays. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static struct rusage now(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return r;
}

static double cpu(int who)
{
	struct rusage r = now(who);

	return (double)r.ru_utime.tv_sec + (double)r.ru_stime.tv_sec +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void burn(double seconds)
{
	double until = cpu(RUSAGE_THREAD) + seconds;

	while (cpu(RUSAGE_THREAD) < until)
		;
}

static void *worker(void *unused)
{
	burn(0.05);
	return unused;
}

static void memory(void)
{
	size_t size = 24 << 20;
	long before = now(RUSAGE_SELF).ru_maxrss, most;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)p)[i] = 1;
	most = now(RUSAGE_SELF).ru_maxrss;
	printf("the peak grows: %d\n", most >= before + 20000);
	munmap(p, size);
	printf("and stays: %d\n", now(RUSAGE_SELF).ru_maxrss >= most);
}

int main(void)
{
	struct timespec t = { 0, 2000000 };
	struct rusage r, after;
	pthread_t thread;
	double before;

	memory();
	r = now(RUSAGE_SELF);
	printf("faults %d\n", r.ru_minflt > 0);
	nanosleep(&t, NULL);
	after = now(RUSAGE_SELF);
	printf("waits %d\n", after.ru_nvcsw > r.ru_nvcsw);
	printf("of the thread %d\n", now(RUSAGE_THREAD).ru_nvcsw > 0);
	before = cpu(RUSAGE_SELF);
	pthread_create(&thread, NULL, worker, NULL);
	pthread_join(thread, NULL);
	printf("of a thread that has ended: %d\n",
	       cpu(RUSAGE_SELF) >= before + 0.04);
	printf("not its own: %d\n", cpu(RUSAGE_THREAD) < before + 0.04);
	printf("children %ld\n", now(RUSAGE_CHILDREN).ru_maxrss);
	SHOW(syscall(SYS_getrusage, 9, &r));
	SHOW(syscall(SYS_getrusage, RUSAGE_SELF, 8));
	return 0;
}
