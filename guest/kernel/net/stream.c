/*
 * stream.c: the bytes that go through TCP connections. What is sent goes to the
 * end of the receiver's queue. Of that so much counts as arrived as the
 * receiver's buffer holds, and what is beyond as waiting in the sender's.
 */
#include "net/inet.h"

#include <linux/in.h>

#include "fs/owner.h"
#include "heap.h"
#include "net/interface.h"

#define SMALL 256 /* room in a queue's first segment, header included */
#define MIDDLE 2048
#define FEW 4096           /* bytes that any queue may have */
#define LARGE (16384 - 64) /* with the heap's header four frames */

struct segment {
	struct segment *next;
	u32 room, size, offset; /* offset: of the first byte not read */
	u8 data[];
};

/* ---- the queue ---- */

static u64 window(const struct socket *to)
{
	return to->receive_buffer / 2;
}

/* Bytes that count as the sender's. */
static u64 unsent(const struct socket *to)
{
	return to->queued > window(to) ? to->queued - window(to) : 0;
}

static u64 room(const struct socket *from, const struct socket *to)
{
	u64 most = from->send_buffer + window(to);

	if (inet_crowded())
		most = to->queued ? 0 : FEW;
	return to->queued < most ? most - to->queued : 0;
}

/* There is so much room that it is worth telling. */
static bool roomy(const struct socket *from, const struct socket *to)
{
	return room(from, to) && unsent(to) * 3 <= from->send_buffer * 2;
}

static struct segment *segment_new(u64 size, bool first)
{
	u64 total = size + sizeof(struct segment);
	struct segment *g;

	if (total > MIDDLE)
		total = LARGE;
	else
		total = first && total <= SMALL ? SMALL : MIDDLE;
	g = kmalloc(total);
	if (!g && total == LARGE)
		g = kmalloc(total = MIDDLE);
	if (g)
		g->room = (u32)(total - sizeof(*g));
	return g;
}

static void segment_append(struct socket *to, struct segment *g)
{
	struct tcp *t = to->tcp;

	if (t->tail)
		t->tail->next = g;
	else
		t->head = g;
	t->tail = g;
	inet_buffered += g->room;
}

static void segment_drop(struct socket *to)
{
	struct tcp *t = to->tcp;
	struct segment *g = t->head;

	t->head = g->next;
	if (!t->head)
		t->tail = NULL;
	inet_buffered -= g->room;
	kfree(g);
}

void stream_empty(struct socket *s)
{
	while (s->tcp->head)
		segment_drop(s);
	s->queued = 0;
	s->tcp->urgent = URGENT_NONE;
}

/* Appends up to n bytes: how many, or -errno. */
static long append(struct socket *to, struct io *io, u64 n)
{
	struct segment *g = to->tcp->tail;
	long r;

	if (!g || g->size == g->room) {
		g = segment_new(n, !g);
		if (!g)
			return -ENOMEM;
		n = MIN(n, (u64)g->room);
		r = io_copy_in(io, g->data, n);
		if (r) {
			kfree(g);
			return r;
		}
		segment_append(to, g);
	} else {
		n = MIN(n, (u64)(g->room - g->size));
		r = io_copy_in(io, g->data + g->size, n);
		if (r)
			return r;
	}
	g->size += (u32)n;
	to->queued += n;
	return (long)n;
}

/* There may be room for those who have found none. */
static void room_made(struct socket *from, const struct socket *to)
{
	if (!from->tcp->blocked || !roomy(from, to))
		return;
	from->tcp->blocked = false;
	waitq_wake_all(&from->senders);
	file_ready_events(from->file, READY_WRITE);
}

/* Takes n bytes that have been read away. */
static void consume(struct socket *s, u64 n)
{
	struct socket *from = s->peer;
	struct tcp *t = s->tcp;

	t->read_at += n;
	s->queued -= n;
	while (n) {
		u64 part = MIN(n, (u64)(t->head->size - t->head->offset));

		t->head->offset += (u32)part;
		n -= part;
		if (t->head->offset == t->head->size)
			segment_drop(s);
	}
	if (t->urgent && t->urgent_at < t->read_at)
		t->urgent = URGENT_NONE;
	if (from)
		room_made(from, s);
}

/* Copies n bytes that lie `at` bytes behind the first. */
static long copy_out(const struct socket *s, u64 at, u64 n, struct io *io)
{
	const struct segment *g = s->tcp->head;

	for (; n; g = g->next) {
		u64 size = g->size - g->offset, part;
		long r;

		if (at >= size) {
			at -= size;
			continue;
		}
		part = MIN(n, size - at);
		r = io_copy_out(io, g->data + g->offset + at, part);
		if (r)
			return r;
		n -= part;
		at = 0;
	}
	return 0;
}

/* ---- the urgent byte ---- */

static bool is_inline(const struct socket *s)
{
	return socket_option(s, SO_OOBINLINE);
}

/* The last byte in the queue of `to` is urgent. */
static void urge(struct socket *to)
{
	struct tcp *t = to->tcp;
	const struct segment *g = t->tail;

	/* One that the reader has come to and not taken is past now. */
	if (t->urgent && t->urgent_at == t->read_at && !is_inline(to) &&
	    to->queued > 1)
		consume(to, 1);
	t->urgent = URGENT_THERE;
	t->urgent_at = t->read_at + to->queued - 1;
	t->urgent_byte = g->data[g->size - 1];
	if (!to->file)
		return;
	owner_urgent(to->file);
	file_ready_events(to->file, EPOLLPRI | READY_READ);
}

static long urgent_take(struct socket *s, struct transfer *t)
{
	struct tcp *tcp = s->tcp;
	long r;

	if (is_inline(s) || tcp->urgent == URGENT_NONE ||
	    tcp->urgent == URGENT_READ)
		return -EINVAL;
	if (tcp->state == STATE_CLOSE && !tcp->finished)
		return -ENOTCONN;
	t->out_flags |= MSG_OOB;
	if (!t->io.left) {
		t->out_flags |= MSG_TRUNC;
		return 0;
	}
	r = io_copy_out(&t->io, &tcp->urgent_byte, 1);
	if (r)
		return r;
	if (!(t->flags & MSG_PEEK))
		tcp->urgent = URGENT_READ;
	return 1;
}

bool tcp_at_mark(const struct socket *s)
{
	return s->tcp->urgent && s->tcp->urgent_at == s->tcp->read_at;
}

/* ---- sending ---- */

static long take_error(struct socket *s)
{
	long r = -s->error;

	s->error = 0;
	return r;
}

/* What a send says that cannot be. */
static long broken(struct socket *s, u32 flags)
{
	long r = s->error ? take_error(s) : -EPIPE;

	return r == -EPIPE ? socket_broken(flags) : r;
}

/* Waits for a connection: 0 or -errno. */
static long connected_wait(struct socket *s, struct transfer *t)
{
	while (s->tcp->state == STATE_SYN_SENT) {
		long r;

		if (s->error)
			return take_error(s);
		if (!t->deadline)
			return -EAGAIN;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &s->senders, t->deadline);
		if (r)
			return r;
	}
	if (s->error || s->shut & SHUT_WRITE ||
	    (s->tcp->state != STATE_ESTABLISHED &&
	     s->tcp->state != STATE_CLOSE_WAIT))
		return broken(s, t->flags);
	return 0;
}

/* Waits for room: 0 or -errno. */
static long room_wait(struct socket *s, struct transfer *t)
{
	for (;;) {
		long r;

		if (s->error || s->shut & SHUT_WRITE || !s->peer)
			return broken(s, t->flags);
		if (room(s, s->peer))
			return 0;
		s->tcp->blocked = true;
		if (!t->deadline)
			return -EAGAIN;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &s->senders, t->deadline);
		if (r)
			return r;
	}
}

/* Nobody will ever read what comes to s. */
static bool is_deaf(const struct socket *s)
{
	return s->dead ||
	       (s->tcp->state == STATE_FIN_WAIT2 && s->shut & SHUT_READ);
}

static void count(struct socket *from, struct socket *to, u64 n)
{
	from->tcp->sent += n;
	from->tcp->segments_sent++;
	to->tcp->received += n;
	to->tcp->segments_received++;
	from->tcp->last_sent = to->tcp->last_received = mono_now();
	interface_count(n);
}

/* There is room: the bytes that went, or -errno. */
static long send_part(struct socket *s, struct transfer *t)
{
	struct socket *to = s->peer;
	u64 n = MIN(t->io.left, room(s, to));
	long r;

	if (is_deaf(to)) {
		tcp_reset(to);
		io_skip(&t->io, n);
		tcp_reset(s);
		return (long)n;
	}
	r = append(to, &t->io, n);
	if (r > 0)
		count(s, to, (u64)r);
	return r;
}

static void arrived(struct socket *to)
{
	waitq_wake_all(&to->readers);
	file_ready_events(to->file, READY_READ);
}

/* As many parts as there is room for; 0 or -errno. */
static long send_parts(struct socket *s, struct transfer *t, u64 *sent)
{
	struct socket *to = s->peer;
	u64 before = to->queued;
	long r = 0;

	socket_ref(to);
	while (t->io.left && s->peer && room(s, to)) {
		r = send_part(s, t);
		if (r < 0)
			break;
		*sent += (u64)r;
	}
	if (t->flags & MSG_OOB && !t->io.left && s->peer)
		urge(to);
	if (to->queued > before)
		arrived(to);
	socket_unref(to);
	return MIN(r, 0l);
}

long tcp_send(struct socket *s, struct transfer *t)
{
	u64 sent = 0;
	long r;

	if (t->flags & MSG_FASTOPEN)
		return -EOPNOTSUPP;
	r = connected_wait(s, t);
	while (!r && t->io.left) {
		r = room_wait(s, t);
		if (!r)
			r = send_parts(s, t, &sent);
	}
	return sent ? (long)sent : r;
}

/* ---- receiving ---- */

/* How far a read gets before it is at the urgent byte; SKIP: it is there. */
#define SKIP (~0ull)
static u64 run(const struct socket *s, u64 at, bool begun, u64 n)
{
	const struct tcp *t = s->tcp;
	u64 offset = t->urgent_at - t->read_at - at;

	if (!t->urgent || t->urgent_at < t->read_at + at || offset >= n)
		return n;
	if (offset || begun)
		return offset;
	return is_inline(s) ? n : SKIP;
}

/* Reads what is there, from `at` on; 0 or -errno. */
static long read_part(struct socket *s, struct transfer *t, u64 *at, u64 *got)
{
	u64 there = s->queued - *at, n, skip = 0;
	long r = 0;

	n = run(s, *at, *got, MIN(t->io.left, there));
	if (n == SKIP) {
		skip = 1;
		n = MIN(t->io.left, there - 1);
	}
	if (t->flags & MSG_TRUNC)
		io_skip(&t->io, n);
	else
		r = copy_out(s, *at + skip, n, &t->io);
	if (r)
		return r;
	*got += n;
	if (t->flags & MSG_PEEK)
		*at += n + skip;
	else if (n + skip)
		consume(s, n + skip);
	return 0;
}

/* Nothing is there: what a read that got nothing says. 1: wait. */
static long read_end(struct socket *s, u64 deadline)
{
	if (s->tcp->finished)
		return 0;
	if (s->error)
		return take_error(s);
	if (s->shut & SHUT_READ)
		return 0;
	if (s->tcp->state == STATE_CLOSE)
		return -ENOTCONN;
	return deadline ? 1 : -EAGAIN;
}

/* No more will come that a read that has got something could wait for. */
static bool is_over(const struct socket *s)
{
	return s->error || s->shut & SHUT_READ || s->tcp->state == STATE_CLOSE;
}

static u64 target(const struct socket *s, const struct transfer *t)
{
	u64 want = t->io.left;

	if (!(t->flags & MSG_WAITALL))
		want = MIN(want, (u64)s->low);
	return MAX(want, 1ul); /* to ask for nothing waits, too */
}

long tcp_receive(struct socket *s, struct transfer *t)
{
	u64 got = 0, at = 0, want = target(s, t);
	long r = 0;

	if (s->listening)
		return -ENOTCONN;
	if (t->flags & MSG_OOB)
		return urgent_take(s, t);
	for (;;) {
		at = MIN(at, s->queued); /* another reader may have come */
		if (s->queued > at) {
			r = read_part(s, t, &at, &got);
			/* what is left lies behind the urgent byte */
			if (r || !t->io.left || s->queued > at)
				break;
		}
		if (got >= want || (got && (is_over(s) || !t->deadline)))
			break;
		r = got ? 1 : read_end(s, t->deadline);
		if (r <= 0)
			break;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &s->readers, t->deadline);
		if (r)
			break;
	}
	return got ? (long)got : r;
}

/* ---- state ---- */

void tcp_control_store(struct socket *s, struct transfer *t,
		       struct control_room *room)
{
	s32 left = (s32)s->queued;

	(void)t;
	if (inet_wants(s, VALUE_TCP_INQ))
		control_put(room, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
}

long tcp_pending_bytes(struct socket *s)
{
	const struct tcp *t = s->tcp;

	if (s->listening)
		return -EINVAL;
	if (t->urgent && !is_inline(s) && t->urgent_at >= t->read_at)
		return (long)(t->urgent_at - t->read_at);
	return (long)s->queued;
}

static bool is_readable(const struct socket *s)
{
	u64 want = (u64)s->low;

	if (tcp_at_mark(s) && !is_inline(s))
		want++;
	return s->queued && (s->queued >= want || s->queued >= window(s));
}

static bool is_writable(struct socket *s)
{
	if (s->shut & SHUT_WRITE || !s->peer || roomy(s, s->peer))
		return true;
	s->tcp->blocked = true;
	return false;
}

void tcp_resized(struct socket *s, s32 name)
{
	struct socket *peer = s->peer;

	if (name != SO_SNDBUF && is_readable(s))
		arrived(s);
	if (peer && name == SO_SNDBUF)
		room_made(s, peer);
	if (peer && name == SO_RCVBUF)
		room_made(peer, s); /* to which s has a wider window */
}

u32 tcp_poll(struct socket *s)
{
	u32 events = 0;

	if (s->listening)
		return s->pending ? READY_READ : 0;
	if (s->shut == SHUT_BOTH || s->tcp->state == STATE_CLOSE)
		events |= EPOLLHUP;
	if (s->shut & SHUT_READ)
		events |= READY_READ | EPOLLRDHUP;
	if (s->tcp->state != STATE_SYN_SENT) {
		if (is_readable(s))
			events |= READY_READ;
		if (is_writable(s))
			events |= READY_WRITE;
		if (s->tcp->urgent == URGENT_THERE)
			events |= EPOLLPRI;
	}
	if (s->error)
		events |= EPOLLERR;
	return events;
}
