/* clockid.c: clocks by their numbers, and the calls that read them. */
#include "task/clockid.h"

#include <linux/time.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/deadline.h"
#include "task/process.h"

#define COARSE_NS 4000000 /* a tick of a Linux with HZ=250 */

/* Of negative numbers: include/linux/posix-timers_types.h. */
enum { CPU_PROF, CPU_VIRT, CPU_SCHED };
#define CPU_WHICH 3
#define CPU_THREAD 4

static enum clock_kind cpu_kind(s32 clock, struct cputimer *cpu)
{
	s32 id = ~(clock >> 3);
	s32 pid = current->process->pid;
	const struct thread *t;

	if ((clock & CPU_WHICH) > CPU_SCHED)
		return CLOCK_UNKNOWN;
	if (clock & CPU_THREAD) {
		t = id ? thread_find(id) : current;
		if (!t || t->process->pid != pid)
			return CLOCK_UNKNOWN;
		cpu->tid = t->tid;
	} else if (id) {
		if (!process_find(id))
			return CLOCK_UNKNOWN;
		pid = id;
	}
	cpu->pid = pid;
	cpu->user = (clock & CPU_WHICH) == CPU_VIRT;
	return CLOCK_CPU;
}

enum clock_kind clockid_kind(s32 clock, struct cputimer *cpu)
{
	struct cputimer nobody = { 0 };

	cpu = cpu ? cpu : &nobody;
	*cpu = (struct cputimer){ .pid = current->process->pid };
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		return CLOCK_WALL;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		return CLOCK_MONO;
	case CLOCK_BOOTTIME:
		return CLOCK_BOOT;
	case CLOCK_THREAD_CPUTIME_ID:
		cpu->tid = current->tid;
		return CLOCK_CPU;
	case CLOCK_PROCESS_CPUTIME_ID:
		return CLOCK_CPU;
	}
	return clock < 0 ? cpu_kind(clock, cpu) : CLOCK_UNKNOWN;
}

enum clock_base clockid_base(enum clock_kind kind)
{
	return kind == CLOCK_WALL ? BY_WALL :
	       kind == CLOCK_BOOT ? BY_BOOT :
				    BY_MONO;
}

bool clockid_coarse(s32 clock)
{
	return clock == CLOCK_REALTIME_COARSE ||
	       clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_MONOTONIC_RAW;
}

long clockid_read(s32 clock, u64 *ns)
{
	struct cputimer cpu;

	enum clock_kind kind = clockid_kind(clock, &cpu);

	if (kind == CLOCK_UNKNOWN)
		return -EINVAL;
	*ns = kind == CLOCK_CPU ? cputimer_now(&cpu) :
				  clock_now(clockid_base(kind));
	return 0;
}

static long store(u64 address, u64 ns)
{
	struct __kernel_timespec t = ns_timespec(ns);

	return copy_to_user(address, &t, sizeof(t));
}

long sys_clock_gettime(u64 clock, u64 address)
{
	u64 ns;
	long r = clockid_read((s32)clock, &ns);

	return r ? r : store(address, ns);
}

long sys_clock_getres(u64 clock, u64 address)
{
	s32 c = (s32)clock;
	bool coarse = c == CLOCK_REALTIME_COARSE || c == CLOCK_MONOTONIC_COARSE;

	if (clockid_kind(c, NULL) == CLOCK_UNKNOWN)
		return -EINVAL;
	if (c < 0 && (c & CPU_WHICH) != CPU_SCHED)
		coarse = true;
	return address ? store(address, coarse ? COARSE_NS : 1) : 0;
}

long sys_gettimeofday(u64 tv, u64 tz)
{
	struct __kernel_old_timeval t = ns_timeval(wall_now());
	int zone[2] = { 0, 0 };

	if (tv && copy_to_user(tv, &t, sizeof(t)))
		return -EFAULT;
	return tz ? copy_to_user(tz, zone, sizeof(zone)) : 0;
}

long sys_time(u64 address)
{
	long t = (long)(wall_now() / NSEC);

	if (address && copy_to_user(address, &t, sizeof(t)))
		return -EFAULT;
	return t;
}
