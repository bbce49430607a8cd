#include "results.h"

#include <stdlib.h>
#include <string.h>

#include "id.h"
#include "json.h"

#define FIXED_MAX 4096       /* bytes of what is around output, but warnings */
#define MEASURE_BYTES 65536u /* of output, at a time */

/* The parts of a run's object. */
enum { BEFORE, OUT, BETWEEN, ERR, AFTER, PARTS };

bool results_ran(const struct job *job)
{
	return job->status == JOB_DONE || job->status == JOB_TIMEOUT;
}

const char *results_failure(const struct job *job)
{
	switch (job->status) {
	case JOB_DRAINED:
		return "the server is draining";
	case JOB_REFUSED:
		return "the queue is full";
	case JOB_UNSERVED:
		return "no worker can be started";
	default:
		return job->message && job->message[0] ? job->message :
							 "the worker failed";
	}
}

/* ---- what is around the output ---- */

static void put_warnings(struct text *t, const struct text *warnings)
{
	if (!warnings->size)
		return;
	text_put(t, ",\"warnings\":[");
	text_add(t, warnings->data, warnings->size);
	text_put(t, "]");
}

static void put_before(struct text *t, const struct results *r, size_t i)
{
	const struct job *job = r->jobs[i];
	char id[ID_SIZE];

	if (r->batch)
		text_put(t, i ? "," : "{\"results\":[");
	id_make(id);
	text_put(t, "{\"id\":\"");
	text_add(t, id, ID_SIZE - 1);
	if (results_ran(job)) {
		text_put(t, "\",\"stdout\":\"");
		return;
	}
	text_put(t, "\",\"error\":");
	text_json_string(t, results_failure(job), strlen(results_failure(job)));
}

/* What stderr has on top, inside its string. */
static void put_timeout(struct text *t, const struct job *job)
{
	size_t size = job->err_size;

	if (job->status != JOB_TIMEOUT)
		return;
	text_format(t, "%sExecution timed out after %us",
		    size && job->err[size - 1] != '\n' ? "\\n" : "",
		    job->timeout_ms / 1000);
}

static void put_after(struct text *t, const struct results *r, size_t i)
{
	const struct job *job = r->jobs[i];

	if (results_ran(job)) {
		put_timeout(t, job);
		text_put(t, "\",\"exit_code\":");
		text_put_number(t, job->status == JOB_TIMEOUT ? -1 :
								job->exit_code);
		text_put(t, ",\"fork_time_ms\":");
		text_put_ms(t, job->fork_ns);
		text_put(t, ",\"exec_time_ms\":");
		text_put_ms(t, job->exec_ns);
		text_put(t, ",\"total_time_ms\":");
		text_put_ms(t, r->total_ns);
	}
	put_warnings(t, &job->warnings);
	text_put(t, "}");
	if (i + 1 < r->count)
		return;
	if (r->batch) {
		text_put(t, "]");
		put_warnings(t, &r->warnings);
		text_put(t, "}");
	}
	text_put(t, "\n");
}

static void put_fixed(struct text *t, const struct results *r,
		      const struct results_place *p)
{
	if (p->part == BEFORE)
		put_before(t, r, p->job);
	else if (p->part == BETWEEN)
		text_put(t, "\",\"stderr\":\"");
	else
		put_after(t, r, p->job);
}

/* ---- going through it ---- */

static bool is_output(const struct results_place *p)
{
	return p->part == OUT || p->part == ERR;
}

/* The output of this part. */
static const char *output(const struct results *r,
			  const struct results_place *p, size_t *size)
{
	const struct job *job = r->jobs[p->job];

	*size = p->part == OUT ? job->out_size : job->err_size;
	return p->part == OUT ? job->out : job->err;
}

/* To the next part; false: that was the last. */
static bool advance(const struct results *r, struct results_place *p)
{
	p->at = 0;
	if (p->part == BEFORE && !results_ran(r->jobs[p->job]))
		p->part = AFTER;
	else if (++p->part == PARTS) {
		p->part = BEFORE;
		p->job++;
	}
	return p->job < r->count;
}

/* False: t is full. */
static bool add_output(const struct results *r, struct results_place *p,
		       struct text *t)
{
	size_t size, left, room;
	const char *data = output(r, p, &size);

	while (p->at < size) {
		room = ANSWER_SLICE - t->size;
		left = size - p->at + JSON_ESCAPED_MAX;
		if (room < JSON_ESCAPED_MAX ||
		    !text_reserve(t, left < room ? left : room))
			return false;
		if (t->room - t->size < room)
			room = t->room - t->size;
		t->size += json_escape(t->data + t->size, room, data, size,
				       &p->at);
	}
	return true;
}

static bool produce(struct producer *producer, struct text *t)
{
	struct results *r = (struct results *)producer;
	struct results_place *p = &r->next;
	size_t job;
	bool more;

	do {
		job = p->job;
		if (is_output(p)) {
			if (!add_output(r, p, t))
				return true;
		} else {
			if (ANSWER_SLICE - t->size <
			    FIXED_MAX + r->jobs[job]->warnings.size +
				    r->warnings.size)
				return true;
			put_fixed(t, r, p);
		}
		more = advance(r, p);
		if (p->job != job && !r->keep) {
			r->held -= r->jobs[job]->payload_size;
			job_free(r->jobs[job]);
			r->jobs[job] = NULL;
		}
	} while (more);
	return false;
}

static bool measure(struct producer *producer, uint64_t *length)
{
	static struct text fixed; /* kept between calls */
	struct results *r = (struct results *)producer;
	struct results_place *p = &r->measured;
	size_t left = MEASURE_BYTES, at, size;
	const char *data;

	while (left > 0) {
		if (is_output(p)) {
			data = output(r, p, &size);
			at = p->at;
			*length += json_escaped_size(data, size, &p->at, left);
			left -= p->at - at < left ? p->at - at : left;
			if (p->at < size)
				continue;
		} else {
			fixed.size = 0;
			fixed.failed = false;
			put_fixed(&fixed, r, p);
			*length += fixed.size;
			left -= FIXED_MAX < left ? FIXED_MAX : left;
		}
		if (!advance(r, p)) {
			r->keep = false;
			return false;
		}
	}
	return true;
}

static void drop(struct producer *producer)
{
	struct results *r = (struct results *)producer;

	jobs_drop(r->jobs, r->count);
	free(r->warnings.data);
	*r = (struct results){ 0 };
}

void results_open(struct results *r)
{
	r->producer = (struct producer){ .produce = produce,
					 .measure = measure,
					 .drop = drop };
	r->next = r->measured = (struct results_place){ 0 };
	r->keep = true;
	r->held = 0;
	for (size_t i = 0; i < r->count; i++)
		r->held += r->jobs[i]->payload_size;
}
