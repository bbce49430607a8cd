/*
 * outbox.h: the worker's end of its channel, as far as it says what a program writes
 * while it runs: OUTPUT messages (protocol.h), within credit and without a wait.
 */
#ifndef ZEROBOOT_OUTBOX_H
#define ZEROBOOT_OUTBOX_H

#include "protocol.h"
#include "rings.h"

struct outbox {
	struct rings rings; /* where it comes from */
	int fd;
	uint64_t id; /* of the run */
	uint64_t credit;
	size_t at, size; /* of data: what is to be sent */
	_Alignas(8) char data[sizeof(struct message) + PROTOCOL_PIECE_MAX];
};

/* The run that vm does next is streamed. */
void outbox_open(struct outbox *o, int fd, struct vm *vm,
		 const struct run *run);
/* Says as much as it may. 1: some; 0: nothing; -EPROTO: the guest's rings are
 * nonsense; another -errno: the channel is broken. */
int outbox_move(struct outbox *o);
/* Something waits until the channel takes more. */
bool outbox_unsent(const struct outbox *o);
/* Says all that is there, whatever it takes; all: what is still in the rings, too. 0
 * or -errno as above. */
int outbox_finish(struct outbox *o, bool all);

#endif
