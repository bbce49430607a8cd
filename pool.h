/*
 * pool.h: the worker processes of every language, and the queue before them.
 * Part of the front end's event loop: nothing here waits.
 */
#ifndef ZEROBOOT_POOL_H
#define ZEROBOOT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "job.h"
#include "loop.h"
#include "queue.h"
#include "text.h"

struct pool_options {
	const char *directory;     /* of templates; NULL: the defaults */
	unsigned minimum, maximum; /* workers for each language */
	unsigned cpus;
	unsigned max_queue;
	const char *host;  /* of this host, for workers; see host.h */
	bool fresh;        /* VMs are not recycled */
	unsigned pages_mb; /* that a session may have */
};

/* Finds every *.img and *.zbt in the directory; pool_tick starts their workers.
 * 0 or -errno; pool_close undoes it. */
int pool_open(int epoll, const struct pool_options *o, struct err *e);
void pool_close(void);
enum pool_verdict {
	POOL_TAKEN, /* all find a worker or a place */
	POOL_FULL,  /* not now */
	POOL_NEVER, /* not even if nothing else ran or waited */
};
/* What submitting all these jobs of one owner would come to. */
enum pool_verdict pool_admit(struct job *const *jobs, size_t count,
			     uint64_t owner);
/* 0, or -EAGAIN when the queue is full. */
int pool_submit(struct job *job);
/* Of a streamed one so many more bytes may come. No effect when it has ended. */
void pool_credit(struct job *job, uint32_t bytes);
/* A signal for its program; if it has not begun, then as soon as it does. */
void pool_interrupt(struct job *job, uint32_t signal);
/*
 * What runs has nobody who waits for it: job goes, alone has all of it from now on.
 * It gets SIGINT, and if it goes on for so long, it is over with JOB_TIMEOUT.
 */
void pool_leave(struct job *job, struct job *alone, uint64_t patience_ns);
/* Of a job whose program has ended well, and whose session is being saved: rest has the
 * saving, and its done is called; job has all else. */
void pool_part(struct job *job, struct job *rest);
/* The job is not wanted any more; done is not called. False: it has ended. */
bool pool_cancel(struct job *job);
/* Processes have ended: others take their place. */
void pool_reap(uint64_t now);
/* Ends what has overrun, starts workers again; every some 100 ms. */
void pool_tick(uint64_t now);
/* Answers all that is queued with JOB_DRAINED, in slices. */
void pool_drain(void);
/* That has been asked for. */
bool pool_draining(void);
/* Nothing runs and nothing waits. */
bool pool_idle(void);
/* Runs under way. */
unsigned pool_running(void);

#endif
