#include "census.h"

#include <stdio.h>
#include <unistd.h>

#include "catalog.h"
#include "crew.h"
#include "log.h"
#include "metrics.h"
#include "pool.h"
#include "waiting.h"

#define MEMORY_LOOKS 32 /* at workers, for a question */

/* Private memory of a process in bytes (proc(5), statm), 0 when it is gone. */
static uint64_t private_memory(pid_t pid)
{
	unsigned long resident = 0, shared = 0;
	char path[64];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
		n = fscanf(f, "%*u %lu %lu", &resident, &shared);
		fclose(f);
	}
	return n == 2 && resident > shared ? (resident - shared) * 4096 : 0;
}

/* Of all together. Of many workers some are looked at each time, so that no
 * question takes long. */
static uint64_t memory(void)
{
	static unsigned next; /* of all crews' workers, to be looked at */
	unsigned all = catalog_workers(), n = 0;
	uint64_t sum = private_memory(getpid());
	const struct crew *c;

	for (int l = 0; (c = catalog_crew(l)); l++)
		for (unsigned i = 0; i < c->maximum; i++, n++) {
			struct member *m = &c->members[i];

			/* The numbers are a circle. */
			if ((n + all - next) % all < MEMORY_LOOKS)
				m->memory = m->state == STOPPED ?
						    0 :
						    private_memory(m->pid);
			sum += m->memory;
		}
	next = all ? (next + MEMORY_LOOKS) % all : 0;
	return sum;
}

/* That one, or the one behind it that is there. */
static const struct crew *next_crew(int *language)
{
	const struct crew *c;

	while ((c = catalog_crew(*language)) && c->off)
		++*language;
	return c;
}

static unsigned count_warm(const struct crew *c)
{
	unsigned warm = 0;

	for (unsigned i = 0; i < c->maximum; i++)
		warm += c->members[i].state >= READY && c->members[i].warm;
	return warm;
}

void census_log(void)
{
	const struct crew *c;

	for (int l = 0; (c = next_crew(&l)); l++)
		log_event("info",
			  "state of %s: workers: %u ready, %u busy, %u "
			  "starting, %u missing, %u at most, %u warm",
			  c->name, c->count[READY], c->count[BUSY],
			  c->count[STARTING], crew_missing(c), c->maximum,
			  count_warm(c));
	log_event("info",
		  "state: %u runs under way, %u of %u wait; %.1f MiB of "
		  "memory, workers included",
		  pool_running(), waiting_count(), waiting_most(),
		  (double)memory() / (1 << 20));
}

/* ---- metrics ---- */

static void put_workers(struct text *t)
{
	static const char *const states[MEMBER_STATES] = {
		"stopped", "starting", "ready", "renewing", "busy", "cancelling"
	};
	const char *name = "zeroboot_workers";
	const struct crew *c;

	metrics_series(t, name, "gauge",
		       "Worker processes by state; stopped: missing of the "
		       "minimum.");
	for (int l = 0; (c = next_crew(&l)); l++)
		for (int s = 0; s < MEMBER_STATES; s++)
			text_format(t, "%s{language=\"%s\",state=\"%s\"} %u\n",
				    name, c->name, states[s],
				    s == STOPPED ? crew_missing(c) :
						   c->count[s]);
	name = "zeroboot_workers_maximum";
	metrics_series(t, name, "gauge", "Workers that there may be.");
	for (int l = 0; (c = next_crew(&l)); l++)
		text_format(t, "%s{language=\"%s\"} %u\n", name, c->name,
			    c->maximum);
	name = "zeroboot_workers_warm";
	metrics_series(t, name, "gauge", "Workers whose VM has been trained.");
	for (int l = 0; (c = next_crew(&l)); l++)
		text_format(t, "%s{language=\"%s\"} %u\n", name, c->name,
			    count_warm(c));
}

static void put_loads(struct text *t)
{
	const char *name = "zeroboot_template_load_seconds";
	const struct crew *c;

	metrics_series(t, name, "gauge",
		       "From a worker's start to its first VM, last time.");
	for (int l = 0; (c = next_crew(&l)); l++)
		text_format(t, "%s{language=\"%s\"} %.6f\n", name, c->name,
			    (double)c->load_ns / 1e9);
}

void census_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_memory_usage_bytes", "gauge", memory(),
		      "Private memory of the server and its workers.");
	metrics_value(t, "zeroboot_concurrent_forks", "gauge", pool_running(),
		      "Runs under way.");
	metrics_value(t, "zeroboot_queue_depth", "gauge", waiting_count(),
		      "Runs that wait.");
	put_workers(t);
	metrics_value(t, "zeroboot_worker_restarts_total", "counter",
		      crews.restarts, "Workers that ended and were replaced.");
	metrics_value(t, "zeroboot_workers_added_total", "counter", crews.added,
		      "Workers started beyond the minimum.");
	metrics_value(t, "zeroboot_workers_removed_total", "counter",
		      crews.removed,
		      "Those of them that ended because they were idle.");
	put_loads(t);
}
