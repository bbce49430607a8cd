#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "content.h"
#include "http.h"
#include "json.h"

#define DEFAULT_TIMEOUT 30
#define MAX_TIMEOUT 300
#define MAX_MEMORY_MB (1 << 20) /* beyond any VM's: no limit */

/* Of fields that are not known, for each object: */
#define UNKNOWN_MAX 8       /* are named, and */
#define UNKNOWN_NAME_MAX 64 /* bytes of each name */

struct parse {
	struct request *request;
	struct job *job;
	struct text *warnings; /* of the object that is read */
	unsigned unknown;      /* its fields that are not known */
	bool has_code, has_executions;
	size_t strings, strings_size; /* arguments and variables so far */
	size_t outputs;               /* patterns */
	struct err *e;
};

/* ---- complaints ---- */

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

/* What comes is not of the type that the field has; it may not even be JSON. */
static int bad_type(struct json *j, const struct parse *p, const char *name,
		    const char *what)
{
	size_t at = j->at;
	int r = json_skip(j);

	return r ? r : bad_value(p, name, what, at);
}

/* Adds to what json.c says about a field's value which field that is. */
static int name_field(const struct parse *p, const char *name, int r)
{
	size_t size = strlen(p->e->text), room = sizeof(p->e->text) - size;

	if (!r || (strncmp(p->e->text, "malformed JSON", 14) &&
		   strncmp(p->e->text, "refused JSON", 12)))
		return r;
	if (p->request->batch)
		snprintf(p->e->text + size, room, ", in executions[%zu].%s",
			 p->request->count - 1, name);
	else
		snprintf(p->e->text + size, room, ", in %s", name);
	return r;
}

static int warn(struct parse *p, const char *text, size_t size)
{
	if (p->warnings->size)
		text_add(p->warnings, ",", 1);
	text_json_string(p->warnings, text, size);
	return p->warnings->failed ? err_set(p->e, -ENOMEM, "out of memory") :
				     0;
}

/* Passes over a field that nobody knows. Its name is whatever the client likes:
 * UTF-8, with NULs, and as many as fit into a body. */
static int skip_unknown(struct json *j, struct parse *p, const char *key,
			size_t size)
{
	static const char what[] = ": unknown field";
	char text[UNKNOWN_NAME_MAX + sizeof("...") + sizeof(what)];
	size_t n = size < UNKNOWN_NAME_MAX ? size : UNKNOWN_NAME_MAX;
	int r;

	if (p->unknown++ < UNKNOWN_MAX) {
		while (n < size && n && (key[n] & 0xc0) == 0x80)
			n--;
		memcpy(text, key, n);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				      n < size ? "..." : "", what);
		r = warn(p, text, n);
		if (r)
			return r;
	}
	return json_skip(j);
}

/* At the end of an object. */
static int count_unknown(struct parse *p)
{
	char text[64];
	int n;

	if (p->unknown <= UNKNOWN_MAX)
		return 0;
	n = snprintf(text, sizeof(text), "%u more unknown fields",
		     p->unknown - UNKNOWN_MAX);
	return warn(p, text, (size_t)n);
}

/* ---- fields ---- */

static int no_memory(const struct parse *p)
{
	return err_set(p->e, -ENOMEM, "out of memory");
}

static int take_code(struct json *j, struct parse *p)
{
	size_t size;
	char *code;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_type(j, p, "code", "not a string");
	code = parts_begin(&p->job->parts, PART_CODE, NULL, 0, j->size - j->at);
	if (!code)
		return no_memory(p);
	p->has_code = true;
	r = json_string(j, code, j->size - j->at, &size);
	if (r == 0)
		parts_end(&p->job->parts, size);
	return r;
}

static int take_content(struct json *j, struct parse *p, enum part_kind kind,
			const char *field, const char *name, size_t name_size)
{
	const char *problem;
	size_t at;
	int r = content_read(j, &p->job->parts, kind, name, name_size, &problem,
			     &at);

	return r && problem ? bad_value(p, field, problem, at) : r;
}

static int take_stdin(struct json *j, struct parse *p)
{
	return take_content(j, p, PART_STDIN, "stdin", NULL, 0);
}

/* A string of the program's, name (with its "=") before it. */
static int take_string(struct json *j, struct parse *p, enum part_kind kind,
		       const char *field, const char *name, size_t name_size)
{
	const char *problem;
	struct json measured;
	size_t at, size;
	char *to;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_type(j, p, field, "not a string");
	at = j->at;
	measured = *j;
	r = json_string(&measured, NULL, 0, &size);
	if (r)
		return r;
	p->strings_size += name_size + size + 1;
	if (++p->strings > PARTS_STRINGS_COUNT ||
	    p->strings_size > PARTS_STRINGS_MAX)
		return bad_value(p, field, "too many, or too long", at);
	to = parts_begin(&p->job->parts, kind, NULL, 0, name_size + size);
	if (!to)
		return no_memory(p);
	if (name_size)
		memcpy(to, name, name_size);
	r = json_string(j, to + name_size, size, &size);
	if (r)
		return r;
	problem = parts_string_problem(to, name_size + size);
	if (problem)
		return bad_value(p, field, problem, at);
	parts_end(&p->job->parts, name_size + size);
	return 0;
}

static int take_argument(struct json *j, void *context)
{
	return take_string(j, context, PART_ARGUMENT, "args", NULL, 0);
}

static int take_args(struct json *j, struct parse *p)
{
	if (json_peek(j) != JSON_ARRAY)
		return bad_type(j, p, "args", "not an array");
	return json_array(j, take_argument, p);
}

static int take_variable(struct json *j, const char *key, size_t size,
			 void *context)
{
	const char *problem = parts_name_problem(key, size);
	struct parse *p = context;
	char name[JSON_KEY_MAX + 1];

	if (problem)
		return bad_value(p, "env", problem, j->at);
	memcpy(name, key, size);
	name[size] = '=';
	return take_string(j, p, PART_ENVIRONMENT, "env", name, size + 1);
}

static int take_env(struct json *j, struct parse *p)
{
	if (json_peek(j) != JSON_OBJECT)
		return bad_type(j, p, "env", "not an object");
	return json_object(j, take_variable, p);
}

static int take_file(struct json *j, const char *key, size_t size,
		     void *context)
{
	const char *problem = parts_path_problem(key, size);
	struct parse *p = context;

	if (problem)
		return bad_value(p, "files", problem, j->at);
	return take_content(j, p, PART_FILE, "files", key, size);
}

static int take_output(struct json *j, void *context)
{
	char pattern[PARTS_PATH_MAX + 1];
	struct parse *p = context;
	const char *problem;
	size_t at, size;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_type(j, p, "outputs", "not a string");
	at = j->at;
	if (p->outputs++ == PARTS_OUTPUTS_MAX)
		return bad_value(p, "outputs", "too many", at);
	r = json_string(j, pattern, sizeof(pattern), &size);
	if (r)
		return r;
	problem = parts_path_problem(pattern, size);
	if (problem)
		return bad_value(p, "outputs", problem, at);
	p->job->wants_files = true;
	r = parts_add(&p->job->parts, PART_OUTPUT, pattern, size, NULL, 0);
	return r ? no_memory(p) : 0;
}

static int take_outputs(struct json *j, struct parse *p)
{
	if (json_peek(j) != JSON_ARRAY)
		return bad_type(j, p, "outputs", "not an array");
	return json_array(j, take_output, p);
}

static int take_encoding(struct json *j, struct parse *p)
{
	static const char what[] = "neither \"text\" nor \"base64\"";
	char name[8];
	size_t at, size;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_type(j, p, "encoding", what);
	at = j->at;
	r = json_string(j, name, sizeof(name), &size);
	if (r)
		return bad_value(p, "encoding", what, at);
	p->job->base64 = size == 6 && !memcmp(name, "base64", 6);
	if (p->job->base64 || (size == 4 && !memcmp(name, "text", 4)))
		return 0;
	return bad_value(p, "encoding", what, at);
}

static int take_files(struct json *j, struct parse *p)
{
	if (json_peek(j) != JSON_OBJECT)
		return bad_type(j, p, "files", "not an object");
	return json_object(j, take_file, p);
}

static int take_language(struct json *j, struct parse *p)
{
	char name[64], text[128];
	struct json measured;
	size_t at, size;
	int r;

	if (json_peek(j) != JSON_STRING)
		return bad_type(j, p, "language", "not a string");
	at = j->at;
	measured = *j;
	r = json_string(&measured, NULL, 0, &size);
	if (r)
		return r;
	if (size > sizeof(name))
		return bad_value(p, "language", "no name is as long as this",
				 at);
	json_string(j, name, sizeof(name), &size);
	p->job->language = catalog_find(name, size);
	if (p->job->language >= 0)
		return 0;
	snprintf(text, sizeof(text), "\"%.*s\" is unknown", (int)size, name);
	return bad_value(p, "language", text, at);
}

/* Of a number that is at least 1, what of it is at most `most`. */
static int take_number(struct json *j, struct parse *p, const char *field,
		       int64_t most, uint32_t *to)
{
	static const char what[] = "not a positive integer";
	int64_t value = 0;
	size_t at;
	int r;

	if (json_peek(j) != JSON_NUMBER)
		return bad_type(j, p, field, what);
	at = j->at;
	r = json_integer(j, &value);
	if (r == -ERANGE || (r == 0 && value < 1))
		return bad_value(p, field, what, at);
	if (r)
		return r;
	*to = (uint32_t)(value < most ? value : most);
	return 0;
}

static int take_timeout(struct json *j, struct parse *p)
{
	uint32_t seconds = 0;
	int r = take_number(j, p, "timeout_seconds", MAX_TIMEOUT, &seconds);

	if (r == 0)
		p->job->timeout_ms = seconds * 1000;
	return r;
}

static int take_memory(struct json *j, struct parse *p)
{
	return take_number(j, p, "memory_mb", MAX_MEMORY_MB,
			   &p->job->memory_mb);
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
		{ "stdin", take_stdin },
		{ "args", take_args },
		{ "env", take_env },
		{ "files", take_files },
		{ "outputs", take_outputs },
		{ "memory_mb", take_memory },
		{ "encoding", take_encoding },
	};
	struct http_span k = { key, size };
	struct parse *p = context;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (http_is(k, fields[i].name))
			return name_field(p, fields[i].name,
					  fields[i].take(j, p));
	return skip_unknown(j, p, key, size);
}

/* ---- objects ---- */

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
	job->language = catalog_find("python", 6);
	job->timeout_ms = DEFAULT_TIMEOUT * 1000;
	job->node.owner = q->owner;
	p->job = job;
	p->has_code = false;
	p->strings = p->strings_size = p->outputs = 0;
	return 0;
}

/* The members of an object, which is said to be nothing else by name. */
static int parse_object(struct json *j, struct parse *p, const char *name,
			struct text *warnings,
			int (*member)(struct json *j, const char *key,
				      size_t size, void *context))
{
	size_t at;
	int r;

	if (json_peek(j) != JSON_OBJECT) {
		at = j->at;
		r = json_skip(j);
		return r ? r :
			   err_set(p->e, -EINVAL,
				   "%s: not an object, at byte %zu", name, at);
	}
	p->warnings = warnings;
	p->unknown = 0;
	r = json_object(j, member, p);
	return r ? r : count_unknown(p);
}

static int parse_execution(struct json *j, void *context)
{
	struct parse *p = context;
	char name[32] = "body";
	int r = add_job(p);

	if (r)
		return r;
	if (p->request->batch)
		snprintf(name, sizeof(name), "executions[%zu]",
			 p->request->count - 1);
	r = parse_object(j, p, name, &p->job->warnings, exec_member);
	/* A batch must not keep the whole body's length for each of its runs. */
	parts_fit(&p->job->parts);
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
	struct parse *p = context, execution = *p;
	size_t at;
	int r;

	if (!http_is((struct http_span){ key, size }, "executions"))
		return skip_unknown(j, p, key, size);
	p->has_executions = true;
	if (json_peek(j) == JSON_ARRAY)
		return json_array(j, parse_execution, &execution);
	at = j->at;
	r = json_skip(j);
	return r ? r :
		   err_set(p->e, -EINVAL,
			   "executions: not an array, at byte %zu", at);
}

int request_parse(struct request *q, const char *body, size_t size,
		  struct err *e)
{
	struct parse p = { .request = q, .e = e };
	struct json j;
	int r;

	json_begin(&j, body, size, e);
	j.pause = q->pause;
	r = q->batch ?
		    parse_object(&j, &p, "body", &q->warnings, batch_member) :
		    parse_execution(&j, &p);
	if (r == 0)
		r = json_end(&j);
	if (r == 0 && q->count == 0)
		r = err_set(e, -EINVAL, "executions: %s",
			    p.has_executions ? "empty" : "missing");
	return r;
}
