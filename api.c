#include "api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"
#include "cors.h"
#include "request.h"

#define HEAD_ROOM 1024 /* before the body, for the head, written after it */
#define OUTPUT_MAX (1u << 20)        /* bytes of each stream of one run */
#define BATCH_OUTPUT_MAX (32u << 20) /* of all the runs of a batch */

/* ---- identifiers ---- */

/* Random bytes by the page: a system call for each answer would be dear. */
static int random_bytes(uint8_t *to, size_t size)
{
	static uint8_t pool[4096];
	static size_t left;

	if (left < size) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			return -EIO;
		left = sizeof(pool);
	}
	left -= size;
	memcpy(to, pool + left, size);
	explicit_bzero(pool + left, size);
	return 0;
}

/* RFC 9562, 5.7; 36 characters and a NUL. */
static void make_uuid(char to[37])
{
	static const char digits[] = "0123456789abcdef";
	uint64_t ms = clock_wall() / 1000000;
	uint8_t u[16] = { 0 };

	random_bytes(u, sizeof(u));
	for (int i = 0; i < 6; i++)
		u[i] = (uint8_t)(ms >> (40 - 8 * i));
	u[6] = (u[6] & 0x0f) | 0x70;
	u[8] = (u[8] & 0x3f) | 0x80;
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*to++ = '-';
		*to++ = digits[u[i] >> 4];
		*to++ = digits[u[i] & 15];
	}
	*to = 0;
}

/* A client's own id is taken when it can do no harm in a header or a log. */
static void take_id(struct exchange *x, struct http_span id)
{
	bool sane = id.size > 0 && id.size <= API_ID_MAX;

	for (size_t i = 0; sane && i < id.size; i++)
		sane = (id.data[i] >= '0' && id.data[i] <= '9') ||
		       (id.data[i] >= 'a' && id.data[i] <= 'z') ||
		       (id.data[i] >= 'A' && id.data[i] <= 'Z') ||
		       (id.data[i] && strchr("-_.:/+=@~", id.data[i]));
	if (!sane) {
		make_uuid(x->id);
		return;
	}
	memcpy(x->id, id.data, id.size);
	x->id[id.size] = 0;
}

/* ---- answers ---- */

static const char *date(void)
{
	static char text[40];
	static time_t last;
	time_t now = (time_t)(clock_wall() / 1000000000);
	struct tm tm;

	if (now != last) {
		gmtime_r(&now, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		last = now;
	}
	return text;
}

/* The body is written first, behind room for the head. */
static struct text *begin_body(struct exchange *x)
{
	static const char room[HEAD_ROOM];

	x->answer.size = 0;
	x->answer.failed = false;
	text_add(&x->answer, room, sizeof(room));
	return &x->answer;
}

/* type: NULL of an answer that has no body. */
static void end_body(struct exchange *x, int status, const char *type,
		     const char *extra)
{
	struct text *t = &x->answer;
	char head[HEAD_ROOM], entity[96] = "";
	int n;

	x->status = status;
	x->total_ns = clock_mono() - x->start_ns;
	x->starved = t->failed || t->size < HEAD_ROOM;
	if (x->starved) {
		x->status = 500;
		x->close = true;
		return;
	}
	if (!x->id[0])
		make_uuid(x->id);
	if (type)
		snprintf(entity, sizeof(entity),
			 "Content-Type: %s\r\nContent-Length: %zu\r\n", type,
			 t->size - HEAD_ROOM);
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %d %s\r\nServer: zeroboot\r\nDate: %s\r\n"
		     "%sX-Request-Id: %s\r\n%s%s%s\r\n",
		     status, http_status_text(status), date(), entity, x->id,
		     x->cors ? x->cors : "", extra,
		     x->close ? "Connection: close\r\n" : "");
	if (n < 0 || (size_t)n >= sizeof(head)) {
		x->status = 500;
		x->close = x->starved = true;
		return;
	}
	x->answer_at = HEAD_ROOM - (size_t)n;
	memcpy(t->data + x->answer_at, head, (size_t)n);
	if (x->head_only)
		t->size = HEAD_ROOM;
}

const char *api_answer(const struct exchange *x, size_t *size)
{
	static const char head[] = "HTTP/1.1 500 Internal Server Error\r\n"
				   "Server: zeroboot\r\n"
				   "Content-Type: application/json\r\n"
				   "Content-Length: 37\r\n"
				   "Connection: close\r\n\r\n"
				   "{\"error\":\"no memory for the answer\"}\n";

	if (x->starved) {
		*size = sizeof(head) - 1 - (x->head_only ? 37 : 0);
		return head;
	}
	*size = x->answer.size - x->answer_at;
	return x->answer.data + x->answer_at;
}

void api_error(struct exchange *x, int status, const char *extra,
	       const char *message)
{
	struct text *t = begin_body(x);

	if (!x->start_ns)
		x->start_ns = clock_mono();
	text_add(t, "{\"error\":", 9);
	text_json_string(t, message, strlen(message));
	text_add(t, "}\n", 2);
	end_body(x, status, "application/json", extra);
}

static const char *failure(const struct job *job)
{
	switch (job->status) {
	case JOB_DRAINED:
		return "the server is draining";
	case JOB_REFUSED:
		return "the queue is full";
	case JOB_UNSERVED:
		return "no worker can be started";
	default:
		return job->message && job->message[0] ? job->message :
							 "the worker failed";
	}
}

static bool ran(const struct job *job)
{
	return job->status == JOB_DONE || job->status == JOB_TIMEOUT;
}

/* stderr, with what the timeout adds. */
static void put_stderr(struct text *t, struct job *job)
{
	char note[64];
	size_t size = job->err_size;
	char *joined;
	int n;

	if (job->status != JOB_TIMEOUT) {
		text_json_string(t, size ? job->err : "", size);
		return;
	}
	n = snprintf(note, sizeof(note), "%sExecution timed out after %us",
		     size && job->err[size - 1] != '\n' ? "\n" : "",
		     job->timeout_ms / 1000);
	joined = malloc(size + (size_t)n);
	if (!joined) {
		t->failed = true;
		return;
	}
	if (size)
		memcpy(joined, job->err, size);
	memcpy(joined + size, note, (size_t)n);
	text_json_string(t, joined, size + (size_t)n);
	free(joined);
}

static void put_warnings(struct text *t, const struct text *warnings)
{
	if (!warnings->size)
		return;
	text_add(t, ",\"warnings\":[", 13);
	text_add(t, warnings->data, warnings->size);
	text_add(t, "]", 1);
}

static void put_result(struct text *t, const struct exchange *x,
		       struct job *job)
{
	char id[37];

	make_uuid(id);
	text_format(t, "{\"id\":\"%s\",", id);
	if (!ran(job)) {
		text_add(t, "\"error\":", 8);
		text_json_string(t, failure(job), strlen(failure(job)));
		put_warnings(t, &job->warnings);
		text_add(t, "}", 1);
		return;
	}
	text_add(t, "\"stdout\":", 9);
	text_json_string(t, job->out_size ? job->out : "", job->out_size);
	text_add(t, ",\"stderr\":", 10);
	put_stderr(t, job);
	text_format(t,
		    ",\"exit_code\":%d,\"fork_time_ms\":%.3f,\"exec_time_ms\":%"
		    ".3f,\"total_time_ms\":%.3f",
		    job->status == JOB_TIMEOUT ? -1 : job->exit_code,
		    (double)job->fork_ns / 1e6, (double)job->exec_ns / 1e6,
		    (double)(clock_mono() - x->start_ns) / 1e6);
	put_warnings(t, &job->warnings);
	text_add(t, "}", 1);
}

static void free_jobs(struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++)
		if (x->jobs[i])
			job_free(x->jobs[i]);
	free(x->jobs);
	free(x->warnings.data);
	x->warnings = (struct text){ 0 };
	x->jobs = NULL;
	x->count = x->open = 0;
}

static void count_job(const struct exchange *x, const struct job *job)
{
	if (job->status == JOB_TIMEOUT)
		metrics.timeout++;
	else if (job->status == JOB_DONE && job->exit_code == 0)
		metrics.success++;
	else if (ran(job) || job->status == JOB_FAULT)
		metrics.error++;
	if (job->status == JOB_FAULT)
		metrics.failures++;
	if (!ran(job))
		return;
	histogram_add(&metrics.wait, job->wait_ns);
	histogram_add(&metrics.fork, job->fork_ns);
	histogram_add(&metrics.exec, job->exec_ns);
	histogram_add(&metrics.total, x->total_ns);
}

static void answer_batch(struct exchange *x)
{
	struct text *t = begin_body(x);

	text_add(t, "{\"results\":[", 12);
	for (size_t i = 0; i < x->count; i++) {
		if (i)
			text_add(t, ",", 1);
		put_result(t, x, x->jobs[i]);
	}
	text_add(t, "]", 1);
	put_warnings(t, &x->warnings);
	text_add(t, "}\n", 2);
	end_body(x, 200, "application/json", "");
}

static void answer_one(struct exchange *x, struct job *job)
{
	struct text *t;
	bool ready;
	int memory;

	if (!ran(job)) {
		api_error(x, job->status == JOB_FAULT ? 500 : 503,
			  job->status == JOB_FAULT ? "" : "Retry-After: 1\r\n",
			  failure(job));
		return;
	}
	t = begin_body(x);
	put_result(t, x, job);
	text_add(t, "\n", 1);
	end_body(x, 200, "application/json", "");
	x->language = pool_describe(job->language, &ready, &memory);
	x->exit_code = job->status == JOB_TIMEOUT ? -1 : job->exit_code;
	x->wait_ns = job->wait_ns;
	x->fork_ns = job->fork_ns;
	x->exec_ns = job->exec_ns;
}

static void answer_jobs(struct exchange *x)
{
	if (x->batch)
		answer_batch(x);
	else
		answer_one(x, x->jobs[0]);
	for (size_t i = 0; i < x->count; i++)
		count_job(x, x->jobs[i]);
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
	for (size_t i = 0; i < x->count && x->open; i++) {
		if (!pool_cancel(x->jobs[i]))
			continue;
		metrics.cancelled++;
		x->open--;
	}
	free_jobs(x);
	free(x->answer.data);
	x->answer = (struct text){ 0 };
}

/* ---- POST /v1/exec, /v1/exec/batch ---- */

static void refuse(struct exchange *x, int status, const char *extra,
		   const char *message)
{
	free_jobs(x);
	api_error(x, status, extra, message);
	x->finished(x);
}

/* Takes what the request costs from its key's bucket; false: answered. */
static bool spend(struct exchange *x, size_t cost)
{
	unsigned wait = 0;
	char header[64];

	if (x->auth)
		wait = auth_spend(x->auth, cost ? (unsigned)cost : 1,
				  x->start_ns);
	if (wait == 0)
		return true;
	metrics.rate_limited++;
	snprintf(header, sizeof(header), "Retry-After: %u\r\n", wait);
	refuse(x, 429, header, "more than 100 requests a second for this key");
	return false;
}

/* True when every run finds a worker or a place to wait. */
static bool room_for_all(const struct exchange *x)
{
	size_t counts[POOL_LANGUAGES] = { 0 };

	for (size_t i = 0; i < x->count; i++)
		counts[x->jobs[i]->language]++;
	for (int l = 0; l < POOL_LANGUAGES; l++)
		if (counts[l] && !pool_room(l, counts[l], x->owner))
			return false;
	return true;
}

static void submit(struct exchange *x)
{
	uint32_t limit = (uint32_t)(BATCH_OUTPUT_MAX / x->count);

	x->executions = (unsigned)x->count;
	x->open = x->count + 1; /* one for ourselves, until all are handed in */
	for (size_t i = 0; i < x->count; i++) {
		struct job *job = x->jobs[i];

		job->done = job_done;
		job->context = x;
		job->submitted_ns = x->start_ns;
		job->output_limit = limit < OUTPUT_MAX ? limit : OUTPUT_MAX;
		if (pool_submit(job) == 0)
			continue;
		metrics.refused++;
		job->status = JOB_REFUSED;
		x->open--;
	}
	if (--x->open == 0)
		answer_jobs(x);
}

static void handle_exec(struct exchange *x, const char *body, size_t size)
{
	struct request request = { .batch = x->path == METRICS_BATCH,
				   .owner = x->owner };
	struct err e = { "malformed request" };
	int r = request_parse(&request, body, size, &e);

	x->batch = request.batch;
	x->jobs = request.jobs;
	x->count = request.count;
	x->warnings = request.warnings;
	if (!spend(x, r ? 1 : x->count))
		return;
	if (r) {
		refuse(x, r == -ENOMEM ? 500 : 400, "", e.text);
		return;
	}
	if (!room_for_all(x)) {
		metrics.refused += x->count;
		refuse(x, 503, "Retry-After: 1\r\n", "the queue is full");
		return;
	}
	submit(x);
}

/* ---- GET ---- */

static void handle_health(struct exchange *x)
{
	struct text *t = begin_body(x);
	bool ready, all = true;
	const char *name;
	int memory;

	for (int i = 0; pool_describe(i, &ready, &memory); i++)
		all = all && ready;
	text_format(t, "{\"status\":\"%s\",\"templates\":{",
		    all ? "ok" : "degraded");
	for (int i = 0; (name = pool_describe(i, &ready, &memory)); i++) {
		if (i)
			text_add(t, ",", 1);
		text_json_string(t, name, strlen(name));
		text_format(t, ":{\"ready\":%s,\"memory_mb\":%d}",
			    ready ? "true" : "false", memory);
	}
	text_add(t, "}}\n", 3);
	end_body(x, all ? 200 : 503, "application/json",
		 all ? "" : "Retry-After: 1\r\n");
	x->finished(x);
}

static void handle_metrics(struct exchange *x)
{
	struct text *t = begin_body(x);

	metrics_write(t);
	pool_metrics(t);
	end_body(x, 200, "text/plain; version=0.0.4; charset=utf-8", "");
	x->finished(x);
}

/* ---- routing ---- */

static const struct {
	const char *path;
	enum metrics_path route;
} routes[] = {
	{ "/v1/exec", METRICS_EXEC },        { "/exec", METRICS_EXEC },
	{ "/v1/exec/batch", METRICS_BATCH }, { "/exec/batch", METRICS_BATCH },
	{ "/v1/health", METRICS_HEALTH },    { "/health", METRICS_HEALTH },
	{ "/v1/metrics", METRICS_METRICS },  { "/metrics", METRICS_METRICS },
};

static enum metrics_path route_of(struct http_span path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (http_is(path, routes[i].path))
			return routes[i].route;
	return METRICS_OTHER;
}

/* JSON, or what `curl -d` says when nobody tells it otherwise. */
static bool type_ok(struct http_span type)
{
	const char *end = type.size ? memchr(type.data, ';', type.size) : NULL;

	if (!type.size)
		return true;
	if (end)
		type.size = (size_t)(end - type.data);
	while (type.size && (type.data[type.size - 1] == ' ' ||
			     type.data[type.size - 1] == '\t'))
		type.size--;
	return http_is_word(type, "application/json") ||
	       http_is_word(type, "application/x-www-form-urlencoded");
}

static void copy_span(char *to, size_t room, struct http_span from)
{
	size_t size = from.size < room - 1 ? from.size : room - 1;

	memcpy(to, from.data, size);
	to[size] = 0;
}

static int deny(struct exchange *x, int status, const char *extra,
		const char *message)
{
	api_error(x, status, extra, message);
	return -1;
}

static const char *allowed(const struct exchange *x)
{
	switch (x->path) {
	case METRICS_HEALTH:
	case METRICS_METRICS:
		return "Allow: GET, HEAD, OPTIONS\r\n";
	case METRICS_EXEC:
	case METRICS_BATCH:
		return "Allow: POST, OPTIONS\r\n";
	default:
		return "Allow: GET, HEAD, POST, OPTIONS\r\n";
	}
}

static int admit_options(struct exchange *x, const struct http_request *r)
{
	char extra[320];

	snprintf(extra, sizeof(extra), "%s%s", allowed(x),
		 cors_permissions(r->origin));
	begin_body(x);
	end_body(x, 204, NULL, extra);
	return -1;
}

/* A run asks for a key, a body of JSON, and a server that goes on. */
static int admit_run(struct exchange *x, const struct http_request *r)
{
	if (auth_required()) {
		x->auth = auth_lookup(r->authorization.data,
				      r->authorization.size);
		if (!x->auth) {
			metrics.unauthorised++;
			return deny(x, 401, "WWW-Authenticate: Bearer\r\n",
				    r->authorization.data ? "unknown key" :
							    "no key");
		}
		x->owner = x->auth->id;
		auth_mask(x->auth, x->key);
	}
	if (!r->has_length && !r->chunked) {
		x->close = true; /* what follows may be the body after all */
		return deny(x, 411, "", "a POST needs a Content-Length");
	}
	/* RFC 9110, 15.5.16: with what would have been taken. */
	if (r->encoded)
		return deny(x, 415, "Accept-Encoding: identity\r\n",
			    "the body must have no Content-Encoding");
	if (!type_ok(r->content_type))
		return deny(x, 415, "Accept: application/json\r\n",
			    "the body must be application/json");
	if (x->draining)
		return deny(x, 503, "Retry-After: 1\r\n",
			    "the server is draining");
	return 0;
}

int api_admit(struct exchange *x, const struct http_request *r)
{
	bool get;

	if (!x->start_ns)
		x->start_ns = clock_mono();
	copy_span(x->method, sizeof(x->method), r->method);
	copy_span(x->target, sizeof(x->target), r->path);
	x->head_only = http_is(r->method, "HEAD");
	x->path = route_of(r->path);
	take_id(x, r->request_id);
	x->cors = cors_lines(r->origin);
	if (x->path == METRICS_OTHER && !http_is(r->path, "*"))
		return deny(x, 404, "", "no such path");
	if (http_is(r->method, "OPTIONS"))
		return admit_options(x, r);
	get = x->path == METRICS_HEALTH || x->path == METRICS_METRICS;
	if (get ? !http_is(r->method, "GET") && !x->head_only :
		  !http_is(r->method, "POST"))
		return deny(x, 405, allowed(x), "method not allowed");
	return get ? 0 : admit_run(x, r);
}

void api_handle(struct exchange *x, const char *body, size_t body_size)
{
	/* The time of a run counts from here: all of the request is read. */
	x->start_ns = clock_mono();
	if (x->path == METRICS_HEALTH)
		handle_health(x);
	else if (x->path == METRICS_METRICS)
		handle_metrics(x);
	else
		handle_exec(x, body, body_size);
}
