/* usage.c: what threads and processes have used. */
#include "task/usage.h"

#include <linux/resource.h>
#include <linux/times.h>

#include "mm/map.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/deadline.h"
#include "task/process.h"

void usage_enter(void)
{
	current->entered = cpu_now();
}

static u64 in_kernel(void)
{
	return cpu_now() - current->entered;
}

void usage_leave(void)
{
	current->usage.system += in_kernel();
}

void usage_start_run(void)
{
	struct process *p = current->process;

	for (struct thread *t = threads; t; t = t->all_next)
		t->usage.cpu = t->usage.system = 0;
	p->ended.cpu = p->ended.system = 0;
	current->started = p->started = mono_now();
	current->on_cpu_since = cpu_now();
	usage_enter();
}

u64 thread_cpu(const struct thread *t)
{
	return t->usage.cpu + (t == current ? cpu_now() - t->on_cpu_since : 0);
}

void usage_of_thread(const struct thread *t, struct usage *u)
{
	*u = t->usage;
	u->cpu = thread_cpu(t);
	if (t == current)
		u->system += in_kernel();
	u->system = MIN(u->system, u->cpu);
}

static void add(struct usage *to, const struct usage *u)
{
	to->cpu += u->cpu;
	to->system += u->system;
	to->faults += u->faults;
	to->waits += u->waits;
	to->preemptions += u->preemptions;
	to->reads += u->reads;
	to->writes += u->writes;
	to->read_bytes += u->read_bytes;
	to->written_bytes += u->written_bytes;
}

void usage_of_threads(const struct process *p, struct usage *u)
{
	struct usage one;

	*u = p->ended;
	for (const struct thread *t = threads; t; t = t->all_next) {
		if (t->process != p)
			continue;
		usage_of_thread(t, &one);
		add(u, &one);
	}
}

void usage_of_process(const struct process *p, struct usage *u)
{
	usage_of_threads(p, u);
	u->faults += mm_peak_pages(); /* these have come without one */
}

void usage_keep(const struct thread *t)
{
	struct usage one;

	usage_of_thread(t, &one);
	add(&t->process->ended, &one);
}

static void describe(const struct usage *u, struct rusage *r)
{
	struct __kernel_old_timeval user = ns_timeval(u->cpu - u->system),
				    system = ns_timeval(u->system);

	r->ru_utime.tv_sec = user.tv_sec;
	r->ru_utime.tv_usec = user.tv_usec;
	r->ru_stime.tv_sec = system.tv_sec;
	r->ru_stime.tv_usec = system.tv_usec;
	r->ru_maxrss = (long)mm_peak_pages() * 4;
	r->ru_minflt = (long)u->faults;
	r->ru_nvcsw = (long)u->waits;
	r->ru_nivcsw = (long)u->preemptions;
}

long sys_getrusage(u64 who, u64 address)
{
	struct rusage r;
	struct usage u;

	memset(&r, 0, sizeof(r));
	switch ((s32)who) {
	case RUSAGE_SELF:
		usage_of_process(current->process, &u);
		describe(&u, &r);
		break;
	case RUSAGE_THREAD:
		usage_of_thread(current, &u);
		describe(&u, &r);
		break;
	case RUSAGE_CHILDREN: /* there are none */
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(address, &r, sizeof(r));
}

#define HZ 100 /* as AT_CLKTCK */

long sys_times(u64 address)
{
	struct tms t = { 0 };
	struct usage u;

	usage_of_threads(current->process, &u);
	t.tms_utime = (long)((u.cpu - u.system) * HZ / NSEC);
	t.tms_stime = (long)(u.system * HZ / NSEC);
	if (address && copy_to_user(address, &t, sizeof(t)))
		return -EFAULT;
	return (long)(mono_now() * HZ / NSEC);
}
