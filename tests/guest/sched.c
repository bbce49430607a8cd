/* sched.c: policies, niceness, CPUs: kept, answered, refused as by Linux. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

struct attributes {
	unsigned size, policy;
	unsigned long flags;
	int nice;
	unsigned priority;
	unsigned long runtime, deadline, period;
	unsigned low, high;
};

static void show_attributes(void)
{
	struct attributes a = { 0 };

	SHOW(RAW(sched_getattr, 0, &a, sizeof(a), 0));
	printf("size %u policy %u flags %lx nice %d priority %u\n", a.size,
	       a.policy, a.flags, a.nice, a.priority);
}

static void niceness(void)
{
	SHOW(RAW(getpriority, PRIO_PROCESS, 0));
	SHOW(nice(5));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(getpriority(PRIO_PROCESS, gettid()));
	SHOW(setpriority(PRIO_PROCESS, 0, 99));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, -99));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(setpriority(PRIO_PROCESS, 99999, 0));
	SHOW(getpriority(PRIO_PROCESS, 99999));
	SHOW(getpriority(PRIO_USER, 54321));
	SHOW(getpriority(7, 0));
	SHOW(setpriority(7, 0, 0));
	SHOW(setpriority(PRIO_PROCESS, 0, 0));
}

static void policies(void)
{
	struct sched_param p = { 0 };
	struct timespec t;

	SHOW(RAW(sched_getscheduler, 0));
	SHOW(RAW(sched_getscheduler, -1));
	SHOW(RAW(sched_getscheduler, 99999));
	SHOW(RAW(sched_setscheduler, 0, SCHED_BATCH, &p));
	SHOW(RAW(sched_getscheduler, 0));
	p.sched_priority = 5;
	SHOW(RAW(sched_setscheduler, 0, SCHED_BATCH, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_RR, &p));
	SHOW(RAW(sched_getscheduler, 0));
	p.sched_priority = 0;
	SHOW(RAW(sched_getparam, 0, &p));
	SHOW(p.sched_priority);
	SHOW(RAW(sched_rr_get_interval, 0, &t));
	printf("%ld.%09ld\n", (long)t.tv_sec, t.tv_nsec);
	p.sched_priority = 7;
	SHOW(RAW(sched_setparam, 0, &p));
	show_attributes();
	p.sched_priority = 100;
	SHOW(RAW(sched_setparam, 0, &p));
	p.sched_priority = 0;
	SHOW(RAW(sched_setparam, 0, &p));
	SHOW(RAW(sched_setparam, 0, NULL));
	SHOW(RAW(sched_setparam, 0, (void *)8));
	SHOW(RAW(sched_getparam, 0, NULL));
	SHOW(RAW(sched_getparam, 99999, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_IDLE, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p));
	SHOW(RAW(sched_getscheduler, 0));
	show_attributes();
	SHOW(RAW(sched_setscheduler, 0, 4, &p));
	SHOW(RAW(sched_setscheduler, 0, 6, &p));
	SHOW(RAW(sched_setscheduler, 0, -1, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER, &p));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_RR));
	SHOW(sched_get_priority_max(SCHED_OTHER));
	SHOW(sched_get_priority_max(6));
	SHOW(sched_get_priority_min(4));
	SHOW(RAW(sched_rr_get_interval, 99999, &t));
	SHOW(RAW(sched_rr_get_interval, -1, &t));
}

static void attributes(void)
{
	struct attributes a = { .size = sizeof(a), .nice = 7 };

	SHOW(RAW(sched_setattr, 0, &a, 0));
	SHOW(getpriority(PRIO_PROCESS, 0));
	show_attributes();
	a.size = 20;
	SHOW(RAW(sched_setattr, 0, &a, 0));
	SHOW(a.size);
	a.size = 0;
	a.nice = 0;
	SHOW(RAW(sched_setattr, 0, &a, 0));
	a.flags = 1 << 20;
	SHOW(RAW(sched_setattr, 0, &a, 0));
	a.flags = 0;
	a.policy = 6;
	SHOW(RAW(sched_setattr, 0, &a, 0));
	a.policy = 99;
	SHOW(RAW(sched_setattr, 0, &a, 0));
	SHOW(RAW(sched_setattr, 0, &a, 1));
	SHOW(RAW(sched_setattr, 99999, &a, 0));
	SHOW(RAW(sched_getattr, 0, &a, 40, 0));
	SHOW(RAW(sched_getattr, 0, &a, 48, 0));
	SHOW(RAW(sched_getattr, 0, &a, 5000, 0));
	SHOW(RAW(sched_getattr, 0, &a, 56, 1));
	SHOW(RAW(sched_getattr, 0, NULL, 56, 0));
	SHOW(RAW(sched_getattr, -1, &a, 56, 0));
	SHOW(RAW(sched_getattr, 99999, &a, 56, 0));
}

#define IO(class, level) ((class) << 13 | (level))

static void input_output(void)
{
	SHOW(RAW(ioprio_get, 1, 0));
	SHOW(RAW(ioprio_set, 1, 0, IO(2, 3)));
	SHOW(RAW(ioprio_get, 1, 0) == IO(2, 3));
	SHOW(RAW(ioprio_set, 1, 0, IO(1, 3)));
	SHOW(RAW(ioprio_get, 1, gettid()) == IO(1, 3));
	SHOW(RAW(ioprio_set, 1, 0, IO(0, 3)));
	SHOW(RAW(ioprio_set, 1, 0, IO(4, 3)));
	SHOW(RAW(ioprio_set, 9, 0, IO(2, 3)));
	SHOW(RAW(ioprio_set, 1, 99999, IO(2, 3)));
	SHOW(RAW(ioprio_get, 1, 99999));
	SHOW(RAW(ioprio_get, 0, 0));
	SHOW(RAW(ioprio_set, 1, 0, 0));
}

static void cpus(void)
{
	unsigned long mask[16] = { 0 };
	unsigned cpu = 99, node = 99;

	SHOW(RAW(sched_setaffinity, 0, sizeof(mask), mask));
	mask[15] = 1;
	SHOW(RAW(sched_setaffinity, 0, sizeof(mask), mask));
	mask[0] = 1;
	SHOW(RAW(sched_setaffinity, 0, sizeof(mask), mask));
	SHOW(RAW(sched_setaffinity, 0, 1, mask));
	SHOW(RAW(sched_setaffinity, 0, 8, (void *)8));
	SHOW(RAW(sched_setaffinity, 99999, 8, mask));
	SHOW(RAW(sched_getaffinity, 0, 8, mask));
	printf("mask %lx\n", mask[0]);
	SHOW(RAW(sched_getaffinity, 0, 4, mask));
	SHOW(RAW(sched_getaffinity, 0, 12, mask));
	SHOW(RAW(sched_getaffinity, 99999, 8, mask));
	SHOW(RAW(getcpu, &cpu, &node, NULL));
	printf("cpu %u node %u\n", cpu, node);
}

static void *by_thread(void *unused)
{
	(void)unused;
	printf("inherited %d, ", getpriority(PRIO_PROCESS, 0));
	setpriority(PRIO_PROCESS, 0, 9);
	printf("then %d\n", getpriority(PRIO_PROCESS, 0));
	return NULL;
}

static void *after_reset(void *unused)
{
	(void)unused;
	printf("reset: ");
	show_attributes();
	return NULL;
}

static void in_thread(void *(*part)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, part, NULL);
	pthread_join(t, NULL);
}

static void threads(void)
{
	struct sched_param p = { .sched_priority = 3 };

	setpriority(PRIO_PROCESS, 0, 3);
	in_thread(by_thread);
	SHOW(getpriority(PRIO_PROCESS, 0));
	setpriority(PRIO_PROCESS, 0, -5);
	RAW(sched_setscheduler, 0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
	in_thread(after_reset);
	p.sched_priority = 0;
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER, &p));
	SHOW(setpriority(PRIO_PROCESS, 0, 0));
}

/* A user may be nicer, and nothing else. */
static void *user(void *unused)
{
	struct sched_param p = { .sched_priority = 2 };
	struct rlimit l = { 25, 25 }, old;
	unsigned long mask = 1;

	(void)unused;
	SHOW(RAW(setresuid, 1000, 1000, 1000));
	SHOW(setpriority(PRIO_PROCESS, 0, 4));
	SHOW(setpriority(PRIO_PROCESS, 0, 2));
	SHOW(setpriority(PRIO_PROCESS, 0, 4));
	SHOW(setpriority(PRIO_PROCESS, getpid(), 5));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(RAW(sched_setscheduler, 0, SCHED_FIFO, &p));
	SHOW(RAW(sched_setaffinity, 0, 8, &mask));
	SHOW(RAW(sched_setaffinity, getpid(), 8, &mask));
	SHOW(RAW(ioprio_set, 1, 0, IO(1, 3)));
	SHOW(RAW(ioprio_set, 1, 0, IO(2, 3)));
	getrlimit(RLIMIT_NICE, &old);
	SHOW(setrlimit(RLIMIT_NICE, &l));
	p.sched_priority = 0;
	SHOW(RAW(sched_setscheduler, 0, SCHED_IDLE, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER | SCHED_RESET_ON_FORK, &p));
	SHOW(RAW(sched_setscheduler, 0, SCHED_OTHER, &p));
	return NULL;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	niceness();
	policies();
	attributes();
	input_output();
	cpus();
	threads();
	in_thread(user);
	return 0;
}
