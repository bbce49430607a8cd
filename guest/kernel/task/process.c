/* process.c: processes: their list, their parents, and what they are made of. */
#include "task/process.h"

#include "heap.h"
#include "mm/frame.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/numbers.h"
#include "task/signal.h"

struct process *processes;
struct process *first_process;
struct process *kernel_process;

/* The bound on processes leaves most of memory to what is in them. */
#define PROCESSES_MAX 4096
#define FRAMES_EACH 64

static struct process_part *parts;
static u32 count; /* that have not been reaped */

/* It is always about to end, so signals do nothing to it. */
static void make_kernel(void)
{
	struct actions *actions = kmalloc(sizeof(*actions));
	struct process *p = kmalloc(sizeof(*p));
	struct thread *t = kmalloc(sizeof(*t));

	if (!p || !t || !actions)
		panic("no memory for the kernel's process");
	actions->refs = p->refs = 1;
	p->ending = true;
	p->pid = p->group = p->session = INIT_PROCESS;
	p->thread_count = 1;
	p->leader = p->threads = t;
	p->signals.actions = actions;
	limits_init(&p->limits);
	t->tid = INIT_PROCESS;
	t->process = p;
	thread_set_waiting(t);
	thread_name(t, "zeroboot");
	ids_init(&t->ids);
	number_add_thread(t);
	number_add_process(p);
	kernel_process = p;
}

void process_init(void)
{
	struct actions *actions = kmalloc(sizeof(*actions));
	static struct process first = { .pid = FIRST_PROCESS,
					.refs = 2, /* its thread's, too */
					.group = FIRST_PROCESS,
					.session = FIRST_PROCESS,
					.dumpable = 1 };

	if (!actions)
		panic("no memory for the first process");
	actions->refs = 1;
	make_kernel();
	first.space = space;
	first.signals.actions = actions;
	first.started = boot_now();
	limits_init(&first.limits);
	first_process = &first;
	process_add(&first);
	process_add_thread(&first, current);
	first.leader = current;
	current->kept = true;
	ids_init(&current->ids);
	priority_init(&current->priority);
	current->timer_slack = current->default_timer_slack = TIMER_SLACK;
}

struct process *process_of(s32 id)
{
	const struct thread *t = id ? thread_find(id) : current;

	return t ? t->process : NULL;
}

s32 process_parent(const struct process *p)
{
	return p->parent ? p->parent->pid : INIT_PROCESS;
}

bool process_may_look(const struct process *p)
{
	if (p == current->process)
		return true;
	return p->dumpable && ids_same_user(&p->leader->ids);
}

long process_set_command(const void *strings, size_t size)
{
	struct layout *l = &current->process->layout;
	size_t room = l->args_end - l->args;

	if (size == 0 || size > room)
		return -EINVAL;
	if (user_copy((void *)l->args, strings, size) < size)
		return -EFAULT;
	user_clear((void *)(l->args + size), room - size);
	l->args_end = l->args + size;
	return (long)size;
}

/* ---- parts ---- */

void process_add_part(struct process_part *part)
{
	part->next = parts;
	parts = part;
}

long process_parts_fork(struct process *child, u64 flags)
{
	struct process_part *part, *done;
	long r = 0;

	for (part = parts; part && !r; part = part->next)
		if (part->fork)
			r = part->fork(child, flags);
	if (!r)
		return 0;
	/* the one that failed is before `part` */
	for (done = parts; done->next != part; done = done->next)
		if (done->end)
			done->end(child);
	return r;
}

void process_parts_exec(struct process *p)
{
	for (struct process_part *part = parts; part; part = part->next)
		if (part->exec)
			part->exec(p);
}

void process_parts_end(struct process *p)
{
	for (struct process_part *part = parts; part; part = part->next)
		if (part->end)
			part->end(p);
}

void process_parts_ended(struct process *p)
{
	for (struct process_part *part = parts; part; part = part->next)
		if (part->ended)
			part->ended(p);
}

/* ---- making ---- */

bool process_too_many(void)
{
	return count >= MIN((u64)PROCESSES_MAX, frames_total() / FRAMES_EACH);
}

struct process *process_copy(void)
{
	const struct process *from = current->process;
	struct process *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 1;
	p->group = from->group;
	p->session = from->session;
	p->terminal = from->terminal;
	p->limits = from->limits;
	p->layout = from->layout;
	p->oom_score_adj = from->oom_score_adj;
	p->started = boot_now();
	p->dumpable = from->dumpable;
	p->no_huge_pages = from->no_huge_pages;
	p->barriers = from->barriers;
	return p;
}

static void add_child(struct process *parent, struct process *p)
{
	p->parent = parent;
	p->sibling = NULL;
	if (!parent)
		return;
	if (parent->last_child)
		parent->last_child->sibling = p;
	else
		parent->children = p;
	parent->last_child = p;
}

static void remove_child(struct process *p)
{
	struct process *parent = p->parent, *previous = NULL;

	if (!parent)
		return;
	for (struct process *c = parent->children; c != p; c = c->sibling)
		previous = c;
	if (previous)
		previous->sibling = p->sibling;
	else
		parent->children = p->sibling;
	if (parent->last_child == p)
		parent->last_child = previous;
}

void process_add(struct process *p)
{
	p->all_next = processes;
	p->all_link = &processes;
	if (processes)
		processes->all_link = &p->all_next;
	processes = p;
	number_add_process(p);
	add_child(p->parent, p);
	count++;
}

void process_adopt(struct process *p, struct process *parent)
{
	remove_child(p);
	add_child(parent, p);
}

void process_add_thread(struct process *p, struct thread *t)
{
	t->process = p;
	t->peer = p->threads;
	p->threads = t;
	p->thread_count++;
	p->refs++;
}

void process_remove_thread(struct process *p, struct thread *t)
{
	struct thread **link = &p->threads;

	while (*link != t)
		link = &(*link)->peer;
	*link = t->peer;
	p->thread_count--;
}

/* ---- going ---- */

void process_unref(struct process *p)
{
	if (--p->refs == 0)
		kfree(p);
}

void process_reap(struct process *p)
{
	usage_reap(p);
	remove_child(p);
	*p->all_link = p->all_next;
	if (p->all_next)
		p->all_next->all_link = p->all_link;
	number_remove_process(p);
	count--;
	p->parent = NULL;
	signal_release_actions(p);
	thread_release(p->leader);
	p->leader = NULL;
	process_unref(p);
}

/* ---- asking ---- */

long sys_getpid(void)
{
	return current->process->pid;
}

long sys_getppid(void)
{
	return process_parent(current->process);
}
