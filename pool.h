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
#include "loop.h"
#include "queue.h"
#include "text.h"

#define POOL_LANGUAGES 16

enum job_status {
	JOB_DONE,
	JOB_TIMEOUT,
	JOB_FAULT,    /* the worker failed */
	JOB_DRAINED,  /* the server is ending */
	JOB_REFUSED,  /* gave up its place in a full queue */
	JOB_UNSERVED, /* its language has no worker */
};

/* One execution. Owned by the caller, who frees it after done or cancel. */
struct job {
	struct queue_node node; /* first; its owner is set by the caller */
	struct member *member;  /* that runs it; NULL: queued or ended */
	int language;
	uint32_t timeout_ms;
	uint32_t output_limit; /* bytes of stdout, of stderr */
	char *code;
	size_t code_size;
	struct text warnings; /* JSON strings, for the answer; mostly none */
	void (*done)(struct job *job);
	void *context;
	/* results, valid in done */
	enum job_status status;
	int exit_code;
	const char *out, *err, *message; /* in payload, or constant */
	size_t out_size, err_size;
	char *payload; /* freed by job_free */
	size_t payload_size;
	uint64_t submitted_ns, wait_ns; /* wait: until a worker had it */
	uint64_t fork_ns, exec_ns;
};

struct pool_options {
	const char *directory;     /* of templates; NULL: the defaults */
	unsigned minimum, maximum; /* workers for each language */
	unsigned cpus;
	unsigned max_queue;
	const char *paging; /* of this host, for workers; see paging.h */
	bool fresh;         /* VMs are not recycled */
};

/* Finds every *.zbt in the directory; pool_tick starts their workers.
 * 0 or -errno; pool_close undoes it. */
int pool_open(int epoll, const struct pool_options *o, struct err *e);
void pool_close(void);
/* How many workers there may be in all. */
unsigned pool_size(void);
/* The language's number, or -1. */
int pool_language(const char *name, size_t size);
/* The name of a language, NULL behind the last; ready: a worker is there. */
const char *pool_describe(int language, bool *ready, int *memory_mb);
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
/* The job is not wanted any more; done is not called. False: it has ended. */
bool pool_cancel(struct job *job);
/* Processes have ended: others take their place. */
void pool_reap(uint64_t now);
/* Ends what has overrun, starts workers again; every some 100 ms. */
void pool_tick(uint64_t now);
/* Answers all that is queued with JOB_DRAINED. */
void pool_drain(void);
/* Nothing runs and nothing waits. */
bool pool_idle(void);
/* Runs under way. */
unsigned pool_running(void);
/* Bytes of output of runs that have ended and are not freed yet. */
size_t pool_output(void);
void pool_metrics(struct text *t);
/* Says in the log what the workers do and what waits for them. */
void pool_log(void);
void job_free(struct job *job);

#endif
