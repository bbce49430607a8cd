/* proc_subject.c: whose a file of /proc is. */
#include "fs/proc.h"
#include "task/process.h"

bool proc_subject(const struct node *n, struct proc_subject *s)
{
	s32 id = (s32)(n->key & ~PROC_KEY_WHOLE);

	*s = (struct proc_subject){ .whole = (n->key & PROC_KEY_WHOLE) != 0,
				    .fd = (s32)(n->key >> PROC_KEY_FD) - 1 };
	if (!n->key)
		return true;
	s->thread = thread_find(id);
	s->process = s->thread ? s->thread->process : NULL;
	return s->process != NULL;
}
