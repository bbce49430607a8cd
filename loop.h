/* loop.h: what the front end's event loop hands an event to. */
#ifndef ZEROBOOT_LOOP_H
#define ZEROBOOT_LOOP_H

#include <stdint.h>

/* First member of whatever epoll hands back. */
struct watch {
	void (*ready)(struct watch *w, uint32_t events);
};

#endif
