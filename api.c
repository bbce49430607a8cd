#include "api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "vmm.h"

#define DEFAULT_TIMEOUT 30
#define MAX_TIMEOUT 300
#define MAX_BATCH 100

/* ---- answers ---- */

static void put_head(struct text *t, const struct exchange *x, int status,
		     const char *type, const char *extra, size_t size)
{
	char date[40];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	text_format(t,
		    "HTTP/1.1 %d %s\r\nServer: zeroboot\r\nDate: %s\r\n"
		    "Content-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
		    status, http_status_text(status), date, type, size, extra,
		    x->close ? "Connection: close\r\n" : "");
}

static void put_answer(struct exchange *x, int status, const char *type,
		       const char *extra, struct text *body)
{
	if (body->failed) {
		free(body->data);
		*body = (struct text){ 0 };
		status = 500;
		text_format(body, "{\"error\":\"out of memory\"}\n");
	}
	put_head(&x->answer, x, status, type, extra, body->size);
	if (!x->head_only)
		text_add(&x->answer, body->data, body->size);
	free(body->data);
}

void api_error(struct exchange *x, int status, const char *extra,
	       const char *message)
{
	struct text body = { 0 };

	text_add(&body, "{\"error\":", 9);
	text_json_string(&body, message, strlen(message));
	text_add(&body, "}\n", 2);
	put_answer(x, status, "application/json", extra, &body);
}

/* RFC 9562, 5.7 */
static void put_uuid(struct text *t)
{
	uint64_t ms = clock_wall() / 1000000;
	uint8_t u[16];

	if (getrandom(u, sizeof(u), 0) != (ssize_t)sizeof(u))
		memset(u, 0, sizeof(u));
	for (int i = 0; i < 6; i++)
		u[i] = (uint8_t)(ms >> (40 - 8 * i));
	u[6] = (u[6] & 0x0f) | 0x70;
	u[8] = (u[8] & 0x3f) | 0x80;
	text_format(t,
		    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		    u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
		    u[10], u[11], u[12], u[13], u[14], u[15]);
}

static void put_result(struct text *t, struct exchange *x, struct job *job)
{
	static const char newline[] = "\n";
	struct text err = { 0 };

	if (job->status == JOB_FAULT || job->status == JOB_DRAINED) {
		text_add(t, "{\"error\":", 9);
		text_json_string(t, job->message ? job->message : "drained",
				 job->message ? strlen(job->message) : 7);
		text_add(t, "}", 1);
		return;
	}
	text_add(&err, job->err ? job->err : "", job->err_size);
	if (job->status == JOB_TIMEOUT) {
		if (err.size && err.data[err.size - 1] != '\n')
			text_add(&err, newline, 1);
		text_format(&err, "Execution timed out after %us",
			    job->timeout_ms / 1000);
	}
	text_format(t, "{\"id\":\"");
	put_uuid(t);
	text_format(t, "\",\"stdout\":");
	text_json_string(t, job->out ? job->out : "", job->out_size);
	text_format(t, ",\"stderr\":");
	text_json_string(t, err.data ? err.data : "", err.size);
	text_format(t,
		    ",\"exit_code\":%d,\"fork_time_ms\":%.3f,\"exec_time_ms\":%.3f,\"total_time_ms\":%.3f}",
		    job->status == JOB_TIMEOUT ? -1 : job->exit_code,
		    (double)job->fork_ns / 1e6, (double)job->exec_ns / 1e6,
		    (double)(clock_mono() - x->start_ns) / 1e6);
	free(err.data);
}

static void free_jobs(struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->jobs[i])
			job_free(x->jobs[i]);
	free(x->jobs);
	x->jobs = NULL;
	x->count = x->open = 0;
}

static void answer_jobs(struct exchange *x)
{
	struct text body = { 0 };
	struct job *only = x->jobs[0];

	if (!x->batch && only->status == JOB_FAULT) {
		api_error(x, 500, "",
			  only->message ? only->message : "the worker failed");
	} else if (!x->batch && only->status == JOB_DRAINED) {
		api_error(x, 503, "Retry-After: 1\r\n",
			  "the server is draining");
	} else {
		if (x->batch)
			text_format(&body, "{\"results\":[");
		for (size_t i = 0; i < x->count; i++) {
			if (i)
				text_add(&body, ",", 1);
			put_result(&body, x, x->jobs[i]);
		}
		if (x->batch)
			text_add(&body, "]}", 2);
		text_add(&body, "\n", 1);
		put_answer(x, 200, "application/json", "", &body);
	}
	free_jobs(x);
	x->finished(x);
}

static void job_done(struct job *job)
{
	struct exchange *x = job->context;

	if (--x->open == 0)
		answer_jobs(x);
}

void api_abandon(struct exchange *x)
{
	size_t n = x->count;

	for (size_t i = 0; i < n; i++)
		if (x->jobs[i] && x->open)
			pool_cancel(x->jobs[i]);
	free_jobs(x);
	free(x->answer.data);
	x->answer = (struct text){ 0 };
}

/* ---- POST /v1/exec, /v1/exec/batch ---- */

struct parse {
	struct exchange *x;
	struct job *job;
	bool has_code, has_executions;
	struct err *e;
};

static int exec_member(struct json *j, const char *key, size_t size,
		       void *context)
{
	struct parse *p = context;
	struct http_span k = { key, size };
	int64_t value;
	char name[64];
	size_t n;
	int r;

	if (http_is(k, "code")) {
		if (json_peek(j) != JSON_STRING)
			return err_set(p->e, -EINVAL,
				       "code: not a string, at byte %zu", j->at);
		p->job->code = malloc(j->size - j->at + 1);
		if (!p->job->code)
			return err_set(p->e, -ENOMEM, "out of memory");
		p->has_code = true;
		return json_string(j, p->job->code, j->size - j->at,
				   &p->job->code_size);
	}
	if (http_is(k, "language")) {
		if (json_peek(j) != JSON_STRING)
			return err_set(p->e, -EINVAL,
				       "language: not a string, at byte %zu",
				       j->at);
		r = json_string(j, name, sizeof(name), &n);
		if (r)
			return r;
		p->job->language = pool_language(name, n);
		return p->job->language >= 0 ?
			       0 :
			       err_set(p->e, -EINVAL,
				       "language: \"%.*s\" is unknown", (int)n,
				       name);
	}
	if (http_is(k, "timeout_seconds")) {
		r = json_peek(j) == JSON_NUMBER ? json_integer(j, &value) :
						  -ERANGE;
		if (r == -ERANGE || (r == 0 && value < 1))
			return err_set(
				p->e, -EINVAL,
				"timeout_seconds: not a positive integer, at byte %zu",
				j->at);
		if (r)
			return r;
		p->job->timeout_ms =
			(uint32_t)(value > MAX_TIMEOUT ? MAX_TIMEOUT : value) *
			1000;
		return 0;
	}
	return json_skip(j);
}

static int parse_execution(struct json *j, void *context)
{
	struct parse *p = context;
	struct exchange *x = p->x;
	struct job **bigger;

	if (x->count == MAX_BATCH)
		return err_set(p->e, -EINVAL, "executions: more than %d",
			       MAX_BATCH);
	bigger = realloc(x->jobs, (x->count + 1) * sizeof(*bigger));
	if (!bigger)
		return err_set(p->e, -ENOMEM, "out of memory");
	x->jobs = bigger;
	p->job = calloc(1, sizeof(*p->job));
	if (!p->job)
		return err_set(p->e, -ENOMEM, "out of memory");
	x->jobs[x->count++] = p->job;
	p->job->language = pool_language("python", 6);
	p->job->timeout_ms = DEFAULT_TIMEOUT * 1000;
	p->job->done = job_done;
	p->job->context = x;
	p->has_code = false;
	if (json_object(j, exec_member, p))
		return -EINVAL;
	if (!p->has_code)
		return err_set(p->e, -EINVAL, "code: missing");
	if (p->job->language < 0)
		return err_set(p->e, -EINVAL, "language: missing");
	return 0;
}

static int batch_member(struct json *j, const char *key, size_t size,
			void *context)
{
	struct parse *p = context;

	if (!http_is((struct http_span){ key, size }, "executions"))
		return json_skip(j);
	p->has_executions = true;
	return json_array(j, parse_execution, p);
}

static void handle_exec(struct exchange *x, const char *body, size_t size,
			bool batch)
{
	struct err e = { "malformed request" };
	struct json j = { .text = body, .size = size, .e = &e };
	struct parse p = { .x = x, .e = &e };
	int r;

	x->batch = batch;
	r = batch ? json_object(&j, batch_member, &p) :
		    parse_execution(&j, &p);
	if (r == 0)
		r = json_end(&j);
	if (r == 0 && x->count == 0)
		r = err_set(&e, -EINVAL, "executions: %s",
			    p.has_executions ? "empty" : "missing");
	if (r) {
		free_jobs(x);
		api_error(x, r == -ENOMEM ? 500 : 400, "", e.text);
		x->finished(x);
		return;
	}
	x->open = x->count + 1; /* one for ourselves, until all are handed in */
	for (size_t i = 0; i < x->count; i++) {
		struct job *job = x->jobs[i];

		if (pool_submit(job) == 0)
			continue;
		if (batch) {
			job->status = JOB_FAULT;
			job->message = strdup("the queue is full");
			x->open--;
			continue;
		}
		free_jobs(x);
		api_error(x, 503, "Retry-After: 1\r\n", "the queue is full");
		x->finished(x);
		return;
	}
	if (--x->open == 0)
		answer_jobs(x);
}

/* ---- GET ---- */

static void handle_health(struct exchange *x)
{
	struct text body = { 0 }, list = { 0 };
	bool ready, all = true;
	const char *name;
	int memory;

	for (int i = 0; (name = pool_describe(i, &ready, &memory)); i++) {
		if (i)
			text_add(&list, ",", 1);
		text_json_string(&list, name, strlen(name));
		text_format(&list, ":{\"ready\":%s,\"memory_mb\":%d}",
			    ready ? "true" : "false", memory);
		all = all && ready;
	}
	text_format(&body, "{\"status\":\"%s\",\"templates\":{",
		    all ? "ok" : "degraded");
	text_add(&body, list.data ? list.data : "", list.size);
	text_add(&body, "}}\n", 3);
	free(list.data);
	put_answer(x, all ? 200 : 503, "application/json", "", &body);
	x->finished(x);
}

static void handle_metrics(struct exchange *x)
{
	struct text body = { 0 };

	text_format(
		&body,
		"# HELP zeroboot_total_executions Runs by how they ended.\n"
		"# TYPE zeroboot_total_executions counter\n"
		"zeroboot_total_executions{status=\"success\"} %llu\n"
		"zeroboot_total_executions{status=\"error\"} %llu\n"
		"zeroboot_total_executions{status=\"timeout\"} %llu\n"
		"# HELP zeroboot_concurrent_forks Runs under way.\n"
		"# TYPE zeroboot_concurrent_forks gauge\n"
		"zeroboot_concurrent_forks %u\n"
		"# HELP zeroboot_queue_depth Requests that wait.\n"
		"# TYPE zeroboot_queue_depth gauge\n"
		"zeroboot_queue_depth %u\n"
		"# HELP zeroboot_worker_restarts_total Workers that ended.\n"
		"# TYPE zeroboot_worker_restarts_total counter\n"
		"zeroboot_worker_restarts_total %llu\n",
		(unsigned long long)pool_stats.done,
		(unsigned long long)pool_stats.faults,
		(unsigned long long)pool_stats.timeouts, pool_stats.running,
		pool_stats.queued, (unsigned long long)pool_stats.restarts);
	put_answer(x, 200, "text/plain; version=0.0.4; charset=utf-8", "",
		   &body);
	x->finished(x);
}

/* ---- routing ---- */

enum route { EXEC, BATCH, HEALTH, METRICS };

static const struct {
	const char *path;
	enum route route;
} routes[] = {
	{ "/v1/exec", EXEC },	  { "/exec", EXEC },
	{ "/v1/exec/batch", BATCH }, { "/v1/health", HEALTH },
	{ "/health", HEALTH },	  { "/v1/metrics", METRICS },
	{ "/metrics", METRICS },
};

/* JSON, or what `curl -d` says when nobody tells it otherwise. */
static bool type_ok(struct http_span type)
{
	const char *end = memchr(type.data ? type.data : "", ';', type.size);

	if (!type.size)
		return true;
	if (end)
		type.size = (size_t)(end - type.data);
	while (type.size && type.data[type.size - 1] == ' ')
		type.size--;
	return http_is_word(type, "application/json") ||
	       http_is_word(type, "application/x-www-form-urlencoded");
}

static void refuse(struct exchange *x, int status, const char *extra,
		   const char *message)
{
	api_error(x, status, extra, message);
	x->finished(x);
}

void api_handle(struct exchange *x, const struct http_request *r,
		const char *body, size_t body_size)
{
	size_t i = 0, count = sizeof(routes) / sizeof(routes[0]);
	bool get;

	x->start_ns = clock_mono();
	x->head_only = http_is(r->method, "HEAD");
	while (i < count && !http_is(r->path, routes[i].path))
		i++;
	if (i == count) {
		refuse(x, 404, "", "no such path");
		return;
	}
	get = routes[i].route == HEALTH || routes[i].route == METRICS;
	if (get && !http_is(r->method, "GET") && !x->head_only) {
		refuse(x, 405, "Allow: GET, HEAD\r\n", "method not allowed");
		return;
	}
	if (!get && !http_is(r->method, "POST")) {
		refuse(x, 405, "Allow: POST\r\n", "method not allowed");
		return;
	}
	if (routes[i].route == HEALTH)
		handle_health(x);
	else if (routes[i].route == METRICS)
		handle_metrics(x);
	else if (!type_ok(r->content_type))
		refuse(x, 415, "", "the body must be application/json");
	else if (x->draining)
		refuse(x, 503, "Retry-After: 1\r\n", "the server is draining");
	else
		handle_exec(x, body, body_size, routes[i].route == BATCH);
}
