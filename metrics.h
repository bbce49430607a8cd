/*
 * metrics.h: what /v1/metrics shows, in Prometheus text format 0.0.4. The
 * counters live in the front end, so they survive a worker's end.
 */
#ifndef ZEROBOOT_METRICS_H
#define ZEROBOOT_METRICS_H

#include <stdint.h>

#include "recycle_result.h"
#include "text.h"

#define METRICS_BUCKETS 20
#define METRICS_STATUSES 23 /* the last: any other */

enum metrics_path {
	METRICS_OTHER,
	METRICS_EXEC,
	METRICS_BATCH,
	METRICS_HEALTH,
	METRICS_METRICS,
	METRICS_OPENAPI,
	METRICS_PAGE,
	METRICS_MCP,
	METRICS_SESSIONS,
	METRICS_SESSION,
	METRICS_SESSION_EXEC,
	METRICS_SESSION_FORK,
	METRICS_SESSION_INTERRUPT,
	METRICS_SESSION_FILES,
	METRICS_SESSION_TEMPLATE,
	METRICS_TEMPLATES,
	METRICS_TEMPLATE,
	METRICS_PATHS
};

struct histogram { /* of times, from 10 us to 300 s */
	uint64_t counts[METRICS_BUCKETS + 1]; /* not cumulative; last: above */
	uint64_t sum_ns;
};

struct metrics {
	uint64_t requests[METRICS_PATHS][METRICS_STATUSES];
	uint64_t success, error, timeout;     /* runs by how they ended */
	uint64_t signals, out_of_memory, cut; /* runs that ended so, or wrote
					       * too much */
	uint64_t cpu_ns, calls;               /* of all runs */
	uint64_t failures;                    /* of them: the worker's fault */
	uint64_t cancelled;                   /* the client went away */
	uint64_t fresh, recycled;             /* VMs taken for runs */
	uint64_t discarded[RECYCLE_RESULTS];  /* VMs that were not recycled */
	uint64_t unauthorised, rate_limited, refused;
	uint64_t bytes_in, bytes_out;
	uint64_t output_given_up, slow; /* answers */
	uint64_t output_held;
	uint64_t connections_total, connections_refused;
	uint64_t log_lines_dropped;
	unsigned connections;
	struct histogram fork, exec, total, wait;
};
extern struct metrics metrics;

void histogram_add(struct histogram *h, uint64_t ns);
void metrics_request(enum metrics_path path, int status);
/* What a path is called. */
typedef const char *metrics_namer(enum metrics_path path);
/* Everything above; census.h has the workers'. */
void metrics_write(struct text *t, metrics_namer *name_of);
/* The two lines before a series; also for those that others write. */
void metrics_series(struct text *t, const char *name, const char *type,
		    const char *help);
/* A series of one value. */
void metrics_value(struct text *t, const char *name, const char *type,
		   uint64_t value, const char *help);

#endif
