/*
 * pack.h: makes a box (box.h): this program with images and default options.
 */
#ifndef ZEROBOOT_PACK_H
#define ZEROBOOT_PACK_H

#include "err.h"

#define PACK_DEFAULTS 8 /* commands that have some */

struct pack_options {
	const char *output;
	char *const *images; /* files, packed or not; a NULL ends them */
	const char *const *defaults; /* COMMAND OPTION...; a NULL ends them */
};

/* What is packed in this program is not taken over. 0 or -errno with a message. */
int pack(const struct pack_options *o, struct err *e);

#endif
