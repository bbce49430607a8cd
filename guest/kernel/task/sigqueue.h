/* sigqueue.h: the queue of pending signals of a thread or process. */
#ifndef TASK_SIGQUEUE_H
#define TASK_SIGQUEUE_H

#include "task/sigset.h"

struct process;

/* Adds a copy of info. A standard signal that is pending already is not added
 * again. 0, or -EAGAIN: the limit RLIMIT_SIGPENDING of p or memory forbids to
 * queue what must not be lost. */
long sigqueue_add(struct sigqueue *q, struct process *p,
		  const struct sigqueue_info *info);
/* Adds an entry that its owner keeps; it is in no queue. */
void sigqueue_add_entry(struct sigqueue *q, struct sigqueue_entry *e);
/* Takes such an entry out again, if it is in a queue. */
void sigqueue_remove_entry(struct sigqueue_entry *e);
/* Takes the first signal in set, the synchronous ones before the others; 0:
 * none. */
int sigqueue_take(struct sigqueue *q, struct process *p, sigset set,
		  struct sigqueue_info *info);
/* Forgets all signals in set. */
void sigqueue_drop(struct sigqueue *q, struct process *p, sigset set);

#endif
