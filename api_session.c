#include "api_session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "log.h"
#include "request.h"
#include "session.h"

#define LISTED_MAX 1000

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
	  .help = "Without an exec for so long it is deleted; 0: never." },
	{ .name = "warnings",
	  .type = FIELD_STRINGS,
	  .help = "When it was made: fields that are not known." },
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
	return s->ended                      ? "ended" :
	       s->running || !s->state.count ? "live" :
					       "parked";
}

static void put_session(struct text *t, const struct session *s,
			const struct text *warnings)
{
	bool ready;
	int memory;

	text_format(t, "{\"id\":\"%s\",\"language\":", s->id);
	text_json_string(
		t, catalog_describe(s->language, &ready, &memory),
		strlen(catalog_describe(s->language, &ready, &memory)));
	text_format(t, ",\"state\":\"%s\"", condition(s));
	if (s->ended) {
		text_put(t, ",\"reason\":");
		text_json_string(t, s->ended, strlen(s->ended));
	}
	text_put(t, ",\"memory_mb\":");
	/* In thousandths of a MiB. */
	text_put_ms(t, s->state.size / 4096 * 390625 / 100);
	put_time(t, "created", s->created_ns);
	put_time(t, "last_used", s->used_ns);
	text_format(t, ",\"runs\":%llu,\"idle_seconds\":%u",
		    (unsigned long long)s->runs, s->idle_seconds);
	if (warnings && warnings->size) {
		text_put(t, ",\"warnings\":[");
		text_add(t, warnings->data, warnings->size);
		text_put(t, "]");
	}
	text_put(t, "}");
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

void api_session_list(struct exchange *x, const char *body, size_t size)
{
	struct text *t = answer_begin(&x->answer);
	const struct session *s = session_newest(x->owner);

	(void)body;
	(void)size;
	text_put(t, "{\"sessions\":[");
	for (int i = 0; s && i < LISTED_MAX; i++, s = session_next(s)) {
		text_put(t, i ? "," : "");
		put_session(t, s, NULL);
	}
	text_put(t, "]}\n");
	api_answer(x, 200, "application/json", "");
}

void api_session_show(struct exchange *x, const char *body, size_t size)
{
	const struct session *s = find(x);
	struct text *t;

	(void)body;
	(void)size;
	if (!s)
		return;
	t = answer_begin(&x->answer);
	put_session(t, s, NULL);
	text_put(t, "\n");
	api_answer(x, 200, "application/json", "");
}

void api_session_delete(struct exchange *x, const char *body, size_t size)
{
	struct session *s = find(x);

	(void)body;
	(void)size;
	if (!s)
		return;
	session_delete(s);
	answer_begin(&x->answer);
	api_answer(x, 204, "application/json", "");
}

/* ---- POST ---- */

static void make(struct exchange *x, const struct request *q)
{
	struct job *job = q->jobs[0];
	struct session *s;
	struct text *t;

	if (!session_has_room(1)) {
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "there are too many sessions");
		return;
	}
	s = session_make(x->owner, job->language, &job->parts);
	if (!s) {
		api_refuse(x, 500, "", "no memory");
		return;
	}
	s->idle_seconds = q->idle_seconds;
	s->rollback = job->rollback;
	t = answer_begin(&x->answer);
	put_session(t, s, &job->warnings);
	text_put(t, "\n");
	api_answer(x, 201, "application/json", "");
}

static bool is_over(struct exchange *x, const struct session *s)
{
	if (s->ended)
		api_refuse(x, 410, "", s->ended);
	return s->ended;
}

static void fork_it(struct exchange *x, const struct request *q)
{
	const struct session *s = find(x);
	struct session *made[SESSION_COPIES_MAX];
	uint32_t count = 0;
	struct text *t;

	if (!s || is_over(x, s))
		return;
	if (!session_has_room(q->copies)) {
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "there are too many sessions");
		return;
	}
	while (count < q->copies && (made[count] = session_fork(s)))
		count++;
	if (count < q->copies) {
		while (count)
			session_delete(made[--count]);
		api_refuse(x, 500, "", "no memory");
		return;
	}
	t = answer_begin(&x->answer);
	text_put(t, "{\"sessions\":[");
	for (uint32_t i = 0; i < count; i++) {
		text_put(t, i ? "," : "");
		put_session(t, made[i], NULL);
	}
	text_put(t, "]}\n");
	api_answer(x, 201, "application/json", "");
}

static void run(struct exchange *x)
{
	struct session *s = find(x);

	if (!s || is_over(x, s))
		return;
	x->jobs[0]->session = s;
	x->jobs[0]->language = s->language;
	api_submit(x);
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
	if (!api_spend(x, cost(&q)))
		return;
	if (r)
		api_refuse(x, r == -ENOMEM ? 500 : 400, "", reading->e.text);
	else if (q.kind == REQUEST_SESSION)
		make(x, &q);
	else if (q.kind == REQUEST_FORK)
		fork_it(x, &q);
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
			     .idle_seconds = SESSION_IDLE,
			     .copies = 1 },
		.body = body,
		.size = size,
		.done = body_read,
		.context = x,
		.e = { "malformed request" },
	};
	reading_begin(&x->reading);
}
