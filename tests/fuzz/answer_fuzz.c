/*
 * answer_fuzz.c: an answer that is made while it is taken, in whatever pieces, is
 * the one that is written at once, and as long as its head says.
 */
#include "fuzz.h"

#include "json.h"
#include "loop.h"
#include "results.h"

#define JOBS_MAX 4
#define REPEAT_MAX 200
#define ANY '\1' /* stands for a character of an id; never in JSON */

struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t byte(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->at++;
}

/* Some of the input, many times. */
static size_t put_output(struct input *in, char *to)
{
	size_t size = byte(in), times = byte(in) % REPEAT_MAX;

	if (size > in->left)
		size = in->left;
	for (size_t i = 0; i < times; i++)
		memcpy(to + i * size, in->at, size);
	in->at += size;
	in->left -= size;
	return size * times;
}

/* Files that it returns: parts, among which are others. */
static void make_files(struct input *in, struct job *job)
{
	static const enum part_kind kinds[] = { PART_TEXT, PART_BYTES,
						PART_STDOUT };
	static char data[256 * REPEAT_MAX];
	struct parts parts = { 0 };

	for (unsigned n = byte(in) % 4; n; n--) {
		enum part_kind kind = kinds[byte(in) % 3];
		char name[2] = { (char)byte(in), 'n' };
		size_t size = put_output(in, data);

		parts_add(&parts, kind, name, kind == PART_STDOUT ? 0 : 2, data,
			  size);
	}
	job->own_err = parts.data; /* freed with it */
	job->files = parts.data;
	job->files_end = parts.data ? parts.data + parts.size : NULL;
}

static struct job *make_job(struct input *in)
{
	static char out[256 * REPEAT_MAX], err[256 * REPEAT_MAX];
	struct job *job = calloc(1, sizeof(*job));
	uint8_t kind = byte(in);
	char *payload;

	assert(job);
	job->status = kind % (JOB_UNSERVED + 1);
	job->exit_code = kind;
	job->calls = kind;
	job->wants_files = byte(in) & 1;
	job->base64 = job->status != JOB_TIMEOUT && byte(in) & 1;
	if (job->wants_files)
		make_files(in, job);
	job->timeout_ms = 1000u * kind;
	job->out_size = put_output(in, out);
	job->err_size = put_output(in, err);
	if (kind & 0x80)
		text_json_string(&job->warnings, "x: unknown", 10);
	payload = malloc(job->out_size + job->err_size + 4);
	assert(payload);
	memcpy(payload, out, job->out_size);
	memcpy(payload + job->out_size, err, job->err_size);
	memcpy(payload + job->out_size + job->err_size, "why", 4);
	job->out = payload;
	job->err = job->out + job->out_size;
	job->message = job->err + job->err_size;
	job_keep(job, payload, job->out_size + job->err_size + 4);
	return job;
}

/* ---- what it must come to ---- */

static void put_string(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static void put_warnings(struct text *t, const struct text *w)
{
	if (w->size)
		text_format(t, ",\"warnings\":[%.*s]", (int)w->size, w->data);
}

static void put_base64(struct text *t, const char *data, size_t size)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789+/";

	put_string(t, "\"");
	for (size_t i = 0; i < size; i += 3)
		for (size_t k = 0; k < 4; k++) {
			uint32_t group = 0;

			for (size_t b = 0; b < 3; b++)
				group = group << 8 |
					(i + b < size ? (uint8_t)data[i + b] :
							0);
			text_add(t,
				 i + k > size || (k && i + k - 1 >= size) ?
					 "=" :
					 &digits[group >> (18 - 6 * k) & 63],
				 1);
		}
	put_string(t, "\"");
}

static void put_files(struct text *t, const struct job *job)
{
	const char *at = job->files, *comma = "";
	struct part_view p;

	put_string(t, ",\"files\":{");
	while (at && part_take(&at, job->files_end, FROM_WORKER, &p) == 1) {
		if (p.kind == PART_STDOUT)
			continue;
		put_string(t, comma);
		comma = ",";
		text_json_string(t, p.name, p.name_size);
		put_string(t, ":");
		if (p.kind == PART_TEXT) {
			text_json_string(t, p.data, p.size);
			continue;
		}
		put_string(t, "{\"base64\":");
		put_base64(t, p.data, p.size);
		text_format(t, ",\"size\":%zu}", p.size);
	}
	put_string(t, "}");
}

static void put_stderr(struct text *t, const struct job *job)
{

	struct text whole = { 0 };

	text_add(&whole, job->err, job->err_size);
	if (job->status == JOB_TIMEOUT)
		text_format(&whole, "%sExecution timed out after %us",
			    job->err_size && job->err[job->err_size - 1] !=
						     '\n' ?
				    "\n" :
				    "",
			    job->timeout_ms / 1000);
	text_json_string(t, whole.size ? whole.data : "", whole.size);
	free(whole.data);
}

static void put_job(struct text *t, const struct job *job)
{
	put_string(t, "{\"id\":\"");
	for (int i = 0; i < 36; i++)
		text_add(t, &(char){ ANY }, 1);
	if (job->status != JOB_DONE && job->status != JOB_TIMEOUT) {
		put_string(t, "\",\"error\":");
		text_json_string(t, results_failure(job),
				 strlen(results_failure(job)));
	} else {
		put_string(t, "\",\"stdout\":");
		if (job->base64)
			put_base64(t, job->out, job->out_size);
		else
			text_json_string(t, job->out, job->out_size);
		put_string(t, ",\"stderr\":");
		if (job->base64)
			put_base64(t, job->err, job->err_size);
		else
			put_stderr(t, job);
		text_format(t,
			    ",\"exit_code\":%d,\"fork_time_ms\":0.000,"
			    "\"exec_time_ms\":0.000,\"total_time_ms\":1.000",
			    job->status == JOB_TIMEOUT ? -1 : job->exit_code);
		text_format(t,
			    ",\"status\":\"%s\",\"usage\":{\"cpu_ms\":0.000,"
			    "\"peak_memory_mb\":0.000,\"system_calls\":%d}",
			    results_status(job), job->exit_code);
		if (job->wants_files)
			put_files(t, job);
	}
	put_warnings(t, &job->warnings);
	put_string(t, "}");
}

static void put_body(struct text *t, const struct results *r)
{
	if (r->batch)
		put_string(t, "{\"results\":[");
	for (size_t i = 0; i < r->count; i++) {
		if (i)
			put_string(t, ",");
		put_job(t, r->jobs[i]);
	}
	if (r->batch) {
		put_string(t, "]");
		put_warnings(t, &r->warnings);
		put_string(t, "}");
	}
	put_string(t, "\n");
}

/* ---- */

static void check(const struct text *got, const struct text *expected)
{
	const char *end = memmem(got->data, got->size, "\r\n\r\n", 4);
	const char *length =
		memmem(got->data, got->size, "Content-Length: ", 16);
	const char *body;

	assert(end && length && length < end);
	body = end + 4;
	assert(strtoull(length + 16, NULL, 10) == expected->size);
	assert((size_t)(got->data + got->size - body) == expected->size);
	for (size_t i = 0; i < expected->size; i++)
		assert(body[i] == expected->data[i] ||
		       expected->data[i] == ANY);
}

/* Takes the answer in pieces that the input says, or leaves in the middle. */
static bool take(struct answer *a, struct input *in, bool leave,
		 struct text *got)
{
	enum answer_state state;
	const char *data;
	size_t size, piece;

	for (;;) {
		state = answer_next(a, &data, &size);
		assert(state != ANSWER_BROKEN);
		if (state == ANSWER_DONE)
			return true;
		if (state == ANSWER_LATER)
			continue;
		assert(size > 0 && a->text.size <= ANSWER_SLICE);
		piece = 1 + 257u * byte(in);
		if (piece > size || in->left == 0)
			piece = size;
		text_add(got, data, piece);
		answer_take(a, piece);
		if (leave && byte(in) == 0)
			return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct answer a;
	struct answer_head head = { .status = 200,
				    .type = "application/json",
				    .cors = "",
				    .extra = "",
				    .id = "id" };
	struct input in = { data, size };
	struct text expected = { 0 }, got = { 0 };
	uint8_t how = byte(&in);
	struct results r = { .batch = how & 1,
			     .count = how & 1 ? 1 + (how >> 1) % JOBS_MAX : 1,
			     .total_ns = 1000000 };

	r.jobs = calloc(r.count, sizeof(struct job *));
	assert(r.jobs);
	for (size_t i = 0; i < r.count; i++)
		r.jobs[i] = make_job(&in);
	if (r.batch && how & 0x80)
		text_json_string(&r.warnings, "y: unknown", 10);
	put_body(&expected, &r);
	results_open(&r);
	answer_produce(&a, &head, &r.producer);
	if (take(&a, &in, how & 0x40, &got))
		check(&got, &expected);
	answer_drop(&a);
	loop_slices();
	assert(jobs_output() == 0 && !r.jobs);
	free(expected.data);
	free(got.data);
	return 0;
}
