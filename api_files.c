/*
 * api_files.c: a file of a session is read, written or deleted by a request to its VM
 * that has no code: the guest's kernel does it, and nothing of the program runs. One
 * that only reads leaves nothing: the session is as it was.
 */
#include "api_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api_session.h"
#include "session.h"

#define TIMEOUT_MS 30000
#define ENTRIES 100 /* that are told at a time */
#define SLICE 65536 /* bytes of a body that are copied at a time */

/* ---- what is told of a directory ---- */

static const char *const types[] = { "file", "directory", "link", "other",
				     NULL };

static const struct field entry_fields[] = {
	{ .name = "name",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "As UTF-8: other bytes become U+FFFD." },
	{ .name = "type",
	  .type = FIELD_WORD,
	  .required = true,
	  .words = types,
	  .help = "What it is." },
	{ .name = "size", .type = FIELD_INTEGER, .help = "Bytes of a file." },
	{ 0 },
};

static const struct object entry_object = {
	.name = "Entry",
	.help = "Of a directory.",
	.fields = entry_fields,
};

static const struct field listing_fields[] = {
	{ .name = "entries",
	  .type = FIELD_OBJECTS,
	  .required = true,
	  .of = &entry_object,
	  .help = "In no order." },
	{ .name = "left_out",
	  .type = FIELD_INTEGER,
	  .help = "How many more there are, for which there is no room." },
	{ 0 },
};

const struct object api_files_answer = {
	.name = "Directory",
	.help = "What a directory has.",
	.fields = listing_fields,
};

/* ---- the path ---- */

/* Why it is no path; NULL: it is, of *size bytes. */
static const char *decode(struct http_span from, char to[PARTS_PATH_MAX + 1],
			  size_t *size)
{
	*size = 0;
	for (size_t i = 0; i < from.size; i++) {
		char c = from.data[i];

		if (c == '%') {
			int byte = http_escaped(from, i);

			if (byte < 0)
				return "a path with a \"%\" that is none";
			c = (char)byte;
			i += 2;
		}
		if (*size == PARTS_PATH_MAX)
			return "a path that is too long";
		to[(*size)++] = c;
	}
	return NULL;
}

/* A directory may end with a slash, and nothing is where the program is. */
static void trim(char *path, size_t *size)
{
	bool absolute = *size && path[0] == '/';

	while (*size && path[*size - 1] == '/')
		--*size;
	if (*size)
		return;
	*size = absolute ? 2 : 1;
	memcpy(path, absolute ? "/." : ".", *size);
}

static const char *read_path(const struct exchange *x, bool directory,
			     char path[PARTS_PATH_MAX + 1], size_t *size)
{
	const char *problem = decode(x->rest, path, size);

	if (problem)
		return problem;
	if (directory)
		trim(path, size);
	return parts_path_problem(path, *size);
}

/* ---- a file ---- */

/* A body that is in what a job has brought. */
struct body {
	struct producer producer; /* first */
	struct exchange *exchange;
	struct job **jobs;    /* one */
	const char *at, *end; /* what is left of it */
	const char *measured; /* the same, of what is not measured */
	unsigned left_out;    /* entries */
};

static bool produce_file(struct producer *p, struct text *t)
{
	struct body *b = (struct body *)p;
	size_t left = (size_t)(b->end - b->at);
	size_t size = left < ANSWER_SLICE ? left : ANSWER_SLICE;

	text_add(t, b->at, size);
	b->at += size;
	return b->at < b->end;
}

static bool measure_file(struct producer *p, uint64_t *size)
{
	struct body *b = (struct body *)p;

	*size += (uint64_t)(b->end - b->measured);
	return false;
}

static void put_entry(struct text *t, const struct entry *e, const char *name)
{
	unsigned type = e->kind - ENTRY_FILE;

	text_put(t, "{\"name\":");
	text_json_string(t, name, e->name_size);
	text_put(t, ",\"type\":\"");
	text_put(t, types[type <= ENTRY_OTHER - ENTRY_FILE ?
				  type :
				  ENTRY_OTHER - ENTRY_FILE]);
	text_put(t, "\"");
	if (e->kind == ENTRY_FILE) {
		text_put(t, ",\"size\":");
		text_put_number(t, (int64_t)(e->size & INT64_MAX));
	}
	text_put(t, "}");
}

/* False: there is none, with its name. */
static bool look_at(const char *at, const char *end, struct entry *e)
{
	size_t left = (size_t)(end - at);

	if (left < sizeof(*e))
		return false;
	memcpy(e, at, sizeof(*e));
	return PADDED((size_t)e->name_size) <= left - sizeof(*e);
}

/* The next of them, from *at on. True: there are more. */
static bool put_entries(const struct body *b, const char **at, struct text *t)
{
	const char *first = b->jobs[0]->entries;
	struct entry e;

	if (*at == first)
		text_put(t, "{\"entries\":[");
	for (int i = 0; i < ENTRIES; i++) {
		if (!look_at(*at, b->end, &e)) {
			text_put(t, "]");
			if (b->left_out)
				text_format(t, ",\"left_out\":%u", b->left_out);
			text_put(t, "}\n");
			return false;
		}
		text_put(t, *at == first ? "" : ",");
		put_entry(t, &e, *at + sizeof(e));
		*at += sizeof(e) + PADDED((size_t)e.name_size);
	}
	return true;
}

static bool produce_entries(struct producer *p, struct text *t)
{
	struct body *b = (struct body *)p;

	return put_entries(b, &b->at, t);
}

static bool measure_entries(struct producer *p, uint64_t *size)
{
	struct body *b = (struct body *)p;
	struct text t = { 0 };
	bool more = put_entries(b, &b->measured, &t);

	*size += t.size;
	free(t.data);
	return more;
}

static void drop_body(struct producer *p)
{
	struct body *b = (struct body *)p;

	b->exchange->listed = 0;
	jobs_drop(b->jobs, 1);
	free(b);
}

/* Bytes of a file, or entries of a directory, become the answer. */
static void answer_body(struct exchange *x, bool file, const char *data,
			size_t size)
{
	struct body *b = malloc(sizeof(*b));

	if (!b) {
		api_refuse(x, 500, "", "no memory for the answer");
		return;
	}
	*b = (struct body){
		.producer = { .produce = file ? produce_file : produce_entries,
			      .measure = file ? measure_file : measure_entries,
			      .drop = drop_body },
		.exchange = x,
		.jobs = x->jobs,
		.at = data,
		.end = data + size,
		.measured = data,
		.left_out = x->jobs[0]->left_out,
	};
	x->listed = x->jobs[0]->payload_size;
	x->jobs = NULL;
	x->count = 0;
	api_produce(x, file ? "application/octet-stream" : "application/json",
		    &b->producer);
}

/* ---- what came of it ---- */

/* The file that came, or one that did not; neither: it is a directory. */
static void answer_look(struct exchange *x, const struct job *job)
{
	const char *at = job->files;
	struct part_view p;

	while (at && part_take(&at, job->files_end, FROM_WORKER, &p) == 1) {
		if (p.kind == PART_TEXT || p.kind == PART_BYTES) {
			answer_body(x, true, p.data, p.size);
			return;
		}
		if (p.kind == PART_LEFT_OUT) {
			api_refuse(x, 413, "",
				   "the file is larger than --max-outputs");
			return;
		}
	}
	answer_body(x, false, job->entries, job->entries_size);
}

static void told(struct exchange *x)
{
	const struct job *job = x->jobs[0];

	if (job->status == JOB_REJECTED && job->exit_code == ENOENT) {
		api_fail(x, 404);
	} else if (job->status == JOB_TIMEOUT) {
		api_refuse(x, 500, "", "it has taken too long");
	} else if (job->status != JOB_DONE) {
		api_fail(x, 0);
	} else if (job->look) {
		answer_look(x, job);
	} else if (!job->alive) {
		api_refuse(x, 410, "", "the session's program has ended");
	} else {
		answer_begin(&x->answer);
		api_answer(x, 204, NULL, "");
	}
}

/* ---- what is asked for ---- */

/* NULL: no memory. A session that has not begun does so, with nothing to run. */
static struct job *make_job(const struct exchange *x, bool look)
{
	const struct session *s =
		session_find(x->session, strlen(x->session), x->owner);
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->apart = true;
	job->look = job->wants_files = look;
	job->timeout_ms = TIMEOUT_MS;
	job->on_timeout = OVERRUN_ROLLBACK;
	job->node.owner = x->owner;
	if (s && !s->begun &&
	    parts_add(&job->parts, PART_CODE, NULL, 0, NULL, 0)) {
		job_free(job);
		return NULL;
	}
	return job;
}

/* x has its job. */
static void submit(struct exchange *x)
{
	struct session *s = api_session_alive(x);

	if (!s)
		return;
	if (x->draining) {
		api_refuse(x, 503, "Retry-After: 1\r\n",
			   "the server is draining");
		return;
	}
	x->told = told;
	api_session_submit(x, s);
}

/* What needs no body but a path. */
static void ask(struct exchange *x, enum part_kind kind)
{
	char path[PARTS_PATH_MAX + 1];
	const char *problem;
	size_t size;

	problem = read_path(x, kind == PART_LOOK, path, &size);
	if (x->rest.size)
		x->read(x);
	if (!api_spend(x, 1))
		return;
	if (problem) {
		api_refuse(x, 400, "", problem);
		return;
	}
	x->jobs = malloc(sizeof(*x->jobs));
	x->count = x->jobs && (x->jobs[0] = make_job(x, kind == PART_LOOK));
	if (!x->count ||
	    parts_add(&x->jobs[0]->parts, kind, path, size, NULL, 0))
		api_refuse(x, 500, "", "no memory");
	else
		submit(x);
}

void api_files_get(struct exchange *x, const char *body, size_t size)
{
	(void)body;
	(void)size;
	ask(x, PART_LOOK);
}

void api_files_delete(struct exchange *x, const char *body, size_t size)
{
	(void)body;
	(void)size;
	ask(x, PART_REMOVE);
}

/* The body, some at a time: whoever waits can have a turn. False: nobody wants it
 * any more. */
static bool copy_body(struct reading *r, char *to)
{
	struct json j = { 0 };

	for (size_t at = 0; at < r->size && !r->cancelled; at += SLICE) {
		size_t left = r->size - at;

		memcpy(to + at, r->body + at, left < SLICE ? left : SLICE);
		if (r->request.pause)
			r->request.pause(&j);
	}
	return !r->cancelled;
}

/* 0 or -errno: a job with the file. */
static int take_file(struct reading *r)
{
	struct request *q = &r->request;
	struct exchange *x = r->context;
	char path[PARTS_PATH_MAX + 1], *to;
	const char *problem;
	size_t size;

	problem = read_path(x, false, path, &size);
	if (problem)
		return err_set(&r->e, -EINVAL, "%s", problem);
	err_set(&r->e, 0, "no memory");
	q->jobs = malloc(sizeof(*q->jobs));
	if (!q->jobs)
		return -ENOMEM;
	q->jobs[0] = make_job(x, false);
	if (!q->jobs[0])
		return -ENOMEM;
	q->count = 1;
	to = parts_begin(&q->jobs[0]->parts, PART_FILE, path, size, r->size);
	if (!to || !copy_body(r, to))
		return -ENOMEM;
	parts_end(&q->jobs[0]->parts, r->size);
	return 0;
}

static void body_read(struct reading *r)
{
	struct exchange *x = r->context;
	int result = r->result;

	api_take_jobs(x);
	if (!api_spend(x, 1))
		return;
	if (result)
		api_refuse(x, result == -ENOMEM ? 500 : 400, "", r->e.text);
	else
		submit(x);
}

void api_files_put(struct exchange *x, const char *body, size_t size)
{
	x->reading = (struct reading){
		.request = { .owner = x->owner },
		.parse = take_file,
	};
	api_read(x, body, size, body_read);
}
