#include "api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_session.h"
#include "authority.h"
#include "catalog.h"
#include "census.h"
#include "clock.h"
#include "cors.h"
#include "document.h"
#include "id.h"
#include "judge.h"
#include "loop.h"
#include "mcp_http.h"
#include "request.h"
#include "session.h"
#include "session_exec.h"

#define OUTPUT_MAX (1u << 20)        /* bytes of each stream of one run */
#define BATCH_OUTPUT_MAX (32u << 20) /* of all the runs of a batch */

static uint32_t outputs_max = API_OUTPUTS_MIB << 20; /* of files, of one run */

void api_set_outputs_max(unsigned mib)
{
	outputs_max = mib << 20;
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
		id_make(x->id);
		return;
	}
	memcpy(x->id, id.data, id.size);
	x->id[id.size] = 0;
}

/* ---- answers ---- */

static struct answer_head head_of(struct exchange *x, int status,
				  const char *type, const char *extra)
{
	x->status = status;
	x->total_ns = clock_mono() - x->start_ns;
	if (!x->id[0])
		id_make(x->id);
	return (struct answer_head){ .status = status,
				     .type = type,
				     .cors = x->cors ? x->cors : "",
				     .extra = extra,
				     .id = x->id,
				     .close = x->close,
				     .head_only = x->head_only };
}

/* An answer for which there was no memory is another one. */
static void check_answer(struct exchange *x)
{
	if (!x->answer.starved)
		return;
	x->status = 500;
	x->close = true;
}

/* The body is in x->answer. */
static void end_body(struct exchange *x, int status, const char *type,
		     const char *extra)
{
	struct answer_head head = head_of(x, status, type, extra);

	answer_end(&x->answer, &head);
	check_answer(x);
}

static const struct field api_error_answer_fields[] = {
	{ .name = "error",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "For people." },
	{ 0 },
};

const struct object api_error_answer = {
	.name = "Error",
	.help = "What is wrong, and where.",
	.fields = api_error_answer_fields,
};

void api_error(struct exchange *x, int status, const char *extra,
	       const char *message)
{
	struct text *t = answer_begin(&x->answer);

	if (!x->start_ns)
		x->start_ns = clock_mono();
	text_add(t, "{\"error\":", 9);
	text_json_string(t, message, strlen(message));
	text_add(t, "}\n", 2);
	end_body(x, status, "application/json", extra);
}

static void free_jobs(struct exchange *x)
{
	judge_free(x->judge);
	x->judge = NULL;
	if (x->common)
		job_free(x->common);
	x->common = NULL;
	jobs_drop(x->jobs, x->count);
	free(x->warnings.data);
	x->warnings = (struct text){ 0 };
	x->jobs = NULL;
	x->count = x->open = 0;
}

static void count_job(const struct exchange *x, const struct job *job)
{
	if (results_late(job))
		metrics.timeout++;
	else if (job->status == JOB_DONE && job->exit_code == 0)
		metrics.success++;
	else if (results_ran(job) || job->status == JOB_FAULT)
		metrics.error++;
	if (job->status == JOB_FAULT)
		metrics.failures++;
	if (!results_ran(job))
		return;
	metrics.signals += job->ended == ENDED_SIGNAL;
	metrics.out_of_memory += job->ended == ENDED_MEMORY;
	metrics.cut += job->cut != 0;
	metrics.cpu_ns += job->cpu_ns - job->spent_cpu_ns;
	metrics.calls += job->calls;
	histogram_add(&metrics.wait, job->wait_ns);
	histogram_add(&metrics.fork, job->fork_ns);
	histogram_add(&metrics.exec, job->exec_ns);
	histogram_add(&metrics.total, x->total_ns);
}

/* What the log says about a single run. */
static void note_run(struct exchange *x, const struct job *job)
{
	x->language = catalog_name(job->language);
	x->exit_code = job->status == JOB_TIMEOUT ? -1 : job->exit_code;
	x->wait_ns = job->wait_ns;
	x->fork_ns = job->fork_ns;
	x->exec_ns = job->exec_ns;
}

static void take_results(struct exchange *x)
{
	for (size_t i = 0; i < x->count; i++)
		count_job(x, x->jobs[i]);
	x->results = (struct results){ .jobs = x->jobs,
				       .count = x->count,
				       .batch = x->batch,
				       .warnings = x->warnings,
				       .total_ns = x->total_ns };
	judge_free(x->judge);
	x->judge = NULL;
	x->jobs = NULL;
	x->count = 0;
	x->warnings = (struct text){ 0 };
	results_open(&x->results);
}

/* Their results are sent from the raw output, which goes with them. */
static void answer_results(struct exchange *x)
{
	struct answer_head head = head_of(x, 200, "application/json", "");

	take_results(x);
	answer_produce(&x->answer, &head, &x->results.producer);
	check_answer(x);
}

static void begin_live(struct exchange *x)
{
	struct answer_head head =
		head_of(x, 200, EVENTS_TYPE, "Cache-Control: no-store\r\n");

	live_begin(&x->live, &head);
}

/* Its run has written something. */
static void job_wrote(struct job *job, const char *parts, const char *end)
{
	struct exchange *x = job->context;

	x->progress(x); /* before: it looks at whether the client had all */
	if (!x->live.begun)
		begin_live(x);
	live_add(&x->live, parts, end);
}

void api_sent(struct exchange *x)
{
	if (x->open)
		live_sent(&x->live, x->jobs[0]);
}

/* The end of a live answer. */
static void end_live(struct exchange *x, struct job *job)
{
	if (!x->live.begun)
		begin_live(x);
	x->total_ns = clock_mono() - x->start_ns;
	if (!results_ran(job)) {
		live_fail(&x->live, results_failure(job));
		count_job(x, job);
		free_jobs(x);
		return;
	}
	job->open_line = x->live.events.open_line;
	take_results(x);
	live_end(&x->live, &x->results.producer);
}

static void answer_call(struct exchange *x)
{
	struct answer_head head = head_of(x, 200, "application/json", "");
	struct producer *result;

	count_job(x, x->jobs[0]);
	result = mcp_http_result(x);
	if (result)
		answer_produce(&x->answer, &head, result);
	else
		api_error(x, 500, "", "no memory for the answer");
	check_answer(x);
}

void api_fail(struct exchange *x, int status)
{
	static const int statuses[] = {
		[JOB_REJECTED] = 400, [JOB_FAULT] = 500,    [JOB_DRAINED] = 503,
		[JOB_REFUSED] = 503,  [JOB_UNSERVED] = 503, [JOB_FULL] = 507,
		[JOB_STALE] = 410,    [JOB_ENDED] = 410,    [JOB_DELETED] = 409,
	};
	struct job *job = x->jobs[0];

	status = status ? status : statuses[job->status];
	api_error(x, status, status == 503 ? "Retry-After: 1\r\n" : "",
		  results_failure(job));
	count_job(x, job);
	free_jobs(x);
	x->finished(x);
}

static void answer_jobs(struct exchange *x)
{
	struct job *first = x->jobs[0];

	if (x->told)
		return x->told(x);
	if (!x->batch && results_ran(first))
		note_run(x, first);
	if (x->mcp)
		answer_call(x);
	else if (x->live.begun || (x->live.asked && results_ran(first)))
		end_live(x, first);
	else if (x->batch || results_ran(first))
		answer_results(x);
	else
		return api_fail(x, 0);
	x->finished(x);
}

static void job_done(struct job *job)
{
	struct exchange *x = job->context;

	job_forget_parts(job);
	if (--x->open == 0)
		answer_jobs(x);
}

size_t api_held(const struct exchange *x)
{
	size_t sum = x->results.held + x->listed + x->answer.text.room;

	if (x->mcp)
		sum += mcp_http_held(x->mcp);
	for (size_t i = 0; i < x->count; i++)
		sum += x->jobs[i]->payload_size;
	return sum;
}

void api_abandon(struct exchange *x)
{
	if (x->judge && x->open) {
		metrics.cancelled += judge_cancel(x->judge);
		x->open = 0;
	}
	for (size_t i = 0; i < x->count && x->open; i++) {
		if (!session_cancel(x->jobs[i]))
			continue;
		metrics.cancelled++;
		x->open--;
	}
	api_session_abandon(x);
	if (x->making)
		derived_forget(x->making);
	x->making = NULL;
	if (x->reading.queued) {
		reading_cancel(&x->reading);
		x->jobs = x->reading.request.jobs;
		x->count = x->reading.request.count;
		x->common = x->reading.request.common;
		x->warnings = x->reading.request.warnings;
	}
	free_jobs(x);
	answer_drop(&x->answer);
	mcp_http_drop(x);
	free(x->answer.text.data);
	x->answer.text = (struct text){ 0 };
}

/* ---- POST /v1/exec, /v1/exec/batch ---- */

void api_refuse(struct exchange *x, int status, const char *extra,
		const char *message)
{
	free_jobs(x);
	api_error(x, status, extra, message);
	x->finished(x);
}

void api_answer(struct exchange *x, int status, const char *type,
		const char *extra)
{
	free_jobs(x);
	end_body(x, status, type, extra);
	x->finished(x);
}

void api_produce(struct exchange *x, const char *type, struct producer *body)
{
	struct answer_head head = head_of(x, 200, type, "");

	answer_produce(&x->answer, &head, body);
	check_answer(x);
	x->finished(x);
}

bool api_spend(struct exchange *x, size_t cost)
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
	api_refuse(x, 429, header,
		   "more than 100 requests a second for this key");
	return false;
}

/* Whether every run finds a worker or a place to wait; false: answered. */
static bool find_room(struct exchange *x)
{
	/* Of runs with a common beginning others follow as some end. */
	enum pool_verdict v = x->common ?
				      pool_admit(&x->common, 1, x->owner) :
				      pool_admit(x->jobs, x->count, x->owner);

	if (v == POOL_TAKEN)
		return true;
	metrics.refused += x->count;
	if (x->mcp || x->told) {
		x->jobs[0]->status = JOB_REFUSED;
		answer_jobs(x);
	} else if (v == POOL_FULL)
		api_refuse(x, 503, "Retry-After: 1\r\n", "the queue is full");
	else
		api_refuse(x, 400, "",
			   "executions: more than this server takes at once");
	return false;
}

static void prepare(struct exchange *x, struct job *job)
{
	uint32_t limit = (uint32_t)(BATCH_OUTPUT_MAX / x->count);

	job->done = job_done;
	job->context = x;
	job->submitted_ns = x->start_ns;
	job->output_limit = limit < OUTPUT_MAX ? limit : OUTPUT_MAX;
	if (job->wants_files)
		job->outputs_limit = limit < outputs_max ? limit : outputs_max;
	job->wrote = job_wrote;
}

/* One program over many inputs. */
static void submit_inputs(struct exchange *x)
{
	prepare(x, x->common);
	for (size_t i = 0; i < x->count; i++) {
		x->jobs[i]->wants_files = x->common->wants_files;
		prepare(x, x->jobs[i]);
	}
	x->judge = judge_make(x->common, x->jobs, x->count);
	if (!x->judge) {
		api_refuse(x, 500, "", "no memory");
		return;
	}
	x->common = NULL;
	x->open = x->count;
	judge_submit(x->judge);
}

void api_submit(struct exchange *x)
{
	if (!find_room(x))
		return;
	x->executions = (unsigned)x->count;
	if (x->common) {
		submit_inputs(x);
		return;
	}
	x->open = x->count + 1; /* one for ourselves, until all are handed in */
	for (size_t i = 0; i < x->count; i++) {
		struct job *job = x->jobs[i];

		prepare(x, job);
		if (x->live.asked)
			live_ask(&x->live, &x->answer, job);
		if (session_submit(job->session, job) == 0)
			continue;
		metrics.refused++;
		job->status = JOB_REFUSED;
		x->open--;
	}
	if (--x->open == 0)
		answer_jobs(x);
}

void api_read(struct exchange *x, const char *body, size_t size,
	      void (*done)(struct reading *r))
{
	struct reading *r = &x->reading;

	r->body = body;
	r->size = size;
	r->done = done;
	r->context = x;
	reading_begin(r);
}

void api_keep_warnings(struct exchange *x)
{
	x->warnings = x->jobs[0]->warnings;
	x->jobs[0]->warnings = (struct text){ 0 };
}

void api_take_jobs(struct exchange *x)
{
	struct request *q = &x->reading.request;

	x->read(x);
	x->batch = q->batch;
	x->jobs = q->jobs;
	x->count = q->count;
	x->common = q->common;
	x->warnings = q->warnings;
	*q = (struct request){ 0 };
	if (x->owner) /* keys may have been read again meanwhile */
		x->auth = auth_with_id(x->owner);
}

/* Jobs have been made of the body. */
static void body_read(struct reading *reading)
{
	struct exchange *x = reading->context;
	bool stream = reading->request.stream;
	int r = reading->result;

	api_take_jobs(x);
	x->live.asked = stream;
	if (!api_spend(x, r ? 1 : x->count))
		return;
	if (r)
		api_refuse(x, r == -ENOMEM ? 500 : 400, "", reading->e.text);
	else
		api_submit(x);
}

void api_exec(struct exchange *x, const char *body, size_t size)
{
	x->reading = (struct reading){
		.request = { .batch = x->path == METRICS_BATCH,
			     .owner = x->owner,
			     .stream = x->live.asked },
	};
	api_read(x, body, size, body_read);
}

/* ---- GET ---- */

static const char *const conditions[] = { "ok", "degraded", NULL };

static const struct field template_state_fields[] = {
	{ .name = "ready",
	  .type = FIELD_BOOLEAN,
	  .required = true,
	  .help = "Whether it has workers." },
	{ .name = "memory_mb",
	  .type = FIELD_INTEGER,
	  .required = true,
	  .help = "Of its VMs." },
	{ .name = "reason",
	  .type = FIELD_STRING,
	  .help = "Why it is not ready." },
	{ 0 },
};

static const struct object template_state = {
	.name = "Readiness",
	.help = "Of a language that is served.",
	.fields = template_state_fields,
};

static const struct field api_health_answer_fields[] = {
	{ .name = "status",
	  .type = FIELD_WORD,
	  .required = true,
	  .words = conditions,
	  .help = "ok while every template is ready." },
	{ .name = "templates",
	  .type = FIELD_OBJECT_TABLE,
	  .required = true,
	  .of = &template_state,
	  .help = "By name, as language has it." },
	{ 0 },
};

const struct object api_health_answer = {
	.name = "Health",
	.help = "How the templates stand.",
	.fields = api_health_answer_fields,
};

/* What it says has paths, and words of the kernel's. */
static void add_reason(struct text *t, const char *reason, bool trusted)
{
	if (!reason)
		return;
	if (!trusted)
		reason = "the log says why, and so does this with a key";
	text_format(t, ",\"reason\":");
	text_json_string(t, reason, strlen(reason));
}

void api_health(struct exchange *x, const char *body, size_t size)
{
	struct text *t = answer_begin(&x->answer);
	bool ready, all = true;
	const char *name;
	int memory;

	(void)body;
	(void)size;
	for (int i = 0; catalog_describe(i, &ready, &memory); i++)
		all = all && ready;
	text_put(t, all ? "{\"status\":\"ok\",\"templates\":{" :
			  "{\"status\":\"degraded\",\"templates\":{");
	for (int i = 0; (name = catalog_describe(i, &ready, &memory)); i++) {
		if (i)
			text_add(t, ",", 1);
		text_json_string(t, name, strlen(name));
		text_put(t, ready ? ":{\"ready\":true,\"memory_mb\":" :
				    ":{\"ready\":false,\"memory_mb\":");
		text_put_number(t, memory);
		add_reason(t, catalog_reason(i), x->trusted);
		text_add(t, "}", 1);
	}
	text_add(t, "}}\n", 3);
	end_body(x, all ? 200 : 503, "application/json",
		 all ? "" : "Retry-After: 1\r\n");
	x->finished(x);
}

void api_metrics(struct exchange *x, const char *body, size_t size)
{
	struct text *t = answer_begin(&x->answer);
	uint64_t longest = loop_longest();

	(void)body;
	(void)size;

	metrics_write(t, endpoint_path);
	census_metrics(t);
	session_metrics(t);
	if (longest) {
		metrics_series(t, "zeroboot_loop_longest_turn_seconds", "gauge",
			       "CPU time, since this was asked last.");
		text_format(t, "zeroboot_loop_longest_turn_seconds %.6f\n",
			    (double)longest / 1e9);
	}
	end_body(x, 200, "text/plain; version=0.0.4; charset=utf-8", "");
	x->finished(x);
}

/* NULL: there was no memory for it. */
static void answer_document(struct exchange *x, const struct document *d)
{
	struct text *t = answer_begin(&x->answer);

	if (!d) {
		api_error(x, 500, "", "no memory for the answer");
	} else if (x->known) {
		end_body(x, 304, NULL, d->headers);
	} else {
		text_add(t, d->data, d->size);
		end_body(x, 200, d->type, d->headers);
	}
	x->finished(x);
}

/* ---- routing ---- */

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

static int admit_options(struct exchange *x, const struct http_request *r)
{
	char extra[320];

	snprintf(extra, sizeof(extra), "%s%s", endpoint_allow(x->path),
		 cors_permissions(r->origin));
	answer_begin(&x->answer);
	end_body(x, 204, NULL, extra);
	return -1;
}

static struct auth_key *key_of(const struct http_request *r)
{
	return auth_lookup(r->authorization.data, r->authorization.size);
}

static int admit_key(struct exchange *x, const struct http_request *r)
{
	if (!auth_required())
		return 0;
	x->auth = key_of(r);
	if (!x->auth) {
		metrics.unauthorised++;
		return deny(x, 401, "WWW-Authenticate: Bearer\r\n",
			    r->authorization.data ? "unknown key" : "no key");
	}
	x->owner = x->auth->id;
	auth_mask(x->auth, x->key);
	return 0;
}

static bool takes_body(const struct operation *o)
{
	return o->takes || o->takes_bytes;
}

/* A run asks for a key, a body of JSON, and a server that goes on. */
static int admit_run(struct exchange *x, const struct http_request *r)
{
	if (admit_key(x, r))
		return -1;
	if (!r->has_length && !r->chunked) {
		x->close = true; /* what follows may be the body after all */
		return deny(x, 411, "",
			    x->operation->takes ? "a POST needs a "
						  "Content-Length" :
						  "a PUT needs a "
						  "Content-Length");
	}
	/* RFC 9110, 15.5.16: with what would have been taken. */
	if (r->encoded)
		return deny(x, 415, "Accept-Encoding: identity\r\n",
			    "the body must have no Content-Encoding");
	if (!x->operation->takes_bytes && !type_ok(r->content_type))
		return deny(x, 415, "Accept: application/json\r\n",
			    "the body must be application/json");
	if (x->draining)
		return deny(x, 503, "Retry-After: 1\r\n",
			    "the server is draining");
	return 0;
}

int api_admit(struct exchange *x, const struct http_request *r)
{
	struct http_span name = { NULL, 0 };
	const struct document *d;

	if (!x->start_ns)
		x->start_ns = clock_mono();
	copy_span(x->method, sizeof(x->method), r->method);
	copy_span(x->target, sizeof(x->target), r->path);
	x->head_only = http_is(r->method, "HEAD");
	x->path = endpoint_find(r->path, &name, &x->rest);
	x->session[0] = 0;
	if (name.size == ID_SIZE - 1 ||
	    (x->path == METRICS_TEMPLATE && name.size < ID_SIZE))
		copy_span(x->session, sizeof(x->session), name);
	take_id(x, r->request_id);
	x->cors = cors_lines(r->origin);
	if (x->local && !auth_required() && !authority_ok(r->host))
		return deny(x, 421, "",
			    "Host: not a name of this server: see --host");
	x->live.framing = r->old ? ANSWER_CLOSE : ANSWER_CHUNKS;
	x->live.asked =
		r->events > r->json &&
		(x->path == METRICS_EXEC || x->path == METRICS_SESSION_EXEC);
	if (x->path == METRICS_OTHER && !http_is(r->path, "*"))
		return deny(x, 404, "", "no such path");
	if (http_is(r->method, "OPTIONS"))
		return admit_options(x, r);
	x->operation = endpoint_operation(x->path, r->method);
	if (!x->operation)
		return deny(x, 405, endpoint_allow(x->path),
			    "method not allowed");
	if (x->path == METRICS_MCP) {
		const char *problem = mcp_http_problem(r, &x->status);

		if (problem)
			return deny(x, x->status, "", problem);
	}
	if (takes_body(x->operation))
		return admit_run(x, r);
	if (x->operation->keyed)
		return admit_key(x, r);
	if (x->path == METRICS_HEALTH)
		x->trusted = !auth_required() || key_of(r);
	d = r->known.size && x->operation->document ? x->operation->document() :
						      NULL;
	x->known = d && document_known(d, r->known);
	return 0;
}

void api_handle(struct exchange *x, const char *body, size_t body_size)
{
	const struct operation *o = x->operation;

	/* The time of a run counts from here: all of the request is read. */
	x->start_ns = clock_mono();
	/* Who has to do with the path reads that first. */
	if (!takes_body(o) && !x->rest.size)
		x->read(x);
	if (o->document)
		answer_document(x, o->document());
	else
		o->handle(x, body, body_size);
}
