/* server.h: the front end: one process, one event loop, workers behind it. */
#ifndef ZEROBOOT_SERVER_H
#define ZEROBOOT_SERVER_H

#include "listen.h"
#include "log.h"
#include "session.h"

struct server_options {
	const char *listen[LISTENERS_MAX]; /* see listen_open */
	unsigned listen_count;
	bool stdio;            /* instead of them: mcp_stdio.h; without keys */
	const char *templates; /* directory; NULL: the default ones */
	unsigned minimum, maximum; /* workers per language; 0: see server.c */
	unsigned max_queue;
	unsigned drain_seconds;
	unsigned request_seconds, idle_seconds; /* see connections_open */
	size_t output_total;                    /* bytes, as there */
	unsigned body_mib;                      /* of a request, at most */
	unsigned outputs_mib; /* of files that a run returns, at most */
	bool no_page;         /* at / */
	bool fresh;           /* VMs are used once */
	unsigned pages_mb;    /* that a session may have */
	struct session_options sessions;
	const char *user; /* of workers: see jail_open */
	const char *host; /* of this host, for workers: see host_ask */
	enum log_format log;
};

/* What a server would have. */
struct server_view {
	unsigned workers;     /* at most, of all languages */
	unsigned connections; /* at the same time */
	bool keys;            /* are asked for */
};

/* Begins as a server does, but without a socket or a process: for who only wants
 * to know whether it could. Languages are catalog.h's then. 0 or -errno. */
int server_look(const struct server_options *o, struct server_view *view,
		struct err *e);

/* Serves until SIGTERM or SIGINT. Returns the exit status of the process. */
int server_run(const struct server_options *o);

#endif
