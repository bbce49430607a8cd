/* usage.c: what threads and processes have used. */
#include "task/usage.h"

#include <linux/resource.h>

#include "mm/map.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

u64 thread_cpu(const struct thread *t)
{
	return t->usage.cpu +
	       (t == current ? cpu_now() - t->on_cpu_since : 0);
}

void usage_of_thread(const struct thread *t, struct usage *u)
{
	*u = t->usage;
	u->cpu = thread_cpu(t);
}

static void add(struct usage *to, const struct usage *u)
{
	to->cpu += u->cpu;
	to->faults += u->faults;
	to->waits += u->waits;
	to->preemptions += u->preemptions;
	to->reads += u->reads;
	to->writes += u->writes;
	to->read_bytes += u->read_bytes;
	to->written_bytes += u->written_bytes;
}

void usage_of_process(const struct process *p, struct usage *u)
{
	struct usage one;

	*u = p->ended;
	u->cpu -= p->before;
	u->faults += mm_peak_pages(); /* these have come without one */
	for (const struct thread *t = threads; t; t = t->all_next) {
		if (t->process != p)
			continue;
		usage_of_thread(t, &one);
		add(u, &one);
	}
}

void usage_start_run(void)
{
	struct process *p = current->process;
	struct usage u;

	current->on_cpu_since = mono_now();
	current->started = p->started = current->on_cpu_since;
	current->usage.cpu = 0;
	p->before = 0;
	usage_of_process(p, &u);
	p->before = u.cpu;
}

void usage_keep(const struct thread *t)
{
	struct usage one;

	usage_of_thread(t, &one);
	add(&t->process->ended, &one);
}

long sys_getrusage(u64 who, u64 address)
{
	struct rusage r;
	struct usage u;

	memset(&r, 0, sizeof(r));
	switch ((s32)who) {
	case RUSAGE_SELF:
		usage_of_process(current->process, &u);
		break;
	case RUSAGE_THREAD:
		usage_of_thread(current, &u);
		break;
	case RUSAGE_CHILDREN: /* there are none */
		return copy_to_user(address, &r, sizeof(r));
	default:
		return -EINVAL;
	}
	r.ru_maxrss = (long)mm_peak_pages() * 4;
	r.ru_minflt = (long)u.faults;
	r.ru_nvcsw = (long)u.waits;
	r.ru_nivcsw = (long)u.preemptions;
	r.ru_utime.tv_sec = (long)(u.cpu / NSEC);
	r.ru_utime.tv_usec = (long)(u.cpu % NSEC / 1000);
	return copy_to_user(address, &r, sizeof(r));
}
