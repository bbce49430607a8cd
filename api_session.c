#include "api_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "log.h"
#include "request.h"
#include "results.h"
#include "session.h"
#include "session_exec.h"

#define LISTED_MAX 1000
#define SLICE 100 /* sessions that are told at a time */

/* ---- what is told of one ---- */

static const char *const conditions[] = { "live", "parked", "ended", NULL };

static const struct field session_fields[] = {
	{ .name = "id",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "By which it is asked for." },
	{ .name = "language",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "Of its code." },
	{ .name = "state",
	  .type = FIELD_WORD,
	  .required = true,
	  .words = conditions,
	  .help = "live: it can go on at once. parked: it has no virtual "
		  "machine, which nobody notices. ended: its program has." },
	{ .name = "reason", .type = FIELD_STRING, .help = "Why it has ended." },
	{ .name = "memory_mb",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "What is kept of it; forks share some of that." },
	{ .name = "created",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "When, as RFC 3339." },
	{ .name = "last_used",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "When, as RFC 3339." },
	{ .name = "runs",
	  .type = FIELD_INTEGER,
	  .required = true,
	  .help = "How many execs it has had." },
	{ .name = "idle_seconds",
	  .type = FIELD_INTEGER,
	  .required = true,
	  .help = "Without a request for so long it is deleted; 0: never." },
	{ .name = "saved",
	  .type = FIELD_BOOLEAN,
	  .help = "With --state: it is on the disk as it is now." },
	{ .name = "warnings",
	  .type = FIELD_STRINGS,
	  .help = "When it was made: fields that are not known, an "
		  "idle_seconds that is too large." },
	{ 0 }
};

const struct object api_session_answer = {
	.name = "Session",
	.help = "A program that stays.",
	.fields = session_fields,
};

static const struct field list_fields[] = { { .name = "sessions",
					      .type = FIELD_OBJECTS,
					      .required = true,
					      .of = &api_session_answer,
					      .help = "The newest first." },
					    { 0 } };

const struct object api_sessions_answer = {
	.name = "Sessions",
	.help = "Sessions of a key.",
	.fields = list_fields,
};

static const struct field forks_fields[] = { { .name = "sessions",
					       .type = FIELD_OBJECTS,
					       .required = true,
					       .of = &api_session_answer,
					       .help = "The copies." },
					     { .name = "warnings",
					       .type = FIELD_STRINGS,
					       .help = "Fields that are not "
						       "known." },
					     { 0 } };

const struct object api_forks_answer = {
	.name = "Forks",
	.help = "What a fork has made.",
	.fields = forks_fields,
};

static void put_time(struct text *t, const char *name, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_format(t, ",\"%s\":\"%s\"", name, text);
}

/* One that has not run yet is as its template, which waits in a VM. */
static const char *condition(const struct session *s)
{
	return s->ended                           ? "ended" :
	       session_is_running(s) || !s->begun ? "live" :
						    "parked";
}

static void put_session(struct text *t, const struct session *s,
			const struct text *warnings)
{
	const char *language = session_language(s);

	text_format(t, "{\"id\":\"%s\",\"language\":", s->id);
	text_json_string(t, language, strlen(language));
	text_format(t, ",\"state\":\"%s\"", condition(s));
	if (s->ended) {
		text_put(t, ",\"reason\":");
		text_json_string(t, s->ended, strlen(s->ended));
	}
	text_put(t, ",\"memory_mb\":");
	/* In thousandths of a MiB. */
	text_put_ms(t, session_size(s) / 4096 * 390625 / 100);
	put_time(t, "created", s->created_ns);
	put_time(t, "last_used", s->used_ns);
	text_format(t, ",\"runs\":%llu,\"idle_seconds\":%u",
		    (unsigned long long)s->runs, s->idle_seconds);
	if (session_store_is_on())
		text_put(t, session_store_has(s) && !s->saving ? ",\"saved\":"
								 "true" :
								 ",\"saved\":"
								 "false");
	if (warnings)
		results_put_warnings(t, warnings);
	text_put(t, "}");
}

/* ---- a list of them ---- */

/* As they were when it was asked for. */
struct listing {
	struct producer producer; /* first */
	struct exchange *exchange;
	size_t count, next, measured;
	struct session sessions[];
};

/* The next of them, from *at on. True: there are more. */
static bool put_some(const struct listing *l, size_t *at, struct text *t)
{
	size_t end = l->count - *at > SLICE ? *at + SLICE : l->count;

	text_put(t, *at ? "" : "{\"sessions\":[");
	for (; *at < end; ++*at) {
		text_put(t, *at ? "," : "");
		put_session(t, &l->sessions[*at], NULL);
	}
	text_put(t, end < l->count ? "" : "]}\n");
	return end < l->count;
}

static bool produce_list(struct producer *p, struct text *t)
{
	struct listing *l = (struct listing *)p;

	return put_some(l, &l->next, t);
}

static bool measure_list(struct producer *p, uint64_t *size)
{
	struct listing *l = (struct listing *)p;
	struct text t = { 0 };
	bool more = put_some(l, &l->measured, &t);

	*size += t.size;
	free(t.data);
	return more;
}

static void drop_list(struct producer *p)
{
	struct listing *l = (struct listing *)p;

	l->exchange->listed = 0;
	free(l);
}

/* NULL: no memory. */
static struct producer *list(struct exchange *x)
{
	const struct session *s = session_newest(x->owner);
	size_t most = s ? s->share->sessions : 0, size;
	struct listing *l;

	if (most > LISTED_MAX)
		most = LISTED_MAX;
	size = sizeof(*l) + most * sizeof(*s);
	l = malloc(size);
	if (!l)
		return NULL;
	*l = (struct listing){ .producer = { .produce = produce_list,
					     .measure = measure_list,
					     .drop = drop_list },
			       .exchange = x };
	for (; l->count < most; s = session_next(s))
		l->sessions[l->count++] = *s;
	x->listed = size;
	return &l->producer;
}

/* ---- GET, DELETE ---- */

/* That the path names, of this key; NULL: answered. */
static struct session *find(struct exchange *x)
{
	struct session *s =
		session_find(x->session, strlen(x->session), x->owner);

	if (!s)
		api_refuse(x, 404, "", "no such session");
	return s;
}

/* As find, of a request that has no body: it costs as much as one that has. */
static struct session *find_paid(struct exchange *x)
{
	return api_spend(x, 1) ? find(x) : NULL;
}

static bool is_over(struct exchange *x, const struct session *s)
{
	if (s->ended)
		api_refuse(x, 410, "", s->ended);
	return s->ended;
}

struct session *api_session_alive(struct exchange *x)
{
	struct session *s = find(x);

	return s && !is_over(x, s) ? s : NULL;
}

void api_session_submit(struct exchange *x, struct session *s)
{
	x->jobs[0]->session = s;
	/* For its place in a queue; see session.c. */
	x->jobs[0]->language = s->language < 0 ? 0 : s->language;
	api_submit(x);
}

void api_session_list(struct exchange *x, const char *body, size_t size)
{
	struct producer *p;

	(void)body;
	(void)size;
	if (!api_spend(x, 1))
		return;
	p = list(x);
	if (p)
		api_produce(x, "application/json", p);
	else
		api_refuse(x, 500, "", "no memory for the answer");
}

static void show(struct exchange *x, struct session *s)
{
	struct text *t = answer_begin(&x->answer);

	session_touch(s);
	put_session(t, s, NULL);
	text_put(t, "\n");
	api_answer(x, 200, "application/json", "");
}

static void saved(struct job *job)
{
	struct exchange *x = job->context;
	struct session *s = find(x);

	x->open = 0;
	if (s)
		show(x, s);
}

void api_session_show(struct exchange *x, const char *body, size_t size)
{
	struct session *s = find_paid(x);

	(void)body;
	(void)size;
	/* What it has become by an exec that was answered is told. */
	if (s && !(s->saving && api_session_fetch(x, s, true, saved) == 0))
		show(x, s);
}

void api_session_interrupt(struct exchange *x, const char *body, size_t size)
{
	struct session *s = find_paid(x);
	struct text *t;

	(void)body;
	(void)size;
	if (!s || is_over(x, s))
		return;
	session_interrupt(s);
	t = answer_begin(&x->answer);
	put_session(t, s, NULL);
	text_put(t, "\n");
	api_answer(x, 202, "application/json", "");
}

void api_session_delete(struct exchange *x, const char *body, size_t size)
{
	struct session *s = find_paid(x);

	(void)body;
	(void)size;
	if (!s)
		return;
	session_delete(s);
	answer_begin(&x->answer);
	api_answer(x, 204, NULL, "");
}

/* ---- POST ---- */

/* False: there is none, which is answered. */
static bool has_room(struct exchange *x, size_t count, size_t bytes)
{
	int r = session_room(x->owner, count, bytes);

	if (r == -EAGAIN)
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "there are too many sessions");
	else if (r)
		api_refuse(x, 507, "",
			   "all sessions together have become too large");
	return r == 0;
}

static void tell_made(struct exchange *x, const struct session *s)
{
	struct text *t = answer_begin(&x->answer);

	put_session(t, s, &x->jobs[0]->warnings);
	text_put(t, "\n");
	api_answer(x, 201, "application/json", "");
}

static bool has_files(const struct parts *parts)
{
	const char *at = parts->data, *end = at + parts->size;
	struct part_view p;

	while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind == PART_FILE)
			return true;
	return false;
}

/* Its first files are there, or cannot be. */
static void begun(struct exchange *x)
{
	struct session *s =
		session_find(x->session, strlen(x->session), x->owner);
	enum job_status status = x->jobs[0]->status;

	x->told = NULL;
	if (s && status == JOB_DONE) {
		tell_made(x, s);
		return;
	}
	if (s)
		session_delete(s);
	if (status == JOB_DONE || status == JOB_TIMEOUT)
		api_refuse(x, 500, "", "its files cannot be written in time");
	else
		api_fail(x, 0);
}

void api_session_abandon(struct exchange *x)
{
	struct session *s =
		x->told == begun ?
			session_find(x->session, strlen(x->session), x->owner) :
			NULL;

	if (s)
		session_delete(s);
}

/* Only a guest knows which files it can have: it begins with nothing to run. */
static void begin(struct exchange *x, struct session *s)
{
	struct job *job = x->jobs[0];

	if (parts_add(&job->parts, PART_CODE, NULL, 0, NULL, 0)) {
		session_delete(s);
		api_refuse(x, 500, "", "no memory");
		return;
	}
	memcpy(x->session, s->id, ID_SIZE);
	x->told = begun;
	job->apart = true;
	job->on_timeout = OVERRUN_ROLLBACK;
	api_session_submit(x, s);
}

static void make(struct exchange *x, const struct request *q)
{
	struct job *job = q->jobs[0];
	bool files = has_files(&job->parts);
	struct session *s;

	if (!has_room(x, 1, job->parts.room))
		return;
	if (job->tenure != catalog_tenure(job->language)) {
		api_refuse(x, 400, "", "language: its template is gone");
		return;
	}
	s = session_make(x->owner, job->language, &job->parts);
	if (!s) {
		api_refuse(x, 500, "", "no memory");
		return;
	}
	s->idle_seconds = q->idle_seconds;
	s->on_timeout = job->on_timeout;
	if (files)
		begin(x, s);
	else
		tell_made(x, s);
}

static void fork_it(struct exchange *x, struct session *s, uint32_t copies)
{
	struct session *made[SESSION_COPIES_MAX];
	struct text *t;

	if (is_over(x, s) || !has_room(x, copies, 0))
		return;
	if (!session_fork_many(s, made, copies)) {
		api_refuse(x, 500, "", "no memory");
		return;
	}
	t = answer_begin(&x->answer);
	text_put(t, "{\"sessions\":[");
	for (uint32_t i = 0; i < copies; i++) {
		text_put(t, i ? "," : "");
		put_session(t, made[i], NULL);
	}
	text_put(t, "]");
	results_put_warnings(t, &x->warnings);
	text_put(t, "}\n");
	api_answer(x, 201, "application/json", "");
}

/* Its state is there, or cannot be had. */
static void fetched(struct job *job)
{
	struct exchange *x = job->context;
	struct session *s;

	x->open = 0;
	if (job->status != JOB_DONE) {
		api_fail(x, 0);
		return;
	}
	s = find(x);
	if (s)
		fork_it(x, s, x->copies);
}

int api_session_fetch(struct exchange *x, struct session *s, bool look,
		      void (*done)(struct job *job))
{
	struct job *job = calloc(1, sizeof(*job));

	/* That of the request, which is read. */
	jobs_drop(x->jobs, x->count);
	x->count = 0;
	x->jobs = job ? malloc(sizeof(*x->jobs)) : NULL;
	if (!x->jobs) {
		free(job);
		return -ENOMEM;
	}
	*job = (struct job){
		.fetch = true, .look = look, .done = done, .context = x
	};
	x->jobs[0] = job;
	x->count = x->open = 1;
	if (session_submit(s, job) == 0)
		return 0;
	x->open = 0;
	return -EAGAIN;
}

static void fork_or_fetch(struct exchange *x, uint32_t copies)
{
	struct session *s = api_session_alive(x);
	int r;

	if (!s)
		return;
	api_keep_warnings(x);
	if (!session_is_away(s)) {
		fork_it(x, s, copies);
		return;
	}
	x->copies = copies;
	r = api_session_fetch(x, s, false, fetched);
	if (r == -EAGAIN)
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "too many requests wait for the session");
	else if (r)
		api_refuse(x, 500, "", "no memory");
}

static void run(struct exchange *x)
{
	struct session *s = api_session_alive(x);

	if (s)
		api_session_submit(x, s);
}

static size_t cost(const struct request *q)
{
	bool many = q->kind == REQUEST_FORK && q->copies > 1 &&
		    q->copies <= SESSION_COPIES_MAX;

	return many ? q->copies : 1;
}

static void body_read(struct reading *reading)
{
	struct exchange *x = reading->context;
	struct request q = reading->request;
	int r = reading->result;

	api_take_jobs(x);
	x->live.asked = q.stream;
	if (!api_spend(x, cost(&q)))
		return;
	if (r)
		api_refuse(x, r == -ENOMEM ? 500 : 400, "", reading->e.text);
	else if (q.kind == REQUEST_SESSION)
		make(x, &q);
	else if (q.kind == REQUEST_FORK)
		fork_or_fetch(x, q.copies);
	else
		run(x);
}

void api_session_body(struct exchange *x, const char *body, size_t size)
{
	static const enum request_kind kinds[METRICS_PATHS] = {
		[METRICS_SESSIONS] = REQUEST_SESSION,
		[METRICS_SESSION_EXEC] = REQUEST_SESSION_EXEC,
		[METRICS_SESSION_FORK] = REQUEST_FORK,
	};

	x->reading = (struct reading){
		.request = { .kind = kinds[x->path],
			     .owner = x->owner,
			     .stream = x->live.asked,
			     .idle_seconds = SESSION_IDLE,
			     .copies = 1 },
	};
	api_read(x, body, size, body_read);
}
