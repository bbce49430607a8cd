#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "auth.h"
#include "catalog.h"
#include "census.h"
#include "clock.h"
#include "connections.h"
#include "derived.h"
#include "discard.h"
#include "jail.h"
#include "mcp_stdio.h"
#include "metrics.h"
#include "pool.h"
#include "reading.h"
#include "reload.h"
#include "request.h"
#include "session.h"
#include "session_exec.h"

#define MAX_CONNECTIONS 8192
#define SPARE_FILES 256u  /* descriptors that are not connections or workers */
#define WORKERS_PER_CPU 4 /* at most: runs that sleep leave the CPU to others */
#define ACCEPT_BURST 16
#define TICK_MS 100
#define AWAKE_NS 1000000 /* since something happened */
#define SECOND_NS 1000000000ull
#define LAME_NS SECOND_NS

static struct {
	int epoll, signals;
	struct {
		struct watch watch; /* first */
		struct listener listener;
		bool paused; /* no descriptors were left */
	} listeners[LISTENERS_MAX];
	unsigned listener_count;
	rlim_t files; /* descriptors for connections, and for crews of places */
	struct watch signal_watch;
	bool ready, stdio;
	bool draining, lame; /* lame: its first second */
	unsigned cpus;
	uint64_t drain_until, lame_until;
} server = { .epoll = -1, .signals = -1 };

/* ---- accepting ---- */

static int watch_fd(int fd, struct watch *w)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(server.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno :
									0;
}

static void name_client(char name[CLIENT_NAME_SIZE],
			const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
		snprintf(name, CLIENT_NAME_SIZE, "%s:%u", host,
			 ntohs(v4->sin_port));
	} else if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		snprintf(name, CLIENT_NAME_SIZE, "[%s]:%u", host,
			 ntohs(v6->sin6_port));
	} else {
		snprintf(name, CLIENT_NAME_SIZE, "unix");
	}
}

static void turn_away(int fd, const char *why)
{
	char answer[256], rest[4096];
	int n = snprintf(answer, sizeof(answer),
			 "HTTP/1.1 503 Service Unavailable\r\nServer: "
			 "zeroboot\r\n"
			 "Content-Type: application/json\r\nContent-Length: "
			 "%zu\r\n"
			 "Retry-After: 1\r\nConnection: close\r\n\r\n"
			 "{\"error\":\"%s\"}\n",
			 strlen(why) + sizeof("{\"error\":\"\"}"), why);

	metrics.connections_refused++;
	(void)!send(fd, answer, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* Closing with unread input is a reset, which overtakes the answer. */
	for (int i = 0; i < 16; i++)
		if (recv(fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
			break;
	close(fd);
}

/* Crews of places take of their descriptors, but not more than half. */
static unsigned connections_most(void)
{
	rlim_t taken = catalog_files(), left = server.files - server.files / 2;

	if (left < server.files - (taken < server.files ? taken : server.files))
		left = server.files - taken;
	return left < MAX_CONNECTIONS ? (unsigned)left : MAX_CONNECTIONS;
}

/* Some of those who wait; false: there is none left. */
static bool accept_some(unsigned i)
{
	const struct listener *l = &server.listeners[i].listener;
	int fd = l->fd;

	for (unsigned n = 0; n < ACCEPT_BURST && fd >= 0; n++) {
		struct sockaddr_storage a = { 0 };
		socklen_t size = sizeof(a);
		char name[CLIENT_NAME_SIZE];
		int one = 1, client = accept4(fd, (struct sockaddr *)&a, &size,
					      SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0 && (errno == EMFILE || errno == ENFILE ||
				   errno == ENOBUFS || errno == ENOMEM)) {
			/* Level-triggered: it would only spin until the tick. */
			epoll_ctl(server.epoll, EPOLL_CTL_DEL, fd, NULL);
			server.listeners[i].paused = true;
			break;
		}
		if (client < 0 && errno == EAGAIN)
			return false;
		if (client < 0)
			continue; /* that one is gone again: accept(2) */
		if (metrics.connections >= connections_most()) {
			turn_away(client, "too many connections");
			continue;
		}
		if (a.ss_family != AF_UNIX)
			setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one,
				   sizeof(one));
		name_client(name, &a);
		if (connections_add(client, name, l->local))
			turn_away(client, "no memory");
	}
	return true;
}

static void accept_ready(struct watch *w, uint32_t events)
{
	size_t i = (size_t)((char *)w - (char *)server.listeners) /
		   sizeof(server.listeners[0]);

	(void)events;
	accept_some((unsigned)i);
}

static void resume_listeners(void)
{
	for (unsigned i = 0; i < server.listener_count; i++) {
		int fd = server.listeners[i].listener.fd;

		if (!server.listeners[i].paused || fd < 0)
			continue;
		server.listeners[i].paused =
			watch_fd(fd, &server.listeners[i].watch) != 0;
	}
}

static void close_listener(unsigned i)
{
	/* Others may have it open, and it would be reported for ever: epoll(7),
	 * Q6. */
	epoll_ctl(server.epoll, EPOLL_CTL_DEL, server.listeners[i].listener.fd,
		  NULL);
	listen_close(&server.listeners[i].listener);
}

static void close_listeners(void)
{
	for (unsigned i = 0; i < server.listener_count; i++)
		close_listener(i);
}

/* To close a listener is to reset all who are connected and not accepted yet: they
 * come first, as many as there are. True: some are left. */
static bool retire_listeners(void)
{
	bool left = false;

	for (unsigned i = 0; i < server.listener_count; i++) {
		struct listener *l = &server.listeners[i].listener;

		if (l->fd < 0)
			continue;
		listen_stop(l);
		if (!l->inherited && accept_some(i))
			left = true;
		else
			close_listener(i);
	}
	return left;
}

/* ---- life cycle ---- */

static void warn_of_no_keys(void)
{
	log_event("warning", "no key file: anyone who can connect can run "
			     "code");
}

static void reloaded(int r, const struct err *e)
{
	if (r)
		log_event("error", "keys not reloaded, the old ones stay: %s",
			  e->text);
	else if (!auth_required())
		warn_of_no_keys();
	else
		log_event("info", "keys reloaded");
	notify("READY=1");
}

static void reload(void)
{
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)clock_mono() / 1000);
	notify(state);
	reload_begin(reloaded);
}

/*
 * For a second everything that has come in is answered as before, but for the last
 * time on its connection: clients whose requests were on their way, and those that
 * did not know yet, lose nothing.
 */
static void drain(unsigned seconds)
{
	uint64_t now = clock_mono();

	if (server.draining) { /* asked twice: whoever asks is impatient */
		server.drain_until = now;
		return;
	}
	server.draining = server.lame = true;
	server.drain_until = now + seconds * SECOND_NS;
	server.lame_until = now + LAME_NS;
	notify("STOPPING=1");
	log_event("info", "draining");
	connections_retire();
}

/* Runs that wait for a worker, and execs that wait for their sessions. */
static void drain_waiting(void)
{
	pool_drain();
	session_refuse_waiting();
}

/* Somebody waits for an answer, or has one of which not all is kept. */
static bool is_busy(void)
{
	return connections_active() || session_saving();
}

/* Whether the loop is to go on. */
static bool drain_goes_on(uint64_t now)
{
	bool left;

	if (now >= server.drain_until)
		return false;
	if (!server.lame)
		return is_busy();
	left = retire_listeners() || metrics.connections > 0;
	if (left && now < server.lame_until)
		return true;
	server.lame = false;
	close_listeners();
	connections_drain(drain_waiting);
	return is_busy();
}

static unsigned drain_seconds;

static void log_state(void)
{
	struct connections_state c = connections_look();

	log_event("info",
		  "state: %s, %u of %u connections: %u with a run, %u being "
		  "answered, %u sending, %u idle; %.1f MiB of input held",
		  server.draining ? "draining" :
		  server.ready    ? "ready" :
				    "starting",
		  c.all, connections_most(), c.busy, c.answering, c.sending,
		  c.all - c.busy - c.answering - c.sending,
		  (double)c.input / (1 << 20));
	census_log();
}

static void reap(void)
{
	pool_reap(clock_mono());
	derived_reap();
}

static void signal_ready(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)w, (void)events;
	while (read(server.signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload();
		else if (info.ssi_signo == SIGCHLD)
			reap();
		else if (info.ssi_signo == SIGUSR1)
			log_state();
		else if (info.ssi_signo == SIGUSR2)
			log_event("info", "SIGUSR2 has no effect");
		else
			drain(drain_seconds);
	}
}

static void check_ready(void)
{
	bool ready, all = true;
	int memory;

	if (server.ready)
		return;
	for (int i = 0; catalog_describe(i, &ready, &memory); i++)
		all = all && ready;
	if (!all)
		return;
	server.ready = true;
	notify("READY=1");
	log_event("info", "every template is ready");
}

/* ---- start ---- */

/* What must not end a server, from the first moment on. */
static void hold_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Those that ask for its end do so at once while it starts, whatever it may be
 * waiting for: they are held only from here on. */
static int open_signals(sigset_t set, struct err *e)
{
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (server.signals < 0)
		return err_set(e, -errno, "signalfd: %s", strerror(errno));
	server.signal_watch.ready = signal_ready;
	return watch_fd(server.signals, &server.signal_watch) ?
		       err_set(e, -ENOMEM, "epoll: no memory") :
		       0;
}

static int open_listeners(const struct server_options *o, struct err *e)
{
	struct listener inherited[LISTENERS_MAX];
	int count = listen_inherit(inherited, LISTENERS_MAX, e);

	if (count < 0)
		return count;
	server.listener_count = count ? (unsigned)count : o->listen_count;
	for (unsigned i = 0; i < server.listener_count; i++)
		server.listeners[i].listener.fd = -1;
	for (unsigned i = 0; i < server.listener_count; i++) {
		struct listener *l = &server.listeners[i].listener;
		int r = 0;

		if (count)
			*l = inherited[i];
		else
			r = listen_open(l, o->listen[i], e);
		if (r)
			return r;
		server.listeners[i].watch.ready = accept_ready;
		if (watch_fd(l->fd, &server.listeners[i].watch))
			return err_set(e, -ENOMEM, "epoll: no memory");
	}
	return 0;
}

/* As many connections as descriptors allow beside the channels of languages' workers; and
 * crews of places. */
static int raise_limits(unsigned workers, struct err *e)
{
	rlim_t spare = SPARE_FILES + workers;
	rlim_t most = spare + MAX_CONNECTIONS + catalog_files_most();
	struct rlimit limit = { 1024, 1024 };

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	if (limit.rlim_cur > most)
		limit.rlim_cur = most;
	setrlimit(RLIMIT_NOFILE, &limit);
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur <= spare) {
		err_machine();
		return err_set(e, -EMFILE,
			       "%llu descriptors are too few for %u workers",
			       (unsigned long long)limit.rlim_cur, workers);
	}
	server.files = limit.rlim_cur - spare;
	return 0;
}

static int open_pool(const struct server_options *o, struct err *e)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned cpus = online > 0 ? (unsigned)online : 1;
	struct pool_options pool = { .directory = o->templates,
				     .minimum = o->minimum,
				     .maximum = o->maximum,
				     .cpus = cpus,
				     .max_queue = o->max_queue,
				     .host = o->host,
				     .fresh = o->fresh,
				     .pages_mb = o->pages_mb };
	int r;

	server.cpus = cpus;
	if (pool.minimum == 0) {
		pool.minimum = cpus;
		pool.maximum = WORKERS_PER_CPU * cpus;
	}
	r = pool_open(server.epoll, &pool, e);
	return r ? r : raise_limits(catalog_workers(), e);
}

static int start(const struct server_options *o, struct err *e)
{
	struct session_options sessions = o->sessions;
	sigset_t held;
	int r;

	sessions.host = o->host;
	hold_signals(&held);
	server.stdio = o->stdio;
	drain_seconds = o->drain_seconds;
	log_open(o->log);
	r = o->stdio ? 0 : auth_open(e);
	if (r)
		return r;
	server.epoll = loop_open();
	if (server.epoll < 0)
		return err_set(e, server.epoll, "epoll: %s",
			       strerror(-server.epoll));
	r = open_pool(o, e);
	if (r == 0 && !o->stdio)
		r = open_listeners(o, e);
	if (r == 0)
		r = open_signals(held, e);
	if (r == 0)
		r = jail_open(o->user, e);
	if (r)
		return r;
	r = reading_open();
	if (r)
		return err_set(e, r, "no memory");
	request_open();
	r = session_open(&sessions, server.epoll, e);
	if (r)
		return r;
	http_set_body_max(o->body_mib);
	api_set_outputs_max(o->outputs_mib);
	if (o->no_page)
		endpoint_hide_page();
	connections_open(server.epoll, o->request_seconds, o->idle_seconds,
			 o->output_total);
	if (o->stdio)
		r = mcp_stdio_open(server.epoll, o->outputs_mib, e);
	if (r)
		return r;
	pool_tick(clock_mono());
	return 0;
}

int server_look(const struct server_options *o, struct server_view *view,
		struct err *e)
{
	int r = auth_open(e);

	if (r)
		return r;
	server.epoll = loop_open();
	if (server.epoll < 0)
		return err_set(e, server.epoll, "epoll: %s",
			       strerror(-server.epoll));
	r = open_pool(o, e);
	if (r)
		return r;
	*view = (struct server_view){ .workers = catalog_workers(),
				      .connections = connections_most(),
				      .keys = auth_required() };
	return 0;
}

static void tick(void)
{
	uint64_t now = clock_mono();

	pool_tick(now);
	session_tick(now);
	connections_tick();
	discard_tick();
	log_tick(now);
	resume_listeners();
}

/*
 * Being woken on a CPU that has gone to sleep costs 30 to 50 us, a fifth of a
 * short run: while runs are under way, or what an exec waits for is saved, and a CPU is
 * idle, their ends are waited for awake, for a while. Whoever else wants that CPU gets it.
 */
static bool stay_awake(uint64_t now, uint64_t last_event)
{
	unsigned busy = pool_running() + session_awaited();

	return now - last_event < AWAKE_NS && busy > 0 && busy < server.cpus;
}

static bool goes_on(uint64_t now)
{
	if (server.draining)
		return drain_goes_on(now);
	return !server.stdio || !mcp_stdio_ended();
}

static void serve(void)
{
	uint64_t next_tick = 0, now = clock_mono(), last_event = now;

	while (goes_on(now)) {
		bool awake = stay_awake(now, last_event);
		int n = loop_events(awake ? 0 : TICK_MS);

		now = loop_now();
		if (n > 0)
			last_event = now;
		else if (awake)
			sched_yield();
		if (now >= next_tick) {
			tick();
			next_tick = now + TICK_MS * 1000000ull;
		}
		connections_work();
		loop_slices();
		connections_hurry();
		check_ready();
		log_flush();
	}
}

int server_run(const struct server_options *o)
{
	struct err e = { "" };
	int r = start(o, &e), error;
	const char *missing;

	if (r) {
		fprintf(stderr, "zeroboot: %s%s\n", e.text, err_hint());
	} else {
		for (unsigned i = 0; i < server.listener_count; i++)
			fprintf(stderr, "zeroboot: serving on %s\n",
				server.listeners[i].listener.name);
		if (!auth_required() && !o->stdio)
			warn_of_no_keys();
		missing = jail_missing(&error);
		if (missing)
			log_event("warning",
				  "workers have no %s of their own: %s",
				  missing, strerror(error));
		serve();
		log_event("info", "stopped");
	}
	close_listeners();
	if (o->stdio)
		mcp_stdio_close();
	session_drain();
	connections_close();
	session_close();
	reading_close();
	reload_close();
	pool_close();
	derived_close();
	jail_close();
	auth_close();
	log_flush();
	return r ? 1 : 0;
}
