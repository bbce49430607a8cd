#include "api_template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api_session.h"
#include "catalog.h"
#include "derived.h"
#include "request.h"
#include "results.h"
#include "session.h"
#include "session_exec.h"

#define SETTLE_MS 30000
#define OUTPUT_MAX 65536 /* of what the program writes meanwhile, for nobody */

/* ---- what is told of one ---- */

static const struct field template_fields[] = { { .name = "name",
						  .type = FIELD_STRING,
						  .required = true,
						  .help = "By which it is a "
							  "language, of this "
							  "key alone." },
						{ .name = "language",
						  .type = FIELD_STRING,
						  .required = true,
						  .help = "Of the session that "
							  "it was made of." },
						{ .name = "memory_mb",
						  .type = FIELD_NUMBER,
						  .required = true,
						  .help = "What it takes of "
							  "the server's "
							  "memory, whatever "
							  "runs of it." },
						{ .name = "created",
						  .type = FIELD_STRING,
						  .required = true,
						  .help = "When, as RFC "
							  "3339." },
						{ .name = "sessions",
						  .type = FIELD_INTEGER,
						  .required = true,
						  .help = "How many there are "
							  "of it." },
						{ .name = "saved",
						  .type = FIELD_BOOLEAN,
						  .help = "With --state: it is "
							  "on the disk, and "
							  "outlives its "
							  "server." },
						{ .name = "reason",
						  .type = FIELD_STRING,
						  .help = "Why nothing can run "
							  "of it; one that is "
							  "damaged, say." },
						{ .name = "warnings",
						  .type = FIELD_STRINGS,
						  .help = "When it was made: "
							  "fields that are not "
							  "known." },
						{ 0 } };

const struct object api_template_answer = {
	.name = "Template",
	.help = "What a session has become: a language of its own.",
	.fields = template_fields,
};

static const struct field list_fields[] = { { .name = "templates",
					      .type = FIELD_OBJECTS,
					      .required = true,
					      .of = &api_template_answer,
					      .help = "The newest first." },
					    { 0 } };

const struct object api_templates_answer = {
	.name = "Templates",
	.help = "Templates that a key has made.",
	.fields = list_fields,
};

/* warnings: or NULL. */
static void put_template(struct text *t, const struct derived *d,
			 const struct text *warnings)
{
	time_t seconds = (time_t)(d->created_ns / 1000000000);
	const char *why = derived_why(d);
	char created[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_format(t, "{\"name\":\"%s\",\"language\":", d->name);
	text_json_string(t, d->base, strlen(d->base));
	text_put(t, ",\"memory_mb\":");
	/* In thousandths of a MiB. */
	text_put_ms(t, d->size / 4096 * 390625 / 100);
	text_format(t, ",\"created\":\"%s\",\"sessions\":%u", created,
		    d->sessions);
	if (session_store_is_on())
		text_put(t, d->saved ? ",\"saved\":true" : ",\"saved\":false");
	if (why) {
		text_put(t, ",\"reason\":");
		text_json_string(t, why, strlen(why));
	}
	if (warnings)
		results_put_warnings(t, warnings);
	text_put(t, "}");
}

/* ---- GET, DELETE ---- */

void api_template_list(struct exchange *x, const char *body, size_t size)
{
	const struct derived *d = NULL;
	struct text *t;

	(void)body;
	(void)size;
	if (!api_spend(x, 1))
		return;
	t = answer_begin(&x->answer);
	text_put(t, "{\"templates\":[");
	for (int i = 0; (d = derived_next(x->owner, d)); i++) {
		text_put(t, i ? "," : "");
		put_template(t, d, NULL);
	}
	text_put(t, "]}\n");
	api_answer(x, 200, "application/json", "");
}

void api_template_delete(struct exchange *x, const char *body, size_t size)
{
	struct derived *d;

	(void)body;
	(void)size;
	if (!api_spend(x, 1))
		return;
	d = derived_find(x->owner, x->session, strlen(x->session));
	if (!d) {
		api_refuse(x, 404, "", "no such template");
		return;
	}
	derived_remove(d);
	answer_begin(&x->answer);
	api_answer(x, 204, NULL, "");
}

/* ---- POST ---- */

static void refuse(struct exchange *x, int r)
{
	switch (r) {
	case -EEXIST:
		api_refuse(x, 409, "",
			   "name: a language or a template has it already");
		break;
	case -EAGAIN:
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "there are too many templates");
		break;
	case -ENOSPC:
		api_refuse(x, 507, "",
			   "all sessions and templates together have become "
			   "too large");
		break;
	case -ESTALE:
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "the session's template is being replaced");
		break;
	default:
		api_refuse(x, 500, "", strerror(-r));
	}
}

static void made(void *context, const struct derived *d, const char *why)
{
	struct exchange *x = context;
	struct text *t;

	x->making = NULL;
	if (!d) {
		api_refuse(x, 500, "", why);
		return;
	}
	t = answer_begin(&x->answer);
	put_template(t, d, &x->warnings);
	text_put(t, "\n");
	api_answer(x, 201, "application/json", "");
}

/* The session's program is ready to be a template. */
static void settled(struct job *job)
{
	struct exchange *x = job->context;
	int r;

	x->open = 0;
	if (job->status == JOB_TIMEOUT) {
		api_refuse(x, 500, "", "the session does not come to rest");
		return;
	}
	if (job->status != JOB_DONE) {
		api_fail(x, 0);
		return;
	}
	x->making = derived_make(x->owner, x->name, job->language,
				 &job->template, made, x, &r);
	if (!x->making)
		refuse(x, r);
}

/* That of the request, which is read, becomes one that has the session settle. */
static void submit(struct exchange *x, struct session *s)
{
	struct job *job = x->jobs[0];

	api_keep_warnings(x);
	job_forget_parts(job);
	*job = (struct job){ .node.owner = x->owner,
			     .parts = job->parts,
			     .language = s->language < 0 ? 0 : s->language,
			     .timeout_ms = SETTLE_MS,
			     .output_limit = OUTPUT_MAX,
			     .settle = true,
			     .apart = true,
			     .on_timeout = OVERRUN_ROLLBACK,
			     .submitted_ns = x->start_ns,
			     .done = settled,
			     .context = x };
	x->open = 1;
	if (session_submit(s, job) == 0)
		return;
	x->open = 0;
	api_refuse(x, 503, "Retry-After: 1\r\n", "the queue is full");
}

static void body_read(struct reading *reading)
{
	struct exchange *x = reading->context;
	int r = reading->result;
	struct session *s;

	memcpy(x->name, reading->request.name, sizeof(x->name));
	api_take_jobs(x);
	if (!api_spend(x, 1))
		return;
	if (r) {
		api_refuse(x, r == -ENOMEM ? 500 : 400, "", reading->e.text);
		return;
	}
	s = api_session_alive(x);
	if (!s)
		return;
	r = derived_check(x->owner, x->name);
	if (r)
		refuse(x, r);
	else
		submit(x, s);
}

void api_template_make(struct exchange *x, const char *body, size_t size)
{
	x->reading = (struct reading){ .request = { .kind = REQUEST_TEMPLATE,
						    .owner = x->owner } };
	api_read(x, body, size, body_read);
}
