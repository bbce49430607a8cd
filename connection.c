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

#include "api.h"
#include "clock.h"
#include "http.h"
#include "input.h"
#include "log.h"
#include "metrics.h"
#include "pool.h"

#define SECOND_NS 1000000000ull
#define SEND_NS (30 * SECOND_NS) /* for so much of an answer to be taken: */
#define SEND_BYTES ((size_t)30 * 65536) /* 64 KiB a second */
#define STILL_NS (SECOND_NS / 10) /* without progress, an answer stands still */
#define GIVE_UP_BURST 4
#define LINGER_NS SECOND_NS /* for the client to read the last answer */
#define REQUEST_BURST 16    /* in a turn: others come first, */
#define BURST_NS 500000     /* as when it has taken so long */
#define DONE_NS 500000      /* of a turn, for answers to what was run */
#define DRAIN_NS 100000     /* of a slice, for connections that end */
#define JUDGE_BURST 64      /* deadlines at a time */
#define EARLY_BODY 65536    /* a larger one is not taken from just anyone */
#define SPARE_MAX 65536
#define PROBE 1           /* bytes of an answer */
#define CLIENT_CLOSED 499 /* in the log, as nginx has it */

struct connection {
	struct watch watch; /* first */
	struct task task;   /* more of its answer, or of what has arrived */
	struct connection *next, *previous;
	struct connection *next_done;
	int fd;
	uint32_t events; /* that are watched for */
	struct input in;
	size_t need; /* bytes that the request under way has at least */
	size_t used; /* bytes of the request that is being handled */
	struct http_chunks chunks;
	struct exchange x;
	size_t sent, taken; /* bytes of the answer, of the request */
	size_t slice;       /* counted in all.slices */
	size_t got;        /* of the answer, by the client when it was judged */
	uint64_t moved;    /* when some of the answer went out: loop_clock */
	bool busy;         /* jobs are running */
	bool answering;    /* x.answer is being sent */
	bool done;         /* in the list of those that were busy */
	bool admitted;     /* api_admit has passed the head */
	bool continued;    /* 100 Continue has been sent */
	bool ended;        /* the client has sent all it will */
	bool probed;       /* the first byte of its answer is out: see probe */
	bool lingering;    /* answered for the last time */
	bool closed;       /* freed when no event is left for it */
	uint64_t deadline; /* loop_clock */
	char client[CLIENT_NAME_SIZE];
};

static struct {
	int epoll;
	struct connection *all, *dead;
	struct connection *done, *last_done; /* those that were busy */
	struct connection *judged; /* the next whose deadline is looked at */
	struct task judge, rest;
	struct connection *drained; /* the next that is, and what then */
	struct task drain;
	void (*after)(void);
	size_t slices; /* bytes of all answers' slices */
	size_t output_total;
	struct text spare; /* the last answer's buffer */
	/* Every answer is its connection's last, closes it, or is a refusal. */
	bool retiring, closing, draining;
	uint64_t request_ns, idle_ns;
} all;

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
	all.slices += c->x.answer.text.room - c->slice;
	c->slice = c->x.answer.text.room;
}

static void connection_close(struct connection *c)
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
	epoll_ctl(all.epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
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
	input_drop(&c->in);
	c->closed = true;
	c->next = all.dead;
	all.dead = c;
}

static void watch_for(struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	if (c->events == events)
		return;
	c->events = events;
	if (epoll_ctl(all.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0)
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
	if (!all.spare.data && c->x.answer.text.room <= SPARE_MAX)
		all.spare = c->x.answer.text;
	else
		free(c->x.answer.text.data);
	memset(&c->x, 0, sizeof(c->x));
	count_slice(c);
	c->sent = c->taken = 0;
	c->continued = c->admitted = false;
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
	if (c->x.close || all.closing) {
		linger(c);
		return false;
	}
	reset(c);
	c->deadline = loop_clock(clock_mono()) +
		      (input_left(&c->in) > 0 ? all.request_ns : all.idle_ns);
	watch_for(c, EPOLLIN | EPOLLRDHUP);
	return true;
}

/* Sends a slice of the answer. True: all of it is out, and the connection goes
 * on. */
static bool send_answer(struct connection *c)
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
		if (n < 0 && errno == EAGAIN) {
			watch_for(c, EPOLLOUT);
			return false;
		}
		if (n < 0) {
			connection_close(c);
			return false;
		}
		answer_take(&c->x.answer, (size_t)n);
		data += n;
		size -= (size_t)n;
		c->sent += (size_t)n;
		c->moved = loop_clock(loop_now());
		metrics.bytes_out += (uint64_t)n;
	}
	if (state == ANSWER_BROKEN) {
		connection_close(c);
		return false;
	}
	if (state == ANSWER_DONE || !c->x.answer.body)
		return end_answer(c);
	if (state == ANSWER_LATER) /* that is our work, not the client's */
		c->moved = loop_clock(loop_now());
	loop_add(&c->task);
	return false;
}

/* The answer is complete. It goes out from the event loop's own calls, so that
 * nothing here is entered twice. */
static void on_finished(struct exchange *x)
{
	struct connection *c = x->context;

	if (!c->busy) {
		begin_answer(c); /* process() is on the stack and goes on */
		return;
	}
	c->done = true;
	c->next_done = NULL;
	if (all.done)
		all.last_done->next_done = c;
	else
		all.done = c;
	all.last_done = c;
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

static void send_continue(struct connection *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	c->continued = true;
	(void)!send(c->fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
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
	c->x.close = r.close || all.retiring;
	c->x.read = on_read;
	c->x.finished = on_finished;
	c->x.context = c;
	c->x.draining = all.draining;
	c->used = r.head_size + used;
	if (api_admit(&c->x, &r)) {
		consume(c, c->used);
		begin_answer(c);
		return true;
	}
	/* A large body is read in more than one turn. */
	if (body > READING_AT_ONCE && !keep_input(c))
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
			c->x.answer.text = all.spare;
			all.spare = (struct text){ 0 };
		}
		if (input_left(&c->in) == 0 || !take_request(c)) {
			if (!c->x.answer.text.size && !all.spare.data) {
				all.spare = c->x.answer.text;
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
		c->deadline = loop_clock(clock_mono()) + all.request_ns;
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

	if (!c->answering || send_answer(c))
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

	watch_for(c, 0); /* resets and ends of both sides are always told */
	if (c->closed || c->probed)
		return;
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
		else
			watch_for(c, EPOLLRDHUP);
	} else if (c->answering) {
		if (events & EPOLLOUT)
			loop_add(&c->task);
	} else if ((events & (EPOLLIN | EPOLLRDHUP)) && !loop_has(&c->task)) {
		read_input(c);
	}
}

/* ---- all of them ---- */

int connection_open(int fd, const char *client)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->watch.ready = connection_ready;
	c->task.run = go_on;
	c->fd = fd;
	c->events = event.events;
	c->deadline = loop_clock(clock_mono()) + all.idle_ns;
	memcpy(c->client, client, strnlen(client, sizeof(c->client) - 1));
	event.data.ptr = c;
	if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		free(c);
		return r;
	}
	c->next = all.all;
	if (c->next)
		c->next->previous = c;
	all.all = c;
	metrics.connections++;
	metrics.connections_total++;
	return 0;
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
		if (c->answering && now - c->moved >= STILL_NS &&
		    (!still || c->moved < still->moved))
			still = c;
	}
	return still ? still : largest;
}

static void give_up(struct connection *c)
{
	metrics.output_given_up++;
	log_event("warning",
		  "--output-total is reached: the answer to %s is given up",
		  c->client);
	if (c->answering) {
		connection_close(c);
		return;
	}
	api_abandon(&c->x);
	c->busy = false;
	refuse(c, 503, "too much output is held for clients");
	send_answer(c);
}

/* Keeps what is held for clients within its bound. */
static void bound_output(void)
{
	uint64_t now = loop_clock(loop_now());

	for (int i = 0; i < GIVE_UP_BURST; i++) {
		struct connection *c;

		metrics.output_held = jobs_output() + all.slices;
		if (metrics.output_held <= all.output_total)
			return;
		c = most_expendable(now);
		if (!c)
			return;
		give_up(c);
	}
}

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
		c->busy = false;
		begin_answer(c);
		if (send_answer(c))
			process(c);
		if (all.done && clock_mono() > loop_now() + DONE_NS) {
			loop_add(&all.rest);
			break;
		}
	}
	bound_output();
	if (loop_drained())
		free_dead();
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

static void judge(struct connection *c, uint64_t now)
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

/* Those whose time is over, some at a time. */
static void judge_some(struct task *t)
{
	uint64_t now = loop_clock(loop_now());

	for (int i = 0; i < JUDGE_BURST && all.judged; i++) {
		struct connection *c = all.judged;

		all.judged = c->next;
		judge(c, now);
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
	all.epoll = epoll;
	all.request_ns = request_seconds * SECOND_NS;
	all.idle_ns = idle_seconds * SECOND_NS;
	all.output_total = output_total;
	all.judge.run = judge_some;
	all.rest.run = do_nothing;
}

void connections_retire(void)
{
	all.retiring = true;
	for (struct connection *c = all.all; c; c = c->next)
		if (c->busy && !c->done)
			c->x.close = true;
}

static bool is_waited_for(const struct connection *c)
{
	return !c->busy && !c->answering && !c->lingering;
}

/* What has come in until now is answered, read or not. */
static void drain(struct connection *c)
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

static void drain_some(struct task *t)
{
	uint64_t begun = clock_mono();

	while (all.drained && clock_mono() - begun < DRAIN_NS) {
		struct connection *c = all.drained;

		all.drained = c->next;
		drain(c);
	}
	if (all.drained) {
		loop_add(t);
		return;
	}
	all.draining = true;
	all.after();
}

void connections_drain(void (*after)(void))
{
	all.closing = true;
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
	free(all.spare.data);
	all.spare = (struct text){ 0 };
}
