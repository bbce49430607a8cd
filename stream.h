/*
 * stream.h: the bytes of a file, of a pipe or of a part of a file, from their start
 * to their end; what is gzip is unpacked on the way.
 */
#ifndef ZEROBOOT_STREAM_H
#define ZEROBOOT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "inflate.h"

struct stream {
	int fd;
	bool part; /* at offset, left bytes; else from where fd is */
	uint64_t offset, left;
	const char *name; /* for messages */
	struct err *e;
	struct inflate *z;   /* NULL: as it is */
	uint8_t *raw;        /* what came from fd */
	const uint8_t *data; /* what is next, ready of it */
	size_t ready;
};

/* Looks at the first bytes. The caller keeps fd and name. 0 or -errno. */
int stream_open(struct stream *s, int fd, const char *name, struct err *e);
int stream_open_part(struct stream *s, int fd, uint64_t offset, uint64_t size,
		     const char *name, struct err *e);
void stream_close(struct stream *s);

/* The next bytes, in place until the next call; *size: at most as many in, 0 at the
 * end out. 0, or -errno with a message. */
int stream_next(struct stream *s, const uint8_t **data, size_t *size);
/* Size bytes, fewer only at the end: *got. */
int stream_read(struct stream *s, void *to, size_t size, size_t *got);
/* Passes over size bytes; *got as before. */
int stream_skip(struct stream *s, uint64_t size, uint64_t *got);

#endif
