#include "reload.h"

#include <stdbool.h>

#include "auth.h"
#include "clock.h"
#include "fiber.h"
#include "loop.h"

#define SLICE_NS 100000

static struct {
	struct fiber fiber;
	struct task task;
	void (*done)(int r, const struct err *e);
	uint64_t slice_end;
	struct err e;
	int result;
	bool running, again;
} line;

static void pause_reload(struct json *j)
{
	(void)j;
	if (clock_mono() >= line.slice_end)
		fiber_pause(&line.fiber);
}

static void read_keys(void *context)
{
	(void)context;
	line.result = auth_reload(pause_reload, &line.e);
}

/* True: it has ended. */
static bool go_on(void)
{
	line.slice_end = clock_mono() + SLICE_NS;
	if (!fiber_resume(&line.fiber))
		return false;
	fiber_close(&line.fiber);
	line.running = false;
	return true;
}

static void reload_slice(struct task *t)
{
	if (line.running && !go_on()) {
		loop_add(t);
		return;
	}
	line.done(line.result, &line.e);
	if (line.again)
		reload_begin(line.done);
}

void reload_begin(void (*done)(int r, const struct err *e))
{
	line.again = line.running;
	line.done = done;
	if (line.running)
		return;
	line.e = (struct err){ "no memory" };
	line.task.run = reload_slice;
	line.result = fiber_open(&line.fiber);
	line.running = line.result == 0;
	if (line.running)
		fiber_start(&line.fiber, read_keys, NULL);
	loop_add(&line.task);
}

void reload_close(void)
{
	loop_remove(&line.task);
	while (line.running)
		go_on();
}
