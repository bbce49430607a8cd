/*
 * garbage.c: sockets that only lie in each other's queues. A file that is sent
 * through a socket is in flight until it is received. A socket all of whose
 * references are in flight, in queues that nobody can reach, would stay for
 * ever: collecting empties the queues of such sockets.
 */
#include "net/socket.h"

#define FEW 256 /* so many in flight are looked through at every close */

static struct socket *flying; /* sockets whose files are in flight */
static u32 flying_count, threshold = FEW;
static struct socket *live; /* found reachable, not yet looked into */

static void flight_start(struct socket *s)
{
	if (s->in_flight++)
		return;
	s->flight_next = flying;
	s->flight_link = &flying;
	if (flying)
		flying->flight_link = &s->flight_next;
	flying = s;
	flying_count++;
}

static void flight_end(struct socket *s)
{
	if (--s->in_flight)
		return;
	*s->flight_link = s->flight_next;
	if (s->flight_next)
		s->flight_next->flight_link = s->flight_link;
	flying_count--;
}

static void each_socket(const struct rights *r, void (*fn)(struct socket *s))
{
	for (u32 i = 0; r && i < r->count; i++) {
		struct socket *s = socket_of(r->files[i]);

		if (s && s->domain == AF_UNIX)
			fn(s);
	}
}

/* ---- collecting ---- */

static void each_queued(const struct socket *s, void (*fn)(struct socket *s))
{
	for (const struct message *m = s->head; m; m = m->next)
		each_socket(m->rights, fn);
	/* those that wait to be accepted have queues too */
	for (const struct socket *e = s->pending; e; e = e->pending_next)
		for (const struct message *m = e->head; m; m = m->next)
			each_socket(m->rights, fn);
}

static void held_by_candidate(struct socket *s)
{
	if (s->candidate)
		s->held--;
}

static void save(struct socket *s)
{
	if (!s->candidate)
		return;
	s->candidate = false;
	s->live_next = live;
	live = s;
}

/* Leaves as candidates those that nobody can reach. */
static void find_garbage(void)
{
	struct socket *s;

	for (s = flying; s; s = s->flight_next) {
		s->held = s->in_flight;
		s->candidate = s->file && s->file->refs == s->in_flight;
	}
	for (s = flying; s; s = s->flight_next)
		if (s->candidate)
			each_queued(s, held_by_candidate);
	live = NULL;
	for (s = flying; s; s = s->flight_next)
		if (s->held)
			save(s);
	while ((s = live)) {
		live = s->live_next;
		each_queued(s, save);
	}
}

void garbage_collect(void)
{
	static bool busy;
	struct socket *list = NULL, *next;

	if (busy || !flying || (flying_count > FEW && flying_count < threshold))
		return;
	busy = true;
	find_garbage();
	for (struct socket *s = flying; s; s = s->flight_next) {
		if (!s->candidate)
			continue;
		socket_ref(s);
		s->live_next = list;
		list = s;
	}
	for (; list; list = next) {
		next = list->live_next;
		unix_empty(list);
		socket_unref(list);
	}
	threshold = MAX(2 * flying_count, (u32)FEW);
	busy = false;
}

void garbage_sent(const struct rights *r)
{
	each_socket(r, flight_start);
	if (flying_count > threshold)
		garbage_collect();
}

void garbage_received(const struct rights *r)
{
	each_socket(r, flight_end);
}
