/*
 * inbox.h: the worker's end of its channel, as far as it receives: messages of
 * the front end (protocol.h), waited for or looked for.
 */
#ifndef ZEROBOOT_INBOX_H
#define ZEROBOOT_INBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol.h"

struct inbox {
	int fd;
	char *data; /* bytes at to size have come */
	size_t at, size, room;
};

/* 0 or -ENOMEM. It is never closed: the process ends. */
int inbox_open(struct inbox *in, int fd);

enum inbox_effort {
	INBOX_PEEK, /* only what was received already; the bytes of dropped
		     * messages stay where they are */
	INBOX_POLL, /* what has come */
	INBOX_WAIT,
};

/*
 * The next message, which stays the next one until inbox_drop. 1; 0: none yet;
 * -EPIPE: the channel is closed; -EPROTO; -errno.
 */
int inbox_look(struct inbox *in, enum inbox_effort effort, struct message *m,
	       const char **body);
void inbox_drop(struct inbox *in, const struct message *m);

/* Gives back what large requests have needed, if nothing waits. 0 or -ENOMEM. */
int inbox_trim(struct inbox *in);
/* Something has come already that was not looked at. */
bool inbox_pending(const struct inbox *in);

#endif
