/* surroundings.c: working directory, root and umask of processes. */
#include "fs/surroundings.h"

#include <linux/sched.h>

#include "heap.h"

static struct surroundings *copy(const struct surroundings *from)
{
	struct surroundings *s = kmalloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = *from;
	s->refs = 1;
	if (s->cwd)
		node_ref(s->cwd);
	if (s->root)
		node_ref(s->root);
	return s;
}

static void release(struct surroundings *s)
{
	if (--s->refs)
		return;
	if (s->cwd)
		node_unref(s->cwd);
	if (s->root)
		node_unref(s->root);
	kfree(s);
}

long surroundings_unshare(void)
{
	struct surroundings *shared = surroundings(), *own;

	if (shared->refs == 1)
		return 0;
	own = copy(shared);
	if (!own)
		return -ENOMEM;
	release(shared);
	current->process->surroundings = own;
	return 0;
}

static long on_fork(struct process *child, u64 flags)
{
	child->surroundings = surroundings();
	if (flags & CLONE_FS)
		child->surroundings->refs++;
	else
		child->surroundings = copy(surroundings());
	return child->surroundings ? 0 : -ENOMEM;
}

static void on_end(struct process *p)
{
	release(p->surroundings);
	p->surroundings = NULL;
}

void surroundings_init(void)
{
	static struct process_part part = { .fork = on_fork, .end = on_end };
	struct surroundings *first = kmalloc(sizeof(*first));

	if (!first)
		panic("no memory for the first process");
	first->refs = 1;
	first->umask = 022;
	current->process->surroundings = first;
	process_add_part(&part);
}
