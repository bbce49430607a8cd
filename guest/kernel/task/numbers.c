/* numbers.c: the numbers of threads and processes: who has which. */
#include "task/numbers.h"

#include "mm/frame.h"
#include "task/process.h"
#include "task/thread.h"

#define BUCKETS 256u
#define FIRST_AGAIN 300 /* after the last one, as Linux */

/* In a frame of their own: a run without processes does not write to it. */
static struct tables {
	struct thread *by_tid[BUCKETS];
	struct process *by_pid[BUCKETS];
} * tables;
_Static_assert(sizeof(struct tables) <= PAGE_SIZE, "in a frame");
static s32 last = FIRST_PROCESS - 1;
static bool wrapped;

static u32 bucket(s32 number)
{
	return (u32)number % BUCKETS;
}

void numbers_init(void)
{
	gpa_t frame = frames_alloc(1);

	if (!frame)
		panic("no memory for the numbers of threads");
	tables = gpa_to_ptr(frame);
}

struct thread *thread_find(s32 tid)
{
	struct thread *t = tables->by_tid[bucket(tid)];

	while (t && t->tid != tid)
		t = t->hash_next;
	return t;
}

struct process *process_find(s32 pid)
{
	struct process *p = tables->by_pid[bucket(pid)];

	while (p && p->pid != pid)
		p = p->hash_next;
	return p;
}

static bool in_use(s32 number)
{
	if (thread_find(number) || process_find(number))
		return true;
	for (const struct process *p = processes; p; p = p->all_next)
		if (p->group == number || p->session == number)
			return true;
	return false;
}

s32 number_new(void)
{
	do {
		if (++last >= NUMBER_MAX) {
			last = FIRST_AGAIN;
			wrapped = true;
		}
	} while (wrapped && in_use(last));
	return last;
}

s32 number_last(void)
{
	return last;
}

void number_add_thread(struct thread *t)
{
	t->hash_next = tables->by_tid[bucket(t->tid)];
	tables->by_tid[bucket(t->tid)] = t;
}

void number_remove_thread(struct thread *t)
{
	struct thread **link = &tables->by_tid[bucket(t->tid)];

	while (*link != t)
		link = &(*link)->hash_next;
	*link = t->hash_next;
}

void number_add_process(struct process *p)
{
	p->hash_next = tables->by_pid[bucket(p->pid)];
	tables->by_pid[bucket(p->pid)] = p;
}

void number_remove_process(struct process *p)
{
	struct process **link = &tables->by_pid[bucket(p->pid)];

	while (*link != p)
		link = &(*link)->hash_next;
	*link = p->hash_next;
}
