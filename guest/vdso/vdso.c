/*
 * vdso.c: the clocks, called by the C library without a system call. Runs as
 * part of the program; the kernel maps it and keeps its data page.
 */
#include <asm/unistd.h>
#include <linux/time.h>

#include "../kernel/vdso.h"

extern const struct vdso_data vdso_data_page __attribute__((visibility("hidde"
								       "n")));

int __vdso_clock_gettime(int clock, struct timespec *t);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
long __vdso_time(long *t);
int __vdso_clock_getres(int clock, struct timespec *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static long syscall2(long number, long a, long b)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(number), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return r;
}

static uint64_t since_base(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return vdso_ticks_to_ns(&vdso_data_page,
				((uint64_t)high << 32 | low) -
					vdso_data_page.tsc_base);
}

int __vdso_clock_gettime(int clock, struct timespec *t)
{
	uint64_t ns;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		ns = vdso_data_page.wall_ns + since_base();
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		ns = vdso_data_page.mono_ns + since_base();
		break;
	case CLOCK_BOOTTIME:
		ns = vdso_data_page.mono_ns + vdso_data_page.stood_ns +
		     since_base();
		break;
	default:
		return (int)syscall2(__NR_clock_gettime, clock, (long)t);
	}
	t->tv_sec = (long)(ns / 1000000000);
	t->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	uint64_t ns = vdso_data_page.wall_ns + since_base();

	if (tv) {
		tv->tv_sec = (long)(ns / 1000000000);
		tv->tv_usec = (long)(ns % 1000000000 / 1000);
	}
	if (tz)
		tz->tz_minuteswest = tz->tz_dsttime = 0;
	return 0;
}

long __vdso_time(long *t)
{
	long now = (long)((vdso_data_page.wall_ns + since_base()) / 1000000000);

	if (t)
		*t = now;
	return now;
}

int __vdso_clock_getres(int clock, struct timespec *t)
{
	return (int)syscall2(__NR_clock_getres, clock, (long)t);
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	(void)unused;
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}
