/* job.h: one execution, from a request's body to what came of it. */
#ifndef ZEROBOOT_JOB_H
#define ZEROBOOT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parts.h"
#include "queue.h"
#include "state.h"
#include "text.h"

enum job_status {
	JOB_DONE,
	JOB_TIMEOUT,
	JOB_REJECTED, /* it cannot be run as it is: message says why */
	JOB_FAULT,    /* the worker failed */
	JOB_DRAINED,  /* the server is ending */
	JOB_REFUSED,  /* gave up its place in a full queue */
	JOB_UNSERVED, /* its language has no worker */
	/* of sessions: see session.h */
	JOB_FULL,    /* the session has become too large */
	JOB_STALE,   /* its state is of no use any more */
	JOB_ENDED,   /* its program has ended before; message says how */
	JOB_DELETED, /* it is being deleted */
};

/* What becomes of a session when an exec is cut off, by its time or because its client
 * goes away. */
enum overrun {
	OVERRUN_UNSAID,
	OVERRUN_END,       /* its program ends */
	OVERRUN_ROLLBACK,  /* it is as it was before the exec */
	OVERRUN_INTERRUPT, /* the program gets SIGINT; it ends if it goes on */
};

/* Owned by the caller, who frees it after done or cancel. */
struct job {
	struct queue_node node; /* first; its owner is set by the caller */
	struct member *member;  /* that runs it; NULL: queued or ended */
	int language;
	unsigned tenure; /* of that: see catalog.h */
	uint32_t timeout_ms;
	uint32_t output_limit;  /* bytes of stdout, of stderr */
	uint32_t memory_mb;     /* 0: all that there is */
	uint32_t outputs_limit; /* bytes of files that are returned */
	uint32_t stream; /* bytes of output that may come at once, while it runs;
			  * 0: it comes at the end */
	/* What it has written: parts, until this returns. */
	void (*wrote)(struct job *job, const char *parts, const char *end);
	bool base64;             /* stdout and stderr are told so */
	bool wants_files;        /* it has asked for some */
	struct parts parts;      /* its code and what comes with it */
	struct text warnings;    /* JSON strings, for the answer; mostly none */
	struct session *session; /* of which it is an exec; or NULL */
	uint32_t run_session;    /* RUN_SESSION_*, RUN_* */
	uint64_t state_limit;    /* bytes that its pages may have */
	struct judge *judge;     /* of which it is an input; or NULL */
	struct waiting_share *shared; /* what all of that's have; or NULL */
	bool own_arguments; /* instead of those that all inputs have */
	bool made;          /* its parts are what it runs with */
	bool alone;         /* no other input has the same beginning */
	uint64_t base;      /* the number of that; 0: none */
	uint64_t spent_ns, spent_cpu_ns; /* by that, of its time */
	bool fetch;  /* nothing is to be run: its session's state is wanted */
	bool apart;  /* no exec: it has to do with files alone, */
	bool look;   /* which it leaves as they are */
	bool settle; /* what its session becomes by it is a template */
	bool saves; /* what is left of an exec that was answered: see pool_part */
	bool session_ended;      /* with it */
	enum overrun on_timeout; /* of the session */
	uint32_t grace_ms; /* to go on after SIGINT at its timeout; 0: none */
	uint32_t signal;   /* to have when it begins; 0: none */
	uint64_t give_up;  /* when it is cut off, as nobody waits for it; 0: not
			     * before its time. loop_clock */
	struct state state;    /* of it, before */
	struct member *stayed; /* the worker that has had it last, */
	uint64_t stayed_run;   /* in that run, which has saved its state */
	struct job *next_exec;
	void (*then)(struct job *job); /* done, as its submitter has it */
	/* Its program has ended, its results are there, and its session goes on, whose
	 * state will become longer by most bytes at most: see pool_part. Or NULL. */
	void (*ended_well)(struct job *job, uint64_t most);
	void (*done)(struct job *job);
	void *context;
	bool open_line; /* of a streamed run: stderr, as it was sent, has no
			 * newline at its end */
	/* results, valid in done */
	enum job_status status;
	int exit_code;
	bool overran; /* it ended in time because it was interrupted */
	enum result_end ended;
	unsigned cut; /* RESULT_CUT_* */
	uint64_t cpu_ns, memory, calls;
	bool asks;             /* of a beginning: it has come to its end */
	bool alive;            /* the session goes on, */
	struct state template; /* what its session has become, of settle */
	struct segment *saved; /* with this more of its state, */
	bool whole;            /* which is all of it */
	const char *value;     /* in payload; or NULL */
	size_t value_size;
	const char *entries; /* of a directory: see api_files.c; or NULL */
	size_t entries_size;
	unsigned left_out;               /* files, beside those named */
	const char *files, *files_end;   /* parts, some of which are */
	const char *out, *err, *message; /* in payload, or constant */
	size_t out_size, err_size;
	char *payload;  /* by job_keep */
	char *own_err;  /* err, when it is not in it */
	char *own_text; /* message, the same */
	size_t payload_size;
	uint64_t submitted_ns, wait_ns; /* wait: until a worker had it */
	uint64_t fork_ns, exec_ns;
	struct job *next_dropped;
};

/* How long it may run, in ms. */
static inline uint32_t job_time_left(const struct job *job)
{
	uint64_t spent = job->spent_ns / 1000000;

	return spent < job->timeout_ms ? job->timeout_ms - (uint32_t)spent : 1;
}
/* An empty one, for job_free; NULL: no memory. */
struct job *job_make(void);
/* An array with room for one, of malloc's, for jobs_drop. */
struct job **job_list(void);
/* It has this output, which becomes its own. */
void job_keep(struct job *job, char *payload, size_t size);
/* Its output is somebody else's. */
void job_lose(struct job *job);
/* It is run again. */
void job_forget_results(struct job *job);
/* What there is to say of it is this, in payload, which becomes its own. */
void job_keep_text(struct job *job, char *payload, const char *text);
/* Nobody needs its parts any more. */
void job_forget_parts(struct job *job);
void job_free(struct job *job);
/* The same for many of them, and the array: in slices, if they are large. Entries
 * may be NULL. */
void jobs_drop(struct job **jobs, size_t count);
/* Bytes of output that jobs have. */
size_t jobs_output(void);

#endif
