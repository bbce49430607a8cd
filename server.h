/* server.h: the front end: one process, one event loop, workers behind it. */
#ifndef ZEROBOOT_SERVER_H
#define ZEROBOOT_SERVER_H

#include "listen.h"
#include "log.h"

struct server_options {
	const char *listen[LISTENERS_MAX]; /* see listen_open */
	unsigned listen_count;
	const char *templates;     /* directory; NULL: the default ones */
	unsigned minimum, maximum; /* workers per language; 0: see server.c */
	unsigned max_queue;
	unsigned drain_seconds;
	unsigned request_seconds, idle_seconds; /* see connections_open */
	size_t output_total;                    /* bytes, as there */
	bool fresh;                             /* VMs are used once */
	const char *user;                       /* of workers: see jail_open */
	const char *host; /* of this host, for workers: see host_ask */
	enum log_format log;
};

/* Serves until SIGTERM or SIGINT. Returns the exit status of the process. */
int server_run(const struct server_options *o);

#endif
