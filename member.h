/*
 * member.h: a worker as the front end knows it: what it has said, what it still
 * may say, and what it is told. Whatever it says against the rules of protocol.h
 * is found here.
 */
#ifndef ZEROBOOT_MEMBER_H
#define ZEROBOOT_MEMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "loop.h"
#include "pool.h"

enum member_state {
	STOPPED,
	STARTING,   /* until it says READY */
	READY,      /* its VM waits for a run */
	RENEWING,   /* from a RESULT to the IDLE; takes a run too */
	BUSY,       /* has a job */
	CANCELLING, /* has had one, and is to answer that it is over */
	MEMBER_STATES
};

/* The front end's side of a worker. What it knows, the worker has said. */
struct member {
	struct watch watch; /* first */
	struct crew *crew;
	struct channel channel;
	pid_t pid; /* 0: none; of a stopped one: not reaped yet */
	enum member_state state;
	bool extra;          /* beyond the minimum */
	unsigned generation; /* of its crew's template */
	bool warm;     /* its VM has been trained; of a RENEWING one: had been,
			* and is kept */
	bool training; /* it was told to, and has not been given a run since */
	bool owes_idle, owes_warm; /* it may send these */
	uint32_t session;          /* what the run is: RUN_* */
	bool owes_saved;           /* before anything else */
	uint64_t resident; /* the last run, of a session: its VM may still be as
			    * that has saved it; 0: it is not */
	uint64_t base;     /* with which its last run began: see job.h */
	bool stays;        /* which is told instead of sending the state */
	size_t state_count;    /* segments of its state, */
	size_t state_size;     /* bytes, and */
	size_t state_most;     /* those that it may come to have */
	uint32_t renew_us;     /* what the last renewal took */
	uint64_t run_id;       /* of the last run */
	uint32_t credit, rest; /* bytes of OUTPUT that it may still send */
	uint32_t due;          /* bytes of credit that it is not told yet */
	uint32_t signal;       /* for its program, which it is not told yet */
	uint64_t signalled;    /* when it was told of one last */
	struct job *job;
	struct parts parts; /* of a job that went before they were sent, */
	struct state kept;  /* and of its session */
	struct member *next, *previous; /* among the free ones */
	uint64_t started, not_before; /* its process; monotonic, as all below */
	uint64_t free_since;
	uint64_t memory;   /* private bytes, when they were looked at last */
	uint64_t deadline; /* of its start, of the running job, of what it
			    * owes: loop_clock */
};

/* One message, taken apart; all but kind is valid for the kinds that have it, and
 * what is not in payload until the next is received on any channel. */
struct member_news {
	enum message_kind kind;
	struct result result;
	struct renewal renewal; /* of a RESULT: the one before the run */
	struct saved saved;
	struct part_view out, err, value, entries;
	struct part_view text; /* ends with a NUL */
	const char *state; /* of SAVED_DONE: what the session has more now */
	size_t state_size;
	const char *files, *files_end; /* all parts: of a RESULT some may be
					 * files, of an OUTPUT it is they */
	char *payload; /* that they are in, the caller's to free; NULL: of a
			* RESULT that nobody waits for, or of what has no parts */
};

/* What the worker says next. 1: *n; 0: nothing yet; -EPIPE: it is gone; -EPROTO:
 * it broke the rules; -ENOMEM. To be called until it is not 1. */
int member_hear(struct member *m, struct member_news *n);

/* Hands it the job that it has, m->job. 1: it is sent; 0: member_go_on when the
 * channel can be written to; -errno. */
int member_run(struct member *m, uint64_t now);
/* Nobody wants what runs any more, of which the job may go. As member_run. */
int member_cancel(struct member *m);
/* A signal for the program that runs. One that comes soon after another is told later:
 * member_remind. As member_run. */
int member_interrupt(struct member *m, uint32_t signal);
int member_remind(struct member *m);
/* So many more bytes of OUTPUT may come of the run. */
int member_credit(struct member *m, uint32_t bytes);
/* What was kept of a job that is gone is not sent any more. */
void member_forget(struct member *m);
int member_train(struct member *m);
int member_go_on(struct member *m);

#endif
