#include "connections.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "connection.h"
#include "job.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"

#define SECOND_NS 1000000000ull
#define GIVE_UP_BURST 4
#define DONE_NS 500000            /* of a turn, for answers to what was run */
#define DRAIN_NS 100000           /* of a slice, for connections that end */
#define JUDGE_BURST 64            /* deadlines at a time */
#define STILL_NS (SECOND_NS / 10) /* without progress, an answer stands still */

static struct {
	struct connection *all, *dead;
	struct connection *done, *last_done; /* those that were busy */
	struct connection *judged; /* the next whose deadline is looked at */
	struct task judge, rest;
	struct connection *drained; /* the next that is, and what then */
	struct task drain;
	void (*after)(void);
	size_t output_total;
} all;

int connections_add(int fd, const char *client, bool local)
{
	struct connection *c;
	int r = connection_open(fd, client, &c);

	if (r)
		return r;
	c->local = local;
	c->next = all.all;
	if (c->next)
		c->next->previous = c;
	all.all = c;
	metrics.connections++;
	metrics.connections_total++;
	return 0;
}

static void closed(struct connection *c)
{
	if (all.judged == c)
		all.judged = c->next;
	if (all.drained == c)
		all.drained = c->next;
	if (c->previous)
		c->previous->next = c->next;
	else
		all.all = c->next;
	if (c->next)
		c->next->previous = c->previous;
	metrics.connections--;
	c->next = all.dead;
	all.dead = c;
}

/* It goes out from the event loop's own calls, so that nothing here is entered
 * twice. */
static void answered(struct connection *c)
{
	c->done = true;
	c->next_done = NULL;
	if (all.done)
		all.last_done->next_done = c;
	else
		all.done = c;
	all.last_done = c;
}

/* Those that still stand in the list of those that were busy are left. */
static void free_dead(void)
{
	struct connection **link = &all.dead, *c;

	while ((c = *link)) {
		if (c->done) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		free(c);
	}
}

/* ---- output that is held ---- */

/* Whose output goes first: the answer that has stood still for longest; if all
 * move, whoever holds most. */
static struct connection *most_expendable(uint64_t now)
{
	struct connection *still = NULL, *largest = NULL;
	size_t most = 0, held;

	for (struct connection *c = all.all; c; c = c->next) {
		if (!c->answering && (!c->busy || c->done))
			continue;
		held = api_held(&c->x);
		if (held > most) {
			most = held;
			largest = c;
		}
		if ((c->answering || answer_waiting(&c->x.answer)) &&
		    now - c->moved >= STILL_NS &&
		    (!still || c->moved < still->moved))
			still = c;
	}
	return still ? still : largest;
}

/* Keeps what is held for clients within its bound. */
static void bound_output(void)
{
	uint64_t now = loop_clock(loop_now());

	for (int i = 0; i < GIVE_UP_BURST; i++) {
		struct connection *c;

		metrics.output_held = jobs_output() + clients.slices;
		if (metrics.output_held <= all.output_total)
			return;
		c = most_expendable(now);
		if (!c)
			return;
		connection_give_up(c);
	}
}

/* ---- turns ---- */

/* Something is left for the next turn, which must not be waited for. */
static void do_nothing(struct task *t)
{
	(void)t;
}

void connections_work(void)
{
	while (all.done) {
		struct connection *c = all.done;

		all.done = c->next_done;
		c->done = false;
		if (c->closed)
			continue;
		connection_answer(c);
		if (all.done && clock_mono() > loop_now() + DONE_NS) {
			loop_add(&all.rest);
			break;
		}
	}
	bound_output();
	if (loop_drained())
		free_dead();
}

void connections_hurry(void)
{
	if (all.done)
		loop_add(&all.rest);
}

/* Those whose time is over, some at a time. */
static void judge_some(struct task *t)
{
	uint64_t now = loop_clock(loop_now());

	for (int i = 0; i < JUDGE_BURST && all.judged; i++) {
		struct connection *c = all.judged;

		all.judged = c->next;
		connection_judge(c, now);
	}
	if (all.judged)
		loop_add(t);
}

void connections_tick(void)
{
	if (!all.judged)
		all.judged = all.all;
	loop_add(&all.judge);
}

void connections_open(int epoll, unsigned request_seconds,
		      unsigned idle_seconds, size_t output_total)
{
	clients = (struct clients){ .epoll = epoll,
				    .request_ns = request_seconds * SECOND_NS,
				    .idle_ns = idle_seconds * SECOND_NS,
				    .answered = answered,
				    .closed = closed };
	all.output_total = output_total;
	all.judge.run = judge_some;
	all.rest.run = do_nothing;
}

/* ---- the end of all ---- */

void connections_retire(void)
{
	clients.retiring = true;
	for (struct connection *c = all.all; c; c = c->next)
		if (c->busy && !c->done)
			c->x.close = true;
}

static void drain_some(struct task *t)
{
	uint64_t begun = clock_mono();

	while (all.drained && clock_mono() - begun < DRAIN_NS) {
		struct connection *c = all.drained;

		all.drained = c->next;
		connection_drain(c);
	}
	if (all.drained) {
		loop_add(t);
		return;
	}
	clients.draining = true;
	all.after();
}

void connections_drain(void (*after)(void))
{
	clients.closing = true;
	all.after = after;
	all.drained = all.all;
	all.drain.run = drain_some;
	loop_add(&all.drain);
}

bool connections_active(void)
{
	if (loop_has(&all.drain))
		return true;
	for (const struct connection *c = all.all; c; c = c->next)
		if (c->busy || c->answering || c->lingering)
			return true;
	return false;
}

struct connections_state connections_look(void)
{
	struct connections_state s = { .input = input_total() };

	for (const struct connection *c = all.all; c; c = c->next) {
		s.all++;
		if (c->busy)
			s.busy++;
		else if (c->answering)
			s.answering++;
		else if (input_left(&c->in) > 0)
			s.sending++;
	}
	return s;
}

void connections_close(void)
{
	while (all.all)
		connection_close(all.all);
	for (; all.done; all.done = all.done->next_done)
		all.done->done = false;
	free_dead();
	free(clients.spare.data);
	clients.spare = (struct text){ 0 };
}
