#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "demand.h"
#include "id.h"
#include "log.h"
#include "metrics.h"
#include "waiting.h"

#define GRACE_NS 2000000000ull    /* over its timeout, then a worker is hung */
#define REFUSED_BURST 64          /* that wait, in a turn */
#define TRAINED_NS 10000000000ull /* for a training that a run waits for */
#define LATE_NS 10000000000ull    /* over that, while its answer comes in */
#define SAVE_NS 10000000000ull    /* for a session's state after its exec */
#define RESTART_NS 500000000ull   /* after a failure */
#define UNSERVED_NS 2000000000ull /* without a worker until runs are refused */

static unsigned running;
static bool draining;

static void finish(struct job *job, enum job_status status)
{
	job->member = NULL;
	job->status = status;
	job->done(job);
}

/* The process is gone or must go; its job, if any, is answered honestly: why is
 * a constant. */
static void stop(struct member *m, const char *why)
{
	struct job *job = m->job;

	if (m->state == STOPPED)
		return;
	crew_end(m);
	crews.restarts++;
	if (!job)
		return;
	running -= !job->saves;
	job->message = why;
	finish(job, JOB_FAULT);
}

/* ---- the channel ---- */

static void watch_output(struct member *m, bool output)
{
	struct epoll_event event = {
		.events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = m
	};

	epoll_ctl(crews.epoll, EPOLL_CTL_MOD, m->channel.fd, &event);
}

/* What sending has come to; false: the worker has gone by it. */
static bool sent(struct member *m, int r)
{
	if (r < 0)
		stop(m, "the worker ended before the run began");
	else if (r == 0)
		watch_output(m, true);
	return r >= 0;
}

/* The crew behind this one first, so that all get warm at the same pace. */
static void train(const struct crew *after)
{
	int count = catalog_count();

	for (int i = 1; i <= count; i++) {
		struct crew *c = catalog_crew((after->language + i) % count);
		struct member *m;

		while ((m = crew_train(c)))
			sent(m, member_train(m));
	}
}

/* How long what it has to answer may take, beside the run itself, ns. */
static uint64_t grace(const struct member *m)
{
	return GRACE_NS + (m->owes_warm ? TRAINED_NS : 0);
}

static void give(struct member *m, struct job *job)
{
	uint64_t now = clock_mono();

	crew_move(m, BUSY, now);
	demand_watch(m->crew);
	m->crew->run_begun = now;
	m->job = job;
	m->run_id = id_number();
	m->stays = (job->run_session == RUN_SESSION_NEXT && m->resident &&
		    m->resident == job->stayed_run) ||
		   (job->run_session == RUN_BRANCH && m->base == job->base);
	m->resident = 0;
	m->deadline = loop_clock(now) + grace(m) +
		      ((uint64_t)job->timeout_ms + job->grace_ms) * 1000000;
	job->wait_ns = now - job->submitted_ns;
	job->member = m;
	running++;
	if (sent(m, member_run(m, now)) && job->signal)
		sent(m, member_remind(m));
}

/* It is free, and its template is not its language's any more. */
static void retire(struct member *m)
{
	crew_end(m);
	m->not_before = 0;
	crew_fill(m->crew);
}

/* A worker is free: the next in turn for its language gets it. */
static void dispatch(struct member *m)
{
	struct job *job;

	if (!crew_is_free(m))
		return;
	if (crew_is_outdated(m)) {
		retire(m);
		return;
	}
	job = waiting_take(&m->crew->queue);
	if (job)
		give(m, job);
}

static enum job_status status_of(const struct result *r)
{
	return r->status == RESULT_DONE    ? JOB_DONE :
	       r->status == RESULT_TIMEOUT ? JOB_TIMEOUT :
	       r->status == RESULT_REFUSED ? JOB_REJECTED :
	       r->status == RESULT_STALE   ? JOB_STALE :
					     JOB_FAULT;
}

static void take_results(struct job *job, const struct member_news *n)
{
	job_keep(job, n->payload, (size_t)(n->files_end - n->files));
	job->out = n->out.data;
	job->out_size = n->out.size;
	job->err = n->err.data;
	job->err_size = n->err.size;
	job->message = n->text.data;
	job->value = n->value.data;
	job->value_size = n->value.size;
	job->entries = n->entries.data;
	job->entries_size = n->entries.size;
	job->asks = n->result.status == RESULT_ASKS;
	job->alive = n->result.alive;
	job->overran = n->result.overran;
	job->files = n->files;
	job->files_end = n->files_end;
	job->left_out = n->result.left_out;
	job->ended = (enum result_end)n->result.ended;
	job->cut = n->result.cut;
	job->cpu_ns = n->result.cpu_ns;
	job->memory = n->result.memory;
	job->calls = n->result.calls;
	job->exit_code = (int)n->result.exit_code;
	job->fork_ns = n->result.fork_ns;
	job->exec_ns = n->result.exec_ns;
}

static void take_renewal(struct member *m, const struct renewal *r)
{
	m->renew_us = r->us;
	if (r->discarded)
		metrics.discarded[r->discarded]++;
}

static void hear_ready(struct member *m)
{
	uint64_t now = clock_mono();

	m->not_before = 0;
	m->crew->failed = false;
	m->crew->load_ns = now - m->started;
	crew_move(m, READY, now);
	dispatch(m);
	crew_fill(m->crew);
	train(m->crew);
}

/* The last words of a worker that cannot go on. */
static void hear_failed(struct member *m, const struct member_news *n)
{
	crew_complain(m->crew, n->text.data);
	m->not_before = clock_mono() + RESTART_NS;
	stop(m, "the worker failed");
}

/* Its run is over, in every respect. */
static void end_run(struct member *m, enum job_status status)
{
	uint64_t now = clock_mono();
	struct job *job = m->job;

	m->job = NULL;
	m->crew->run_ended = now;
	crew_move(m, RENEWING, now);
	if (job) {
		running -= !job->saves;
		finish(job, status);
	}
	dispatch(m);
}

/* Its session's VM was renewed before the run came: it is sent once more, with the
 * state. */
static void send_again(struct member *m)
{
	struct job *job = m->job;

	m->job = NULL;
	m->base = 0;
	crew_move(m, RENEWING, clock_mono());
	if (!job) {
		dispatch(m);
		return;
	}
	running -= !job->saves;
	give(m, job);
}

static void hear_result(struct member *m, const struct member_news *n)
{
	struct job *job = m->job;
	uint64_t now = clock_mono();

	if (n->result.status == RESULT_AWAY) {
		take_renewal(m, &n->renewal);
		send_again(m);
		return;
	}
	if (job)
		take_results(job, n);
	if (n->result.recycled)
		metrics.recycled++;
	else
		metrics.fresh++;
	take_renewal(m, &n->renewal);
	m->warm = n->result.kept && n->renewal.warm;
	if (!n->result.alive) {
		end_run(m, status_of(&n->result));
		return;
	}
	m->deadline = loop_clock(now) + SAVE_NS;
	if (job && job->ended_well && n->result.state_most != PROTOCOL_UNSURE)
		job->ended_well(job, n->result.state_most);
}

/* A session goes on, with what its exec has made of it. */
static void hear_saved(struct member *m, const struct member_news *n)
{
	static const enum job_status statuses[SAVED_STATUSES] = {
		[SAVED_DONE] = JOB_DONE,
		[SAVED_FULL] = JOB_FULL,
		[SAVED_FAILED] = JOB_FAULT,
	};
	enum job_status status = statuses[n->saved.status];
	struct job *job = m->job;
	size_t size = sizeof(n->saved) + n->state_size;

	if (job && status == JOB_DONE) {
		m->resident = m->run_id;
		job->stayed = m;
		job->stayed_run = m->run_id;
		job->whole = n->saved.whole;
		job->saved =
			segment_make(n->payload, size, n->state, n->state_size);
		if (!job->saved)
			status = JOB_FAULT;
	} else if (job) {
		job_keep_text(job, n->payload, n->text.data);
	}
	end_run(m, status);
}

static void hear_idle(struct member *m, const struct renewal *r)
{
	take_renewal(m, r);
	if (m->state == RENEWING)
		crew_move(m, READY, clock_mono());
	crew_set_warm(m, r->warm);
	if (!r->warm)
		train(m->crew);
}

static void hear_warm(struct member *m, const struct renewal *r)
{
	take_renewal(m, r);
	crew_set_warm(m, r->warm);
	train(m->crew);
}

static void handle(struct member *m, const struct member_news *n)
{
	switch (n->kind) {
	case MESSAGE_READY:
		hear_ready(m);
		break;
	case MESSAGE_RESULT:
		hear_result(m, n);
		break;
	case MESSAGE_OUTPUT:
		if (m->job)
			m->job->wrote(m->job, n->files, n->files_end);
		break;
	case MESSAGE_SAVED:
		hear_saved(m, n);
		break;
	case MESSAGE_IDLE:
		hear_idle(m, &n->renewal);
		break;
	case MESSAGE_WARM:
		hear_warm(m, &n->renewal);
		break;
	default:
		hear_failed(m, n);
	}
}

/* Whoever breaks the rules is ended, and it is said once. */
static void stop_bad(struct member *m)
{
	crew_complain(m->crew, "it broke the rules of its channel");
	stop(m, "the worker sent a bad answer");
}

static void receive(struct member *m)
{
	struct member_news n;
	int r;

	while (m->state != STOPPED) {
		r = member_hear(m, &n);
		if (r == 0)
			return;
		if (r == 1)
			handle(m, &n);
		else if (r == -EPIPE)
			stop(m, "the worker ended during the run");
		else if (r == -ENOMEM)
			stop(m, "no memory for the output");
		else
			stop_bad(m);
	}
}

/* Its request, or what came behind it, is sent as far as it goes. */
static void go_on(struct member *m)
{
	int r = member_go_on(m);

	if (r == 1)
		watch_output(m, false);
	else if (r < 0)
		stop(m, "the worker ended before the run began");
}

static void member_ready(struct watch *w, uint32_t events)
{
	struct member *m = (struct member *)w;

	if (m->state == STOPPED)
		return;
	if (events & EPOLLOUT)
		go_on(m);
	if (m->state != STOPPED && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		receive(m);
}

/* ---- jobs ---- */

enum pool_verdict pool_admit(struct job *const *jobs, size_t count,
			     uint64_t owner)
{
	size_t counts[CATALOG_CREWS] = { 0 }, size = 0, waiting = 0;
	size_t most = waiting_most();
	const struct crew *c;

	for (size_t i = 0; i < count; i++) {
		counts[jobs[i]->language]++;
		size += jobs[i]->parts.size;
	}
	for (int l = 0; (c = catalog_crew(l)); l++) {
		size_t ready = crew_free(c);

		waiting += counts[l] > ready ? counts[l] - ready : 0;
		most += counts[l] < c->minimum ? counts[l] : c->minimum;
	}
	if (waiting == 0 || waiting_has_room(waiting, size, owner))
		return POOL_TAKEN;
	return count > most ? POOL_NEVER : POOL_FULL;
}

/* A session goes on where it was, if nobody has been there since. */
static struct member *choose(const struct crew *c, const struct job *job)
{
	struct member *m = job->stayed;

	if (m && m->crew == c && m->resident &&
	    m->resident == job->stayed_run && crew_is_free(m) &&
	    !crew_is_outdated(m))
		return m;
	while ((m = crew_choose(c)) && job->session && crew_is_outdated(m))
		retire(m);
	return m;
}

int pool_submit(struct job *job)
{
	struct crew *c = catalog_crew(job->language);
	struct member *m;
	struct job *other;

	/* The template that it was for has gone. */
	if (job->tenure != c->tenure || c->off)
		return -EAGAIN;
	m = choose(c, job);
	job->node.lane = NULL;
	job->member = NULL;
	if (m) {
		give(m, job);
		return 0;
	}
	while ((other = waiting_displace(job))) {
		metrics.refused++;
		finish(other, JOB_REFUSED);
	}
	if (waiting_put(&c->queue, job))
		return -EAGAIN;
	demand_watch(c);
	return 0;
}

/* The worker says when it is over; that costs it its VM at most. */
static void cancel_run(struct member *m)
{
	uint64_t now = clock_mono();
	int r;

	running -= !m->job->saves;
	m->job->member = NULL;
	r = member_cancel(m);
	m->job = NULL;
	crew_move(m, CANCELLING, now);
	if (m->deadline > loop_clock(now) + grace(m))
		m->deadline = loop_clock(now) + grace(m);
	sent(m, r);
}

void pool_credit(struct job *job, uint32_t bytes)
{
	struct member *m = job->member;

	/* That the worker is gone is heard, not seen here. */
	if (m && member_credit(m, bytes) == 0)
		watch_output(m, true);
}

void pool_interrupt(struct job *job, uint32_t signal)
{
	struct member *m = job->member;

	/* Also for a run that is to begin once more. */
	job->signal = signal;
	/* That the worker is gone is heard, not seen here. */
	if (m && member_interrupt(m, signal) == 0)
		watch_output(m, true);
}

void pool_leave(struct job *job, struct job *alone, uint64_t patience_ns)
{
	struct member *m = job->member;

	*alone = *job;
	*job = (struct job){ .language = alone->language };
	m->job = alone;
	alone->give_up = loop_clock(clock_mono()) + patience_ns;
	pool_interrupt(alone, SIGINT);
	if (alone->stream)
		pool_credit(alone, alone->stream);
}

void pool_part(struct job *job, struct job *rest)
{
	*rest = (struct job){ .language = job->language,
			      .member = job->member,
			      .saves = true };
	rest->member->job = rest;
	job->member = NULL;
	running--;
}

bool pool_cancel(struct job *job)
{
	if (job->member) {
		cancel_run(job->member);
		return true;
	}
	if (!waiting_is(job))
		return false;
	waiting_remove(job);
	return true;
}

static void drain_queue(struct crew *c, enum job_status status, unsigned most)
{
	struct job *job;

	while (most-- > 0 && (job = waiting_take(&c->queue)))
		finish(job, status);
}

static void drain_some(struct task *t)
{
	struct crew *c;

	for (int i = 0; (c = catalog_crew(i)); i++)
		drain_queue(c, JOB_DRAINED, REFUSED_BURST);
	if (waiting_count())
		loop_add(t);
}

void pool_drain(void)
{
	static struct task task = { .run = drain_some };

	draining = true;
	loop_add(&task);
}

bool pool_draining(void)
{
	return draining;
}

unsigned pool_running(void)
{
	return running;
}

bool pool_idle(void)
{
	return running == 0 && waiting_count() == 0;
}

/* It does not answer though it should, and has not begun to either. */
static bool is_hung(struct member *m, uint64_t now)
{
	size_t received = m->channel.in_size;

	if (!crew_is_hung(m, now))
		return false;
	receive(m); /* what has come may not have been looked at yet */
	if (!crew_is_hung(m, now))
		return false;
	return m->channel.in_size <= received ||
	       loop_clock(now) > m->deadline + LATE_NS;
}

static void end_hung(struct crew *c, uint64_t now)
{
	static const char *const whens[MEMBER_STATES] = {
		[STARTING] = "starting",     [READY] = "waiting",
		[RENEWING] = "renewing",     [BUSY] = "in a run",
		[CANCELLING] = "cancelling",
	};

	for (unsigned i = 0; i < c->maximum; i++) {
		struct member *m = &c->members[i];
		char why[64];

		if (!is_hung(m, now))
			continue;
		snprintf(why, sizeof(why), "it hung, %s, and was killed",
			 m->owes_warm ? "training" : whens[m->state]);
		crew_complain(c, why);
		stop(m, "the worker hung and was killed");
	}
}

/* What is told of what runs a while later: signals, and that it is over. */
static void remind(struct crew *c, uint64_t now)
{
	for (unsigned i = 0; i < c->maximum; i++) {
		struct member *m = &c->members[i];
		struct job *job = m->job;

		if (m->state != BUSY || !job || m->owes_saved)
			continue;
		if (job->give_up && loop_clock(now) > job->give_up) {
			cancel_run(m);
			finish(job, JOB_TIMEOUT);
		} else if (m->signal && member_remind(m) == 0) {
			watch_output(m, true);
		}
	}
}

static void template_loaded(struct stock *s)
{
	struct crew *c = s->context;

	c->memory_mb = stock_memory_mb(s);
	/* Sessions of the one before would not fit into what comes. */
	if (strcmp(c->template, s->now.name)) {
		c->generation += c->template[0] != 0;
		snprintf(c->template, sizeof(c->template), "%s", s->now.name);
	}
	/* What failed before it was there says nothing: runs wait for a start. */
	c->served = clock_mono();
	crew_fill(c);
	train(c);
}

static void template_failed(struct stock *s)
{
	struct crew *c = s->context;

	if (!stock_is_building(s))
		crew_complain(c, s->reason);
	if (stock_ready(s))
		return;
	c->failed = !stock_is_building(s);
	for (unsigned i = 0; i < c->maximum; i++)
		stop(&c->members[i], "the template was overwritten");
}

/* No complaint of a crew's, of which not all are told. */
static void template_noted(struct stock *s, const char *level)
{
	const struct crew *c = s->context;

	log_event(level, "%s: %s", c->name, s->reason);
}

/* What was made of a session and is kept is loaded behind all others, one by one: it
 * shares its image with them. */
static bool waits(const struct crew *c)
{
	return c->derived && !stock_ready(&c->stock) &&
	       !stock_is_working(&c->stock) && catalog_is_working(c->language);
}

void pool_reap(uint64_t now)
{
	struct crew *c;

	for (int i = 0; (c = catalog_crew(i)); i++) {
		crew_reap(c, false);
		if (c->off || waits(c))
			continue;
		stock_tick(&c->stock, now);
		crew_fill(c);
	}
}

void pool_tick(uint64_t now)
{
	struct crew *c;

	pool_reap(now);
	for (int i = 0; (c = catalog_crew(i)); i++) {
		if (c->off)
			continue;
		end_hung(c, now);
		remind(c, now);
		crew_shrink(c, now);
		demand_watch(c);
		if (crew_serves(c))
			c->served = now;
		else if (c->failed && !stock_is_building(&c->stock) &&
			 now > c->served + UNSERVED_NS)
			drain_queue(c, JOB_UNSERVED, REFUSED_BURST);
	}
	train(catalog_crew(0));
}

/* ---- start and end ---- */

int pool_open(int epoll, const struct pool_options *o, struct err *e)
{
	int r;

	waiting_open(o->max_queue);
	crews = (struct crews){ .epoll = epoll,
				.cpus = o->cpus,
				.host = o->host,
				.fresh = o->fresh,
				.pages_mb = o->pages_mb,
				.ready = member_ready,
				.loaded = template_loaded,
				.failed = template_failed,
				.noted = template_noted,
				.image = catalog_image };
	r = demand_open(epoll, e);
	return r ? r : catalog_open(o->directory, o->minimum, o->maximum, e);
}

void pool_close(void)
{
	struct crew *c;

	for (int l = 0; (c = catalog_crew(l)); l++)
		for (unsigned i = 0; i < c->maximum; i++)
			stop(&c->members[i], "the server is ending");
	catalog_close();
	demand_close();
}
