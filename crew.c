#include "crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "discard.h"
#include "jail.h"
#include "log.h"

#define RESTART_NS 500000000ull   /* between starts of one that dies at once */
#define START_NS 30000000000ull   /* for a start, then a worker is hung; */
#define OWED_NS 60000000000ull    /* for a renewal or a training */
#define REPEAT_NS 60000000000ull  /* between log lines that say the same */
#define COMPLAIN_NS 1000000000ull /* between any two of a crew */
#define SHORT_NS 20000000ull   /* without a free worker before one is added */
#define STUCK_NS 100000000ull  /* without a run's end: sharing CPUs is better */
#define IDLE_NS 10000000000ull /* free for so long, one is not needed */
#define STARTS_PER_CPU 4       /* at once, of the minimum */
#define WARM_PER_CPU 4         /* free ones, ahead of demand */
#define RESIDENT_NS 1000000000ull /* for a session's next exec */
#define CALM_NS 30000000          /* without a run's beginning or end */
#define WAKE_US 60                /* what another worker takes to wake up */

struct crews crews;

/* ---- free workers ---- */

/* The lists in the order in which they are taken from. The one that was used
 * last comes first, so that its pages are in the CPU's caches and the others can
 * sleep or go, unless its VM is still being renewed and that took longer, last
 * time, than another worker needs to wake up. */
enum { WARM, WARM_EXTRA, COLD, COLD_EXTRA };

static struct free_list *list_of(const struct member *m)
{
	return &m->crew->free[m->warm ? (m->extra ? WARM_EXTRA : WARM) :
					(m->extra ? COLD_EXTRA : COLD)];
}

static void append(struct free_list *l, struct member *m)
{
	m->next = NULL;
	m->previous = l->last;
	if (l->last)
		l->last->next = m;
	else
		l->first = m;
	l->last = m;
	l->count++;
}

static void prepend(struct free_list *l, struct member *m)
{
	m->previous = NULL;
	m->next = l->first;
	if (l->first)
		l->first->previous = m;
	else
		l->last = m;
	l->first = m;
	l->count++;
}

static void take_out(struct member *m)
{
	struct free_list *l = list_of(m);

	if (m->previous)
		m->previous->next = m->next;
	else
		l->first = m->next;
	if (m->next)
		m->next->previous = m->previous;
	else
		l->last = m->previous;
	l->count--;
}

struct member *crew_choose(const struct crew *c)
{
	for (int i = 0; i < 4; i++) {
		if (!c->free[i].first)
			continue;
		for (struct member *m = c->free[i].first; m; m = m->next)
			if (m->state == READY || m->renew_us <= WAKE_US)
				return m;
		return c->free[i].last;
	}
	return NULL;
}

static void set_training(struct member *m, bool training)
{
	if (m->training == training)
		return;
	m->training = training;
	m->crew->training += training ? 1 : -1u;
	crews.training += training ? 1 : -1u;
}

bool crew_is_outdated(const struct member *m)
{
	return m->generation != m->crew->generation;
}

bool crew_is_free(const struct member *m)
{
	return m->state == READY || m->state == RENEWING;
}

unsigned crew_free(const struct crew *c)
{
	return c->count[READY] + c->count[RENEWING];
}

bool crew_serves(const struct crew *c)
{
	return crew_free(c) + c->count[BUSY] + c->count[CANCELLING] > 0;
}

void crew_move(struct member *m, enum member_state state, uint64_t now)
{
	struct crew *c = m->crew;
	bool was_free = crew_is_free(m);

	crews.starting -= m->state == STARTING;
	crews.starting += state == STARTING;
	c->count[m->state]--;
	c->count[state]++;
	if (was_free && state == READY) { /* renewed: it keeps its place */
		m->state = state;
		return;
	}
	if (was_free)
		take_out(m);
	else
		m->free_since = now;
	m->state = state;
	if (state == RENEWING)
		m->deadline = loop_clock(now) + OWED_NS;
	set_training(m, false);
	if (state == STOPPED || state == STARTING)
		m->warm = false;
	if (crew_is_free(m))
		prepend(list_of(m), m);
	if (crew_free(c) && !c->queue.turn)
		c->short_since = 0;
	else if (!c->short_since)
		c->short_since = now;
}

void crew_set_warm(struct member *m, bool warm)
{
	set_training(m, false);
	if (m->warm == warm)
		return;
	if (crew_is_free(m))
		take_out(m);
	m->warm = warm;
	if (crew_is_free(m))
		append(list_of(m), m);
}

/* ---- processes ---- */

/* Its channel arrives as WORKER_CHANNEL. The process or -errno. */
static pid_t execute(const struct crew *c, int channel)
{
	int files[1 + LOAD_FILES] = { channel };
	const char *argv[14] = { "zeroboot", "worker" }, *user = jail_user();
	char pages[16];
	int n = 2;

	if (crews.fresh)
		argv[n++] = "--fresh";
	if (user) {
		argv[n++] = "--user";
		argv[n++] = user;
	}
	snprintf(pages, sizeof(pages), "%u", crews.pages_mb);
	argv[n++] = "--pages";
	argv[n++] = pages;
	if (c->foreign)
		argv[n++] = "--foreign";
	argv[n++] = "--host";
	argv[n++] = crews.host;
	argv[n++] = "--template";
	argv[n++] = c->path;
	memcpy(files + 1, c->stock.now.files, sizeof(c->stock.now.files));
	return jail_spawn((char *const *)(uintptr_t)argv, files,
			  1 + LOAD_FILES);
}

/* The process behind a channel of ours. 0 or -errno. */
static int spawn(struct member *m)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = m };
	int other, r = channel_open(&m->channel, &other);

	if (r)
		return r;
	if (epoll_ctl(crews.epoll, EPOLL_CTL_ADD, m->channel.fd, &event) < 0) {
		r = -errno;
		goto fail;
	}
	m->pid = execute(m->crew, other);
	if (m->pid < 0) {
		r = m->pid;
		m->pid = 0;
		goto fail;
	}
	close(other);
	return 0;
fail:
	channel_close(&m->channel);
	close(other);
	return r;
}

/* A slot that may be used now. */
static bool is_open(const struct member *m, uint64_t now)
{
	return m->state == STOPPED && m->pid == 0 && now >= m->not_before;
}

static bool start(struct member *m, uint64_t now)
{
	int r;

	m->not_before = now + RESTART_NS;
	m->started = now;
	m->generation = m->crew->generation;
	m->deadline = loop_clock(now) + START_NS;
	r = spawn(m);
	if (r) {
		m->crew->failed = true;
		crew_complain(m->crew, strerror(-r));
		return false;
	}
	crew_move(m, STARTING, now);
	return true;
}

void crew_end(struct member *m)
{
	if (m->state == STARTING)
		m->crew->failed = true;
	kill(m->pid, SIGKILL); /* reaped later: its memory takes time to free */
	epoll_ctl(crews.epoll, EPOLL_CTL_DEL, m->channel.fd, NULL);
	channel_close(&m->channel);
	member_forget(m);
	m->job = NULL;
	m->owes_idle = m->owes_warm = m->owes_saved = false;
	m->resident = 0;
	m->base = 0;
	crew_move(m, STOPPED, clock_mono());
}

/* Whom the filter of system calls has ended, somebody had got that far. */
static void take_note(pid_t pid, int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		log_event("error",
			  "worker %d made a system call that it may not make",
			  (int)pid);
}

void crew_reap(struct crew *c, bool wait)
{
	int status = 0;

	for (unsigned i = 0; i < c->maximum; i++) {
		struct member *m = &c->members[i];

		if (m->state != STOPPED || m->pid <= 0 ||
		    waitpid(m->pid, &status, wait ? 0 : WNOHANG) == 0)
			continue;
		take_note(m->pid, status);
		m->pid = 0;
	}
	if (c->off)
		stock_reap(&c->stock);
}

/* Stopped by a signal, as by kill -STOP; it would take a run and not begin. */
static bool is_stopped(const struct member *m)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)m->pid, &info,
		      WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == m->pid;
}

bool crew_is_hung(const struct member *m, uint64_t now)
{
	switch (m->state) {
	case STARTING:
		return loop_clock(now) > m->deadline || is_stopped(m);
	case READY:
		return (m->owes_warm && loop_clock(now) > m->deadline) ||
		       is_stopped(m);
	case RENEWING:
		return loop_clock(now) > m->deadline || is_stopped(m);
	case BUSY:
	case CANCELLING:
		return loop_clock(now) > m->deadline;
	default:
		return false;
	}
}

void crew_complain(struct crew *c, const char *why)
{
	bool same = strncmp(c->complaint, why, sizeof(c->complaint) - 1) == 0;
	uint64_t now = clock_mono();

	if (c->complained &&
	    now - c->complained < (same ? REPEAT_NS : COMPLAIN_NS))
		return;
	c->complained = now;
	snprintf(c->complaint, sizeof(c->complaint), "%s", why);
	log_event("error", "%s: worker: %s", c->name, why);
}

/* One of those that are missing: to make its namespaces takes long. */
static void fill(struct task *t)
{
	struct crew *c =
		(struct crew *)((char *)t - offsetof(struct crew, filling));
	uint64_t now = clock_mono();

	if (!stock_ready(&c->stock))
		return;
	for (unsigned i = 0; i < c->minimum; i++) {
		struct member *m = &c->members[i];

		if (crews.starting >= STARTS_PER_CPU * crews.cpus)
			return;
		if (!is_open(m, now))
			continue;
		start(m, now);
		loop_add(t);
		return;
	}
}

static void open_stock(struct crew *c)
{
	c->stock = (struct stock){ .path = c->path,
				   .host = crews.host,
				   .context = c,
				   .loaded = crews.loaded,
				   .failed = crews.failed,
				   .noted = crews.noted,
				   .image = crews.image,
				   .foreign = c->foreign };
	stock_open(&c->stock);
}

void crew_stop(struct crew *c)
{
	for (unsigned i = 0; i < c->maximum; i++)
		if (c->members[i].state != STOPPED)
			crew_end(&c->members[i]);
	stock_stop(&c->stock);
	loop_remove(&c->filling);
	c->short_since = 0;
	c->off = true;
}

bool crew_is_gone(const struct crew *c)
{
	if (!c->off || c->stock.pid)
		return false;
	for (unsigned i = 0; i < c->maximum; i++)
		if (c->members[i].pid > 0)
			return false;
	return true;
}

void crew_go_on(struct crew *c)
{
	for (unsigned i = 0; i < c->maximum; i++)
		c->members[i].not_before = 0;
	c->template[0] = c->complaint[0] = 0;
	c->off = c->failed = false;
	open_stock(c);
}

int crew_open(struct crew *c, unsigned minimum, unsigned maximum)
{
	c->members = calloc(maximum, sizeof(*c->members));
	if (!c->members)
		return -ENOMEM;
	open_stock(c);
	c->filling.run = fill;
	c->minimum = minimum;
	c->maximum = maximum;
	c->count[STOPPED] = maximum;
	for (unsigned i = 0; i < maximum; i++) {
		struct member *m = &c->members[i];

		m->watch.ready = crews.ready;
		m->crew = c;
		m->channel.fd = -1;
		m->extra = i >= minimum;
	}
	return 0;
}

void crew_close(struct crew *c)
{
	stock_close(&c->stock);
	loop_remove(&c->filling);
	free(c->members);
	c->members = NULL;
}

/* ---- how many ---- */

unsigned crew_missing(const struct crew *c)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < c->minimum; i++)
		missing += c->members[i].state == STOPPED;
	return missing;
}

void crew_fill(struct crew *c)
{
	if (c->count[STOPPED])
		loop_add(&c->filling);
}

void crew_add(struct crew *c, uint64_t now)
{
	if (!stock_ready(&c->stock))
		return;
	for (unsigned i = c->minimum; i < c->maximum; i++) {
		struct member *m = &c->members[i];

		if (!is_open(m, now))
			continue;
		crews.added += start(m, now);
		return;
	}
}

void crew_shrink(struct crew *c, uint64_t now)
{
	/* One that is free stays, ahead of demand. */
	struct member *m = c->free[COLD_EXTRA].last;

	if (!m)
		m = c->free[WARM_EXTRA].last;
	if (!m || crew_free(c) < 2 || now - m->free_since < IDLE_NS)
		return;
	crew_end(m);
	m->not_before = 0;
	crews.removed++;
}

/* A session's next exec may come soon, and goes on in the VM of the one before. */
static bool is_awaited(const struct member *m, uint64_t now)
{
	return m->resident && now - m->free_since < RESIDENT_NS;
}

static struct member *cold_one(const struct free_list *l, uint64_t now)
{
	for (struct member *m = l->first; m; m = m->next)
		if (m->state == READY && !m->training && !m->owes_warm &&
		    !is_awaited(m, now))
			return m;
	return NULL;
}

/*
 * A training keeps a worker from its next run for some time: longer than a run on
 * a VM that is cold takes more. So it waits until nobody asks, or another one is
 * there to be asked. Where every run takes its VM along, training under load
 * would only take the CPU from runs.
 */
static bool may_train(const struct crew *c)
{
	uint64_t last = c->run_begun > c->run_ended ? c->run_begun :
						      c->run_ended;

	if (c->queue.turn)
		return false;
	if (clock_mono() - last >= CALM_NS)
		return true;
	return !crews.fresh && c->free[WARM].count + c->free[WARM_EXTRA].count;
}

struct member *crew_train(struct crew *c)
{
	unsigned most = crews.cpus > 1 ? crews.cpus / 2 : 1;
	uint64_t now = clock_mono();
	struct member *m;

	/* Their VMs go once it is. */
	if (!c->stock.now.loaded)
		return NULL;
	if (crews.training >= most || !may_train(c) ||
	    c->free[WARM].count + c->free[WARM_EXTRA].count + c->training >=
		    WARM_PER_CPU * crews.cpus)
		return NULL;
	m = cold_one(&c->free[COLD], now);
	if (!m)
		m = cold_one(&c->free[COLD_EXTRA], now);
	if (!m)
		return NULL;
	take_out(m); /* it is taken last now */
	append(list_of(m), m);
	set_training(m, true);
	m->resident = 0;
	m->deadline = loop_clock(now) + OWED_NS;
	return m;
}

bool crew_is_short(const struct crew *c, bool idle_cpu, uint64_t now)
{
	uint64_t since = c->short_since;

	if (!since || now - since < SHORT_NS || crews.starting)
		return false;
	if (idle_cpu)
		return true;
	if (c->run_ended > since)
		since = c->run_ended;
	return c->queue.turn && now - since >= STUCK_NS;
}
