/* errand.h: a RUN message as it has come to a worker, checked and taken apart. */
#ifndef ZEROBOOT_ERRAND_H
#define ZEROBOOT_ERRAND_H

#include "protocol.h"

struct errand {
	struct run run;
	struct part_view state;  /* if it has one */
	const char *parts, *end; /* for the guest */
};

/* Everything in the body of a RUN. 0 or -EPROTO. */
int errand_take(struct errand *e, const char *body, size_t size);

#endif
