#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"

#define DEFAULT_TIMEOUT 30
#define MAX_TIMEOUT 300

struct parse {
	struct request *request;
	struct job *job;
	bool has_code, has_executions;
	struct err *e;
};

/* "code: not a string", with the execution it is about. */
static int bad_field(const struct parse *p, const char *name, const char *what)
{
	if (!p->request->batch)
		return err_set(p->e, -EINVAL, "%s: %s", name, what);
	return err_set(p->e, -EINVAL, "executions[%zu].%s: %s",
		       p->request->count - 1, name, what);
}

static int bad_value(const struct parse *p, const char *name, const char *what,
		     size_t at)
{
	char text[192];

	snprintf(text, sizeof(text), "%s, at byte %zu", what, at);
	return bad_field(p, name, text);
}

static int take_code(struct json *j, struct parse *p)
{
	struct job *job = p->job;
	char *shorter;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_value(p, "code", "not a string", j->at);
	job->code = malloc(j->size - j->at + 1);
	if (!job->code)
		return err_set(p->e, -ENOMEM, "out of memory");
	p->has_code = true;
	r = json_string(j, job->code, j->size - j->at, &job->code_size);
	if (r)
		return r;
	/* A batch must not keep the whole body's length for each of its runs. */
	shorter = realloc(job->code, job->code_size + 1);
	if (shorter)
		job->code = shorter;
	return 0;
}

static int take_language(struct json *j, struct parse *p)
{
	char name[64], text[128];
	size_t at, size;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_value(p, "language", "not a string", j->at);
	at = j->at;
	r = json_string(j, name, sizeof(name), &size);
	if (r)
		return r;
	p->job->language = pool_language(name, size);
	if (p->job->language >= 0)
		return 0;
	snprintf(text, sizeof(text), "\"%.*s\" is unknown", (int)size, name);
	return bad_value(p, "language", text, at);
}

static int take_timeout(struct json *j, struct parse *p)
{
	bool is_number = json_peek(j) == JSON_NUMBER;
	size_t at = j->at;
	int64_t value = 0;
	int r = is_number ? json_integer(j, &value) : -ERANGE;

	if (r == -ERANGE || (r == 0 && value < 1))
		return bad_value(p, "timeout_seconds", "not a positive integer",
				 at);
	if (r)
		return r;
	if (value > MAX_TIMEOUT)
		value = MAX_TIMEOUT;
	p->job->timeout_ms = (uint32_t)value * 1000;
	return 0;
}

/* Adds to what json.c says about a field's value which field that is. */
static int name_field(const struct parse *p, const char *name, int r)
{
	size_t size = strlen(p->e->text), room = sizeof(p->e->text) - size;

	if (!r || strncmp(p->e->text, "malformed JSON", 14))
		return r;
	if (p->request->batch)
		snprintf(p->e->text + size, room, ", in executions[%zu].%s",
			 p->request->count - 1, name);
	else
		snprintf(p->e->text + size, room, ", in %s", name);
	return r;
}

static int exec_member(struct json *j, const char *key, size_t size,
		       void *context)
{
	static const struct {
		const char *name;
		int (*take)(struct json *j, struct parse *p);
	} fields[] = {
		{ "code", take_code },
		{ "language", take_language },
		{ "timeout_seconds", take_timeout },
	};
	struct http_span k = { key, size };
	struct parse *p = context;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (http_is(k, fields[i].name))
			return name_field(p, fields[i].name,
					  fields[i].take(j, p));
	return json_skip(j);
}

static int add_job(struct parse *p)
{
	struct request *q = p->request;
	struct job **bigger, *job;

	if (q->count == REQUEST_BATCH_MAX)
		return err_set(p->e, -EINVAL, "executions: more than %d",
			       REQUEST_BATCH_MAX);
	bigger = realloc(q->jobs, (q->count + 1) * sizeof(*bigger));
	if (!bigger)
		return err_set(p->e, -ENOMEM, "out of memory");
	q->jobs = bigger;
	job = calloc(1, sizeof(*job));
	if (!job)
		return err_set(p->e, -ENOMEM, "out of memory");
	q->jobs[q->count++] = job;
	job->language = pool_language("python", 6);
	job->timeout_ms = DEFAULT_TIMEOUT * 1000;
	job->node.owner = q->owner;
	p->job = job;
	p->has_code = false;
	return 0;
}

static int parse_execution(struct json *j, void *context)
{
	struct parse *p = context;
	int r = add_job(p);

	if (r == 0)
		r = json_object(j, exec_member, p);
	if (r == 0 && !p->request->batch)
		r = json_end(j); /* before a complaint of what is missing */
	if (r)
		return r;
	if (!p->has_code)
		return bad_field(p, "code", "missing");
	if (p->job->language < 0)
		return bad_field(p, "language",
				 "missing, and python is not served here");
	return 0;
}

static int batch_member(struct json *j, const char *key, size_t size,
			void *context)
{
	struct parse *p = context;

	if (!http_is((struct http_span){ key, size }, "executions"))
		return json_skip(j);
	p->has_executions = true;
	if (json_peek(j) != JSON_ARRAY)
		return err_set(p->e, -EINVAL,
			       "executions: not an array, at byte %zu", j->at);
	return json_array(j, parse_execution, p);
}

int request_parse(struct request *q, const char *body, size_t size,
		  struct err *e)
{
	struct json j = { .text = body, .size = size, .e = e };
	struct parse p = { .request = q, .e = e };
	int r = q->batch ? json_object(&j, batch_member, &p) :
			   parse_execution(&j, &p);

	if (r == 0)
		r = json_end(&j);
	if (r == 0 && q->count == 0)
		r = err_set(e, -EINVAL, "executions: %s",
			    p.has_executions ? "empty" : "missing");
	return r;
}
