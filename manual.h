/* manual.h: zeroboot(1), in mdoc: docs/zeroboot.1.in, and what the tables of options.h
 * say in it. */
#ifndef ZEROBOOT_MANUAL_H
#define ZEROBOOT_MANUAL_H

#include "options.h"

void manual_print(FILE *to, const struct command *top);

#endif
