#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "content.h"
#include "field.h"
#include "json.h"
#include "session.h"

#define DEFAULT_TIMEOUT 30
#define MAX_TIMEOUT 300
#define MAX_MEMORY_MB (1 << 20) /* beyond any VM's: no limit */
#define MAX_IDLE 31622400l      /* a year */
#define LANGUAGE_MAX 64         /* bytes of a name */

struct parse {
	struct reader reader; /* first */
	struct request *request;
	struct job *job;
	struct parts_strings strings; /* arguments and variables so far */
};

static struct parse *parse_of(struct reader *r)
{
	return (struct parse *)r;
}

/* ---- fields ---- */

static int take_code(struct json *j, struct reader *r, const struct field *f)
{
	struct parts *parts = &parse_of(r)->job->parts;
	size_t size;
	char *code = parts_begin(parts, PART_CODE, NULL, 0, j->size - j->at);
	int n;

	(void)f;
	if (!code)
		return field_no_memory(r);
	n = json_string(j, code, j->size - j->at, &size);
	if (n == 0)
		parts_end(parts, size);
	return n;
}

static int take_content(struct json *j, struct reader *r, enum part_kind kind,
			const struct field *f, const char *name,
			size_t name_size)
{
	const char *problem;
	size_t at;
	int n = content_read(j, &parse_of(r)->job->parts, kind, name, name_size,
			     &problem, &at);

	return n && problem ? field_bad_at(r, f->name, problem, at) : n;
}

static int take_stdin(struct json *j, struct reader *r, const struct field *f)
{
	return take_content(j, r, PART_STDIN, f, NULL, 0);
}

/* A string of the program's, name (with its "=") before it. */
static int take_string(struct json *j, struct reader *r, enum part_kind kind,
		       const struct field *f, const char *name,
		       size_t name_size)
{
	struct parse *p = parse_of(r);
	const char *problem;
	size_t at, size;
	char *to;
	int n;

	if (json_peek(j) != JSON_STRING)
		return field_bad_type(j, r, f->name, "not a string");
	at = j->at;
	n = field_measure(j, &size);
	if (n)
		return n;
	problem = parts_strings_problem(&p->strings, name_size + size);
	if (problem)
		return field_bad_at(r, f->name, problem, at);
	to = parts_begin(&p->job->parts, kind, NULL, 0, name_size + size);
	if (!to)
		return field_no_memory(r);
	if (name_size)
		memcpy(to, name, name_size);
	n = json_string(j, to + name_size, size, &size);
	if (n)
		return n;
	problem = parts_string_problem(to, name_size + size);
	if (problem)
		return field_bad_at(r, f->name, problem, at);
	parts_end(&p->job->parts, name_size + size);
	return 0;
}

static int take_argument(struct json *j, struct reader *r,
			 const struct field *f)
{
	return take_string(j, r, PART_ARGUMENT, f, NULL, 0);
}

static int take_variable(struct json *j, struct reader *r,
			 const struct field *f, const char *key, size_t size)
{
	const char *problem = parts_name_problem(key, size);
	char name[JSON_KEY_MAX + 1];

	if (problem)
		return field_bad_at(r, f->name, problem, j->at);
	memcpy(name, key, size);
	name[size] = '=';
	return take_string(j, r, PART_ENVIRONMENT, f, name, size + 1);
}

static int take_file(struct json *j, struct reader *r, const struct field *f,
		     const char *path, size_t size)
{
	const char *problem = parts_path_problem(path, size);

	if (problem)
		return field_bad_at(r, f->name, problem, j->at);
	return take_content(j, r, PART_FILE, f, path, size);
}

static int take_output(struct json *j, struct reader *r, const struct field *f)
{
	struct job *job = parse_of(r)->job;
	char pattern[PARTS_PATH_MAX + 1];
	const char *problem;
	size_t at = j->at, size;
	int n = json_string(j, pattern, sizeof(pattern), &size);

	if (n)
		return n;
	problem = parts_path_problem(pattern, size);
	if (problem)
		return field_bad_at(r, f->name, problem, at);
	job->wants_files = true;
	n = parts_add(&job->parts, PART_OUTPUT, pattern, size, NULL, 0);
	return n ? field_no_memory(r) : 0;
}

static int take_encoding(struct json *j, struct reader *r,
			 const struct field *f)
{
	unsigned word = 0;
	int n = field_word(j, r, f, &word);

	parse_of(r)->job->base64 = word == 1;
	return n;
}

static int take_language(struct json *j, struct reader *r,
			 const struct field *f)
{
	char name[LANGUAGE_MAX], text[192];
	const char *why;
	struct job *job = parse_of(r)->job;
	size_t at = j->at, size;
	int n = field_measure(j, &size);

	if (n)
		return n;
	if (parse_of(r)->request->given)
		return field_bad_at(r, f->name, "is given already", at);
	if (size > sizeof(name))
		return field_bad_at(r, f->name, "no name is as long as this",
				    at);
	json_string(j, name, sizeof(name), &size);
	why = parts_string_problem(name, size);
	if (why)
		return field_bad_at(r, f->name, why, at);
	job->language =
		derived_language(parse_of(r)->request->owner, name, size);
	job->tenure = catalog_tenure(job->language);
	if (job->language >= 0)
		return 0;
	why = derived_problem(parse_of(r)->request->owner, name, size);
	snprintf(text, sizeof(text), "\"%.*s\" %s%s", (int)size, name,
		 why ? "is of no use: " : "is unknown", why ? why : "");
	return field_bad_at(r, f->name, text, at);
}

static int take_timeout(struct json *j, struct reader *r, const struct field *f)
{
	uint32_t seconds = 0;
	int n = field_integer(j, r, f, &seconds);

	if (n == 0)
		parse_of(r)->job->timeout_ms = seconds * 1000;
	return n;
}

static int take_memory(struct json *j, struct reader *r, const struct field *f)
{
	return field_integer(j, r, f, &parse_of(r)->job->memory_mb);
}

static int take_stream(struct json *j, struct reader *r, const struct field *f)
{
	struct request *q = parse_of(r)->request;
	bool stream = false;
	int n = field_boolean(j, r, f, &stream);

	if (n == 0 && stream && q->batch)
		n = field_bad(r, f->name, "a batch is answered at once");
	if (n == 0)
		q->stream = stream;
	return n;
}

static int take_on_timeout(struct json *j, struct reader *r,
			   const struct field *f)
{
	unsigned word = 0;
	int n = field_word(j, r, f, &word);

	parse_of(r)->job->on_timeout = (enum overrun)(OVERRUN_END + word);
	return n;
}

static int take_idle(struct json *j, struct reader *r, const struct field *f)
{
	return field_integer(j, r, f, &parse_of(r)->request->idle_seconds);
}

/* What is too long to be one is none that there is. */
static int take_session(struct json *j, struct reader *r, const struct field *f)
{
	struct request *q = parse_of(r)->request;
	size_t size;
	int n = field_measure(j, &size);

	(void)f;
	if (n)
		return n;
	if (size >= sizeof(q->session)) {
		q->session[0] = '?';
		return json_skip(j);
	}
	n = json_string(j, q->session, sizeof(q->session) - 1, &size);
	if (n == 0)
		q->session[size] = 0;
	return n;
}

static int take_count(struct json *j, struct reader *r, const struct field *f)
{
	struct request *q = parse_of(r)->request;
	size_t at = j->at;
	int n = field_integer(j, r, f, &q->copies);

	return n == 0 && q->copies > SESSION_COPIES_MAX ?
		       field_bad_at(r, f->name, "more than 100", at) :
		       n;
}

static int take_name(struct json *j, struct reader *r, const struct field *f)
{
	struct request *q = parse_of(r)->request;
	size_t at = j->at, size;
	int n = field_measure(j, &size);

	if (n)
		return n;
	if (size <= DERIVED_NAME)
		n = json_string(j, q->name, sizeof(q->name) - 1, &size);
	if (n || (size <= DERIVED_NAME && derived_is_name(q->name, size)))
		return n;
	return field_bad_at(r, f->name, "is not as [a-z][a-z0-9_-]{0,31}", at);
}

/* ---- objects ---- */

#define NO_NUL "^[^\\u0000]*$"
#define NAME "^[^=\\u0000]+$"
/* As parts_path_problem() has it. */
#define PATH                                                                   \
	"^(?!(?:[^/]*/)*\\.\\.(?:/|$))(?:[^/\\u0000]{0,255}/){0,128}"          \
	"[^/\\u0000]{1,255}$"

static const char *const encodings[] = { "text", "base64", NULL };

static const struct field exec_fields[] = {
	{ .name = "code",
	  .type = FIELD_STRING,
	  .required = true,
	  .take = take_code,
	  .help = "The program." },
	{ .name = "language",
	  .type = FIELD_STRING,
	  .size = LANGUAGE_MAX,
	  .take = take_language,
	  .help = "A template that /v1/health names, or another name of a "
		  "language: py, js, bash; or a template that was made of a "
		  "session. Without it: python." },
	{ .name = "timeout_seconds",
	  .type = FIELD_INTEGER,
	  .least = 1,
	  .most = MAX_TIMEOUT,
	  .standard = DEFAULT_TIMEOUT,
	  .warns = true,
	  .take = take_timeout,
	  .help = "How long the program may run." },
	{ .name = "stdin",
	  .type = FIELD_CONTENT,
	  .take = take_stdin,
	  .help = "What the program reads from standard input; without it, "
		  "the end of file." },
	{ .name = "args",
	  .type = FIELD_STRINGS,
	  .count = PARTS_STRINGS_COUNT,
	  .strings = NO_NUL,
	  .take = take_argument,
	  .help = "The program's arguments. With the variables of env at most "
		  "1,024, and 128 KiB with a NUL behind each." },
	{ .name = "env",
	  .type = FIELD_TABLE,
	  .count = JSON_KEYS_MAX,
	  .size = JSON_KEY_MAX,
	  .names = NAME,
	  .strings = NO_NUL,
	  .take_member = take_variable,
	  .help = "Variables for the program's environment." },
	{ .name = "files",
	  .type = FIELD_CONTENTS,
	  .count = JSON_KEYS_MAX,
	  .size = PARTS_PATH_MAX,
	  .names = PATH,
	  .take_member = take_file,
	  .help = "Files that are written before the program starts: content "
		  "by path. A relative path is under /app. At most 128 "
		  "directories, and 255 bytes a name." },
	{ .name = "outputs",
	  .type = FIELD_STRINGS,
	  .count = PARTS_OUTPUTS_MAX,
	  .size = PARTS_PATH_MAX,
	  .strings = PATH,
	  .take = take_output,
	  .help = "Files that come back when the program has ended: paths, or "
		  "patterns with *, ? and **." },
	{ .name = "memory_mb",
	  .type = FIELD_INTEGER,
	  .least = 1,
	  .most = MAX_MEMORY_MB,
	  .take = take_memory,
	  .help = "As if the VM had no more than that; at least 16 above what "
		  "the template itself uses." },
	{ .name = "encoding",
	  .type = FIELD_WORD,
	  .words = encodings,
	  .take = take_encoding,
	  .help = "Of stdout and stderr in the answer: text as UTF-8, or "
		  "base64 of the bytes." },
	{ .name = "stream",
	  .type = FIELD_BOOLEAN,
	  .take = take_stream,
	  .help = "Answer with server-sent events, as the program writes. Not "
		  "in "
		  "a batch." },
	{ 0 }
};

const struct object request_exec = {
	.name = "Execution",
	.help = "A program, and what it is given. A field that is not known is "
		"ignored and named in the answer's warnings.",
	.fields = exec_fields,
};

/* As enum overrun has them. */
static const char *const on_timeouts[] = { "end", "rollback", "interrupt",
					   NULL };

/* What sessions have beside what a program has, or not: in a table of their own. */
#define ON_TIMEOUT                                                             \
	{                                                                      \
		.name = "on_timeout", .type = FIELD_WORD,                      \
		.words = on_timeouts, .take = take_on_timeout,                 \
		.help = "What becomes of the session when an exec is cut "     \
			"off, by "                                             \
			"its timeout or because its client goes away: end: "   \
			"its program ends. rollback: it is as it was before "  \
			"the exec. interrupt: SIGINT, as ^C sends it; the "    \
			"program ends if the exec goes on for 2 seconds."      \
	}

static struct field session_fields[] = { { .name = "idle_seconds",
					   .type = FIELD_INTEGER,
					   .most = MAX_IDLE,
					   .standard = SESSION_IDLE,
					   .warns = true,
					   .take = take_idle,
					   .help = "Without a request for so "
						   "long it is deleted; 0: "
						   "never. At most 31622400, "
						   "a year." },
					 ON_TIMEOUT,
					 [5] = { 0 } };

static struct field session_exec_fields[sizeof(exec_fields) /
					sizeof(exec_fields[0])] = { ON_TIMEOUT };

static const struct field fork_fields[] = { { .name = "count",
					      .type = FIELD_INTEGER,
					      .least = 1,
					      .most = SESSION_COPIES_MAX + 1,
					      .standard = 1,
					      .take = take_count,
					      .help = "How many copies, at "
						      "most 100." },
					    { 0 } };

const struct object request_session = {
	.name = "NewSession",
	.help = "What the session's program is and has from the start.",
	.fields = session_fields,
};

const struct object request_session_exec = {
	.name = "SessionExecution",
	.help = "The next code of a session, and what it is given: as for an "
		"execution, but its language, which is the session's.",
	.fields = session_exec_fields,
};

const struct object request_fork = {
	.name = "Fork",
	.help = "Copies of a session.",
	.fields = fork_fields,
};

static const struct field template_fields[] = { { .name = "name",
						  .type = FIELD_STRING,
						  .required = true,
						  .size = DERIVED_NAME,
						  .strings = "^[a-z][a-z0-9_-]{"
							     "0,31}$",
						  .take = take_name,
						  .help = "By which it is a "
							  "language, of this "
							  "key alone." },
						{ 0 } };

const struct object request_template = {
	.name = "NewTemplate",
	.help = "A template that a session becomes.",
	.fields = template_fields,
};

static struct field call_fields[sizeof(exec_fields) / sizeof(exec_fields[0]) +
				1] = {
	{ .name = "session", .type = FIELD_STRING, .take = take_session }
};

static const struct field call_end_fields[] = { { .name = "session",
						  .type = FIELD_STRING,
						  .required = true,
						  .take = take_session },
						{ 0 } };

static struct field call_fork_fields[3]; /* the same, and count */

static const struct object calls[] = {
	{ .name = "Call", .fields = call_fields },
	{ .name = "CallFork", .fields = call_fork_fields },
	{ .name = "CallEnd", .fields = call_end_fields },
};

static int take_input(struct json *j, struct reader *r, const struct field *f);

/* Of one input, and of what all have; the rest of each is an execution's. */
static struct field input_fields[5];
static struct field inputs_fields[sizeof(exec_fields) / sizeof(exec_fields[0])];

static const struct object request_input = {
	.name = "Input",
	.help = "What one run has of its own.",
	.fields = input_fields,
};

static const struct field inputs_field = { .name = "inputs",
					   .type = FIELD_OBJECTS,
					   .required = true,
					   .least_count = 1,
					   .count = REQUEST_INPUTS_MAX,
					   .of = &request_input,
					   .take = take_input,
					   .help = "A run for each. One with "
						   "args (instead of those "
						   "that all "
						   "have), env or files "
						   "(beside them) runs "
						   "whole." };

const struct object request_inputs = {
	.name = "Inputs",
	.help = "One program over many inputs. It runs once up to where it "
		"asks "
		"for its standard input, and goes on from there for each input "
		"in a copy.",
	.fields = inputs_fields,
};

static bool is_named(const struct field *f, const char *name)
{
	return !strcmp(f->name, name);
}

void request_open(void)
{
	size_t session = 2, exec = 1, call = 1, input = 0, inputs = 0;

	for (const struct field *f = exec_fields; f->name; f++) {
		if (is_named(f, "language") || is_named(f, "env") ||
		    is_named(f, "files"))
			session_fields[session++] = *f;
		if (!is_named(f, "language"))
			session_exec_fields[exec++] = *f;
		call_fields[call++] = *f;
		if (is_named(f, "stdin") || is_named(f, "args") ||
		    is_named(f, "env") || is_named(f, "files"))
			input_fields[input++] = *f;
		if (!is_named(f, "stdin") && !is_named(f, "stream"))
			inputs_fields[inputs++] = *f;
	}
	call_fork_fields[0] = call_end_fields[0];
	call_fork_fields[1] = fork_fields[0];
	inputs_fields[inputs] = inputs_field;
}

static const struct object *const objects[REQUEST_KINDS] = {
	[REQUEST_EXEC] = &request_exec,
	[REQUEST_SESSION] = &request_session,
	[REQUEST_SESSION_EXEC] = &request_session_exec,
	[REQUEST_FORK] = &request_fork,
	[REQUEST_TEMPLATE] = &request_template,
	[REQUEST_CALL] = &calls[0],
	[REQUEST_CALL_FORK] = &calls[1],
	[REQUEST_CALL_END] = &calls[2],
};

static struct job *make_job(const struct request *q)
{
	struct job *job = job_make();

	if (!job)
		return NULL;
	job->language = q->given ? q->language : catalog_find("python", 6);
	job->timeout_ms = DEFAULT_TIMEOUT * 1000;
	job->node.owner = q->owner;
	return job;
}

static int add_job(struct parse *p, size_t most)
{
	struct request *q = p->request;
	struct job **bigger;

	if (q->count == most)
		return err_set(p->reader.e, -EINVAL, "%s: more than %zu",
			       p->reader.list, most);
	bigger = q->jobs ? realloc(q->jobs, (q->count + 1) * sizeof(*bigger)) :
			   job_list();
	if (!bigger)
		return field_no_memory(&p->reader);
	q->jobs = bigger;
	p->job = make_job(q);
	if (!p->job)
		return field_no_memory(&p->reader);
	q->jobs[q->count++] = p->job;
	p->reader.warnings = &p->job->warnings;
	return 0;
}

/* A job of an object: the body, or one in a list of at most so many. */
static int parse_job(struct json *j, struct parse *p,
		     const struct object *object, size_t most)
{
	char name[32] = "body";
	int n = add_job(p, most);

	if (n)
		return n;
	if (p->reader.list)
		snprintf(name, sizeof(name), "%s[%zu]", p->reader.list,
			 p->reader.index);
	n = field_object(j, &p->reader, object, name);
	/* A batch must not keep the whole body's length for each of its runs. */
	parts_fit(&p->job->parts);
	return n;
}

static int check_language(struct parse *p)
{
	if (p->job->language >= 0)
		return 0;
	return field_bad(&p->reader, "language",
			 "missing, and python is not served here");
}

static int parse_execution(struct json *j, struct parse *p)
{
	const struct object *object = objects[p->request->kind];
	int n = parse_job(j, p, object, REQUEST_BATCH_MAX);

	if (n == 0 && !p->request->batch)
		n = json_end(j); /* before a complaint of what is missing */
	if (n == 0)
		n = field_complete(&p->reader, object);
	if (n == 0 && p->request->kind <= REQUEST_SESSION)
		n = check_language(p);
	return n;
}

static int take_execution(struct json *j, struct reader *r,
			  const struct field *f)
{
	struct request *q = parse_of(r)->request;
	struct parse p = {
		.reader = { .list = f->name, .index = q->count, .e = r->e },
		.request = q,
	};

	return parse_execution(j, &p);
}

static const struct field batch_fields[] = { { .name = "executions",
					       .type = FIELD_OBJECTS,
					       .required = true,
					       .least_count = 1,
					       .count = REQUEST_BATCH_MAX,
					       .of = &request_exec,
					       .take = take_execution,
					       .help = "Each runs in a VM of "
						       "its own, at the same "
						       "time as the "
						       "others." },
					     { 0 } };

const struct object request_batch = {
	.name = "Batch",
	.help = "Several programs.",
	.fields = batch_fields,
};

/* ---- inputs ---- */

static bool has_field(const struct parse *p, const char *name)
{
	for (size_t i = 0; input_fields[i].name; i++)
		if (is_named(&input_fields[i], name))
			return p->reader.seen >> i & 1;
	return false;
}

static int take_input(struct json *j, struct reader *r, const struct field *f)
{
	struct request *q = parse_of(r)->request;
	struct parse p = {
		.reader = { .list = f->name, .index = q->count, .e = r->e },
		.request = q,
	};
	int n = parse_job(j, &p, &request_input, REQUEST_INPUTS_MAX);

	if (n == 0)
		p.job->own_arguments = has_field(&p, "args");
	return n;
}

static int parse_inputs(struct json *j, struct parse *p)
{
	struct request *q = p->request;
	int n;

	p->job = q->common = make_job(q);
	if (!p->job)
		return field_no_memory(&p->reader);
	p->reader.warnings = &q->warnings;
	n = field_object(j, &p->reader, &request_inputs, "body");
	if (n == 0)
		n = json_end(j);
	if (n == 0)
		n = field_complete(&p->reader, &request_inputs);
	if (n == 0)
		n = check_language(p);
	if (n == 0 && q->count == 0)
		n = field_bad(&p->reader, "inputs", "empty");
	return n;
}

/* Which of two objects a body is, as far as it is one: it ends at executions, which need
 * not be looked through for that. */
static int look_at_member(struct json *j, const char *key, size_t size,
			  void *context)
{
	bool *inputs = context;

	if (size == 10 && !memcmp(key, "executions", 10))
		return -EINVAL;
	*inputs |= size == 6 && !memcmp(key, "inputs", 6);
	return json_skip(j);
}

static bool has_inputs(struct json j)
{
	struct err ignored;
	bool inputs = false;

	j.e = &ignored;
	return json_peek(&j) == JSON_OBJECT &&
	       json_object(&j, look_at_member, &inputs) == 0 && inputs;
}

static int parse_batch(struct json *j, struct parse *p)
{
	int n;

	if (has_inputs(*j))
		return parse_inputs(j, p);
	p->reader.warnings = &p->request->warnings;
	n = field_object(j, &p->reader, &request_batch, "body");
	if (n == 0)
		n = json_end(j);
	if (n == 0 && !p->reader.seen)
		n = field_bad(&p->reader, "executions",
			      "missing, and there are no inputs");
	if (n == 0 && p->request->count == 0)
		n = field_bad(&p->reader, "executions", "empty");
	return n;
}

int request_parse(struct request *q, const char *body, size_t size,
		  struct err *e)
{
	struct parse p = { .reader.e = e, .request = q };
	struct json j;

	json_begin(&j, body, size, e);
	j.pause = q->pause;
	return q->batch ? parse_batch(&j, &p) : parse_execution(&j, &p);
}
