/*
 * log.h: one line a request on stderr, logfmt or JSON. Lines are gathered and
 * written when the event loop has nothing better to do, and never block it:
 * when nobody reads stderr they are dropped and counted. Of other lines of one
 * kind there are 20 at once and one a second; how many more there were is said.
 */
#ifndef ZEROBOOT_LOG_H
#define ZEROBOOT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_request {
	const char *id, *client, *key; /* key: masked; NULL: none */
	const char *method, *path;     /* not terminated, as the client sent */
	size_t method_size, path_size;
	int status;
	const char *language; /* NULL: nothing was run */
	int exit_code;
	unsigned executions;
	uint64_t fork_ns, exec_ns, wait_ns, total_ns;
	uint64_t bytes_in, bytes_out;
};

void log_open(enum log_format format);
void log_put_request(const struct log_request *r);
/* A line about the server itself: level "info", "warning" or "error". Its kind is
 * its format. */
void log_event(const char *level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Says how many lines were left out, if that is due; every some 100 ms. */
void log_tick(uint64_t now);
/* Writes what has been gathered as far as stderr takes it. */
void log_flush(void);

#endif
