/* letter.h: a message of a worker's, put together of pieces that stay where they are. */
#ifndef ZEROBOOT_LETTER_H
#define ZEROBOOT_LETTER_H

#include <stddef.h>
#include <sys/uio.h>

#include "protocol.h"

struct letter {
	struct message m;
	struct part parts[4];
	struct iovec v[20];
	int part_count, count;
};

void letter_begin(struct letter *l, enum message_kind kind);
void letter_put(struct letter *l, const void *data, size_t size);
/* Two pieces that make one part. One that is empty is left out. */
void letter_part(struct letter *l, enum part_kind kind, const void *data,
		 size_t size, const void *more, size_t more_size);
/* Waits until it is out. 0 or -errno. */
int letter_send(struct letter *l, int fd);

#endif
