/*
 * relay.h: a program in a VM writes to our own standard output and error, as it
 * writes; and may read our standard input.
 */
#ifndef ZEROBOOT_RELAY_H
#define ZEROBOOT_RELAY_H

#include "rings.h"

struct relay {
	struct vm_stream stream;
	struct rings rings;
	bool input;
	bool gone; /* nobody reads standard output any more */
};

/* For the next run, before it is entered. input: ours is its own. */
void relay_open(struct relay *r, struct vm *vm, bool input);
/* After it: writes what is left. 0 or -errno with a message. */
int relay_close(struct relay *r, struct err *e);

#endif
