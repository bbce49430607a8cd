/*
 * defaults.h: the options that a box (box.h) has of its own, before those that are
 * given.
 */
#ifndef ZEROBOOT_DEFAULTS_H
#define ZEROBOOT_DEFAULTS_H

#include "box.h"

/*
 * The words of a command line, count in and out: without any, those of the first
 * command that the box has options of; behind that command, its options in the
 * box, but for those that the words have themselves. words end in NULL, what is
 * returned does too and is for good. NULL: no memory.
 */
char **defaults_apply(const char *const *options, int option_count, int *count,
		      char **words);

/* The same with the options that are in a box, which are checked. 0 or -errno with
 * a message. */
int defaults_of_box(const struct box *b, int *count, char ***words,
		    struct err *e);

#endif
