/* shortage.c: which process ends when there is no memory left. */
#include <asm/signal.h>

#include "mm/frame.h"
#include "mm/map.h"
#include "mm/resident.h"
#include "mm/space.h"
#include "task/process.h"

#define NEVER (-1000) /* oom_score_adj: proc(5) */
#define WHOLE 1000

static s64 badness(const struct process *p)
{
	struct space *before = space_look_at(p->space);
	s64 pages = (s64)mm_resident_pages();

	space_look_at(before);
	return pages + p->oom_score_adj * (s64)(frames_total() / WHOLE);
}

static struct process *choose(void)
{
	struct process *worst = NULL;
	s64 most = 0, points;

	for (struct process *p = processes; p; p = p->all_next) {
		if (!p->space || !p->space->count || p->oom_score_adj == NEVER)
			continue;
		points = badness(p);
		if (worst && points <= most)
			continue; /* of equal ones the youngest */
		worst = p;
		most = points;
	}
	return worst;
}

void process_out_of_memory(void)
{
	struct process *victim = choose();
	struct space *s = victim ? victim->space : NULL;

	if (!victim || s == first_process->space)
		process_end_run_out_of_memory();
	klog("out of memory: process %d (%s) is killed", victim->pid,
	     victim->leader->name);
	for (struct process *p = processes; p; p = p->all_next)
		if (p->space == s)
			process_end(p, SIGKILL);
	if (s != space)
		space_clear(s);
}
