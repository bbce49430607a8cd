#include "metrics.h"

#include <stdio.h>

#ifndef ZEROBOOT_VERSION
#define ZEROBOOT_VERSION "unknown"
#endif

struct metrics metrics;

/* Milliseconds, as they are printed: 1-2.5-5 steps where runs usually are. */
static const struct {
	uint64_t ns;
	const char *ms;
} bounds[METRICS_BUCKETS] = {
	{ 10000, "0.01" },        { 25000, "0.025" },
	{ 50000, "0.05" },        { 100000, "0.1" },
	{ 250000, "0.25" },       { 500000, "0.5" },
	{ 1000000, "1" },         { 2500000, "2.5" },
	{ 5000000, "5" },         { 10000000, "10" },
	{ 25000000, "25" },       { 50000000, "50" },
	{ 100000000, "100" },     { 250000000, "250" },
	{ 500000000, "500" },     { 1000000000, "1000" },
	{ 5000000000, "5000" },   { 10000000000, "10000" },
	{ 60000000000, "60000" }, { 300000000000, "300000" },
};

static const int statuses[METRICS_STATUSES - 1] = {
	200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408,
	409, 410, 411, 413, 415, 429, 431, 500, 503, 505, 507
};

void histogram_add(struct histogram *h, uint64_t ns)
{
	int i = 0;

	while (i < METRICS_BUCKETS && ns > bounds[i].ns)
		i++;
	h->counts[i]++;
	h->sum_ns += ns;
}

void metrics_request(enum metrics_path path, int status)
{
	int i = 0;

	while (i < METRICS_STATUSES - 1 && statuses[i] != status)
		i++;
	metrics.requests[path][i]++;
}

void metrics_series(struct text *t, const char *name, const char *type,
		    const char *help)
{
	text_format(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_value(struct text *t, const char *name, const char *type,
		   uint64_t value, const char *help)
{
	metrics_series(t, name, type, help);
	text_format(t, "%s %llu\n", name, (unsigned long long)value);
}

static void put_histogram(struct text *t, const char *name,
			  const struct histogram *h, const char *help)
{
	unsigned long long sum = 0;

	metrics_series(t, name, "histogram", help);
	for (int i = 0; i < METRICS_BUCKETS; i++) {
		sum += h->counts[i];
		text_format(t, "%s_bucket{le=\"%s\"} %llu\n", name,
			    bounds[i].ms, sum);
	}
	sum += h->counts[METRICS_BUCKETS];
	text_format(t,
		    "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n",
		    name, sum, name, (double)h->sum_ns / 1e6, name, sum);
}

static void put_requests(struct text *t, metrics_namer *name_of)
{
	const char *name = "zeroboot_http_requests_total";

	metrics_series(t, name, "counter", "Requests by path and status.");
	for (int p = 0; p < METRICS_PATHS; p++) {
		for (int s = 0; s < METRICS_STATUSES; s++) {
			char code[16] = "other";

			if (!metrics.requests[p][s])
				continue;
			if (s < METRICS_STATUSES - 1)
				snprintf(code, sizeof(code), "%d", statuses[s]);
			text_format(t, "%s{path=\"%s\",status=\"%s\"} %llu\n",
				    name, name_of((enum metrics_path)p), code,
				    (unsigned long long)metrics.requests[p][s]);
		}
	}
}

static void put_runs(struct text *t)
{
	const char *runs = "zeroboot_total_executions";
	const char *forks = "zeroboot_forks_total";

	metrics_series(t, runs, "counter",
		       "Runs by how they ended: success is exit code 0.");
	text_format(t,
		    "%s{status=\"success\"} %llu\n%s{status=\"error\"} "
		    "%llu\n%s{status=\"timeout\"} %llu\n",
		    runs, (unsigned long long)metrics.success, runs,
		    (unsigned long long)metrics.error, runs,
		    (unsigned long long)metrics.timeout);
	metrics_series(t, forks, "counter",
		       "Virtual machines taken for runs, by kind.");
	text_format(t, "%s{kind=\"fresh\"} %llu\n%s{kind=\"recycled\"} %llu\n",
		    forks, (unsigned long long)metrics.fresh, forks,
		    (unsigned long long)metrics.recycled);
}

static void put_discarded(struct text *t)
{
	const char *name = "zeroboot_vms_discarded_total";

	metrics_series(t, name, "counter",
		       "Virtual machines not used again, by reason.");
	for (int i = RECYCLE_DONE + 1; i < RECYCLE_RESULTS; i++)
		text_format(t, "%s{reason=\"%s\"} %llu\n", name,
			    recycle_name((enum recycle_result)i),
			    (unsigned long long)metrics.discarded[i]);
}

static void put_times(struct text *t)
{
	put_histogram(t, "zeroboot_fork_time_milliseconds", &metrics.fork,
		      "From having a request to a VM ready to run it.");
	put_histogram(t, "zeroboot_exec_time_milliseconds", &metrics.exec,
		      "From entering the guest to the end of the program.");
	put_histogram(t, "zeroboot_total_time_milliseconds", &metrics.total,
		      "From a request read to its answer ready.");
	put_histogram(t, "zeroboot_queue_wait_milliseconds", &metrics.wait,
		      "From a request read to a worker having it.");
}

/* How runs have ended, and what they have used. */
static void put_ends(struct text *t)
{
	metrics_value(t, "zeroboot_signalled_total", "counter", metrics.signals,
		      "Runs that a signal ended.");
	metrics_value(t, "zeroboot_out_of_memory_total", "counter",
		      metrics.out_of_memory, "Runs that ran out of memory.");
	metrics_value(t, "zeroboot_output_cut_total", "counter", metrics.cut,
		      "Runs that wrote more than is kept.");
	metrics_series(t, "zeroboot_cpu_seconds_total", "counter",
		       "CPU time of all runs.");
	text_format(t, "zeroboot_cpu_seconds_total %.6f\n",
		    (double)metrics.cpu_ns / 1e9);
	metrics_value(t, "zeroboot_system_calls_total", "counter",
		      metrics.calls, "System calls of all runs.");
	metrics_value(t, "zeroboot_worker_failures_total", "counter",
		      metrics.failures,
		      "Runs that ended because their worker failed.");
	metrics_value(t, "zeroboot_cancelled_total", "counter",
		      metrics.cancelled, "Runs whose client went away.");
}

static void put_clients(struct text *t)
{
	metrics_value(t, "zeroboot_unauthorised_total", "counter",
		      metrics.unauthorised, "Requests without a known key.");
	metrics_value(t, "zeroboot_rate_limited_total", "counter",
		      metrics.rate_limited, "Requests over their key's rate.");
	metrics_value(t, "zeroboot_queue_refused_total", "counter",
		      metrics.refused,
		      "Runs refused because the queue was full.");
	metrics_value(t, "zeroboot_http_received_bytes_total", "counter",
		      metrics.bytes_in, "Bytes received from clients.");
	metrics_value(t, "zeroboot_http_sent_bytes_total", "counter",
		      metrics.bytes_out, "Bytes sent to clients.");
	metrics_value(t, "zeroboot_output_held_bytes", "gauge",
		      metrics.output_held,
		      "Output held until clients take it.");
	metrics_value(t, "zeroboot_output_given_up_total", "counter",
		      metrics.output_given_up,
		      "Answers given up because too much output was held.");
	metrics_value(t, "zeroboot_slow_clients_total", "counter", metrics.slow,
		      "Answers given up because they were taken too slowly.");
	metrics_value(t, "zeroboot_http_connections_total", "counter",
		      metrics.connections_total, "Connections accepted.");
	metrics_value(t, "zeroboot_http_connections_refused_total", "counter",
		      metrics.connections_refused,
		      "Connections turned away because there were too many.");
	metrics_value(t, "zeroboot_http_connections", "gauge",
		      metrics.connections, "Connections open.");
}

void metrics_write(struct text *t, metrics_namer *name_of)
{
	put_runs(t);
	put_discarded(t);
	put_ends(t);
	put_times(t);
	put_requests(t, name_of);
	put_clients(t);
	metrics_value(t, "zeroboot_log_lines_dropped_total", "counter",
		      metrics.log_lines_dropped,
		      "Log lines lost because stderr was not read.");
	metrics_series(t, "zeroboot_build_info", "gauge", "Always 1.");
	text_format(t, "zeroboot_build_info{version=\"%s\"} 1\n",
		    ZEROBOOT_VERSION);
}
