/*
 * session_limits.h: how many sessions there may be, and how much memory they may have:
 * all together, those of a key, and one. Memory that is wanted is made, of states that
 * are on the disk, too.
 */
#ifndef ZEROBOOT_SESSION_LIMITS_H
#define ZEROBOOT_SESSION_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct session_limits {
	unsigned most;     /* sessions */
	size_t pages_most; /* bytes that the pages of one may have */
	size_t bytes_most; /* of the states of all */
};

void session_limits_set(const struct session_limits *l);

/*
 * Whether an owner may have so many more, with so many bytes. A key may have what is
 * left, and its part of all in any case. 0; -EAGAIN: there are too many; -ENOSPC: they
 * are too large.
 */
int session_room(uint64_t owner, size_t count, size_t bytes);
/* Bytes that the pages of one may have. */
size_t session_pages_most(void);
/* Whether an owner may have so much of what is there, and counted, by now. */
bool session_may_keep(uint64_t owner, size_t bytes);
/* The same of what is to come: if so, it may be kept in any case. Until it is there, or
 * will not be. */
bool session_promise(struct session *s, size_t bytes);
void session_promise_kept(struct session *s);
/* Though not: it will be written, and can be evicted then: see session_may_run. All keys
 * wait for that when it is more than there may be, so that only those within their parts
 * may. whole: instead of the state that it has. */
bool session_may_exceed(const struct session *s, size_t bytes, bool whole);
/* Whether an exec may begin. Sessions have more memory than they may until some have been
 * written; what runs adds to that, and others wait. */
bool session_may_run(void);
/* So much more of it may be in memory: 0; -EAGAIN: not yet; -ENOSPC: never; -EFBIG:
 * never, by itself. */
int session_may_hold(const struct session *s, size_t bytes);

#endif
