/*
 * demand.h: whether a crew without a free worker gets another one: it is looked at a
 * little later, when it shows whether a CPU has been idle meanwhile, so that one would
 * help.
 */
#ifndef ZEROBOOT_DEMAND_H
#define ZEROBOOT_DEMAND_H

#include "err.h"

struct crew;

/* 0 or -errno; demand_close undoes it. */
int demand_open(int epoll, struct err *e);
void demand_close(void);
/* It may need another worker now. */
void demand_watch(const struct crew *c);

#endif
