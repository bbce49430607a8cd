/*
 * fiber.h: a computation on a stack of its own, so that it can stop anywhere and
 * go on in a later turn of the event loop.
 */
#ifndef ZEROBOOT_FIBER_H
#define ZEROBOOT_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber {
	char *stack; /* NULL: none */
	void (*run)(void *context);
	void *context;
	void *inside, *outside; /* stack pointers of who does not run */
	bool ended;
	void *fake;        /* what AddressSanitizer keeps of the two */
	const void *below; /* and the stack outside */
	size_t below_size;
};

/* 0 or -ENOMEM. */
int fiber_open(struct fiber *f);
void fiber_close(struct fiber *f);
/* Begins; nothing is to be under way. Runs nothing yet. */
void fiber_start(struct fiber *f, void (*run)(void *context), void *context);
/* Runs it until it pauses or ends. True: it has ended. */
bool fiber_resume(struct fiber *f);
/* From within. */
void fiber_pause(struct fiber *f);

#endif
