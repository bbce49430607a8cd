/*
 * side.h: work beside this thread's, on one of its own: it is done sooner where
 * there is another CPU, or one of the two mostly waits.
 */
#ifndef ZEROBOOT_SIDE_H
#define ZEROBOOT_SIDE_H

#include <pthread.h>
#include <stdbool.h>

struct side {
	void (*work)(void *context);
	void *context;
	pthread_t thread;
	bool apart; /* there is one */
};

/* Begins work(context), which must touch nothing that this thread changes before
 * side_end. No signal interrupts it. Where no thread can be made it is done at once. */
void side_begin(struct side *s, void (*work)(void *context), void *context);
/* Waits until it is done. Once for each side_begin. */
void side_end(struct side *s);

#endif
