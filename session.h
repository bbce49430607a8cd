/*
 * session.h: the sessions of a server: programs that stay. What is kept of one is its
 * state (state.h); a worker has it for an exec only, which begins with that state and
 * ends with what it has become. So a worker that dies leaves it as it was, and any
 * worker goes on with it.
 *
 * A session belongs to the key that made it. Its execs are one after the other.
 */
#ifndef ZEROBOOT_SESSION_H
#define ZEROBOOT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "id.h"
#include "job.h"
#include "parts.h"
#include "session_limits.h"
#include "session_store.h"
#include "state.h"
#include "text.h"

#define SESSION_IDLE 600       /* seconds, unless it is said */
#define SESSION_COPIES_MAX 100 /* of one, at a time */

struct session {
	struct session *chained;         /* in the table */
	struct session *older, *newer;   /* of all, */
	struct session *elder, *younger; /* of its owner's */
	char id[ID_SIZE];
	struct share *share;   /* its owner's */
	int language;          /* -1: it is not served any more */
	const char *called;    /* its name then */
	struct origin *origin; /* its template, when that is kept; or NULL */
	struct stored stored;
	unsigned idle_seconds;   /* until it is deleted; 0: never */
	enum overrun on_timeout; /* for execs that do not say */
	bool forked;             /* and has not run since */
	bool begun;              /* it has run */
	const char *ended;  /* why its program has; NULL: it has not. It and
				  * called stay when the session is gone. */
	struct state state; /* before it has begun: parts, for its first exec;
			     * none while it is away: see session_store.h */
	struct job *running, *waiting;
	bool saving;     /* what runs has been answered, and is saved, */
	size_t promised; /* for which it may have so many bytes more */
	const char *lost; /* why what was answered last is not in its state, until
			   * that is told; NULL: it is */
	struct session *next_held; /* of those that wait for memory */
	bool held;
	struct member *worker; /* that had its last exec, which has saved */
	uint64_t saved_run;    /* its state in that run; 0: it has not */
	unsigned waiting_count;
	unsigned pins; /* answers are being given: it stays, */
	bool deleted;  /* until they have been */
	uint64_t runs;
	uint64_t created_ns, used_ns; /* wall; used: by an exec or a fork */
	uint64_t used;                /* by any request; loop_clock */
};

struct session_options {
	struct session_limits limits;
	unsigned templates;    /* that may be made of them */
	const char *directory; /* that they are kept in; NULL: nowhere */
	const char *host;      /* of this host; see host.h */
};

/* epoll: the loop's. Catalog and keys are there. 0 or -errno. */
int session_open(const struct session_options *o, int epoll, struct err *e);
/* What waits of all is answered, JOB_DRAINED: the server is ending. */
void session_refuse_waiting(void);
/* What is to be kept is on the disk. Jobs may still come to their ends. */
void session_close(void);
/* Those that nobody has used for too long go; now and then. */
void session_tick(uint64_t now);

/* first: becomes its own. NULL: no memory. */
struct session *session_make(uint64_t owner, int language, struct parts *first);
struct session *session_find(const char *id, size_t size, uint64_t owner);
/* It is asked about: that it is idle counts from now on. */
void session_touch(struct session *s);
/* Its state is not in memory, or an exec is changing it: it can be forked once an exec, or
 * a job that only waits for that (job->fetch), has found it there. */
bool session_is_away(const struct session *s);
/* An exec runs that is not answered yet. */
bool session_is_running(const struct session *s);
const char *session_language(const struct session *s);
/* Bytes of its state. */
size_t session_size(const struct session *s);
/* Another one with the same state. NULL: no memory. */
struct session *session_fork(struct session *s);
/* So many of them, or none: false, no memory. */
bool session_fork_many(struct session *s, struct session **made,
		       uint32_t count);
/* What runs and what waits of it is answered, JOB_DELETED; once nobody is being answered,
 * if somebody is. */
void session_delete(struct session *s);
/* The newest of an owner, then the next older one; NULL: none. */
struct session *session_newest(uint64_t owner);
struct session *session_next(const struct session *s);

void session_metrics(struct text *t);

/* ---- for session_limits.c ---- */

unsigned session_count(void);

/* ---- for session_store.c ---- */

/* As it was before the server was started anew. NULL: no memory. */
struct session *session_find_again(const char *id, uint64_t owner);
/* What it says of its language, when that is not served. */
void session_name_language(struct session *s, const char *name);
/* All have been found, and what they may be of. */
void session_find_languages(void);
/* It has ended, which is not to be written. */
void session_end_as(struct session *s, const char *why);

/* ---- for session_exec.c ---- */

/* By an exec or a fork: that is told of it, and it is idle from now on. */
void session_use(struct session *s);
/* The segment becomes its own; whole: instead of all that there is. 0 or -ENOMEM. */
int session_add(struct session *s, struct segment *segment, bool whole);
/* The template that its first exec will have made it of, if that is this crew's: that is
 * kept from now on. */
void session_expect_origin(struct session *s, int crew);
/* Its template, as its first segment says, whatever was expected. */
void session_note_origin(struct session *s);
/* It may be a template of its owner's that is there by now. */
void session_find_language(struct session *s);

#endif
