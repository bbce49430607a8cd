#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "delta_segment.h"
#include "derived.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "origin.h"
#include "pool.h"

#define BUCKETS 4096u
#define TICK_MOST 256   /* sessions that are looked at in a tick, */
#define SLICE_NS 300000 /* and no longer than this at a time */

static struct {
	struct session *table[BUCKETS];
	struct session *newest, *oldest;
	struct session *looked; /* where session_tick goes on */
	unsigned count;
	size_t waiting;   /* bytes of execs that wait for another one */
	unsigned running; /* sessions of which an exec is, */
	unsigned saving;  /* or is being saved */
	bool draining;
	struct session *held; /* their execs wait until memory is free */
	char too_large[120]; /* said of one that was saved when more was allowed */
	uint64_t made, forked, ended, expired, full, lost;
} all;

int session_open(const struct session_options *o, int epoll, struct err *e)
{
	session_limits_set(&o->limits);
	derived_open(o->templates, o->host, epoll);
	snprintf(all.too_large, sizeof(all.too_large),
		 "the session is larger than %zu MiB (--session-memory)",
		 o->limits.pages_most >> 20);
	return o->directory ?
		       session_store_open(o->directory, o->host, epoll, e) :
		       0;
}

void session_drain(void)
{
	all.draining = true;
}

void session_close(void)
{
	session_store_close();
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
	s->elder = s->share->newest;
	if (s->elder)
		s->elder->younger = s;
	s->share->newest = s;
	s->share->sessions++;
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
	*(s->younger ? &s->younger->elder : &s->share->newest) = s->elder;
	if (s->elder)
		s->elder->younger = s->younger;
	s->share->sessions--;
	all.count--;
}

unsigned session_count(void)
{
	return all.count;
}

unsigned session_saving(void)
{
	return all.saving;
}

bool session_any_runs(void)
{
	return all.running;
}

void session_touch(struct session *s)
{
	s->used = loop_clock(clock_mono());
}

static void use(struct session *s)
{
	s->used_ns = clock_wall();
	session_touch(s);
	session_store_used(s);
}

/* id: NULL: a new one. */
static struct session *make(const char *id, uint64_t owner, int language)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->share = share_of(owner);
	if (!s->share) {
		free(s);
		return NULL;
	}
	if (id)
		memcpy(s->id, id, ID_SIZE);
	else
		id_make(s->id);
	s->language = language;
	derived_hold(language);
	use(s);
	s->created_ns = s->used_ns;
	put_in(s);
	all.made += !id;
	return s;
}

static int add(struct session *s, struct segment *segment, bool whole)
{
	segment_charge(segment, s->share);
	return state_add(&s->state, segment, whole);
}

static int keep_first(struct session *s, struct parts *first)
{
	struct segment *segment;

	if (!first->size)
		return 0;
	segment = segment_make(first->data, first->room, first->data,
			       first->size);
	*first = (struct parts){ 0 };
	return segment ? add(s, segment, true) : -ENOMEM;
}

static void set_origin(struct session *s, const char *template)
{
	origin_drop(s->origin);
	s->origin = origin_of(template, session_language(s));
}

/* The template that its first exec will have made it of: that is kept from now on. */
static void expect_origin(struct session *s, int crew)
{
	const char *template = catalog_crew(crew)->template;

	if (!s->begun && session_store_is_on() && template[0])
		set_origin(s, template);
}

struct session *session_make(uint64_t owner, int language, struct parts *first)
{
	struct session *s = make(NULL, owner, language);

	if (s && keep_first(s, first)) {
		session_delete(s);
		return NULL;
	}
	if (!s)
		return NULL;
	/* A template may be deleted before it has run: it goes on. */
	if (catalog_crew(language)->derived)
		expect_origin(s, language);
	session_store_changed(s);
	return s;
}

/* A text of a file, for good: answers that tell of a session outlive it. There are few
 * different ones. */
static const char *keep_text(const char *text)
{
	static struct kept {
		struct kept *next;
		char text[];
	} * first;
	size_t size = strlen(text) + 1;
	struct kept *k = first;

	while (k && strcmp(k->text, text))
		k = k->next;
	if (k)
		return k->text;
	k = malloc(sizeof(*k) + size);
	if (!k)
		return "unknown";
	memcpy(k->text, text, size);
	k->next = first;
	first = k;
	return k->text;
}

struct session *session_find_again(const char *id, uint64_t owner)
{
	return make(id, owner, -1);
}

void session_name_language(struct session *s, const char *name)
{
	if (s->language < 0)
		s->called = keep_text(name);
}

/* It may be a template of its owner's that is there by now. */
static void find_language(struct session *s)
{
	if (s->language < 0 && s->called)
		s->language =
			derived_again(s->share->owner, s->called, s->origin);
}

void session_find_languages(void)
{
	for (struct session *s = all.oldest; s; s = s->newer)
		find_language(s);
}

const char *session_language(const struct session *s)
{
	return s->language >= 0 ? catalog_name(s->language) :
	       s->called        ? s->called :
				  "";
}

bool session_is_away(const struct session *s)
{
	return s->stored.away || s->saving || s->lost;
}

bool session_is_running(const struct session *s)
{
	return s->running && !s->saving;
}

size_t session_size(const struct session *s)
{
	return s->stored.away ? s->stored.size : s->state.size;
}

struct session *session_find(const char *id, size_t size, uint64_t owner)
{
	struct session *s = size == ID_SIZE - 1 ? *bucket(id, size) : NULL;

	while (s && memcmp(s->id, id, size))
		s = s->chained;
	return s && s->share->owner == owner ? s : NULL;
}

struct session *session_fork(struct session *s)
{
	struct session *copy = session_is_away(s) ?
				       NULL :
				       make(NULL, s->share->owner, s->language);

	use(s);
	if (!copy)
		return NULL;
	session_name_language(copy, session_language(s));
	copy->origin = origin_copy(s->origin);
	copy->state = state_copy(&s->state);
	copy->idle_seconds = s->idle_seconds;
	copy->on_timeout = s->on_timeout;
	copy->begun = copy->forked = s->begun;
	all.forked++;
	session_store_changed(copy);
	return copy;
}

bool session_fork_many(struct session *s, struct session **made, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		made[n] = session_fork(s);
		if (made[n])
			continue;
		while (n)
			session_delete(made[--n]);
		return false;
	}
	return true;
}

/* Its execs wait for memory. */
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

static void let_go(struct session *s)
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

static void drop(struct session *s)
{
	session_store_forget(s);
	let_go(s);
	take_out(s);
	state_drop(&s->state);
	share_drop(s->share);
	origin_drop(s->origin);
	derived_leave(s->language);
	free(s);
}

struct session *session_newest(uint64_t owner)
{
	const struct share *share = share_find(owner);

	return share ? share->newest : NULL;
}

struct session *session_next(const struct session *s)
{
	return s->elder;
}

/* ---- execs ---- */

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

void session_end_as(struct session *s, const char *why)
{
	s->ended = keep_text(why);
}

/* Its template, as its first segment says, whatever was expected. */
static void note_origin(struct session *s)
{
	const struct iovec *first = s->state.pieces;
	struct delta_segment head;

	if (!session_store_is_on() || first->iov_len < sizeof(head))
		return;
	memcpy(&head, first->iov_base, sizeof(head));
	if (origin_is_known(head.template))
		set_origin(s, head.template);
}

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
	if (add(s, saved, whole)) {
		job->message = "no memory for the session's state";
		return JOB_FAULT;
	}
	s->begun = true;
	/* The program has not been there. */
	s->forked = s->forked && job->apart;
	note_origin(s);
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
	use(s);
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
	use(s);
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

	find_language(s);
	crew = s->language >= 0 ? s->language : -ESTALE;
	if (s->origin && (s->begun || crew < 0))
		crew = origin_crew(s->origin, s->language, &why);
	if (crew >= 0) {
		expect_origin(s, crew);
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

static void put_waiting(struct session *s, struct job *job)
{
	struct job **last = &s->waiting;

	/* What is to be had needs no turn. */
	while (*last && (!job->fetch || (*last)->fetch))
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
	return s->waiting_count < SESSION_WAITING_MAX &&
	       share_allows(s->share->owner, s->share->waiting, all.waiting,
			    job->parts.room, SESSION_WAITING_BYTES);
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
		job->grace_ms = SESSION_GRACE_MS;
	use(s);
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

		let_go(s);
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
	bool full = r == -EFBIG || r == -ENOSPC;
	const char *why = r == -EFBIG ? all.too_large :
			  full        ? too_full :
				 "the session cannot be read from the disk";

	if (r == 0) {
		start_next(s);
		return;
	}
	answer_waiting(s, full ? JOB_FULL : JOB_FAULT, why);
}

void session_refuse_waiting(void)
{
	for (struct session *s = all.oldest, *next; s; s = next) {
		next = s->newer;
		answer_waiting(s, JOB_DRAINED, NULL);
	}
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
	pool_leave(job, alone, SESSION_GRACE_MS * 1000000ull);
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

void session_delete(struct session *s)
{
	struct job *running = s->running;

	s->deleted = true;
	if (s->pins)
		return;
	pin(s);
	answer_all(s, JOB_DELETED, NULL);
	set_running(s, NULL);
	set_saving(s, false);
	if (running && pool_cancel(running))
		answer(running, JOB_DELETED);
	drop(s);
}

/* ---- time ---- */

void session_tick(uint64_t now)
{
	uint64_t clock = loop_clock(now), until;

	session_store_tick(now);
	derived_tick(now);
	until = clock_mono() + SLICE_NS;
	for (int i = 0; i < TICK_MOST && clock_mono() < until; i++) {
		struct session *s = all.looked ? all.looked : all.oldest;

		if (!s)
			return;
		all.looked = s->newer;
		session_store_mark(s);
		if (!s->running && !s->waiting && s->idle_seconds &&
		    clock > s->used + s->idle_seconds * 1000000000ull) {
			all.expired++;
			drop(s);
		}
		if (!all.looked)
			return;
	}
}

void session_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_sessions", "gauge", all.count,
		      "Sessions that there are.");
	metrics_value(t, "zeroboot_sessions_bytes", "gauge", state_total(),
		      "Memory of their states, and of templates made of them.");
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
	metrics_value(t, "zeroboot_sessions_lost_total", "counter", all.lost,
		      "Execs that were answered and not kept.");
	session_store_metrics(t);
	derived_metrics(t);
}
