#include "session_exec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "origin.h"
#include "pool.h"
#include "session.h"

#define SLICE_NS 300000 /* waiting execs are begun no longer at a time */
#define GRACE_MS 2000   /* after an interrupt, to end */
#define WAITING_MAX 16  /* execs of one that wait, and */
#define WAITING_BYTES (256u << 20) /* of the requests of all */

static struct {
	unsigned running; /* sessions of which an exec is, */
	unsigned saving;  /* or is being saved */
	size_t waiting;   /* bytes of execs that wait for another one */
	bool draining;
	struct session *held; /* their execs wait until memory is free */
	uint64_t ended, full, lost;
} all;

void session_drain(void)
{
	all.draining = true;
}

unsigned session_saving(void)
{
	return all.saving;
}

unsigned session_awaited(void)
{
	return all.waiting ? all.saving : 0;
}

bool session_any_runs(void)
{
	return all.running;
}

/* ---- those that wait for memory ---- */

static void hold(struct session *s)
{
	struct session **last = &all.held;

	if (s->held)
		return;
	while (*last)
		last = &(*last)->next_held;
	*last = s;
	s->held = true;
}

void session_let_go(struct session *s)
{
	struct session **at = &all.held;

	if (!s->held)
		return;
	while (*at != s)
		at = &(*at)->next_held;
	*at = s->next_held;
	s->next_held = NULL;
	s->held = false;
}

/* ---- whoever is being answered ---- */

/* Whoever gets an answer may delete the session: it stays until nobody who gives answers
 * looks at it any more. */
static void pin(struct session *s)
{
	s->pins++;
}

static void unpin(struct session *s)
{
	if (--s->pins == 0 && s->deleted)
		session_delete(s);
}

static void answer(struct job *job, enum job_status status)
{
	job->session = NULL;
	job->status = status;
	job->then(job);
}

/* Its program is no more: its memory is given back. */
static void end(struct session *s, const char *why)
{
	s->ended = why;
	state_drop(&s->state);
	all.ended++;
	session_store_changed(s);
}

/* ---- what an exec has made of it ---- */

static const char too_full[] = "all sessions together have become too large";
static const char timed_out[] = "the session's program was ended by a timeout";
static const char left[] = "the session's program was ended: its client went "
			   "away";

/* A worker that has said how much it may become may be wrong. */
static bool was_promised(const struct session *s, const struct segment *saved)
{
	return s->saving &&
	       segment_held(saved) <= s->promised + sizeof(struct saved);
}

/* What an exec has made of it. */
static enum job_status commit(struct session *s, struct job *job)
{
	struct segment *saved = job->saved;
	bool whole = job->whole || !s->begun, promised = was_promised(s, saved);

	job->saved = NULL;
	/* It is there, and counted itself. */
	session_promise_kept(s);
	if (!promised &&
	    !session_may_keep(s->share->owner, segment_held(saved)) &&
	    !session_may_exceed(s, segment_held(saved), whole)) {
		job->message = too_full;
		segment_drop(saved);
		return JOB_FULL;
	}
	if (session_add(s, saved, whole)) {
		job->message = "no memory for the session's state";
		return JOB_FAULT;
	}
	s->begun = true;
	/* The program has not been there. */
	s->forked = s->forked && job->apart;
	session_note_origin(s);
	session_store_changed(s);
	return JOB_DONE;
}

/* Of a session that has settled: the job has what it has become. */
static enum job_status take_template(struct session *s, struct job *job)
{
	struct segment *saved = job->saved;
	bool whole = job->whole || !s->begun;

	job->saved = NULL;
	if (!job->alive) {
		job->message = "the session's program ended when it was to "
			       "become a template";
		return JOB_FAULT;
	}
	if (!whole)
		job->template = state_copy(&s->state);
	segment_charge(saved, s->share);
	if (state_add(&job->template, saved, whole) == 0)
		return JOB_DONE;
	job->message = "no memory for the session's state";
	return JOB_FAULT;
}

static enum job_status settle(struct session *s, struct job *job)
{
	const struct crew *crew = catalog_crew(job->language);

	if (job->look && job->status == JOB_DONE)
		return JOB_DONE;
	if (job->settle && job->status == JOB_DONE)
		return take_template(s, job);
	switch (job->status) {
	case JOB_DONE:
		if (job->alive)
			return commit(s, job);
		end(s, "the session's program has ended");
		return JOB_DONE;
	case JOB_TIMEOUT:
		if (job->on_timeout != OVERRUN_ROLLBACK)
			end(s, job->context ? timed_out : left);
		return JOB_TIMEOUT;
	case JOB_STALE:
		session_store_leave(s);
		state_drop(&s->state);
		s->ended = "the session belongs to another template, or "
			   "another version of the server";
		all.ended++;
		return JOB_STALE;
	case JOB_UNSERVED:
		/* Its own template, of no use: nobody can put that right. One that
		 * could not be loaded now may be a moment later. */
		if (crew->foreign && crew->stock.useless &&
		    !stock_ready(&crew->stock)) {
			job->message = "the session's template is damaged, or "
				       "was made on a CPU that has more";
			return JOB_ENDED;
		}
		return JOB_UNSERVED;
	default:
		return job->status;
	}
}

static void start_next(struct session *s);

static void set_running(struct session *s, struct job *job)
{
	all.running -= s->running != NULL;
	all.running += job != NULL;
	s->running = job;
}

static void set_saving(struct session *s, bool saving)
{
	all.saving += (unsigned)saving - s->saving;
	s->saving = saving;
	if (!saving)
		session_promise_kept(s);
}

/* ---- an exec's end ---- */

static const char lost[] = "what the exec before this one has done was lost "
			   "with its "
			   "worker, right after its answer: the session is as "
			   "it was "
			   "before that exec";

static void forget(struct job *job)
{
	job_forget_parts(job);
	job_free(job);
}

static void saved(struct job *saving)
{
	struct session *s = saving->session;
	bool kept = saving->status == JOB_DONE && commit(s, saving) == JOB_DONE;

	s->worker = saving->stayed;
	s->saved_run = kept ? saving->stayed_run : 0;
	set_saving(s, false);
	set_running(s, NULL);
	if (!kept) {
		s->lost = lost;
		all.lost++;
	}
	if (!kept && (!all.draining || session_store_is_on()))
		log_event("error",
			  "session %s: an exec was answered and is lost: %s",
			  s->id,
			  saving->message ? saving->message :
					    "it is too large");
	forget(saving);
	start_next(s);
}

/* Its client has its answer now, unless it may turn out that there is no room for what it
 * has done. */
static void ended_well(struct job *job, uint64_t most)
{
	struct session *s = job->session;
	struct job *saving;

	/* What it becomes is not its own. */
	if (job->settle)
		return;
	saving = calloc(1, sizeof(*saving));
	if (!saving || !session_promise(s, most)) {
		free(saving);
		return;
	}
	pool_part(job, saving);
	saving->session = s;
	saving->apart = job->apart;
	saving->alive = true;
	saving->done = saved;
	saving->then = forget;
	s->running = saving;
	set_saving(s, true);
	s->runs += !job->apart;
	session_use(s);
	answer(job, JOB_DONE);
}

static void exec_done(struct job *job)
{
	struct session *s = job->session;
	enum job_status status = settle(s, job);

	job->session_ended = s->ended != NULL;
	s->worker = job->stayed;
	/* What has settled is not the session. */
	s->saved_run = status == JOB_DONE && !job->settle ? job->stayed_run : 0;
	all.full += status == JOB_FULL;
	s->runs += !job->apart;
	set_running(s, NULL);
	session_use(s);
	start_next(s);
	answer(job, status);
}

/* What it was made with comes before what is its first exec's own. */
static bool fits(const struct session *s, const struct job *job)
{
	return s->begun ||
	       s->state.size + job->parts.size <= PROTOCOL_REQUEST_MAX;
}

/* The crew that can run it. False: there is none, which is answered. */
static bool find_crew(struct session *s, struct job *job)
{
	const char *why = "the session's language is not served any more";
	int crew;

	session_find_language(s);
	crew = s->language >= 0 ? s->language : -ESTALE;
	if (s->origin && (s->begun || crew < 0))
		crew = origin_crew(s->origin, s->language, &why);
	if (crew >= 0) {
		session_expect_origin(s, crew);
		job->language = crew;
		job->tenure = catalog_tenure(crew);
		return true;
	}
	job->message = why;
	answer(job, crew == -ESTALE ? JOB_ENDED : JOB_UNSERVED);
	return false;
}

static int start(struct session *s, struct job *job)
{
	int r;

	if (s->lost && !job->look) {
		job->message = s->lost;
		s->lost = NULL;
		answer(job, JOB_FAULT);
		return 0;
	}
	if (job->fetch) {
		answer(job, JOB_DONE);
		return 0;
	}
	if (!find_crew(s, job))
		return 0;
	if (!fits(s, job)) {
		job->message = "the request is too large, with the files that "
			       "the session was made with";
		answer(job, JOB_REJECTED);
		return 0;
	}
	/* A first exec has code. */
	if (job->settle && !s->begun &&
	    parts_add(&job->parts, PART_CODE, NULL, 0, NULL, 0))
		return -ENOMEM;
	job->state = state_copy(&s->state);
	job->run_session = !s->begun ? RUN_SESSION_FIRST :
			   s->forked ? RUN_SESSION_FORKED :
				       RUN_SESSION_NEXT;
	job->state_limit = session_pages_most();
	job->stayed = s->worker;
	job->stayed_run = s->saved_run;
	set_running(s, job);
	r = pool_submit(job);
	if (r)
		set_running(s, NULL);
	return r;
}

static bool is_glance(const struct job *job)
{
	return job->fetch && job->look;
}

static void put_waiting(struct session *s, struct job *job)
{
	struct job **last = &s->waiting;

	/* Who only looks at the session needs no turn. */
	while (*last && (!is_glance(job) || is_glance(*last)))
		last = &(*last)->next_exec;
	job->next_exec = *last;
	*last = job;
	s->waiting_count++;
	s->share->waiting += job->parts.room;
	all.waiting += job->parts.room;
}

/* The one that *at is. */
static struct job *take_waiting(struct session *s, struct job **at)
{
	struct job *job = *at;

	*at = job->next_exec;
	job->next_exec = NULL;
	s->waiting_count--;
	s->share->waiting -= job->parts.room;
	all.waiting -= job->parts.room;
	return job;
}

static bool may_wait(const struct session *s, const struct job *job)
{
	return s->waiting_count < WAITING_MAX &&
	       share_allows(s->share->owner, s->share->waiting, all.waiting,
			    job->parts.room, WAITING_BYTES);
}

static void start_next(struct session *s)
{
	pin(s);
	while (s->waiting && !s->running && (s->ended || !s->stored.away)) {
		if (!s->ended && !session_may_run()) {
			hold(s);
			break;
		}
		struct job *job = take_waiting(s, &s->waiting);

		if (s->ended) {
			job->message = s->ended;
			answer(job, JOB_ENDED);
		} else if (start(s, job)) {
			answer(job, JOB_REFUSED);
		}
	}
	unpin(s);
}

/* It is pinned. */
static void answer_all(struct session *s, enum job_status status,
		       const char *why)
{
	struct job *job;

	while (s->waiting) {
		job = take_waiting(s, &s->waiting);
		job->message = why;
		answer(job, status);
	}
}

static void answer_waiting(struct session *s, enum job_status status,
			   const char *why)
{
	pin(s);
	answer_all(s, status, why);
	unpin(s);
}

int session_submit(struct session *s, struct job *job)
{
	if (!s)
		return pool_submit(job);
	job->session = s;
	job->then = job->done;
	job->done = exec_done;
	job->ended_well = ended_well;
	if (job->on_timeout == OVERRUN_UNSAID)
		job->on_timeout = s->on_timeout;
	if (job->on_timeout == OVERRUN_INTERRUPT)
		job->grace_ms = GRACE_MS;
	session_use(s);
	if (!s->running && !s->waiting && !s->stored.away && session_may_run())
		return start(s, job);
	if (!may_wait(s, job))
		return -EAGAIN;
	put_waiting(s, job);
	if (s->stored.away)
		session_store_fetch(s);
	else if (!s->running)
		hold(s);
	return 0;
}

static void go_on(struct task *t)
{
	uint64_t until = clock_mono() + SLICE_NS;

	while (all.held && session_may_run()) {
		struct session *s = all.held;

		session_let_go(s);
		start_next(s);
		if (clock_mono() >= until) {
			loop_add(t);
			return;
		}
	}
}

void session_go_on(void)
{
	static struct task task = { .run = go_on };

	if (all.held)
		loop_add(&task);
}

void session_fetched(struct session *s, int r)
{
	static char too_large[120];
	bool full = r == -EFBIG || r == -ENOSPC;
	const char *why = r == -EFBIG ? too_large :
			  full        ? too_full :
				 "the session cannot be read from the disk";

	if (r == 0) {
		start_next(s);
		return;
	}
	/* It was saved when more was allowed. */
	snprintf(too_large, sizeof(too_large),
		 "the session is larger than %zu MiB (--session-memory)",
		 session_pages_most() >> 20);
	answer_waiting(s, full ? JOB_FULL : JOB_FAULT, why);
}

void session_refuse(struct session *s)
{
	answer_waiting(s, JOB_DRAINED, NULL);
}

static bool cancel_waiting(struct session *s, const struct job *job)
{
	for (struct job **at = &s->waiting; *at; at = &(*at)->next_exec)
		if (*at == job)
			return take_waiting(s, at) == job;
	return false;
}

void session_interrupt(struct session *s)
{
	session_touch(s);
	if (session_is_running(s))
		pool_interrupt(s->running, SIGINT);
}

/* ---- without a client ---- */

static void discard_output(struct job *job, const char *parts, const char *end)
{
	pool_credit(job,
		    (uint32_t)((size_t)(end - parts) + sizeof(struct about)));
}

/* What runs goes on without its client, for a moment. False: no memory. */
static bool leave(struct session *s, struct job *job)
{
	struct job *alone = calloc(1, sizeof(*alone));

	if (!alone)
		return false;
	pool_leave(job, alone, GRACE_MS * 1000000ull);
	alone->context = NULL;
	alone->then = forget;
	alone->wrote = discard_output;
	s->running = alone;
	return true;
}

bool session_cancel(struct job *job)
{
	struct session *s = job->session;
	bool begun = job->member != NULL;

	if (!s)
		return pool_cancel(job);
	if (s->running != job)
		return cancel_waiting(s, job);
	if (begun && job->on_timeout == OVERRUN_INTERRUPT && !all.draining &&
	    leave(s, job))
		return true;
	if (!pool_cancel(job))
		return false;
	set_running(s, NULL);
	if (begun && job->on_timeout != OVERRUN_ROLLBACK && !all.draining)
		end(s, left);
	start_next(s);
	return true;
}

void session_end_execs(struct session *s)
{
	struct job *running = s->running;

	pin(s);
	answer_all(s, JOB_DELETED, NULL);
	set_running(s, NULL);
	set_saving(s, false);
	if (running && pool_cancel(running))
		answer(running, JOB_DELETED);
}

void session_exec_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_sessions_ended_total", "counter", all.ended,
		      "Sessions whose program has ended.");
	metrics_value(t, "zeroboot_sessions_full_total", "counter", all.full,
		      "Execs after which a session was too large to be kept.");
	metrics_value(t, "zeroboot_sessions_lost_total", "counter", all.lost,
		      "Execs that were answered and not kept.");
}
