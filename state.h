/*
 * state.h: a session's state as the front end keeps it: segments (delta.h) that it does
 * not look into, which forks share.
 */
#ifndef ZEROBOOT_STATE_H
#define ZEROBOOT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

struct segment; /* bytes, counted */

struct state {                /* zeroed: empty */
	struct iovec *pieces; /* what the segments are */
	struct segment **segments;
	size_t count, size; /* of them; bytes of all */
};

/* Makes one of what a worker has sent: payload, of malloc's, is its own from now on,
 * whatever comes of it. NULL: no memory. */
struct segment *segment_make(void *payload, size_t payload_size,
			     const char *data, size_t size);
void segment_drop(struct segment *s);
size_t segment_size(const struct segment *s);

/* Another one with the same segments. 0 or -ENOMEM. */
int state_copy(struct state *to, const struct state *from);
/* Appends a segment, which is its own from now on; whole: instead of all that is
 * there. 0 or -ENOMEM: it is as it was, and the segment gone. */
int state_add(struct state *s, struct segment *segment, bool whole);
/* Empties it. */
void state_drop(struct state *s);

/* Bytes of all segments that there are. */
size_t state_total(void);

#endif
