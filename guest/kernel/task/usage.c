/* usage.c: what threads and processes have used. */
#include "task/usage.h"

#include <linux/resource.h>
#include <linux/times.h>

#include "mm/map.h"
#include "mm/resident.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/deadline.h"
#include "task/process.h"

static struct usage reaped;
static u64 cpu_before, children_peak_before; /* of the run: an exec */

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

	for (struct thread *t = p->threads; t; t = t->peer)
		t->usage.cpu = t->usage.system = 0;
	p->ended.cpu = p->ended.system = 0;
	if (reaped.cpu)
		memset(&reaped, 0, sizeof(reaped));
	mm_forget_peak();
	current->started = p->started = boot_now();
	current->on_cpu_since = cpu_now();
	usage_enter();
}

void usage_start_exec(void)
{
	struct usage u;

	usage_of_all(&u);
	cpu_before = u.cpu;
	children_peak_before = first_process->children_peak;
	mm_start_peak();
}

u64 usage_cpu_of_run(void)
{
	struct usage u;

	usage_of_all(&u);
	return u.cpu - cpu_before;
}

/* A child that was not larger than one of an exec before does not show. */
u64 usage_peak_of_run(void)
{
	u64 children = first_process->children_peak;

	return MAX(mm_peak_since(),
		   children > children_peak_before ? children : 0);
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
	for (const struct thread *t = p->threads; t; t = t->peer) {
		usage_of_thread(t, &one);
		add(u, &one);
	}
}

void usage_of_process(const struct process *p, struct usage *u)
{
	usage_of_threads(p, u);
	u->faults += mm_peak_pages(); /* these have come without one */
}

void usage_of_all(struct usage *u)
{
	struct usage one;

	*u = reaped;
	for (const struct process *p = processes; p; p = p->all_next) {
		usage_of_threads(p, &one);
		add(u, &one);
	}
}

void usage_reap(const struct process *p)
{
	add(&reaped, &p->ended);
}

void usage_keep(const struct thread *t)
{
	struct usage one;

	usage_of_thread(t, &one);
	add(&t->process->ended, &one);
}

void usage_with_children(const struct process *p, struct usage *u)
{
	usage_of_threads(p, u);
	add(u, &p->children_usage);
}

void usage_keep_child(struct process *parent, const struct process *child)
{
	struct usage u;

	usage_with_children(child, &u);
	add(&parent->children_usage, &u);
	parent->children_peak = MAX(parent->children_peak,
				    MAX(child->peak, child->children_peak));
}

void usage_describe(const struct usage *u, u64 peak, struct rusage *r)
{
	struct __kernel_old_timeval user = ns_timeval(u->cpu - u->system),
				    system = ns_timeval(u->system);

	memset(r, 0, sizeof(*r));
	r->ru_utime.tv_sec = user.tv_sec;
	r->ru_utime.tv_usec = user.tv_usec;
	r->ru_stime.tv_sec = system.tv_sec;
	r->ru_stime.tv_usec = system.tv_usec;
	r->ru_maxrss = (long)peak * 4;
	r->ru_minflt = (long)u->faults;
	r->ru_nvcsw = (long)u->waits;
	r->ru_nivcsw = (long)u->preemptions;
}

long sys_getrusage(u64 who, u64 address)
{
	const struct process *p = current->process;
	struct rusage r;
	struct usage u;

	switch ((s32)who) {
	case RUSAGE_SELF:
		usage_of_process(p, &u);
		usage_describe(&u, mm_peak_pages(), &r);
		break;
	case RUSAGE_THREAD:
		usage_of_thread(current, &u);
		usage_describe(&u, mm_peak_pages(), &r);
		break;
	case RUSAGE_CHILDREN:
		usage_describe(&p->children_usage, p->children_peak, &r);
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(address, &r, sizeof(r));
}

#define HZ 100 /* as AT_CLKTCK */

static long ticks(u64 ns)
{
	return (long)(ns * HZ / NSEC);
}

long sys_times(u64 address)
{
	const struct usage *c = &current->process->children_usage;
	struct usage u;
	struct tms t;

	usage_of_threads(current->process, &u);
	t.tms_utime = ticks(u.cpu - u.system);
	t.tms_stime = ticks(u.system);
	t.tms_cutime = ticks(c->cpu - c->system);
	t.tms_cstime = ticks(c->system);
	if (address && copy_to_user(address, &t, sizeof(t)))
		return -EFAULT;
	return ticks(mono_now());
}
