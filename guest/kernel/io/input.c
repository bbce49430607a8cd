/*
 * input.c: standard input that comes while the program runs: what the host has put
 * into the ring goes on into a pipe, as far as there is room in that.
 */
#include "host.h"
#include "io/pipe.h"

static struct file *writer; /* of the pipe; NULL: it has ended */

static void end_input(void)
{
	struct file *f = writer;

	writer = NULL;
	file_unref(f);
}

void pipe_bring_input(void)
{
	const u8 *data;
	bool ended;
	size_t n;

	while (writer && (n = input_look(&data, &ended))) {
		struct pipe *p = pipe_of(writer);
		long r = p->readers ? 0 : -EPIPE;

		if (r == 0 && pipe_full(p))
			return;
		if (r == 0)
			r = pipe_push(p, data, n);
		if (r < 0)
			end_input();
		else
			input_take((size_t)r);
		if (r > 0)
			pipe_filled(p);
	}
	if (writer && ended)
		end_input();
}

struct file *pipe_input(void)
{
	struct file *reader;

	if (pipe_ends(0, &reader, &writer))
		return NULL;
	thread_on_host(pipe_bring_input);
	return reader;
}
