/* group.h: process groups: signals to all of one, and what job control asks. */
#ifndef TASK_GROUP_H
#define TASK_GROUP_H

#include "task/sigset.h"

struct process;

/* To each process of the group. 0, or -ESRCH: it has none. */
long group_signal(s32 group, const struct sigqueue_info *info);
/* The session that the group is of; 0: there is no such group. */
s32 group_session(s32 group);
bool group_exists(s32 group);
/* No process of the group has its parent in another group of its session, so
 * nobody would continue it when it stops: POSIX, 3.264. */
bool group_orphaned(s32 group);
/* This was p's parent, or p is a zombie: if that makes its group an orphaned one
 * with stopped members, all get SIGHUP and SIGCONT. */
void group_lost_parent(const struct process *p, const struct process *parent);

#endif
