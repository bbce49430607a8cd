/*
 * census.h: how many workers there are, in which state, what runs and waits, and
 * how much memory all that takes: for the metrics and for the log.
 */
#ifndef ZEROBOOT_CENSUS_H
#define ZEROBOOT_CENSUS_H

#include "text.h"

void census_metrics(struct text *t);
void census_log(void);

#endif
