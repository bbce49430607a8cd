/*
 * waiting.h: the runs that wait for a worker, in the queues of all languages: how
 * many there may be, how large they may be, and who gives up its place to
 * whom when that is reached.
 */
#ifndef ZEROBOOT_WAITING_H
#define ZEROBOOT_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "pool.h"
#include "queue.h"

#define WAITING_PARTS_MAX (256u << 20) /* bytes of their parts */

/* What several have together, which counts once while any of them waits. */
struct waiting_share {
	size_t size;      /* bytes */
	unsigned waiting; /* of them; kept here */
};

/* Of every queue, before it is used. */
void waiting_open(unsigned most);
void waiting_add_queue(struct queue *q);

/* Whether so many more runs with parts of that size in all find a place, be it that of
 * somebody who has more waiting. */
bool waiting_has_room(size_t count, size_t parts_size, uint64_t owner);

/*
 * The newest run of whoever has the most, if it must go so that job gets a place;
 * taken out. NULL: none must, or none can.
 */
struct job *waiting_displace(const struct job *job);

/* 0; -EAGAIN: there is no place; -ENOMEM. */
int waiting_put(struct queue *q, struct job *job);
/* The next in turn; NULL: none. */
struct job *waiting_take(struct queue *q);
/* Nobody wants it any more. */
void waiting_remove(struct job *job);
bool waiting_is(const struct job *job);
unsigned waiting_count(void);
/* How many there may be. */
unsigned waiting_most(void);

#endif
