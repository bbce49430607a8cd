#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "buffer.h"
#include "discard.h"

#define RECEIVE_MAX 65536u /* bytes at a time: others want their turn */
#define LARGE (512u << 10) /* it may become much */

static char shared[RECEIVE_MAX];
static size_t total;

/* Of one client. */
static size_t most(void)
{
	return HTTP_HEAD_MAX + 2 * http_body_max();
}

static int receive(int fd, char *to, size_t room)
{
	ssize_t n;

	do
		n = recv(fd, to, room < RECEIVE_MAX ? room : RECEIVE_MAX, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

int input_discard(int fd)
{
	return receive(fd, shared, sizeof(shared));
}

void input_drop(struct input *in)
{
	if (in->data && in->data != shared) {
		total -= in->room;
		discard(in->data, in->room);
	}
	*in = (struct input){ 0 };
}

void input_use(struct input *in, size_t size)
{
	in->at += size;
	if (in->at == in->size)
		input_drop(in);
}

int input_keep(struct input *in)
{
	size_t size = input_left(in);
	char *own;

	if (!in->data || in->data != shared)
		return 0;
	if (total + size > INPUT_TOTAL_MAX)
		return -ENOSPC;
	/* NOLINTNEXTLINE(*.UnixAPI): not 0, for what is used up is dropped */
	own = malloc(size);
	if (!own)
		return -ENOMEM;
	memcpy(own, in->data + in->at, size);
	*in = (struct input){ .data = own, .size = size, .room = size };
	total += size;
	return 0;
}

/* A buffer of that size or larger with what is there, or NULL. */
static char *enlarge(const struct input *in, size_t *want)
{
	size_t room, left = INPUT_TOTAL_MAX - total + in->room;
	char *bigger = NULL;

	if (*want >= LARGE)
		bigger = discard_take(*want, left < most() ? left : most() + 1,
				      &room);
	if (bigger) {
		memcpy(bigger, in->data, in->size);
		discard(in->data, in->room);
		*want = room;
	} else {
		buffer_join(in->data, in->room);
		bigger = realloc(in->data, *want);
	}
	if (bigger)
		buffer_keep(bigger, *want);
	return bigger;
}

/* Room for more in a buffer of the client's own. */
static int grow(struct input *in)
{
	size_t want = in->room < 4096 ? 8192 : in->room * 2;
	char *bigger;

	if (in->at) { /* what is used up makes room first */
		memmove(in->data, in->data + in->at, input_left(in));
		in->size -= in->at;
		in->at = 0;
	}
	if (in->size < in->room)
		return 0;
	if (want > most())
		want = most() + 1;
	if (in->room >= want || total + want - in->room > INPUT_TOTAL_MAX)
		return -ENOSPC;
	bigger = enlarge(in, &want);
	if (!bigger)
		return -ENOMEM;
	total += want - in->room;
	in->data = bigger;
	in->room = want;
	return 0;
}

int input_receive(struct input *in, int fd)
{
	int r = 0;

	if (in->data)
		r = grow(in);
	else
		*in = (struct input){ .data = shared, .room = sizeof(shared) };
	if (r)
		return r;
	r = receive(fd, in->data + in->size, in->room - in->size);
	if (r > 0)
		in->size += (size_t)r;
	if (in->size == 0)
		input_drop(in);
	return r;
}

size_t input_total(void)
{
	return total;
}
