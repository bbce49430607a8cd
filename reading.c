#include "reading.h"

#include "clock.h"
#include "fiber.h"
#include "json.h"
#include "loop.h"

#define SLICE_NS 100000

static struct {
	struct fiber fiber;
	struct task task;
	struct reading *first, *last; /* the first is being read */
	uint64_t slice_end;
} line;

static void parse(void *context)
{
	struct reading *r = context;

	r->result = r->parse ?
			    r->parse(r) :
			    request_parse(&r->request, r->body, r->size, &r->e);
	if (r->result && !r->e.text[0])
		err_set(&r->e, r->result, "malformed request");
}

/* Between two parts of a body. */
static void pause_reading(struct json *j)
{
	if (!line.first->cancelled && clock_mono() < line.slice_end)
		return;
	if (!line.first->cancelled)
		fiber_pause(&line.fiber);
	if (line.first->cancelled)
		j->size = j->at;
}

static void start_first(void)
{
	if (!line.first)
		return;
	fiber_start(&line.fiber, parse, line.first);
	loop_add(&line.task);
}

static void remove_first(void)
{
	struct reading *r = line.first;

	line.first = r->next;
	if (!line.first)
		line.last = NULL;
	r->queued = false;
	start_first();
}

static void read_slice(struct task *t)
{
	struct reading *r = line.first;

	line.slice_end = clock_mono() + SLICE_NS;
	if (!fiber_resume(&line.fiber)) {
		loop_add(t);
		return;
	}
	remove_first();
	r->done(r);
}

int reading_open(void)
{
	line.task.run = read_slice;
	return fiber_open(&line.fiber);
}

void reading_close(void)
{
	fiber_close(&line.fiber);
}

void reading_begin(struct reading *r)
{
	if (r->size <= READING_AT_ONCE) {
		parse(r);
		r->done(r);
		return;
	}
	r->request.pause = pause_reading;
	r->queued = true;
	r->next = NULL;
	if (line.last)
		line.last->next = r;
	else
		line.first = r;
	line.last = r;
	if (line.first == r)
		start_first();
}

void reading_cancel(struct reading *r)
{
	struct reading *before = line.first;

	if (!r->queued)
		return;
	if (r == line.first) {
		/* It ends by itself, and gives back what it has on its stack. */
		r->cancelled = true;
		fiber_resume(&line.fiber);
		loop_remove(&line.task);
		remove_first();
		return;
	}
	while (before->next != r)
		before = before->next;
	before->next = r->next;
	if (line.last == r)
		line.last = before;
	r->queued = false;
}
