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
#include "jail.h"
#include "log.h"

#define RESTART_NS 500000000ull   /* between starts of one that dies at once */
#define START_NS 30000000000ull   /* for a start, then a worker is hung */
#define REPEAT_NS 60000000000ull  /* between log lines that say the same */
#define COMPLAIN_NS 1000000000ull /* between any two of a crew */
#define SHORT_NS 20000000ull   /* without a free worker before one is added */
#define STUCK_NS 100000000ull  /* without a run's end: sharing CPUs is better */
#define IDLE_NS 10000000000ull /* free for so long, one is not needed */
#define STARTS_PER_CPU 4       /* at once, of the minimum */
#define WARM_PER_CPU 4         /* free ones, ahead of demand */
#define CALM_NS 30000000       /* without a run's end */
#define WAKE_NS 60000          /* what another worker takes to wake up */

struct crews crews;

/* ---- free workers ---- */

/* The lists in the order in which they are taken from. The one that was used
 * last comes first, so that its pages are in the CPU's caches and the others can
 * sleep or go, unless its VM is still being made ready and that takes longer than
 * another worker needs to wake up. */
enum { WARM, WARM_EXTRA, COLD, COLD_EXTRA };

static struct free_list *list_of(const struct worker *w)
{
	return &w->crew->free[w->warm ? (w->extra ? WARM_EXTRA : WARM) :
					(w->extra ? COLD_EXTRA : COLD)];
}

static void append(struct free_list *l, struct worker *w)
{
	w->next = NULL;
	w->previous = l->last;
	if (l->last)
		l->last->next = w;
	else
		l->first = w;
	l->last = w;
	l->count++;
}

static void prepend(struct free_list *l, struct worker *w)
{
	w->previous = NULL;
	w->next = l->first;
	if (l->first)
		l->first->previous = w;
	else
		l->last = w;
	l->first = w;
	l->count++;
}

static void take_out(struct worker *w)
{
	struct free_list *l = list_of(w);

	if (w->previous)
		w->previous->next = w->next;
	else
		l->first = w->next;
	if (w->next)
		w->next->previous = w->previous;
	else
		l->last = w->previous;
	l->count--;
}

struct worker *crew_choose(const struct crew *c, uint64_t now)
{
	for (int i = 0; i < 4; i++) {
		if (!c->free[i].first)
			continue;
		for (struct worker *w = c->free[i].first; w; w = w->next)
			if (w->ready_at <= now + WAKE_NS)
				return w;
		return c->free[i].last;
	}
	return NULL;
}

static void set_training(struct worker *w, bool training)
{
	if (w->training == training)
		return;
	w->training = training;
	w->crew->training += training ? 1 : -1u;
	crews.training += training ? 1 : -1u;
}

void crew_move(struct worker *w, enum worker_state state, uint64_t now)
{
	struct crew *c = w->crew;

	if (w->state == READY)
		take_out(w);
	else
		w->free_since = now;
	set_training(w, false);
	crews.starting -= w->state == STARTING;
	crews.starting += state == STARTING;
	c->count[w->state]--;
	c->count[state]++;
	w->state = state;
	if (state == STOPPED || state == STARTING)
		w->warm = false;
	if (state == READY)
		prepend(list_of(w), w);
	if (c->count[READY] && !c->queue.turn)
		c->short_since = 0;
	else if (!c->short_since)
		c->short_since = now;
}

void crew_set_warm(struct worker *w, bool warm)
{
	if (w->state == READY)
		take_out(w);
	w->warm = warm;
	set_training(w, false);
	if (w->state == READY)
		append(list_of(w), w);
}

/* ---- processes ---- */

/* Its channel arrives as WORKER_CHANNEL. The process or -errno. */
static pid_t execute(const struct crew *c, int channel)
{
	const char *argv[10] = { "zeroboot", "worker" }, *user = jail_user();
	int n = 2;

	if (crews.fresh)
		argv[n++] = "--fresh";
	if (user) {
		argv[n++] = "--user";
		argv[n++] = user;
	}
	argv[n++] = "--paging";
	argv[n++] = crews.paging;
	argv[n++] = "--template";
	argv[n++] = c->path;
	return jail_spawn((char *const *)(uintptr_t)argv, &channel, 1);
}

/* The process behind a channel of ours. 0 or -errno. */
static int spawn(struct worker *w)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };
	int other, r = channel_open(&w->channel, &other);

	if (r)
		return r;
	if (epoll_ctl(crews.epoll, EPOLL_CTL_ADD, w->channel.fd, &event) < 0) {
		r = -errno;
		goto fail;
	}
	w->pid = execute(w->crew, other);
	if (w->pid < 0) {
		r = w->pid;
		w->pid = 0;
		goto fail;
	}
	close(other);
	return 0;
fail:
	channel_close(&w->channel);
	close(other);
	return r;
}

/* A slot that may be used now. */
static bool is_open(const struct worker *w, uint64_t now)
{
	return w->state == STOPPED && w->pid == 0 && now >= w->not_before;
}

static bool start(struct worker *w, uint64_t now)
{
	int r;

	w->not_before = now + RESTART_NS;
	w->started = now;
	w->deadline = loop_clock(now) + START_NS;
	w->file = file_look(w->crew->path);
	r = spawn(w);
	if (r) {
		w->crew->failed = true;
		crew_complain(w->crew, strerror(-r));
		return false;
	}
	crew_move(w, STARTING, now);
	return true;
}

void crew_end(struct worker *w)
{
	if (w->state == STARTING)
		w->crew->failed = true;
	kill(w->pid, SIGKILL); /* reaped later: its memory takes time to free */
	epoll_ctl(crews.epoll, EPOLL_CTL_DEL, w->channel.fd, NULL);
	channel_close(&w->channel);
	w->job = NULL;
	crew_move(w, STOPPED, clock_mono());
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
		struct worker *w = &c->workers[i];

		if (w->state != STOPPED || w->pid <= 0 ||
		    waitpid(w->pid, &status, wait ? 0 : WNOHANG) == 0)
			continue;
		take_note(w->pid, status);
		w->pid = 0;
	}
}

/* Stopped by a signal, as by kill -STOP; it would take a run and not begin. */
static bool is_stopped(const struct worker *w)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)w->pid, &info,
		      WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == w->pid;
}

bool crew_is_hung(const struct worker *w, uint64_t now)
{
	switch (w->state) {
	case STARTING:
		return loop_clock(now) > w->deadline || is_stopped(w);
	case READY:
		return is_stopped(w);
	case BUSY:
		return loop_clock(now) > w->deadline;
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

int crew_open(struct crew *c, unsigned minimum, unsigned maximum)
{
	c->workers = calloc(maximum, sizeof(*c->workers));
	if (!c->workers)
		return -ENOMEM;
	c->minimum = minimum;
	c->maximum = maximum;
	c->count[STOPPED] = maximum;
	for (unsigned i = 0; i < maximum; i++) {
		struct worker *w = &c->workers[i];

		w->watch.ready = crews.ready;
		w->crew = c;
		w->channel.fd = -1;
		w->extra = i >= minimum;
	}
	return 0;
}

void crew_close(struct crew *c)
{
	free(c->workers);
	c->workers = NULL;
}

/* ---- how many ---- */

unsigned crew_missing(const struct crew *c)
{
	unsigned missing = 0;

	for (unsigned i = 0; i < c->minimum; i++)
		missing += c->workers[i].state == STOPPED;
	return missing;
}

void crew_fill(struct crew *c, uint64_t now)
{
	if (c->count[STOPPED] == 0)
		return;
	for (unsigned i = 0; i < c->minimum; i++) {
		struct worker *w = &c->workers[i];

		if (crews.starting >= STARTS_PER_CPU * crews.cpus)
			return;
		if (is_open(w, now))
			start(w, now);
	}
}

void crew_add(struct crew *c, uint64_t now)
{
	for (unsigned i = c->minimum; i < c->maximum; i++) {
		struct worker *w = &c->workers[i];

		if (!is_open(w, now))
			continue;
		crews.added += start(w, now);
		return;
	}
}

void crew_shrink(struct crew *c, uint64_t now)
{
	/* One that is free stays, ahead of demand. */
	struct worker *w = c->free[COLD_EXTRA].last;

	if (!w)
		w = c->free[WARM_EXTRA].last;
	if (!w || c->count[READY] < 2 || now - w->free_since < IDLE_NS)
		return;
	crew_end(w);
	w->not_before = 0;
	crews.removed++;
}

void crew_train(struct crew *c)
{
	unsigned most = crews.cpus > 1 ? crews.cpus / 2 : 1;

	/* Where every run takes its VM along, training under load would only
	 * take the CPU from runs. */
	if (crews.fresh && clock_mono() - c->run_ended < CALM_NS)
		return;
	while (crews.training < most && !c->queue.turn &&
	       c->free[WARM].count + c->free[WARM_EXTRA].count + c->training <
		       WARM_PER_CPU * crews.cpus) {
		struct worker *w = c->free[COLD].first;

		if (!w || w->training)
			w = c->free[COLD_EXTRA].first;
		if (!w || w->training)
			return;
		w->channel.request = (struct worker_request){ .train = 1 };
		w->channel.sent = 0;
		/* It is taken last now; a failure comes back as an end. */
		take_out(w);
		append(list_of(w), w);
		set_training(w, true);
		channel_send(&w->channel, NULL);
	}
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
