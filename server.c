#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "http.h"
#include "pool.h"
#include "vmm.h"

#define MAX_CONNECTIONS 4096
#define IDLE_NS 60000000000ull    /* between requests */
#define REQUEST_NS 30000000000ull /* for a whole request to arrive */
#define SEND_NS 30000000000ull    /* for an answer to be taken */
#define LINGER_NS 1000000000ull   /* for the client to read the last answer */
#define BUFFER_START 4096
#define BUFFER_KEEP 65536 /* a larger one is given back after its request */
#define INPUT_MAX (HTTP_HEAD_MAX + 2 * HTTP_BODY_MAX)
#define TICK_MS 100

struct connection {
	struct watch watch; /* first */
	struct connection *next, *previous;
	int fd;
	char *in;
	size_t in_size, in_room;
	struct exchange x;
	size_t sent;
	bool busy;      /* jobs are running */
	bool answering; /* x.answer is being sent */
	bool continued; /* 100 Continue has been sent */
	bool ended;     /* the client has sent all it will */
	bool lingering; /* answered for the last time */
	uint64_t deadline;
};

static struct {
	int epoll, listener, signals;
	struct watch listen_watch, signal_watch;
	struct connection *connections;
	unsigned count;
	bool draining;
} server = { .epoll = -1, .listener = -1, .signals = -1 };

static void process(struct connection *c);

static void connection_close(struct connection *c)
{
	api_abandon(&c->x);
	close(c->fd);
	if (c->previous)
		c->previous->next = c->next;
	else
		server.connections = c->next;
	if (c->next)
		c->next->previous = c->previous;
	server.count--;
	free(c->in);
	free(c);
}

static void watch_for(struct connection *c, uint32_t events);

/*
 * Closing with unread input makes the kernel send a reset, which may overtake
 * the answer: what still comes is read and thrown away first.
 */
static void linger(struct connection *c)
{
	shutdown(c->fd, SHUT_WR);
	c->lingering = true;
	c->in_size = 0;
	c->deadline = clock_mono() + LINGER_NS;
	watch_for(c, EPOLLIN | EPOLLRDHUP);
}

static void discard_input(struct connection *c)
{
	char waste[4096];
	ssize_t n;

	do
		n = recv(c->fd, waste, sizeof(waste), 0);
	while (n > 0 || (n < 0 && errno == EINTR));
	if (n == 0 || errno != EAGAIN)
		connection_close(c);
}

static void watch_for(struct connection *c, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = c };

	epoll_ctl(server.epoll, EPOLL_CTL_MOD, c->fd, &event);
}

/* Sends what is left of the answer. False: the connection is closed or only
 * lingers. */
static bool send_answer(struct connection *c)
{
	while (c->sent < c->x.answer.size) {
		ssize_t n = send(c->fd, c->x.answer.data + c->sent,
				 c->x.answer.size - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_for(c, EPOLLOUT);
			return true;
		}
		if (n < 0) {
			connection_close(c);
			return false;
		}
		c->sent += (size_t)n;
	}
	c->answering = false;
	if (c->x.close || server.draining) {
		linger(c);
		return false;
	}
	free(c->x.answer.data);
	memset(&c->x, 0, sizeof(c->x));
	c->sent = 0;
	c->continued = false;
	c->deadline = clock_mono() + IDLE_NS;
	watch_for(c, EPOLLIN | EPOLLRDHUP);
	return true;
}

/* The answer is complete; it goes out from the event loop's own calls. */
static void on_finished(struct exchange *x)
{
	struct connection *c = x->context;

	c->answering = true;
	c->deadline = clock_mono() + SEND_NS;
	if (!c->busy)
		return; /* process() is on the stack and goes on */
	c->busy = false;
	if (send_answer(c))
		process(c);
}

static void refuse(struct connection *c, int status, const char *reason)
{
	c->x.close = true;
	api_error(&c->x, status, "", reason);
	c->answering = true;
	c->deadline = clock_mono() + SEND_NS;
}

static void consume(struct connection *c, size_t size)
{
	c->in_size -= size;
	memmove(c->in, c->in + size, c->in_size);
	if (c->in_room > BUFFER_KEEP && c->in_size < BUFFER_START) {
		char *smaller = realloc(c->in, BUFFER_START);

		if (smaller) {
			c->in = smaller;
			c->in_room = BUFFER_START;
		}
	}
}

static void send_continue(struct connection *c)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	c->continued = true;
	(void)!send(c->fd, line, sizeof(line) - 1, MSG_NOSIGNAL);
}

/* Takes one request from the buffer. False: more is needed. */
static bool take_request(struct connection *c)
{
	struct http_request r;
	size_t body = 0, used = 0;
	int n = http_parse(c->in, c->in_size, &r);

	if (n < 0) {
		refuse(c, r.status, r.reason);
		return true;
	}
	if (n == 0)
		return false;
	if (http_is(r.method, "POST") && !r.has_length && !r.chunked) {
		refuse(c, 411, "a POST needs a Content-Length");
		return true;
	}
	if (r.chunked) {
		n = http_dechunk(c->in + r.head_size, c->in_size - r.head_size,
				 &body, &used);
		if (n < 0) {
			refuse(c, n == -2 ? 413 : 400,
			       n == -2 ? "body larger than 4 MiB" :
					 "malformed chunk");
			return true;
		}
	} else {
		body = used = (size_t)r.body_size;
		n = c->in_size - r.head_size >= body;
	}
	if (n == 0) {
		if (r.expect_continue && !c->continued)
			send_continue(c);
		return false;
	}
	c->x.close = r.close;
	c->x.finished = on_finished;
	c->x.context = c;
	c->x.draining = server.draining;
	api_handle(&c->x, &r, c->in + r.head_size, body);
	consume(c, r.head_size + used);
	return true;
}

/* Works through what has arrived, as far as it goes. */
static void process(struct connection *c)
{
	while (!c->busy && !c->answering) {
		if (c->in_size == 0 || !take_request(c)) {
			if (c->ended)
				connection_close(c);
			return;
		}
		if (!c->answering) {
			c->busy = true;
			c->deadline = UINT64_MAX;
			return;
		}
		if (!send_answer(c))
			return;
	}
}

/* False: the connection is closed. */
static bool read_input(struct connection *c)
{
	for (;;) {
		ssize_t n;

		if (c->in_size == c->in_room) {
			size_t want = c->in_room ? c->in_room * 2 :
						   BUFFER_START;
			char *bigger = want > 2 * INPUT_MAX ?
					       NULL :
					       realloc(c->in, want);

			if (!bigger) {
				connection_close(c);
				return false;
			}
			c->in = bigger;
			c->in_room = want;
		}
		n = recv(c->fd, c->in + c->in_size, c->in_room - c->in_size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			connection_close(c);
			return false;
		}
		if (n == 0) {
			c->ended = true;
			return true;
		}
		if (c->in_size == 0)
			c->deadline = clock_mono() + REQUEST_NS;
		c->in_size += (size_t)n;
		/* One request at a time: the rest may wait in the socket. */
		if (c->in_size >= INPUT_MAX)
			return true;
	}
}

static void connection_ready(struct watch *w, uint32_t events)
{
	struct connection *c = (struct connection *)w;

	if (events & (EPOLLHUP | EPOLLERR)) {
		connection_close(c);
		return;
	}
	if (c->lingering) {
		discard_input(c);
		return;
	}
	if (c->busy) {
		/* Gone in the middle of a run: the run is cancelled. */
		if (events & EPOLLRDHUP)
			connection_close(c);
		else
			watch_for(c, EPOLLRDHUP);
		return;
	}
	if (c->answering) {
		if ((events & EPOLLOUT) && send_answer(c))
			process(c);
		return;
	}
	if ((events & (EPOLLIN | EPOLLRDHUP)) && read_input(c))
		process(c);
}

static void accept_ready(struct watch *w, uint32_t events)
{
	(void)w, (void)events;
	for (;;) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP };
		struct connection *c;
		int one = 1, fd = accept4(server.listener, NULL, NULL,
					  SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		c = server.count < MAX_CONNECTIONS ? calloc(1, sizeof(*c)) :
						     NULL;
		if (!c) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->watch.ready = connection_ready;
		c->fd = fd;
		c->deadline = clock_mono() + IDLE_NS;
		event.data.ptr = c;
		if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
			close(fd);
			free(c);
			continue;
		}
		c->next = server.connections;
		if (c->next)
			c->next->previous = c;
		server.connections = c;
		server.count++;
	}
}

static void signal_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)w, (void)events;
	while (read(server.signals, &info, sizeof(info)) == sizeof(info))
		server.draining = true;
}

/* Cuts off who is too slow. */
static void check_deadlines(uint64_t now)
{
	struct connection *c = server.connections, *next;

	for (; c; c = next) {
		next = c->next;
		if (now < c->deadline)
			continue;
		if (c->answering || c->lingering || c->in_size == 0) {
			connection_close(c);
			continue;
		}
		refuse(c, 408, "the request did not arrive in time");
		send_answer(c);
	}
}

/* ---- start ---- */

static int watch_fd(int fd, struct watch *w)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno :
									0;
}

static int open_listener(const char *address, struct err *e)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST,
				  .ai_socktype = SOCK_STREAM },
			*list = NULL;
	const char *colon = strrchr(address, ':');
	char host[128];
	size_t size = colon ? (size_t)(colon - address) : 0;
	int one = 1, r;

	if (!colon || size >= sizeof(host))
		return err_set(e, -EINVAL, "listen: %s: not ADDR:PORT",
			       address);
	memcpy(host, address, size);
	host[size] = 0;
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = 0;
		memmove(host, host + 1, size - 1);
	}
	r = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list);
	if (r)
		return err_set(e, -EINVAL, "listen: %s: %s", address,
			       gai_strerror(r));
	server.listener = socket(list->ai_family,
				 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = server.listener < 0 ? -errno : 0;
	if (r == 0)
		setsockopt(server.listener, SOL_SOCKET, SO_REUSEADDR, &one,
			   sizeof(one));
	if (r == 0 && (bind(server.listener, list->ai_addr,
			    list->ai_addrlen) < 0 ||
		       listen(server.listener, 1024) < 0))
		r = -errno;
	freeaddrinfo(list);
	return r ? err_set(e, r, "listen: %s: %s", address, strerror(-r)) : 0;
}

static int open_signals(struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	server.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (server.signals < 0)
		return err_set(e, -errno, "signalfd: %s", strerror(errno));
	return 0;
}

/* Keys are not checked yet, so a configured key file must not be ignored. */
static int refuse_keys(struct err *e)
{
	const char *path = getenv("ZEROBOOT_API_KEYS_FILE");

	if (path || access("api_keys.json", F_OK) == 0)
		return err_set(e, -ENOTSUP,
			       "%s: this version cannot check keys",
			       path ? path : "api_keys.json");
	return 0;
}

static int start(const struct server_options *o, struct err *e)
{
	unsigned workers = o->workers;
	struct vmm vmm;
	int r;

	if (workers == 0)
		workers = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	r = refuse_keys(e);
	if (r)
		return r;
	r = vmm_open(&vmm, e); /* only to say early what is wrong */
	if (r)
		return r;
	vmm_close(&vmm);
	server.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server.epoll < 0)
		return err_set(e, -errno, "epoll: %s", strerror(errno));
	r = open_listener(o->listen, e);
	if (r == 0)
		r = open_signals(e);
	if (r)
		return r;
	server.listen_watch.ready = accept_ready;
	server.signal_watch.ready = signal_ready;
	if (watch_fd(server.listener, &server.listen_watch) ||
	    watch_fd(server.signals, &server.signal_watch))
		return err_set(e, -ENOMEM, "epoll: no memory");
	return pool_open(server.epoll, o->templates, workers, o->max_queue, e);
}

static bool drained(uint64_t until)
{
	if (clock_mono() >= until)
		return true;
	for (struct connection *c = server.connections; c; c = c->next)
		if (c->busy || c->answering)
			return false;
	return true;
}

static void loop(const struct server_options *o)
{
	uint64_t next_tick = 0, drain_until = UINT64_MAX;

	while (drain_until == UINT64_MAX || !drained(drain_until)) {
		struct epoll_event event;
		uint64_t now;

		/* One at a time: handling one may free what another names. */
		if (epoll_wait(server.epoll, &event, 1, TICK_MS) == 1) {
			struct watch *w = event.data.ptr;

			w->ready(w, event.events);
		}
		now = clock_mono();
		if (now >= next_tick) {
			pool_tick(now);
			check_deadlines(now);
			next_tick = now + TICK_MS * 1000000ull;
		}
		if (server.draining && drain_until == UINT64_MAX) {
			drain_until = now + o->drain_seconds * 1000000000ull;
			close(server.listener);
			server.listener = -1;
			pool_drain();
		}
	}
}

int server_run(const struct server_options *o)
{
	struct err e = { "" };
	int r = start(o, &e);

	if (r) {
		fprintf(stderr, "zeroboot: %s\n", e.text);
	} else {
		fprintf(stderr, "zeroboot: serving on %s\n", o->listen);
		loop(o);
	}
	while (server.connections)
		connection_close(server.connections);
	pool_close();
	if (server.listener >= 0)
		close(server.listener);
	return r ? 1 : 0;
}
