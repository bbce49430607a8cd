/*
 * loop.h: the front end's event loop. It goes in turns: events, then slices of
 * long work. None of them may take long, because everybody else waits for its
 * end.
 */
#ifndef ZEROBOOT_LOOP_H
#define ZEROBOOT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* First member of whatever epoll hands back. */
struct watch {
	void (*ready)(struct watch *w, uint32_t events);
};

/* Work that is done in slices, in turns with that of others. */
struct task {
	void (*run)(struct task *t); /* a slice; adds itself if there is more */
	struct task *next, *previous;
};

/* The descriptor for epoll_ctl, or -errno. */
int loop_open(void);
void loop_close(void);
/* No effect on one that has been added. */
void loop_add(struct task *t);
/* No effect on one that has not. */
void loop_remove(struct task *t);
bool loop_has(const struct task *t);
/* Begins a turn: waits if nothing is to be done, at most for so long, and handles
 * what has happened. Returns how many events there were. */
int loop_events(int wait_ms);
/* The other part of it. */
void loop_slices(void);
/* No event is left to be handled that epoll has told of. */
bool loop_drained(void);
/* When this turn began, CLOCK_MONOTONIC. */
uint64_t loop_now(void);
/*
 * For deadlines of others: CLOCK_MONOTONIC less the time in which the loop was not
 * there to see them kept, because it was stopped, or without a CPU for a second.
 */
uint64_t loop_clock(uint64_t now);
/* CPU time of the longest turn since this was asked last; 0 in a build that does
 * not measure (ZEROBOOT_TURNS). */
uint64_t loop_longest(void);

#endif
