/*
 * state.h: a session's state as the front end keeps it: segments (delta.h) that it does
 * not look into, which forks share.
 */
#ifndef ZEROBOOT_STATE_H
#define ZEROBOOT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* What an owner has, of all that there is. */
struct share {
	struct share *chained;
	uint64_t owner;
	unsigned users;         /* sessions and segments */
	size_t sessions;        /* kept by session.c, with */
	struct session *newest; /* of them */
	size_t waiting;         /* bytes of execs that wait for another one */
	size_t bytes;           /* of the segments that are charged to it */
	size_t promised;        /* kept by session_limits.c: that are to come */
};

/* An owner's; made when there is none. NULL: no memory. share_drop undoes it. */
struct share *share_of(uint64_t owner);
/* The same, or NULL when there is none; nothing is to be undone. */
struct share *share_find(uint64_t owner);
void share_drop(struct share *s);
/* How many there are. */
size_t share_count(void);

/* An owner's part of most: there is one for each, and one for the next. */
size_t share_part(uint64_t owner, size_t most);
/* Of most, of which everybody has so much and own is the owner's. One may have no more
 * than is left, so that there is some for the next, but its part in any case: others
 * cannot take that from it. */
bool share_allows(uint64_t owner, size_t own, size_t everybody, size_t more,
		  size_t most);

struct segment; /* bytes, counted */
struct segments;

struct state { /* zeroed: empty; a copy has the same list */
	struct segments *list;
	const struct iovec *pieces; /* what its segments are */
	size_t count, size;         /* of them; bytes of all */
};

/* Makes one of what a worker has sent: payload, of malloc's, is its own from now on,
 * whatever comes of it. NULL: no memory. */
struct segment *segment_make(void *payload, size_t payload_size,
			     const char *data, size_t size);
/* The same of what a request has brought: it counts where requests do (waiting.h), and is
 * nobody's state. */
struct segment *segment_of_request(void *payload, size_t payload_size,
				   const char *data, size_t size);
/* Some bytes of one like that, which stays there as long. NULL: no memory. */
struct segment *segment_part(struct segment *of, const char *data, size_t size);
/* So many bytes that are no segment's are an owner's, too; or not any more. */
void share_charge(struct share *s, size_t size);
void share_discharge(struct share *s, size_t size);
/* From now on it counts as that owner's, too. */
void segment_charge(struct segment *s, struct share *share);
void segment_drop(struct segment *s);
/* Bytes that it holds. */
size_t segment_held(const struct segment *s);

/* Another one with the same segments. */
struct state state_copy(const struct state *from);
/* Appends a segment, which is its own from now on; whole: instead of all that is
 * there. 0 or -ENOMEM: it is as it was, and the segment gone. */
int state_add(struct state *s, struct segment *segment, bool whole);
/* Dropping it frees nothing: others have the same. */
bool state_is_shared(const struct state *s);
/* Empties it. */
void state_drop(struct state *s);

/* Bytes of all that there is: segments, with what they came in, but what requests have
 * brought, and lists of them. */
size_t state_total(void);

#endif
