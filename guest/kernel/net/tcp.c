/*
 * tcp.c: TCP over the loopback: how connections are made and end. A connection
 * is two sockets that know each other, each with a reference on the other; who is
 * closed gives its own up, so pairs do not keep each other alive.
 */
#include "net/inet.h"

#include "heap.h"

#define SEND_BUFFER 2626560     /* of a connection, as Linux tunes it here */
#define GIVE_UP_NS (131 * NSEC) /* net.ipv4.tcp_syn_retries */

static void set_state(struct socket *s, enum tcp_state state)
{
	s->tcp->state = state;
}

static bool is_state(const struct socket *s, enum tcp_state state)
{
	return s->tcp->state == state;
}

void tcp_wake(struct socket *s)
{
	waitq_wake_all(&s->readers);
	waitq_wake_all(&s->senders);
	if (!s->dead)
		file_ready(s->file);
}

static void part(struct socket *s)
{
	struct socket *peer = s->peer;

	s->peer = NULL;
	if (peer)
		socket_unref(peer);
}

/* ---- ends ---- */

/* s is no connection any more. */
static void closed(struct socket *s)
{
	set_state(s, STATE_CLOSE);
	s->shut = SHUT_BOTH;
	if (!s->inet->port_bound)
		port_drop(s);
	part(s);
	tcp_wake(s);
}

void tcp_reset(struct socket *s)
{
	enum tcp_state state = s->tcp->state;

	port_end_forget(s);
	if (s->dead || state == STATE_CLOSE)
		return;
	s->error = ECONNRESET;
	if (state == STATE_CLOSE_WAIT)
		s->error = EPIPE;
	if (state == STATE_SYN_SENT)
		s->error = ECONNREFUSED;
	closed(s);
}

/* Ends the connection for both sides, at once. */
static void abort(struct socket *s)
{
	struct socket *peer = s->peer;

	if (peer)
		socket_ref(peer);
	closed(s);
	if (!peer)
		return;
	tcp_reset(peer);
	socket_unref(peer);
}

/* The other side has sent its end, and all before it is in the queue. */
static void end_arrives(struct socket *s)
{
	if (s->dead) {
		port_end_renew(s);
		return;
	}
	s->shut |= SHUT_READ;
	s->tcp->finished = true;
	if (is_state(s, STATE_FIN_WAIT2)) {
		port_end(s);
		closed(s);
		return;
	}
	if (is_state(s, STATE_ESTABLISHED))
		set_state(s, STATE_CLOSE_WAIT);
	tcp_wake(s);
}

static void send_end(struct socket *s)
{
	struct socket *peer = s->peer;
	bool last = is_state(s, STATE_CLOSE_WAIT);

	if (!last && !is_state(s, STATE_ESTABLISHED))
		return;
	set_state(s, last ? STATE_LAST_ACK : STATE_FIN_WAIT2);
	socket_ref(peer);
	end_arrives(peer);
	socket_unref(peer);
	if (last)
		closed(s);
}

/* ---- connections that wait for room at a listener ---- */

/* All of them give up after the same time, so they stand in order. */
static struct socket *first_call, *last_call;

static void calls_time_out(struct timer *t);
static struct timer calls_timer = { .deadline = FOREVER, .fn = calls_time_out };

static void calls_watch(void)
{
	u64 next = first_call ? first_call->tcp->give_up : FOREVER;

	if (calls_timer.deadline != next)
		timer_arm(&calls_timer, next);
}

static void call_add(struct socket *s)
{
	struct tcp *t = s->tcp;

	t->give_up = mono_now() + GIVE_UP_NS;
	t->call_next = NULL;
	t->call_prev = last_call;
	*(last_call ? &last_call->tcp->call_next : &first_call) = s;
	last_call = s;
	calls_watch();
}

static void call_remove(struct socket *s)
{
	struct tcp *t = s->tcp;

	*(t->call_prev ? &t->call_prev->tcp->call_next : &first_call) =
		t->call_next;
	*(t->call_next ? &t->call_next->tcp->call_prev : &last_call) =
		t->call_prev;
	calls_watch();
}

static void waiting_add(struct socket *l, struct socket *s)
{
	struct tcp *t = s->tcp;

	t->listener = l;
	t->waiting_next = NULL;
	t->waiting_prev = l->tcp->waiting_last;
	*(t->waiting_prev ? &t->waiting_prev->tcp->waiting_next :
			    &l->tcp->waiting) = s;
	l->tcp->waiting_last = s;
	call_add(s);
}

static void waiting_remove(struct socket *s)
{
	struct tcp *t = s->tcp, *l;

	if (!t->listener)
		return;
	l = t->listener->tcp;
	*(t->waiting_prev ? &t->waiting_prev->tcp->waiting_next : &l->waiting) =
		t->waiting_next;
	*(t->waiting_next ? &t->waiting_next->tcp->waiting_prev :
			    &l->waiting_last) = t->waiting_prev;
	t->listener = NULL;
	call_remove(s);
}

static void calls_time_out(struct timer *timer)
{
	struct socket *s;

	(void)timer;
	while ((s = first_call) && s->tcp->give_up <= mono_now()) {
		waiting_remove(s);
		s->error = ETIMEDOUT;
		closed(s);
	}
	calls_watch();
}

/* ---- connecting ---- */

static void pair(struct socket *a, struct socket *b)
{
	socket_ref(a);
	socket_ref(b);
	a->peer = b;
	b->peer = a;
}

static void establish(struct socket *s)
{
	if (!s->send_fixed)
		s->send_buffer = SEND_BUFFER;
	set_state(s, STATE_ESTABLISHED);
}

static struct socket *child_new(struct socket *l, struct socket *client)
{
	struct socket *s =
		socket_new(&tcp_family, l->domain, l->type, l->protocol);

	if (!s)
		return NULL;
	if (inet_alloc(s)) {
		socket_unref(s);
		return NULL;
	}
	s->uid = l->uid;
	inet_inherit(s, l);
	*inet_local(s) = *inet_remote(client);
	*inet_remote(s) = *inet_local(client);
	port_share(s);
	inet_name(s);
	return s;
}

/* s meets a listener with room: a connection, or false without memory. */
static bool meet(struct socket *s, struct socket *l)
{
	struct socket *child = child_new(l, s);

	if (!child)
		return false;
	pair(s, child);
	establish(child);
	establish(s);
	pending_add(l, child);
	tcp_wake(s);
	return true;
}

static bool has_room(const struct socket *l)
{
	return l->pending_count <= l->backlog;
}

/* Connects those that wait at l, as long as there is room. */
static void admit(struct socket *l)
{
	struct socket *s;

	while (has_room(l) && (s = l->tcp->waiting)) {
		waiting_remove(s);
		if (!meet(s, l)) {
			waiting_add(l, s);
			return;
		}
	}
}

static void call(struct socket *s)
{
	struct socket *l = port_listener(inet_local(s), inet_remote(s));

	set_state(s, STATE_SYN_SENT);
	s->error = 0;
	s->tcp->finished = false;
	if (endpoint_same(inet_local(s), inet_remote(s))) {
		socket_ref(s);
		s->peer = s;
		establish(s);
		tcp_wake(s);
		return;
	}
	if (!l) {
		tcp_reset(s);
		return;
	}
	if (has_room(l) && meet(s, l))
		return;
	waiting_add(l, s);
}

static long connect_start(struct socket *s, const struct address *a)
{
	struct endpoint to, old = *inet_local(s);
	long r = inet_target(s, a, &to);

	if (r)
		return r;
	if (endpoint_reach(&to) == REACH_SCOPED)
		return -EINVAL;
	if (endpoint_reach(&to) != REACH_LOCAL)
		return -ENETUNREACH;
	*inet_remote(s) = to;
	inet_source(s, &to, inet_local(s));
	r = port_connect(s);
	if (r) {
		*inet_local(s) = old;
		inet_remote(s)->port = 0;
		return r;
	}
	inet_name(s);
	call(s);
	return 0;
}

static void listen_stop(struct socket *l);

/* Back to a socket that was never connected. */
static void disconnect(struct socket *s)
{
	enum tcp_state state = s->tcp->state;

	if (state == STATE_LISTEN) {
		listen_stop(s);
	} else if (state == STATE_SYN_SENT) {
		waiting_remove(s);
		s->error = ECONNRESET;
	} else if (state != STATE_CLOSE) {
		abort(s);
		s->error = ECONNRESET;
	}
	if (state != STATE_CLOSE && !s->inet->port_bound)
		port_drop(s);
	set_state(s, STATE_CLOSE);
	stream_empty(s);
	s->shut = 0;
	s->tcp->finished = false;
	s->tcp->phase = PHASE_NONE;
	inet_unname(s);
	tcp_wake(s);
}

/* What has become of a call: `pending` as long as that is open. */
static long connect_finish(struct socket *s, u64 deadline, long pending)
{
	while (is_state(s, STATE_SYN_SENT)) {
		long r = deadline ? socket_wait(s, &s->senders, deadline) :
				    -EAGAIN;

		if (r)
			return r == -EAGAIN ? pending : r;
	}
	if (is_state(s, STATE_CLOSE)) {
		long r = s->error ? -s->error : -ECONNABORTED;

		s->error = 0;
		disconnect(s);
		return r;
	}
	s->tcp->phase = PHASE_CONNECTED;
	return 0;
}

static long tcp_connect(struct socket *s, const struct address *a, u64 deadline)
{
	long r;

	if (a->size < sizeof(a->family))
		return -EINVAL;
	if (a->family == AF_UNSPEC) {
		disconnect(s);
		return 0;
	}
	if (s->tcp->phase == PHASE_CONNECTED)
		return -EISCONN;
	if (s->tcp->phase == PHASE_LOST)
		return -EINVAL;
	if (s->tcp->phase == PHASE_CONNECTING)
		return connect_finish(s, deadline, -EALREADY);
	if (!is_state(s, STATE_CLOSE))
		return -EISCONN;
	r = connect_start(s, a);
	if (r)
		return r;
	s->tcp->phase = PHASE_CONNECTING;
	return deadline ? connect_finish(s, deadline, -EINPROGRESS) :
			  -EINPROGRESS;
}

/* ---- listening ---- */

static long tcp_listen(struct socket *s, s32 backlog)
{
	long r;

	if (s->tcp->phase != PHASE_NONE ||
	    !(is_state(s, STATE_CLOSE) || is_state(s, STATE_LISTEN)))
		return -EINVAL;
	s->backlog = MIN((u32)backlog, SOMAXCONN);
	if (is_state(s, STATE_LISTEN)) {
		admit(s);
		return 0;
	}
	r = inet_autobind(s);
	if (!r)
		r = port_listen(s);
	if (r)
		return r == -EAGAIN ? -EADDRINUSE : r;
	set_state(s, STATE_LISTEN);
	s->listening = true;
	s->shut = 0;
	tcp_wake(s);
	return 0;
}

/* Nobody accepts any more: who waits, and who was not accepted, is told. */
static void listen_stop(struct socket *l)
{
	struct socket *s;

	l->listening = false;
	port_unlisten(l);
	set_state(l, STATE_CLOSE);
	while ((s = pending_take(l))) {
		if (!is_state(s, STATE_CLOSE))
			abort(s);
		s->dead = true;
		stream_empty(s);
		port_drop(s);
		socket_unref(s);
	}
	while ((s = l->tcp->waiting)) {
		waiting_remove(s);
		tcp_reset(s);
	}
}

static long tcp_accept(struct socket *s, u64 deadline, struct socket **accepted)
{
	long r = pending_wait(s, deadline, accepted);

	if (r)
		return r;
	(*accepted)->tcp->phase = PHASE_CONNECTED;
	admit(s);
	return 0;
}

/* ---- the rest ---- */

static long tcp_shut(struct socket *s, u32 how)
{
	if (s->tcp->phase == PHASE_CONNECTING)
		s->tcp->phase = is_state(s, STATE_CLOSE) ? PHASE_LOST :
							   PHASE_CONNECTED;
	switch (s->tcp->state) {
	case STATE_CLOSE:
		s->shut |= how;
		tcp_wake(s);
		return -ENOTCONN;
	case STATE_LISTEN:
		if (how & SHUT_READ)
			disconnect(s);
		return 0;
	case STATE_SYN_SENT:
		disconnect(s);
		return 0;
	default:
		s->shut |= how;
		if (how & SHUT_WRITE)
			send_end(s);
		tcp_wake(s);
		return 0;
	}
}

static long tcp_peer_name(struct socket *s, struct address *a)
{
	/* accept() shows it of a connection that is over, too */
	if (s->file &&
	    (is_state(s, STATE_CLOSE) || is_state(s, STATE_SYN_SENT)))
		return -ENOTCONN;
	return inet_peer_name(s, a);
}

static void tcp_release(struct socket *s)
{
	bool at_once = s->queued || (s->linger.on && !s->linger.seconds);

	if (is_state(s, STATE_LISTEN))
		listen_stop(s);
	else if (is_state(s, STATE_SYN_SENT))
		waiting_remove(s);
	else if (!is_state(s, STATE_CLOSE) && at_once)
		abort(s);
	else if (!is_state(s, STATE_CLOSE))
		send_end(s);
	if (is_state(s, STATE_FIN_WAIT2))
		port_end(s);
	set_state(s, STATE_CLOSE);
	port_drop(s);
	part(s);
	stream_empty(s);
}

static void tcp_free(struct socket *s)
{
	if (s->tcp)
		port_end_detach(s);
	kfree(s->tcp);
	kfree(s->inet);
}

const struct family tcp_family = {
	.bind = inet_bind,
	.listen = tcp_listen,
	.connect = tcp_connect,
	.accept = tcp_accept,
	.send = tcp_send,
	.receive = tcp_receive,
	.peer_name = tcp_peer_name,
	.shut = tcp_shut,
	.pending_bytes = tcp_pending_bytes,
	.poll = tcp_poll,
	.release = tcp_release,
	.free = tcp_free,
	.ioctl = inet_ioctl,
	.resized = tcp_resized,
	.option_set = inet_option_set,
	.option_get = inet_option_get,
	.control_store = tcp_control_store,
};
