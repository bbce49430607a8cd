/*
 * port.c: who has which local port. All users of ports are in one hash table by
 * port; those that listen are in another one, so that a listener is found
 * however many connections it has accepted.
 */
#include "net/port.h"

#include <linux/in.h>

#include "heap.h"
#include "net/inet.h"
#include "random.h"

#define PORT_FIRST 32768 /* net.ipv4.ip_local_port_range */
#define PORT_LAST 60999
#define PORT_COUNT (PORT_LAST - PORT_FIRST + 1u)
#define BUCKETS 4096
#define LISTEN_BUCKETS 512
#define ENDED_NS (60 * NSEC) /* TIME_WAIT */
#define REUSE_NS NSEC        /* so soon another connection may follow it */
#define ENDED_MAX 4096       /* net.ipv4.tcp_max_tw_buckets */

struct ended {
	struct binding binding;
	struct ended *next, *prev; /* by age */
	struct socket *owner;      /* that still knows it, NULL: none */
	u64 until;                 /* mono ns */
	u64 options;               /* of the socket */
	u32 uid;
};

static struct binding *table[BUCKETS], *listening[LISTEN_BUCKETS];
static struct ended *oldest, *newest;
static u32 ended_count;

static struct binding *binding_of(struct socket *s)
{
	return &s->inet->binding;
}

static void chain_add(struct binding *b)
{
	struct binding **bucket = &table[b->local.port % BUCKETS];

	b->next = *bucket;
	b->link = bucket;
	if (b->next)
		b->next->link = &b->next;
	*bucket = b;
}

static void chain_remove(struct binding *b)
{
	if (!b->link)
		return;
	*b->link = b->next;
	if (b->next)
		b->next->link = b->link;
	b->link = NULL;
}

/* ---- connections that have ended ---- */

static void ended_unlink(struct ended *e)
{
	*(e->prev ? &e->prev->next : &oldest) = e->next;
	*(e->next ? &e->next->prev : &newest) = e->prev;
	ended_count--;
}

static void ended_append(struct ended *e)
{
	e->next = NULL;
	e->prev = newest;
	*(newest ? &newest->next : &oldest) = e;
	newest = e;
	ended_count++;
	e->until = mono_now() + ENDED_NS;
}

static void ended_free(struct ended *e)
{
	ended_unlink(e);
	chain_remove(&e->binding);
	if (e->owner)
		e->owner->tcp->ended = NULL;
	kfree(e);
}

static void expire(void)
{
	while (oldest && oldest->until <= mono_now())
		ended_free(oldest);
}

void port_end(struct socket *s)
{
	struct ended *e;

	expire();
	port_end_detach(s);
	e = ended_count < ENDED_MAX ? kmalloc(sizeof(*e)) : NULL;
	if (!e)
		return;
	e->binding = *binding_of(s);
	e->binding.socket = NULL;
	e->binding.listen_link = NULL;
	e->owner = s;
	e->options = s->options;
	e->uid = s->uid;
	s->tcp->ended = e;
	chain_add(&e->binding);
	ended_append(e);
}

void port_end_renew(struct socket *s)
{
	struct ended *e = s->tcp->ended;

	if (!e)
		return;
	ended_unlink(e);
	ended_append(e);
}

void port_end_forget(struct socket *s)
{
	if (s->tcp->ended)
		ended_free(s->tcp->ended);
}

void port_end_detach(struct socket *s)
{
	if (s->tcp->ended)
		s->tcp->ended->owner = NULL;
	s->tcp->ended = NULL;
}

const struct ended *port_next_ended(const struct ended *e)
{
	if (!e)
		expire();
	return e ? e->next : oldest;
}

const struct binding *port_ended_binding(const struct ended *e)
{
	return &e->binding;
}

u64 port_ended_left(const struct ended *e)
{
	return deadline_left(e->until);
}

/* ---- conflicts ---- */

static const struct ended *ended_of(const struct binding *b)
{
	return b->socket ? NULL :
			   (const struct ended *)b; /* its first member */
}

static bool shares(const struct binding *b, int option)
{
	return b->socket ? socket_option(b->socket, option) :
			   ended_of(b)->options >> option & 1;
}

static u32 owner(const struct binding *b)
{
	return b->socket ? b->socket->uid : ended_of(b)->uid;
}

/* There are addresses at which both would be found. */
static bool overlap(const struct binding *a, const struct binding *b)
{
	bool a_v4 = endpoint_is_v4(&a->local), b_v4 = endpoint_is_v4(&b->local);

	if (a_v4 == b_v4)
		return endpoint_is_any(&a->local) ||
		       endpoint_is_any(&b->local) ||
		       endpoint_same_address(&a->local, &b->local);
	if (a_v4)
		return endpoint_is_any(&b->local) && !b->v6only;
	return endpoint_is_any(&a->local) && !a->v6only;
}

/* a cannot have the port that b has. */
static bool conflict(const struct binding *a, const struct binding *b)
{
	if (!overlap(a, b))
		return false;
	if (shares(a, SO_REUSEADDR) && shares(b, SO_REUSEADDR) &&
	    !(b->socket && b->socket->listening))
		return false;
	return !(shares(a, SO_REUSEPORT) && shares(b, SO_REUSEPORT) &&
		 (!b->socket || owner(a) == owner(b)));
}

/* Of those that have the port, the first behind b that is of its kind. */
static struct binding *next_user(struct binding *b, u16 protocol, u16 port)
{
	while (b && (b->local.port != port || b->protocol != protocol))
		b = b->next;
	return b;
}

static struct binding *first_user(u16 protocol, u16 port)
{
	return next_user(table[port % BUCKETS], protocol, port);
}

static bool port_taken(const struct binding *a, u16 port, bool strict)
{
	struct binding *b = first_user(a->protocol, port);

	for (; b; b = next_user(b->next, a->protocol, port))
		if (b != a && (strict ? overlap(a, b) : conflict(a, b)))
			return true;
	return false;
}

/* ---- taking ports ---- */

static u32 random_start(void)
{
	u32 start;

	random_fill(&start, sizeof(start));
	return start % PORT_COUNT;
}

static u16 port_choose(const struct binding *a)
{
	u32 start = random_start();

	for (u32 i = 0; i < PORT_COUNT; i++) {
		u16 port = (u16)(PORT_FIRST + (start + i) % PORT_COUNT);

		if (!port_taken(a, port, true))
			return port;
	}
	return 0;
}

long port_bind(struct socket *s, u16 port)
{
	struct binding *b = binding_of(s);

	expire();
	if (!port)
		port = port_choose(b);
	if (!port || port_taken(b, port, false))
		return -EADDRINUSE;
	b->local.port = port;
	b->automatic = false;
	chain_add(b);
	return 0;
}

/* b is a connection; that of a socket may be over, and its ends still known. */
static bool is_connection(const struct binding *b)
{
	return !b->socket || (b->socket->tcp->state != STATE_CLOSE &&
			      b->socket->tcp->state != STATE_LISTEN);
}

static bool same_connection(const struct binding *a, const struct binding *b)
{
	return is_connection(b) && endpoint_same(&a->remote, &b->remote) &&
	       endpoint_same_address(&a->local, &b->local);
}

/* b is over and has been long enough for another one to be the same. */
static bool may_follow(const struct binding *b)
{
	return !b->socket &&
	       ended_of(b)->until <= mono_now() + ENDED_NS - REUSE_NS;
}

/* The connection a cannot have the port. */
static bool connection_taken(const struct binding *a, u16 port)
{
	struct binding *b = first_user(a->protocol, port);

	for (; b; b = next_user(b->next, a->protocol, port)) {
		if (b == a)
			continue;
		if (!a->link && !b->automatic)
			return true; /* a port that was bound is not chosen */
		if (same_connection(a, b) && !may_follow(b))
			return true;
	}
	return false;
}

long port_connect(struct socket *s)
{
	struct binding *b = binding_of(s);
	u32 start;

	expire();
	if (b->link)
		return connection_taken(b, b->local.port) ? -EADDRNOTAVAIL : 0;
	start = random_start();
	for (u32 i = 0; i < PORT_COUNT; i++) {
		u16 port = (u16)(PORT_FIRST + (start + i) % PORT_COUNT);

		if (connection_taken(b, port))
			continue;
		b->local.port = port;
		b->automatic = true;
		chain_add(b);
		return 0;
	}
	return -EADDRNOTAVAIL;
}

void port_share(struct socket *s)
{
	chain_add(binding_of(s));
}

void port_drop(struct socket *s)
{
	chain_remove(binding_of(s));
}

/* ---- who is found ---- */

long port_listen(struct socket *s)
{
	struct binding *b = binding_of(s),
		       **bucket = &listening[b->local.port % LISTEN_BUCKETS];

	if (port_taken(b, b->local.port, false))
		return -EADDRINUSE;
	b->listen_next = *bucket;
	b->listen_link = bucket;
	if (b->listen_next)
		b->listen_next->listen_link = &b->listen_next;
	*bucket = b;
	return 0;
}

void port_unlisten(struct socket *s)
{
	struct binding *b = binding_of(s);

	if (!b->listen_link)
		return;
	*b->listen_link = b->listen_next;
	if (b->listen_next)
		b->listen_next->listen_link = b->listen_link;
	b->listen_link = NULL;
}

/* How well b suits what goes between the two: 0 not at all. */
static u32 score(const struct binding *b, const struct endpoint *from,
		 const struct endpoint *to)
{
	u32 points = b->socket->domain == AF_INET ? 2 : 1;

	if (endpoint_same_address(&b->local, to))
		points += 16;
	else if (!endpoint_is_any(&b->local) ||
		 (endpoint_is_v4(&b->local) && !endpoint_is_v4(to)) ||
		 (!endpoint_is_v4(&b->local) && b->v6only &&
		  endpoint_is_v4(to)))
		return 0;
	if (!b->remote.port)
		return points;
	return endpoint_same(&b->remote, from) ? points + 8 : 0;
}

static u32 spread(const struct endpoint *from, const struct endpoint *to)
{
	u64 h = from->halves[1] * 31 + to->halves[1] * 17 + to->port;

	h = (h + from->port) * 0x9e3779b97f4a7c15ull;
	return (u32)(h >> 32);
}

/* The best of the users that `next` goes through, from first on. */
static struct socket *
best(struct binding *first,
     struct binding *(*next)(struct binding *b, u16 protocol, u16 port),
     u16 protocol, const struct endpoint *from, const struct endpoint *to)
{
	struct binding *b, *found = NULL;
	u32 most = 0, equal = 0;

	for (b = first; b; b = next(b, protocol, to->port)) {
		u32 points = b->socket ? score(b, from, to) : 0;

		if (points > most) {
			most = points;
			found = b;
			equal = 0;
		}
		equal += points && points == most;
	}
	if (!found)
		return NULL;
	if (equal < 2 || !socket_option(found->socket, SO_REUSEPORT))
		return found->socket;
	equal = spread(from, to) % equal;
	for (b = first; b; b = next(b, protocol, to->port))
		if (b->socket && score(b, from, to) == most && !equal--)
			return b->socket;
	return found->socket;
}

static struct binding *behind(struct binding *b, u16 protocol, u16 port)
{
	return next_user(b->next, protocol, port);
}

static struct binding *listener_from(struct binding *b, u16 port)
{
	while (b && b->local.port != port)
		b = b->listen_next;
	return b;
}

static struct binding *listener_behind(struct binding *b, u16 protocol,
				       u16 port)
{
	(void)protocol; /* all of TCP */
	return listener_from(b->listen_next, port);
}

struct socket *port_listener(const struct endpoint *from,
			     const struct endpoint *to)
{
	return best(listener_from(listening[to->port % LISTEN_BUCKETS],
				  to->port),
		    listener_behind, IPPROTO_TCP, from, to);
}

struct socket *port_receiver(u16 protocol, const struct endpoint *from,
			     const struct endpoint *to)
{
	return best(first_user(protocol, to->port), behind, protocol, from, to);
}

void port_each(u16 protocol, u16 port, void (*fn)(struct socket *s, void *arg),
	       void *arg)
{
	struct binding *b = first_user(protocol, port);

	for (; b; b = behind(b, protocol, port))
		if (b->socket)
			fn(b->socket, arg);
}
