/*
 * Answers: what a client is sent, in whatever portions it takes it and wherever
 * slices end, is the head and the JSON that was to be said, as long as the head
 * says.
 */
#include "unit.h"

#include <stdlib.h>

#include "clock.h"
#include "http.h"
#include "id.h"
#include "json.h"
#include "loop.h"
#include "results.h"

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

/* ---- in the place of other nouns ---- */

uint64_t clock_wall(void)
{
	return 784111777ull * 1000000000; /* RFC 9110's example */
}

uint64_t clock_mono(void)
{
	return 0;
}

void id_make(char to[ID_SIZE])
{
	memcpy(to, ID, ID_SIZE);
}

/* ---- what is answered ---- */

static struct job *run_of(const char *out, size_t out_size, const char *err,
			  size_t err_size)
{
	struct job *job = calloc(1, sizeof(*job));

	job->status = JOB_DONE;
	job->exit_code = 7;
	job->timeout_ms = 5000;
	job->fork_ns = 1500000;
	job->exec_ns = 250000;
	/* Exactly as long, for the sanitizer to see. */
	job_keep(job, malloc(out_size + err_size ? out_size + err_size : 1),
		 out_size + err_size);
	if (out_size)
		memcpy(job->payload, out, out_size);
	if (err_size)
		memcpy(job->payload + out_size, err, err_size);
	job->out = job->payload;
	job->out_size = out_size;
	job->err = job->payload + out_size;
	job->err_size = err_size;
	return job;
}

static struct answer_head plain_head(void)
{
	return (struct answer_head){ .status = 200,
				     .type = "application/json",
				     .cors = "A: b\r\n",
				     .extra = "",
				     .id = "an-id" };
}

/* What api.c says a result is, made in another way than results.c makes it. */
static void expect_job(struct text *t, const struct job *job)
{
	text_format(t, "{\"id\":\"" ID "\",");
	if (job->status == JOB_DONE) {
		text_format(t, "\"stdout\":");
		text_json_string(t, job->out, job->out_size);
		text_format(t, ",\"stderr\":");
		text_json_string(t, job->err, job->err_size);
		text_format(t, ",\"exit_code\":7,\"fork_time_ms\":1.500,"
			       "\"exec_time_ms\":0.250,"
			       "\"total_time_ms\":3.000,"
			       "\"status\":\"error\",\"usage\":{"
			       "\"cpu_ms\":0.000,\"peak_memory_mb\":0.000,"
			       "\"system_calls\":0}");
	} else {
		text_format(t, "\"error\":\"the queue is full\"");
	}
	if (job->warnings.size)
		text_format(t, ",\"warnings\":[\"w\"]");
	text_format(t, "}");
}

static void expect(struct text *t, struct job *const *jobs, size_t count,
		   bool batch)
{
	struct text body = { 0 };

	if (batch)
		text_format(&body, "{\"results\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			text_format(&body, ",");
		expect_job(&body, jobs[i]);
	}
	text_format(&body, batch ? "]}\n" : "\n");
	text_format(t,
		    "HTTP/1.1 200 OK\r\nServer: zeroboot\r\n"
		    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
		    "X-Request-Id: an-id\r\nA: b\r\n\r\n",
		    body.size);
	text_add(t, body.data, body.size);
	free(body.data);
}

/* All of an answer, taken in portions of at most so many bytes. */
static enum answer_state take(struct answer *a, struct text *got,
			      size_t portion)
{
	enum answer_state state;
	const char *data;
	size_t size;

	while ((state = answer_next(a, &data, &size)) != ANSWER_DONE &&
	       state != ANSWER_BROKEN) {
		if (state == ANSWER_LATER)
			continue;
		CHECK(size > 0 && a->text.size <= ANSWER_SLICE + 1024);
		if (size > portion)
			size = portion;
		text_add(got, data, size);
		answer_take(a, size);
	}
	return state;
}

/* Of an answer nothing is left. */
static void drop(struct answer *a)
{
	answer_drop(a);
	loop_slices(); /* jobs go in slices */
	EQUAL(jobs_output(), 0);
	free(a->text.data);
}

/* The jobs' answer is right, in portions of that size. */
static void check_portions(struct job **jobs, size_t count, bool batch,
			   size_t portion)
{
	struct results r = { .count = count,
			     .batch = batch,
			     .total_ns = 3000000 };
	struct answer_head head = plain_head();
	struct text expected = { 0 }, got = { 0 };
	struct answer a = { 0 };

	expect(&expected, jobs, count, batch);
	r.jobs = malloc(count * sizeof(*jobs));
	memcpy(r.jobs, jobs, count * sizeof(*jobs));
	results_open(&r);
	answer_produce(&a, &head, &r.producer);
	EQUAL(take(&a, &got, portion), ANSWER_DONE);
	SAME(got.data, got.size, expected.data, expected.size);
	EQUAL(jobs_output(), 0);
	drop(&a);
	free(got.data);
	free(expected.data);
}

static void check_one(const char *out, size_t out_size, const char *err,
		      size_t err_size, size_t portion)
{
	struct job *job = run_of(out, out_size, err, err_size);

	check_portions(&job, 1, false, portion);
}

static void short_ones(void)
{
	char every[256];

	for (int i = 0; i < 256; i++)
		every[i] = (char)i;
	for (size_t portion = 1; portion < 40; portion++) {
		check_one("2\n", 2, "", 0, portion);
		check_one("", 0, "", 0, portion);
		check_one(every, 256, every, 256, portion);
	}
}

/* What takes more bytes in JSON, or is a part of a sequence, at and around the
 * ends of slices. */
static void borders(void)
{
	static const struct {
		const char *bytes;
		size_t size;
	} pieces[] = {
		{ "\n", 1 },
		{ "\0", 1 },
		{ "\\", 1 },
		{ "\"", 1 },
		{ "\x7f", 1 },
		{ "\xff", 1 },
		{ "\xc3\xa9", 2 },
		{ "\xe2\x82\xac", 3 },
		{ "\xf0\x9f\x98\x80", 4 },
		{ "\xf0\x9f\x98", 3 },
		{ "\xe2\x82", 2 },
		{ "\xed\xa0\x80", 3 },
		{ "\xf0\x9f\x98\n", 4 },
	};
	static char out[3 * ANSWER_SLICE];

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		const char *p = pieces[i].bytes;
		size_t n = pieces[i].size, at;

		for (size_t d = 0; d < 100; d += 3) {
			/* The first slice has some 60 bytes before output. */
			memset(out, 'x', sizeof(out));
			for (int slice = 1; slice < 3; slice++) {
				at = (size_t)slice * ANSWER_SLICE - d - n;
				memcpy(out + at, p, n);
				memcpy(out + at + n, p, n);
			}
			check_one(out, sizeof(out) - d, out, d, 1000 + d * 999);
		}
		/* And at the very end. */
		memcpy(out + ANSWER_SLICE - 66 - n, p, n);
		for (size_t d = 0; d < 8; d++)
			check_one(out + d, ANSWER_SLICE - 66 - d, p, n,
				  SIZE_MAX);
	}
}

static void nothing_but_escapes(void)
{
	static char out[200000];
	static const char worst[] = { '\n', 0, 0x1f, (char)0xff, '"' };

	for (size_t i = 0; i < sizeof(worst); i++) {
		memset(out, worst[i], sizeof(out));
		for (size_t d = 0; d < 12; d++)
			check_one(out, sizeof(out) - d, out, d, 77777);
	}
}

static void random_bytes(void)
{
	static char out[300000];

	for (int round = 0; round < 30; round++) {
		size_t size = unit_random(sizeof(out)),
		       split = unit_random((uint32_t)size + 1);

		for (size_t i = 0; i < size; i++)
			out[i] =
				(char)(unit_random(4) ? unit_random(256) : 'a');
		check_one(out, split, out + split, size - split,
			  1 + unit_random(200000));
	}
}

static void batches(void)
{
	static char out[150000];
	struct job *jobs[20];

	memset(out, 'y', sizeof(out));
	for (size_t i = 0; i < sizeof(out); i += 7)
		out[i] = (char)i;
	for (size_t count = 1; count <= 20; count += 3) {
		for (size_t i = 0; i < count; i++) {
			size_t size = i % 3 ? i : i * 7000;

			jobs[i] = run_of(out, size, out + 1, size / 2);
			if (i % 4 == 1)
				text_add(&jobs[i]->warnings, "\"w\"", 3);
			if (i % 5 == 4)
				jobs[i]->status = JOB_REFUSED;
		}
		check_portions(jobs, count, true, 1 + unit_random(100000));
	}
}

/* Output goes when it has been sent, not when all has. */
static void memory_goes_early(void)
{
	static char out[1000000];
	struct results r = { .count = 4, .batch = true };
	struct answer_head head = plain_head();
	struct answer a = { 0 };
	const char *data;
	size_t size, before;

	r.jobs = malloc(4 * sizeof(*r.jobs));
	for (int i = 0; i < 4; i++)
		r.jobs[i] = run_of(out, sizeof(out), NULL, 0);
	results_open(&r);
	EQUAL(r.held, 4 * sizeof(out));
	answer_produce(&a, &head, &r.producer);
	before = r.held;
	for (int i = 0; i < 400 && answer_next(&a, &data, &size) < ANSWER_DONE;
	     i++) {
		CHECK(r.held <= before && jobs_output() == r.held);
		before = r.held;
		answer_take(&a, a.measuring ? 0 : size);
	}
	CHECK(before > 0 && before <= 3 * sizeof(out));
	drop(&a);
}

static void no_memory(void)
{
	static char out[200000];
	struct answer_head head = plain_head();

	memset(out, '\n', sizeof(out));
	for (size_t size = 100; size <= sizeof(out); size += 199900)
		WITH_FAILING_ALLOCATIONS
		{
			int64_t plan = fail_plan->countdown;
			struct results r = { .count = 1 };
			struct text got = { 0 };
			struct answer a = { 0 };
			enum answer_state state;

			fail_plan->countdown = 0;
			r.jobs = malloc(sizeof(*r.jobs));
			r.jobs[0] = run_of(out, size, out, size);
			text_reserve(&got, 10 * sizeof(out));
			results_open(&r);
			fail_plan->countdown = plan;
			answer_produce(&a, &head, &r.producer);
			state = take(&a, &got, 5000);
			CHECK(state == ANSWER_DONE || fail_plan->failed);
			/* Whole, or the answer that says so, or cut off. */
			if (state == ANSWER_DONE && fail_plan->failed)
				CHECK(!memcmp(got.data, "HTTP/1.1 500 ", 13));
			drop(&a);
			free(got.data);
		}
}

/* ---- other producers ---- */

struct fake {
	struct producer producer;
	size_t made, says; /* bytes it makes, and says that it makes */
	bool dropped;
};

static bool fake_produce(struct producer *p, struct text *t)
{
	struct fake *f = (struct fake *)p;
	size_t n = f->made < 1000 ? f->made : 1000;

	if (text_reserve(t, n)) {
		memset(t->data + t->size, 'z', n);
		t->size += n;
	}
	f->made -= n;
	return f->made > 0;
}

static bool fake_measure(struct producer *p, uint64_t *size)
{
	*size = ((struct fake *)p)->says;
	return false;
}

static void fake_drop(struct producer *p)
{
	CHECK(!((struct fake *)p)->dropped);
	((struct fake *)p)->dropped = true;
}

static void never_another_length(void)
{
	for (size_t made = 1500; made < 5000; made += 500)
		for (size_t says = 500; says < 6000; says += 500) {
			struct fake f = { { fake_produce, fake_measure,
					    fake_drop },
					  made,
					  says,
					  false };
			struct answer_head head = plain_head();
			struct text got = { 0 };
			struct answer a = { 0 };
			enum answer_state state;
			const char *body;

			answer_produce(&a, &head, &f.producer);
			state = take(&a, &got, 700);
			EQUAL(state,
			      made == says ? ANSWER_DONE : ANSWER_BROKEN);
			/* Never more than was said: that would be an answer
			 * to the next request. */
			text_add(&got, "", 1);
			body = strstr(got.data, "\r\n\r\n");
			CHECK(!body || strlen(body + 4) <= says);
			drop(&a);
			CHECK(f.dropped);
			free(got.data);
		}
}

static bool says(const struct job *job, const char *why)
{
	return strcmp(results_failure(job), why) == 0;
}

static void reasons(void)
{
	struct job job = { .status = JOB_UNSERVED };

	CHECK(says(&job, "no worker can be started"));
	job.message = "the session's language is not served any more";
	CHECK(says(&job, job.message));
	job.status = JOB_FAULT;
	CHECK(says(&job, job.message));
	job.message = "";
	CHECK(says(&job, "the worker failed"));
	job.status = JOB_DRAINED;
	CHECK(says(&job, "the server is draining"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "short answers, in portions of any size", short_ones },
		{ "escapes and sequences at the borders of slices", borders },
		{ "nothing but escapes", nothing_but_escapes },
		{ "random bytes, sizes and portions", random_bytes },
		{ "batches", batches },
		{ "the output of a run goes once it has been sent",
		  memory_goes_early },
		{ "without memory an answer is 500 or cut off, never wrong",
		  no_memory },
		{ "a body of another length than was said is cut off",
		  never_another_length },
		{ "why there is no result", reasons },
	};

	return UNIT_RUN("answer", tests);
}
