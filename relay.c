#include "relay.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) != 0;
}

static void wait_for(struct relay *r, int fd, short events)
{
	r->stream.fds[r->stream.count++] = (struct pollfd){ fd, events, 0 };
}

/* Writes what a ready descriptor takes without a wait. Bytes, 0: none now, or
 * -errno with a message. Whoever listens on stderr and has gone is not missed. */
static ssize_t write_some(struct relay *r, int fd, const void *data,
			  size_t size, struct err *e)
{
	ssize_t n = write(fd, data, size < PIPE_BUF ? size : PIPE_BUF);

	if (n >= 0)
		return n;
	if (errno == EINTR || errno == EAGAIN)
		return 0;
	if (fd == STDERR_FILENO)
		return (ssize_t)size;
	r->gone = errno == EPIPE;
	return err_set(e, -errno, "stdout: %s", strerror(errno));
}

/* 1: some was written; 0: none; -errno. */
static int pass_output(struct relay *r, bool wait, struct err *e)
{
	const void *data;
	int stream, found;
	bool some = false;
	size_t size;
	ssize_t n;

	while ((found = rings_look(&r->rings, &stream, &data, &size)) > 0) {
		if (!wait && !is_ready(stream, POLLOUT)) {
			wait_for(r, stream, POLLOUT);
			break;
		}
		n = write_some(r, stream, data, size, e);
		if (n < 0)
			return (int)n;
		if (n > 0)
			rings_take(&r->rings, stream, (size_t)n);
		some |= n > 0;
	}
	if (found < 0)
		return err_set(e, found, "guest: " RINGS_NONSENSE);
	return some;
}

static bool pass_input(struct relay *r)
{
	size_t room;
	ssize_t n;
	void *to;

	if (!r->input || r->rings.input_ended)
		return false;
	room = rings_input_room(&r->rings, &to);
	if (!room)
		return false;
	wait_for(r, STDIN_FILENO, POLLIN);
	if (!is_ready(STDIN_FILENO, POLLIN))
		return false;
	n = read(STDIN_FILENO, to, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	/* What cannot be read (a directory, one to write to) has no bytes. */
	rings_bring(&r->rings, n > 0 ? (size_t)n : 0);
	r->stream.count -= n <= 0;
	return true;
}

static int move(void *context, struct err *e)
{
	struct relay *r = context;
	int some;

	r->stream.count = 0;
	some = pass_output(r, false, e);
	if (some < 0)
		return some;
	return some | pass_input(r);
}

void relay_open(struct relay *r, struct vm *vm, bool input)
{
	*r = (struct relay){ .stream = { .move = move, .context = r },
			     .input = input };
	rings_open(&r->rings, vm);
	if (input) {
		rings_open_input(&r->rings);
		pass_input(r);
	}
	vm->stream = &r->stream;
}

int relay_close(struct relay *r, struct err *e)
{
	int some = 1;

	r->rings.vm->stream = NULL;
	while (some > 0)
		some = pass_output(r, true, e);
	return some;
}
