/* letter.h: a message that a worker sends, put together of pieces that stay where they
 * are. */
#ifndef ZEROBOOT_LETTER_H
#define ZEROBOOT_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "protocol.h"

struct letter {
	struct message m;
	struct part parts[4];
	struct iovec v[20]; /* the first: of one that was held */
	int part_count, count;
};

/* A short one that goes with the next one, so that its reader wakes up once. */
struct letter_held {
	size_t size;
	char bytes[8192];
};

void letter_begin(struct letter *l, enum message_kind kind);
void letter_put(struct letter *l, const void *data, size_t size);
/* Two pieces that make one part. One that is empty is left out. */
void letter_part(struct letter *l, enum part_kind kind, const void *data,
		 size_t size, const void *more, size_t more_size);
/* A copy; what it was made of may change. False: it is too long. */
bool letter_hold(const struct letter *l, struct letter_held *held);
/* What is held, if anything, goes ahead of it, and stays where it is until then. */
void letter_follow(struct letter *l, struct letter_held *held);
/* Waits until it is out. 0 or -errno. */
int letter_send(struct letter *l, int fd);

#endif
