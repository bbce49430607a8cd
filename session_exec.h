/*
 * session_exec.h: the execs of sessions. Those of one run one after the other: what comes
 * while one runs waits, as it does while the session's state is away or there is too much
 * in memory. The client has its answer as soon as the exec has ended well; then its
 * worker saves what the session has become, and the next exec may begin.
 */
#ifndef ZEROBOOT_SESSION_EXEC_H
#define ZEROBOOT_SESSION_EXEC_H

#include <stdbool.h>

#include "job.h"
#include "text.h"

struct session;

/* An exec, in its turn, or a run of no session (NULL): job->done is called. 0; -EAGAIN:
 * there is no place for it; -ENOMEM. */
int session_submit(struct session *s, struct job *job);
/* SIGINT for what runs, if anything does. */
void session_interrupt(struct session *s);
/* The client of either is gone; as pool_cancel. */
bool session_cancel(struct job *job);

/* How many have been answered and are being saved. */
unsigned session_saving(void);
/* And of these, at most, for how many another exec waits. */
unsigned session_awaited(void);
/* An exec of one runs. */
bool session_any_runs(void);
/* Execs that are broken off from now on are because the server ends: their sessions are
 * as they were before. */
void session_drain(void);

/* ---- for session_store.c ---- */

/* What waits for memory may go on, if there is some. */
void session_go_on(void);
/* Its state is there again, or it has ended; or cannot be had: -errno. */
void session_fetched(struct session *s, int r);

/* ---- for session.c ---- */

/* What waits of it is answered, JOB_DRAINED. */
void session_refuse(struct session *s);
/* What runs and what waits of one that is deleted is answered, JOB_DELETED. */
void session_end_execs(struct session *s);
/* It waits for memory no more. */
void session_let_go(struct session *s);
void session_exec_metrics(struct text *t);

#endif
