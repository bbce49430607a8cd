/*
 * unix.c: AF_UNIX stream, datagram and seqpacket sockets.
 *
 * Every socket has one queue of messages that arrived; senders put them there
 * and wait on the receiver when it is full. A connected socket holds a
 * reference on its peer; the one that is closed first gives its reference up,
 * so pairs do not keep each other alive. Until it is accepted, a connection's
 * server end waits in its listener's `pending` list, without a file.
 */
#include <asm/ioctls.h>

#include "heap.h"
#include "mm/user.h"
#include "net/interface.h"
#include "net/socket.h"
#include "task/thread.h"

#define PATH_OFFSET 2 /* of sun_path */
#define DATAGRAMS 10  /* that wait at a socket: net.unix.max_dgram_qlen */
#define CHUNK 16384   /* bytes of a stream in one message */
#define MESSAGE_OVERHEAD 512 /* counted for each, as Linux counts its skb */

static bool is_connecting(const struct socket *s)
{
	return s->type != SOCK_DGRAM;
}

static long unix_create(struct socket *s)
{
	if (s->protocol && s->protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (s->type == SOCK_RAW)
		s->type = SOCK_DGRAM;
	if (s->type != SOCK_STREAM && s->type != SOCK_DGRAM &&
	    s->type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	s->protocol = 0;
	return 0;
}

static void peer_clear(struct socket *s)
{
	struct socket *peer = s->peer;

	if (!peer)
		return;
	*s->follow_link = s->follow_next;
	if (s->follow_next)
		s->follow_next->follow_link = s->follow_link;
	s->peer = NULL;
	socket_unref(peer);
}

static void peer_set(struct socket *s, struct socket *peer)
{
	socket_ref(peer);
	peer_clear(s);
	s->peer = peer;
	s->follow_next = peer->followers;
	s->follow_link = &peer->followers;
	if (s->follow_next)
		s->follow_next->follow_link = &s->follow_next;
	peer->followers = s;
}

void unix_pair(struct socket *a, struct socket *b)
{
	peer_set(a, b);
	peer_set(b, a);
	a->peer_credentials = b->peer_credentials = credentials_current();
}

/* ---- messages and the queue ---- */

static u64 charge(const struct message *m)
{
	return m->size + MESSAGE_OVERHEAD;
}

/* So many messages at `to` are too many for one more of `from`. */
static bool is_crowded(const struct socket *to, const struct socket *from,
		       u32 count)
{
	return !is_connecting(to) && to != from && to->peer != from &&
	       count > DATAGRAMS;
}

static bool queue_full(const struct socket *to, const struct socket *from)
{
	return to->queued >= from->send_buffer ||
	       is_crowded(to, from, to->queue_count);
}

/* With this much at `to` there is so much room for `from` that it is worth
 * telling. As on Linux the sender's buffer counts, not the receiver's. */
static bool is_roomy(const struct socket *to, const struct socket *from,
		     u64 queued, u32 count)
{
	return queued * 4 <= from->send_buffer && !is_crowded(to, from, count);
}

static void queue_put(struct socket *s, struct message *m)
{
	if (s->tail)
		s->tail->next = m;
	else
		s->head = m;
	s->tail = m;
	s->queued += charge(m);
	s->queue_count++;
	waitq_wake_all(&s->readers);
	file_ready_events(s->file, READY_READ);
}

/* Tells all who send to s that there is room (or nobody) now. */
static void senders_ready(struct socket *s)
{
	waitq_wake_all(&s->senders);
	for (struct socket *o = s->followers; o; o = o->follow_next)
		file_ready_events(o->file, READY_WRITE);
}

static void message_free(struct message *m)
{
	garbage_received(m->rights);
	rights_free(m->rights);
	kfree(m->from);
	kfree(m);
}

static void queue_drop(struct socket *s)
{
	struct message *m = s->head;
	u64 queued = s->queued;
	u32 count = s->queue_count;

	s->head = m->next;
	if (!s->head)
		s->tail = NULL;
	s->queued -= charge(m);
	s->queue_count--;
	message_free(m);
	waitq_wake_all(&s->senders);
	for (struct socket *o = s->followers; o; o = o->follow_next)
		if (!is_roomy(s, o, queued, count) &&
		    is_roomy(s, o, s->queued, s->queue_count))
			file_ready_events(o->file, READY_WRITE);
}

static long message_make(struct socket *from, struct transfer *t, u64 size,
			 struct message **made)
{
	struct message *m = kmalloc(sizeof(*m) + size);
	long r = -ENOMEM;

	if (!m)
		return r;
	if (from->name.size) {
		m->from = kmalloc(sizeof(*m->from));
		if (!m->from)
			goto fail;
		*m->from = from->name;
	}
	r = io_copy_in(&t->io, m->data, size);
	if (r)
		goto fail;
	m->size = size;
	m->rights = t->rights;
	t->rights = NULL;
	garbage_sent(m->rights);
	m->credentials = t->credentials;
	m->has_credentials = t->has_credentials;
	*made = m;
	return 0;
fail:
	message_free(m);
	return r;
}

/* ---- connections ---- */

static long unix_peer_name(struct socket *s, struct address *a)
{
	if (!s->peer)
		return -ENOTCONN;
	*a = s->peer->name;
	if (!a->size) {
		a->size = PATH_OFFSET;
		a->family = AF_UNIX;
	}
	return 0;
}

static long unix_listen(struct socket *s, s32 backlog)
{
	if (!is_connecting(s))
		return -EOPNOTSUPP;
	if (!s->name.size || s->peer)
		return -EINVAL;
	s->listening = true;
	s->peer_credentials = credentials_current();
	s->backlog = MIN((u32)backlog, SOMAXCONN);
	waitq_wake_all(&s->senders); /* there may be more room to connect */
	return 0;
}

/* Waits until the listener bound to a has room: 0 or -errno. */
static long connect_wait(struct socket *s, const struct address *a,
			 u64 deadline, struct socket **listener)
{
	for (;;) {
		struct socket *l;
		long r = name_resolve(s, a, &l);

		if (r)
			return r;
		if (!l->listening || l->shut & SHUT_READ)
			return -ECONNREFUSED;
		if (s->listening || s->peer)
			return s->peer ? -EISCONN : -EINVAL;
		*listener = l;
		if (l->pending_count <= l->backlog)
			return 0;
		if (!deadline)
			return -EAGAIN;
		socket_ref(l);
		r = socket_wait(s, &l->senders, deadline);
		socket_unref(l);
		if (r)
			return r;
	}
}

static long connect_stream(struct socket *s, const struct address *a,
			   u64 deadline)
{
	struct socket *listener, *server;
	long r = connect_wait(s, a, deadline, &listener);

	if (r)
		return r;
	server = socket_new(&unix_family, AF_UNIX, s->type, 0);
	if (!server)
		return -ENOMEM;
	unix_create(server);
	server->name = listener->name;
	server->options = listener->options;
	unix_pair(s, server);
	s->peer_credentials = listener->peer_credentials;
	pending_add(listener, server);
	file_ready_events(s->file, READY_WRITE);
	return 0;
}

/* s has lost `other`, and with it what had come: as on Linux. */
static void datagrams_lost(struct socket *s, struct socket *other)
{
	if (!s->head)
		return;
	while (s->head)
		queue_drop(s);
	if (other->dead || other->peer != s)
		return;
	other->error = ECONNRESET;
	waitq_wake_all(&other->readers);
	file_ready(other->file);
}

static long connect_datagram(struct socket *s, const struct address *a)
{
	struct socket *to = NULL;
	long r = 0;

	if (a->size < PATH_OFFSET)
		return -EINVAL;
	if (a->family != AF_UNSPEC)
		r = name_resolve(s, a, &to);
	if (r)
		return r;
	if (to && to->peer && to->peer != s)
		return -EPERM;
	if (s->peer && s->peer != to)
		datagrams_lost(s, s->peer);
	if (to) {
		s->peer_credentials = credentials_current();
		peer_set(s, to);
	} else {
		peer_clear(s);
	}
	file_ready_events(s->file, READY_WRITE);
	return 0;
}

/* A receiver that wants to know its senders must be able to answer them. */
static long name_if_wanted(struct socket *s)
{
	return s->name.size || !socket_option(s, SO_PASSCRED) ? 0 :
								name_auto(s);
}

static long unix_connect(struct socket *s, const struct address *a,
			 u64 deadline)
{
	long r = a->family == AF_UNSPEC ? 0 : name_if_wanted(s);

	if (r)
		return r;
	return is_connecting(s) ? connect_stream(s, a, deadline) :
				  connect_datagram(s, a);
}

static long unix_accept(struct socket *s, u64 deadline,
			struct socket **accepted)
{
	if (!is_connecting(s))
		return -EOPNOTSUPP;
	return pending_wait(s, deadline, accepted);
}

/* ---- sending ---- */

/* Waits until `to` has room; the caller holds references on both. */
static long room_wait(struct socket *s, struct socket *to, struct transfer *t)
{
	while (queue_full(to, s)) {
		long r;

		if (s->shut & SHUT_WRITE)
			return socket_broken(t->flags);
		if (to->dead || to->shut & SHUT_READ)
			return 0; /* the caller says what that means */
		if (!t->deadline)
			return -EAGAIN;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &to->senders, t->deadline);
		if (r)
			return r;
	}
	return 0;
}

/* Those who do not ask for it send nothing of themselves. */
static void credentials_add(const struct socket *s, const struct socket *to,
			    struct transfer *t)
{
	if (t->has_credentials ||
	    !(socket_option(s, SO_PASSCRED) || !to->file ||
	      socket_option(to, SO_PASSCRED)))
		return;
	t->credentials = credentials_current();
	t->has_credentials = true;
}

static long send_chunk(struct socket *s, struct socket *to, struct transfer *t,
		       u64 size)
{
	struct message *m;
	long r;

	if (s->shut & SHUT_WRITE)
		return socket_broken(t->flags);
	r = room_wait(s, to, t);
	if (r)
		return r;
	if (s->shut & SHUT_WRITE || to->dead || to->shut & SHUT_READ)
		return socket_broken(t->flags);
	credentials_add(s, to, t);
	r = message_make(s, t, size, &m);
	if (!r)
		queue_put(to, m);
	return r;
}

static long send_stream(struct socket *s, struct transfer *t)
{
	struct socket *to = s->peer;
	u64 sent = 0;
	long r = 0;

	if (t->address.size)
		return to ? -EISCONN : -EOPNOTSUPP;
	if (s->shut & SHUT_WRITE)
		return socket_broken(t->flags);
	if (!to)
		return -ENOTCONN;
	socket_ref(to);
	while (t->io.left && !r) {
		u64 part = MIN(t->io.left, CHUNK);

		r = send_chunk(s, to, t, part);
		sent += r ? 0 : part;
	}
	socket_unref(to);
	return sent ? (long)sent : r;
}

/* The receiver of a packet: the address given, or the peer. */
static long packet_target(struct socket *s, const struct transfer *t,
			  struct socket **to)
{
	if (t->address.size && !is_connecting(s))
		return name_resolve(s, &t->address, to);
	*to = s->peer;
	return s->peer ? 0 : -ENOTCONN;
}

static long packet_allowed(struct socket *s, struct socket *to, u32 flags)
{
	if (to->dead && !is_connecting(s)) {
		if (s->peer == to) {
			datagrams_lost(s, to);
			peer_clear(s);
		}
		return -ECONNREFUSED;
	}
	if (!is_connecting(s) && to->peer && to->peer != s)
		return -EPERM;
	if (!is_connecting(s) && to->shut & SHUT_READ)
		return -EPIPE;
	if (s->shut & SHUT_WRITE)
		return socket_broken(is_connecting(s) ? flags : MSG_NOSIGNAL);
	return 0;
}

static long send_packet(struct socket *s, struct transfer *t)
{
	u64 size = t->io.left;
	struct socket *to;
	struct message *m;
	long r;

	if (size > s->send_buffer - 32)
		return -EMSGSIZE;
	if (is_connecting(s) && !s->peer)
		return -ENOTCONN;
	if (s->shut & SHUT_WRITE) /* whatever became of the other side */
		return socket_broken(is_connecting(s) ? t->flags :
							MSG_NOSIGNAL);
	r = name_if_wanted(s);
	if (!r)
		r = packet_target(s, t, &to);
	if (r)
		return r;
	socket_ref(to);
	r = packet_allowed(s, to, t->flags);
	if (!r)
		r = room_wait(s, to, t);
	if (!r)
		r = packet_allowed(s, to, t->flags);
	if (!r) {
		credentials_add(s, to, t);
		r = message_make(s, t, size, &m);
	}
	if (!r)
		queue_put(to, m);
	socket_unref(to);
	return r ? r : (long)size;
}

static long unix_send(struct socket *s, struct transfer *t)
{
	return s->type == SOCK_STREAM ? send_stream(s, t) : send_packet(s, t);
}

/* ---- receiving ---- */

/* Waits for a message: 1, 0 at the end, or -errno. */
static long message_wait(struct socket *s, struct transfer *t)
{
	/* an error comes before packets, but behind what is left of a stream */
	while (!s->head || (s->error && s->type != SOCK_STREAM)) {
		long r;

		if (s->error) {
			r = -s->error;
			s->error = 0;
			return r;
		}
		/* a datagram socket says EAGAIN first, as Linux does */
		if (s->shut & SHUT_READ && (is_connecting(s) || t->deadline))
			return 0;
		if (!t->deadline)
			return -EAGAIN;
		t->io.trusted = t->io.kernel;
		r = socket_wait(s, &s->readers, t->deadline);
		if (r)
			return r;
	}
	return 1;
}

static void receive_from(struct transfer *t, const struct message *m)
{
	t->address.size = 0;
	if (m->from)
		t->address = *m->from;
	t->credentials = m->credentials;
	t->has_credentials = m->has_credentials;
}

static bool same_sender(const struct transfer *t, const struct message *m)
{
	return t->has_credentials == m->has_credentials &&
	       !memcmp(&t->credentials, &m->credentials,
		       sizeof(m->credentials));
}

/* Hands the files over: moved, or for a peek copied. */
static void receive_rights(struct transfer *t, struct message *m)
{
	if (t->flags & MSG_PEEK) {
		t->rights = rights_copy(m->rights);
		return;
	}
	garbage_received(m->rights);
	t->rights = m->rights;
	m->rights = NULL;
}

/* Copies what is queued from m on; stops behind a message with files. */
static long stream_copy(struct socket *s, struct transfer *t, u64 *got)
{
	struct message *m = s->head, *next;

	for (; m && t->io.left && !t->rights; m = next) {
		u64 part = MIN(t->io.left, m->size - m->offset);
		long r;

		if (*got && socket_option(s, SO_PASSCRED) && !same_sender(t, m))
			break;
		r = io_copy_out(&t->io, m->data + m->offset, part);
		if (r)
			return r;
		if (!*got)
			receive_from(t, m);
		*got += part;
		if (m->rights)
			receive_rights(t, m);
		next = m->next;
		if (t->flags & MSG_PEEK)
			continue;
		m->offset += part;
		if (m->offset == m->size)
			queue_drop(s);
	}
	return 0;
}

static long receive_stream(struct socket *s, struct transfer *t)
{
	u64 got = 0, want = t->io.left;
	long r;

	if (!s->peer)
		return -EINVAL;
	if (!(t->flags & MSG_WAITALL))
		want = MIN(want, (u64)s->low);
	want = MAX(want, 1ul); /* to ask for nothing waits, too */
	do {
		r = message_wait(s, t);
		if (r <= 0)
			break;
		r = stream_copy(s, t, &got);
	} while (!r && got < want && !(t->flags & MSG_PEEK) && !t->rights &&
		 !s->head);
	return got ? (long)got : r;
}

static long receive_packet(struct socket *s, struct transfer *t)
{
	struct message *m;
	u64 part;
	long r;

	if (is_connecting(s) && !s->peer)
		return -ENOTCONN;
	r = message_wait(s, t);
	if (r <= 0)
		return r;
	m = s->head;
	part = MIN(t->io.left, m->size);
	r = io_copy_out(&t->io, m->data, part);
	if (r)
		return r;
	receive_from(t, m);
	receive_rights(t, m);
	if (part < m->size)
		t->out_flags |= MSG_TRUNC;
	r = (long)(t->flags & MSG_TRUNC ? m->size : part);
	if (!(t->flags & MSG_PEEK))
		queue_drop(s);
	return r;
}

static long unix_receive(struct socket *s, struct transfer *t)
{
	return s->type == SOCK_STREAM ? receive_stream(s, t) :
					receive_packet(s, t);
}

/* ---- state ---- */

static void wake(struct socket *s)
{
	waitq_wake_all(&s->readers);
	waitq_wake_all(&s->senders);
	file_ready(s->file);
}

static long unix_shut(struct socket *s, u32 how)
{
	struct socket *peer = s->peer;

	s->shut |= how;
	wake(s);
	if (!peer)
		return 0;
	if (is_connecting(s))
		peer->shut |= (how & SHUT_READ ? SHUT_WRITE : 0) |
			      (how & SHUT_WRITE ? SHUT_READ : 0);
	wake(peer);
	return 0;
}

static long unix_pending_bytes(struct socket *s)
{
	u64 n = 0;

	if (s->listening)
		return -EINVAL;
	for (struct message *m = s->head; m; m = m->next) {
		n += m->size - m->offset;
		if (s->type == SOCK_DGRAM)
			break;
	}
	return (long)n;
}

static long unix_ioctl(struct socket *s, u32 command, u64 arg)
{
	s32 value = s->peer ? (s32)s->peer->queued : 0;

	if (command != TIOCOUTQ)
		return interface_ioctl(s, command, arg);
	return s->listening ? -EINVAL :
			      copy_to_user(arg, &value, sizeof(value));
}

static bool unix_writable(const struct socket *s)
{
	const struct socket *to = s->peer;

	if (s->listening)
		return false;
	return !to || is_roomy(to, s, to->queued, to->queue_count);
}

/* Who sends waits at the receiver, which may be anyone for a socket of
 * datagrams. */
static void unix_resized(struct socket *s, s32 name)
{
	if (name != SO_SNDBUF || !unix_writable(s))
		return;
	for (struct socket *o = sockets; o; o = o->all_next)
		if (o == s->peer || !is_connecting(s))
			waitq_wake_all(&o->senders);
	file_ready_events(s->file, READY_WRITE);
}

static u32 unix_poll(struct socket *s)
{
	u32 events = 0;

	if (s->error)
		events |= EPOLLERR;
	if (s->shut == SHUT_BOTH)
		events |= EPOLLHUP;
	if (s->shut & SHUT_READ)
		events |= EPOLLRDHUP | READY_READ;
	if (s->head || s->pending)
		events |= READY_READ;
	if (is_connecting(s) && !s->peer && !s->listening)
		events |= EPOLLHUP;
	if (unix_writable(s))
		events |= READY_WRITE | EPOLLWRBAND;
	return events;
}

static void peer_leave(struct socket *s, bool reset)
{
	struct socket *peer = s->peer;

	if (!peer)
		return;
	if (is_connecting(s)) {
		peer->shut = SHUT_BOTH;
		if (reset)
			peer->error = ECONNRESET;
		wake(peer);
	}
	peer_clear(s);
}

void unix_empty(struct socket *s)
{
	while (s->head)
		queue_drop(s);
	for (struct socket *e = s->pending; e; e = e->pending_next)
		while (e->head)
			queue_drop(e);
}

/* The socket is closed, by its file or with the listener it waited at. */
/* NOLINTNEXTLINE(misc-no-recursion): a socket that waits has none waiting */
static void unix_release(struct socket *s)
{
	bool unread = s->head || !s->file;
	struct socket *embryo;

	name_drop(s);
	peer_leave(s, unread);
	while ((embryo = pending_take(s))) {
		embryo->dead = true;
		unix_release(embryo);
		socket_unref(embryo);
	}
	unix_empty(s);
	senders_ready(s);
}

static void unix_close(struct socket *s)
{
	unix_release(s);
	garbage_collect();
}

const struct family unix_family = {
	.create = unix_create,
	.bind = name_bind,
	.listen = unix_listen,
	.connect = unix_connect,
	.accept = unix_accept,
	.send = unix_send,
	.receive = unix_receive,
	.peer_name = unix_peer_name,
	.shut = unix_shut,
	.pending_bytes = unix_pending_bytes,
	.poll = unix_poll,
	.release = unix_close,
	.ioctl = unix_ioctl,
	.resized = unix_resized,
};
