/*
 * input.h: what a client has sent and nobody has used yet: looked at in a buffer
 * that all share, kept in one of its own. All of those together are bounded.
 */
#ifndef ZEROBOOT_INPUT_H
#define ZEROBOOT_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

#define INPUT_TOTAL_MAX (512u << 20) /* of all clients */

struct input { /* bytes at to size; without any there is no buffer */
	char *data;
	size_t at, size, room;
};

/* Takes what has come, some of it. How many bytes; 0: the client has sent all it
 * will; -EAGAIN: nothing is there; -ENOSPC, -ENOMEM: no room for it; -errno. */
int input_receive(struct input *in, int fd);
/* Takes what has come, some of it, and forgets it. As above. */
int input_discard(int fd);
void input_use(struct input *in, size_t size);
void input_drop(struct input *in);
/* Others use the shared buffer next. 0, -ENOSPC or -ENOMEM. */
int input_keep(struct input *in);
/* Bytes of all buffers. */
size_t input_total(void);

static inline size_t input_left(const struct input *in)
{
	return in->size - in->at;
}

#endif
