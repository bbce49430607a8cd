#include "connection.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"

#define SECOND_NS 1000000000ull
#define SEND_NS (30 * SECOND_NS) /* for so much of an answer to be taken: */
#define SEND_BYTES ((size_t)30 * 65536) /* 64 KiB a second */
#define LINGER_NS SECOND_NS /* for the client to read the last answer */
#define REQUEST_BURST 16    /* in a turn: others come first, */
#define BURST_NS 500000     /* as when it has taken so long */
#define EARLY_BODY 65536    /* a larger one is not taken from just anyone */
#define SPARE_MAX 65536
#define PROBE 1           /* bytes of an answer */
#define CLIENT_CLOSED 499 /* in the log, as nginx has it */

struct clients clients;

/* ---- the end of one ---- */

static void log_exchange(const struct connection *c, int status)
{
	const struct exchange *x = &c->x;
	struct log_request r = {
		.id = x->id,
		.client = c->client,
		.key = x->key[0] ? x->key : NULL,
		.method = x->method,
		.method_size = strlen(x->method),
		.path = x->target,
		.path_size = strlen(x->target),
		.status = status,
		.language = x->language,
		.exit_code = x->exit_code,
		.executions = x->executions,
		.fork_ns = x->fork_ns,
		.exec_ns = x->exec_ns,
		.wait_ns = x->wait_ns,
		.total_ns = x->total_ns,
		.bytes_in = c->taken,
		.bytes_out = c->sent,
	};

	log_put_request(&r);
}

static void count_slice(struct connection *c)
{
	clients.slices += c->x.answer.text.room - c->slice;
	c->slice = c->x.answer.text.room;
}

void connection_close(struct connection *c)
{
	if (c->closed)
		return;
	if (c->busy || c->answering)
		log_exchange(c, c->busy ? CLIENT_CLOSED : c->x.status);
	api_abandon(&c->x);
	count_slice(c);
	loop_remove(&c->task);
	/* Closing alone leaves it in the set while a worker that was forked just
	 * now still holds the socket (epoll(7), Q6). */
	epoll_ctl(clients.epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	input_drop(&c->in);
	c->closed = true;
	clients.closed(c);
}

static void watch_for(struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (c->events == events)
		return;
	c->events = events;
	if (epoll_ctl(clients.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
		connection_close(c); /* it would wait for nothing */
}

/*
 * Closing with unread input makes the kernel send a reset, which may overtake
 * the answer: what still comes is read and thrown away first.
 */
static void linger(struct connection *c)
{
	shutdown(c->fd, SHUT_WR);
	c->lingering = true;
	input_drop(&c->in);
	answer_drop(&c->x.answer);
	free(c->x.answer.text.data);
	c->x.answer.text = (struct text){ 0 };
	count_slice(c);
	c->deadline = loop_clock(clock_mono()) + LINGER_NS;
	watch_for(c, EPOLLIN | EPOLLRDHUP);
}

static void discard_input(struct connection *c)
{
	int n = input_discard(c->fd);

	if (n <= 0 && n != -EAGAIN)
		connection_close(c);
}

/* ---- answers ---- */

/* The answer is out: ready for the next request. */
static void reset(struct connection *c)
{
	answer_drop(&c->x.answer);
	if (!clients.spare.data && c->x.answer.text.room <= SPARE_MAX)
		clients.spare = c->x.answer.text;
	else
		free(c->x.answer.text.data);
	memset(&c->x, 0, sizeof(c->x));
	count_slice(c);
	c->sent = c->taken = 0;
	c->continued = c->admitted = c->half = false;
}

static void begin_answer(struct connection *c)
{
	count_slice(c);
	c->answering = true;
	c->got = 0;
	c->moved = loop_clock(loop_now());
	c->deadline = c->moved + SEND_NS;
}

/* True: the connection goes on. */
static bool end_answer(struct connection *c)
{
	c->answering = false;
	metrics_request(c->x.path, c->x.status);
	log_exchange(c, c->x.status);
	if (c->x.close || clients.closing) {
		linger(c);
		return false;
	}
	reset(c);
	c->deadline =
		loop_clock(clock_mono()) +
		(input_left(&c->in) > 0 ? clients.request_ns : clients.idle_ns);
	watch_for(c, EPOLLIN | EPOLLRDHUP);
	return true;
}

/* Sends the slice of the answer that is there. What it has come to: ANSWER_READY:
 * the client takes no more now; ANSWER_BROKEN: the connection is closed; else the
 * slice is out. */
static enum answer_state send_slice(struct connection *c)
{
	enum answer_state state;
	const char *data;
	size_t size;
	ssize_t n;

	state = answer_next(&c->x.answer, &data, &size);
	if (c->probed && state == ANSWER_READY) {
		answer_take(&c->x.answer, PROBE);
		data += PROBE;
		size -= PROBE;
		c->probed = false;
	}
	while (state == ANSWER_READY && size > 0) {
		n = send(c->fd, data, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return ANSWER_READY;
		if (n < 0) {
			state = ANSWER_BROKEN;
			break;
		}
		answer_take(&c->x.answer, (size_t)n);
		data += n;
		size -= (size_t)n;
		c->sent += (size_t)n;
		c->moved = loop_clock(loop_now());
		metrics.bytes_out += (uint64_t)n;
	}
	if (state == ANSWER_BROKEN)
		connection_close(c);
	return state == ANSWER_READY ? ANSWER_WAITS : state;
}

/* Sends a slice of the answer. True: all of it is out, and the connection goes
 * on. */
static bool send_answer(struct connection *c)
{
	switch (send_slice(c)) {
	case ANSWER_READY:
		watch_for(c, EPOLLOUT);
		return false;
	case ANSWER_BROKEN:
		return false;
	case ANSWER_DONE:
		return end_answer(c);
	case ANSWER_LATER: /* that is our work, not the client's */
		c->moved = loop_clock(loop_now());
		break;
	case ANSWER_WAITS:
		if (!c->x.answer.body)
			return end_answer(c);
		break;
	}
	loop_add(&c->task);
	return false;
}

/* Sends what there is of the answer to a run that goes on. */
static void send_live(struct connection *c)
{
	enum answer_state state;

	count_slice(c);
	state = send_slice(c);
	if (state == ANSWER_BROKEN)
		return;
	api_sent(&c->x);
	watch_for(c, (state == ANSWER_READY ? EPOLLOUT : 0) |
			     (c->half ? 0 : EPOLLRDHUP));
}

/* There is more of the answer to a run that goes on. */
static void on_progress(struct exchange *x)
{
	struct connection *c = x->context;

	if (answer_waiting(&x->answer) == 0)
		c->moved = loop_clock(loop_now());
	loop_add(&c->task);
}

/* The answer is complete. */
static void on_finished(struct exchange *x)
{
	struct connection *c = x->context;

	if (!c->busy) {
		begin_answer(c); /* process() is on the stack and goes on */
		return;
	}
	clients.answered(c);
}

static void refuse(struct connection *c, int status, const char *reason)
{
	c->x.close = true;
	api_error(&c->x, status, status == 503 ? "Retry-After: 1\r\n" : "",
		  reason);
	begin_answer(c);
}

static void refuse_input(struct connection *c, int r)
{
	refuse(c, 503,
	       r == -ENOSPC ? "too much is being sent at once" : "no memory");
}

/* ---- requests ---- */

/* Where the client has no room for it, it is sent when more of the body comes; some of it
 * would be taken for the answer's beginning. */
static void send_continue(struct connection *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	ssize_t n = send(c->fd, line, sizeof(line) - 1, MSG_NOSIGNAL);

	c->continued = n == sizeof(line) - 1;
	if (!c->continued && (n >= 0 || (errno != EAGAIN && errno != EINTR)))
		connection_close(c);
	if (!c->continued)
		c->need = 0;
}

static void consume(struct connection *c, size_t size)
{
	c->taken = size;
	c->need = 0;
	c->chunks = (struct http_chunks){ 0 };
	input_use(&c->in, size);
}

/* The request is jobs now, or answered. */
static void on_read(struct exchange *x)
{
	struct connection *c = x->context;

	consume(c, c->used);
}

/* The head is there and the body is not: is it worth waiting for? */
static bool wait_for_body(struct connection *c, const struct http_request *r)
{
	size_t size = input_left(&c->in);

	if (!c->admitted && (r->expect_continue || r->body_size > EARLY_BODY ||
			     size > EARLY_BODY)) {
		c->x.close = true; /* the body will not be read */
		if (api_admit(&c->x, r)) {
			begin_answer(c);
			return false;
		}
		c->admitted = true;
	}
	if (r->expect_continue && !c->continued)
		send_continue(c);
	return true;
}

/* What is left is not used in this turn. False: it cannot be kept. */
static bool keep_input(struct connection *c)
{
	int r = input_keep(&c->in);

	if (r == 0)
		return true;
	if (c->busy || c->answering) {
		connection_close(c);
		return false;
	}
	refuse_input(c, r);
	return false;
}

/* The same with what points into it. */
static bool keep_request(struct connection *c)
{
	struct http_span *rest = &c->x.rest;
	size_t at = rest->data ? (size_t)(rest->data - c->in.data) - c->in.at :
				 0;

	if (!keep_input(c))
		return false;
	if (rest->data)
		rest->data = c->in.data + c->in.at + at;
	return true;
}

/* Takes one request from the buffer. False: more is needed. */
static bool take_request(struct connection *c)
{
	char *data = c->in.data + c->in.at;
	size_t size = input_left(&c->in), body, used;
	struct http_request r;
	int n;

	if (size < c->need)
		return false;
	n = http_parse(data, size, &r);
	if (n < 0) {
		refuse(c, r.status, r.reason);
		return true;
	}
	if (n == 0)
		return false;
	c->x.local = c->local;
	if (r.chunked) {
		n = http_dechunk(data + r.head_size, size - r.head_size,
				 &c->chunks);
		body = c->chunks.body;
		used = c->chunks.used;
	} else {
		body = used = (size_t)r.body_size;
		n = size - r.head_size >= body;
		c->need = r.head_size + body;
	}
	if (n < 0) {
		refuse(c, n == -2 ? 413 : 400,
		       n == -2 ? http_body_complaint() : "malformed chunk");
		return true;
	}
	if (n == 0)
		return !wait_for_body(c, &r);
	c->x.close = r.close || clients.retiring;
	c->x.read = on_read;
	c->x.progress = on_progress;
	c->x.finished = on_finished;
	c->x.context = c;
	c->x.draining = clients.draining;
	c->used = r.head_size + used;
	if (api_admit(&c->x, &r)) {
		consume(c, c->used);
		begin_answer(c);
		return true;
	}
	/* A large body is read in more than one turn. */
	if (body > READING_AT_ONCE && !keep_request(c))
		return true;
	api_handle(&c->x, c->in.data + c->in.at + r.head_size, body);
	return true;
}

/* Works through what has arrived, as far as it goes. */
static void process(struct connection *c)
{
	int requests = 0;

	while (!c->closed && !c->lingering && !c->busy && !c->answering) {
		if (!c->x.answer.text.data) {
			c->x.answer.text = clients.spare;
			clients.spare = (struct text){ 0 };
		}
		if (input_left(&c->in) == 0 || !take_request(c)) {
			if (!c->x.answer.text.size && !clients.spare.data) {
				clients.spare = c->x.answer.text;
				c->x.answer.text = (struct text){ 0 };
			}
			if (c->ended)
				connection_close(c);
			break;
		}
		if (c->closed)
			break;
		if (!c->answering) {
			c->busy = true;
			c->deadline = UINT64_MAX;
			break;
		}
		send_answer(c);
		if (input_left(&c->in) > 0 &&
		    (++requests == REQUEST_BURST ||
		     clock_mono() > loop_now() + BURST_NS)) {
			loop_add(&c->task); /* others come first */
			break;
		}
	}
	if (!c->closed && !keep_input(c) && c->answering)
		send_answer(c);
}

static void read_input(struct connection *c)
{
	bool first = input_left(&c->in) == 0;
	int n = input_receive(&c->in, c->fd);

	if (n == -ENOSPC || n == -ENOMEM) {
		refuse_input(c, n);
		send_answer(c);
		return;
	}
	if (n < 0 && n != -EAGAIN) {
		connection_close(c);
		return;
	}
	if (n > 0 && first)
		c->deadline = loop_clock(clock_mono()) + clients.request_ns;
	if (n > 0)
		metrics.bytes_in += (uint64_t)n;
	if (n == 0)
		c->ended = true;
	process(c);
}

static void go_on(struct task *t)
{
	struct connection *c =
		(struct connection *)((char *)t -
				      offsetof(struct connection, task));

	if (c->busy && !c->done)
		send_live(c);
	else if (!c->answering || send_answer(c))
		process(c);
}

/*
 * The client has ended its side while its request is being worked on. Either it
 * still waits for the answer, or it has closed the connection: both look the same
 * until it is sent something. So it is sent how every answer begins. A client that
 * is gone answers that with a reset, and its run is cancelled.
 */
static void probe(struct connection *c)
{
	ssize_t n = 0;

	/* Resets and ends of both sides are always told. */
	watch_for(c, c->events & EPOLLOUT);
	c->half = true;
	/* done: its end is on the way, and nothing comes behind that. */
	if (c->closed || c->probed || c->done)
		return;
	if (c->x.live.begun) {
		live_probe(&c->x.live);
		loop_add(&c->task);
		return;
	}
	/* Bytes of an answer before, which it has not taken, do the same. */
	n = send(c->fd, ANSWER_START, PROBE, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		connection_close(c);
		return;
	}
	c->probed = n == PROBE;
	c->sent += c->probed ? PROBE : 0;
	metrics.bytes_out += c->probed ? PROBE : 0;
}

static void connection_ready(struct watch *w, uint32_t events)
{
	struct connection *c = (struct connection *)w;

	if (c->closed)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		connection_close(c);
	} else if (c->lingering) {
		discard_input(c);
	} else if (c->busy) {
		if (events & EPOLLRDHUP)
			probe(c);
		if (events & EPOLLOUT)
			loop_add(&c->task);
		if (!(events & (EPOLLRDHUP | EPOLLOUT)))
			watch_for(c, EPOLLRDHUP | (c->events & EPOLLOUT));
	} else if (c->answering) {
		if (events & EPOLLOUT)
			loop_add(&c->task);
	} else if ((events & (EPOLLIN | EPOLLRDHUP)) && !loop_has(&c->task)) {
		read_input(c);
	}
}

/* ---- what is done to one ---- */

int connection_open(int fd, const char *client, struct connection **opened)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->watch.ready = connection_ready;
	c->task.run = go_on;
	c->fd = fd;
	c->events = event.events;
	c->deadline = loop_clock(clock_mono()) + clients.idle_ns;
	memcpy(c->client, client, strnlen(client, sizeof(c->client) - 1));
	event.data.ptr = c;
	if (epoll_ctl(clients.epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	*opened = c;
	return 0;
}

void connection_answer(struct connection *c)
{
	c->busy = false;
	begin_answer(c);
	if (send_answer(c))
		process(c);
}

void connection_give_up(struct connection *c)
{
	metrics.output_given_up++;
	log_event("warning",
		  "--output-total is reached: the answer to %s is given up",
		  c->client);
	if (c->answering || c->x.live.begun) {
		connection_close(c);
		return;
	}
	api_abandon(&c->x);
	c->busy = false;
	/* Programs have run: nobody is to think that they can be repeated. */
	refuse(c, 500, "too much output is held for clients");
	send_answer(c);
}

/* Whether the client has taken less of its answer than it must; what the kernel
 * holds for it, it has not taken. */
static bool is_slow(struct connection *c)
{
	size_t got = c->sent;
	int queued = 0;

	if (ioctl(c->fd, SIOCOUTQ, &queued) == 0 && queued > 0)
		got -= (size_t)queued < got ? (size_t)queued : got;
	if (got < c->got + SEND_BYTES)
		return true;
	c->got = got;
	c->deadline += SEND_NS;
	return false;
}

void connection_judge(struct connection *c, uint64_t now)
{
	if (now < c->deadline || (c->answering && !is_slow(c)))
		return;
	metrics.slow += c->answering;
	if (c->answering || c->lingering || input_left(&c->in) == 0) {
		connection_close(c);
		return;
	}
	refuse(c, 408, "the request did not arrive in time");
	send_answer(c);
}

static bool is_waited_for(const struct connection *c)
{
	return !c->busy && !c->answering && !c->lingering;
}

void connection_drain(struct connection *c)
{
	if (is_waited_for(c))
		read_input(c);
	if (c->closed || !is_waited_for(c))
		return;
	if (input_left(&c->in) == 0) {
		connection_close(c);
		return;
	}
	refuse(c, 503, "the server is draining");
	send_answer(c);
}
