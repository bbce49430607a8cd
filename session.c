#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "discard.h"
#include "loop.h"
#include "metrics.h"
#include "pool.h"

#define BUCKETS 4096u
#define TICK_MOST 256 /* sessions that are looked at in a tick */

static struct {
	struct session_options options;
	struct session *table[BUCKETS];
	struct session *newest, *oldest;
	struct session *looked; /* where session_tick goes on */
	unsigned count;
	uint64_t made, forked, ended, expired, full;
} all;

void session_open(const struct session_options *o)
{
	all.options = *o;
}

/* FNV-1a. */
static struct session **bucket(const char *id, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)id[i]) * 16777619u;
	return &all.table[hash % BUCKETS];
}

/* ---- those that there are ---- */

static void put_in(struct session *s)
{
	struct session **b = bucket(s->id, ID_SIZE - 1);

	s->chained = *b;
	*b = s;
	s->older = all.newest;
	if (all.newest)
		all.newest->newer = s;
	all.newest = s;
	if (!all.oldest)
		all.oldest = s;
	all.count++;
}

static void take_out(struct session *s)
{
	struct session **at = bucket(s->id, ID_SIZE - 1);

	while (*at != s)
		at = &(*at)->chained;
	*at = s->chained;
	*(s->newer ? &s->newer->older : &all.newest) = s->older;
	*(s->older ? &s->older->newer : &all.oldest) = s->newer;
	if (all.looked == s)
		all.looked = s->newer;
	all.count--;
}

bool session_has_room(size_t count)
{
	return count <= all.options.most &&
	       all.count <= all.options.most - count;
}

static void touch(struct session *s)
{
	s->used_ns = clock_wall();
	s->used = loop_clock(clock_mono());
}

struct session *session_make(uint64_t owner, int language, struct parts *first)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	id_make(s->id);
	s->owner = owner;
	s->language = language;
	s->first = *first;
	*first = (struct parts){ 0 };
	touch(s);
	s->created_ns = s->used_ns;
	put_in(s);
	all.made++;
	return s;
}

struct session *session_find(const char *id, size_t size, uint64_t owner)
{
	struct session *s = size == ID_SIZE - 1 ? *bucket(id, size) : NULL;

	while (s && memcmp(s->id, id, size))
		s = s->chained;
	return s && s->owner == owner ? s : NULL;
}

struct session *session_fork(const struct session *s)
{
	struct parts first = { 0 };
	struct session *copy;

	if (parts_append(&first, &s->first))
		return NULL;
	copy = session_make(s->owner, s->language, &first);
	parts_drop(&first);
	if (!copy)
		return NULL;
	if (state_copy(&copy->state, &s->state)) {
		session_delete(copy);
		return NULL;
	}
	copy->idle_seconds = s->idle_seconds;
	copy->rollback = s->rollback;
	copy->forked = copy->state.count > 0;
	all.forked++;
	return copy;
}

static void drop(struct session *s)
{
	take_out(s);
	discard_parts(&s->first);
	state_drop(&s->state);
	free(s);
}

static struct session *owned(struct session *s, uint64_t owner)
{
	while (s && s->owner != owner)
		s = s->older;
	return s;
}

struct session *session_newest(uint64_t owner)
{
	return owned(all.newest, owner);
}

struct session *session_next(const struct session *s)
{
	return owned(s->older, s->owner);
}

/* ---- execs ---- */

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
	discard_parts(&s->first);
	all.ended++;
}

/* What an exec has made of it. */
static enum job_status commit(struct session *s, struct job *job)
{
	struct segment *saved = job->saved;

	job->saved = NULL;
	if (state_total() > all.options.bytes_most) {
		job->message = "all sessions together have become too large";
		segment_drop(saved);
		return JOB_FULL;
	}
	if (state_add(&s->state, saved, job->whole)) {
		job->message = "no memory for the session's state";
		return JOB_FAULT;
	}
	s->forked = false;
	discard_parts(&s->first);
	return JOB_DONE;
}

static enum job_status settle(struct session *s, struct job *job)
{
	switch (job->status) {
	case JOB_DONE:
		if (job->alive)
			return commit(s, job);
		end(s, "the session's program has ended");
		return JOB_DONE;
	case JOB_TIMEOUT:
		if (!job->rollback)
			end(s, "the session's program was ended by a timeout");
		return JOB_TIMEOUT;
	case JOB_STALE:
		end(s, "the session belongs to another template, or another "
		       "version of the server");
		return JOB_STALE;
	default:
		return job->status;
	}
}

static void start_next(struct session *s);

static void exec_done(struct job *job)
{
	struct session *s = job->session;
	enum job_status status = settle(s, job);

	all.full += status == JOB_FULL;
	s->runs++;
	s->running = NULL;
	touch(s);
	start_next(s);
	answer(job, status);
}

/* The first exec has what the session was made with, before what is its own. */
static int add_first(const struct session *s, struct job *job)
{
	struct parts parts = { 0 };
	int r = parts_append(&parts, &s->first);

	if (r == 0)
		r = parts_append(&parts, &job->parts);
	if (r) {
		parts_drop(&parts);
		return r;
	}
	discard_parts(&job->parts);
	job->parts = parts;
	return 0;
}

static int start(struct session *s, struct job *job)
{
	int r = state_copy(&job->state, &s->state);

	if (r == 0 && !s->state.count && s->first.size)
		r = add_first(s, job);
	if (r)
		return r;
	job->run_session = !s->state.count ? RUN_SESSION_FIRST :
			   s->forked       ? RUN_SESSION_FORKED :
					     RUN_SESSION_NEXT;
	job->state_limit = all.options.pages_most;
	s->running = job;
	r = pool_submit(job);
	if (r)
		s->running = NULL;
	return r;
}

static struct job *take_waiting(struct session *s)
{
	struct job *job = s->waiting;

	s->waiting = job->next_exec;
	s->waiting_count--;
	return job;
}

static void start_next(struct session *s)
{
	while (s->waiting && !s->running) {
		struct job *job = take_waiting(s);

		if (s->ended)
			answer(job, JOB_ENDED);
		else if (start(s, job))
			answer(job, JOB_REFUSED);
	}
}

int session_submit(struct session *s, struct job *job)
{
	struct job **last = &s->waiting;

	job->session = s;
	job->then = job->done;
	job->done = exec_done;
	job->rollback |= s->rollback;
	touch(s);
	if (!s->running)
		return start(s, job);
	if (s->waiting_count >= SESSION_WAITING_MAX)
		return -EAGAIN;
	while (*last)
		last = &(*last)->next_exec;
	*last = job;
	s->waiting_count++;
	return 0;
}

static bool cancel_waiting(struct session *s, const struct job *job)
{
	for (struct job **at = &s->waiting; *at; at = &(*at)->next_exec)
		if (*at == job) {
			*at = job->next_exec;
			s->waiting_count--;
			return true;
		}
	return false;
}

bool session_cancel(struct job *job)
{
	struct session *s = job->session;
	bool begun = job->member != NULL;

	if (!s)
		return false;
	if (s->running != job)
		return cancel_waiting(s, job);
	if (!pool_cancel(job))
		return false;
	s->running = NULL;
	if (begun && !job->rollback)
		end(s, "the session's program was ended: its client went away");
	start_next(s);
	return true;
}

void session_delete(struct session *s)
{
	struct job *running = s->running;

	while (s->waiting)
		answer(take_waiting(s), JOB_DELETED);
	s->running = NULL;
	if (running && pool_cancel(running))
		answer(running, JOB_DELETED);
	drop(s);
}

/* ---- time ---- */

void session_tick(uint64_t now)
{
	uint64_t clock = loop_clock(now);

	for (int i = 0; i < TICK_MOST; i++) {
		struct session *s = all.looked ? all.looked : all.oldest;

		if (!s)
			return;
		all.looked = s->newer;
		if (!s->running && s->idle_seconds &&
		    clock > s->used + s->idle_seconds * 1000000000ull) {
			all.expired++;
			drop(s);
		}
		if (!all.looked)
			return;
	}
}

void session_close(void)
{
	while (all.newest)
		session_delete(all.newest);
}

void session_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_sessions", "gauge", all.count,
		      "Sessions that there are.");
	metrics_value(t, "zeroboot_sessions_bytes", "gauge", state_total(),
		      "Memory of their states.");
	metrics_value(t, "zeroboot_sessions_made_total", "counter", all.made,
		      "Sessions made, forks among them.");
	metrics_value(t, "zeroboot_sessions_forked_total", "counter",
		      all.forked, "Sessions made by forking others.");
	metrics_value(t, "zeroboot_sessions_ended_total", "counter", all.ended,
		      "Sessions whose program has ended.");
	metrics_value(t, "zeroboot_sessions_expired_total", "counter",
		      all.expired,
		      "Sessions deleted because nobody used them.");
	metrics_value(t, "zeroboot_sessions_full_total", "counter", all.full,
		      "Execs after which a session was too large to be kept.");
}
