/*
 * gather.h: a directory of this host as a tree. Whoever may write into it meanwhile
 * cannot lead out of it: no link is followed, and what has changed is refused.
 */
#ifndef ZEROBOOT_GATHER_H
#define ZEROBOOT_GATHER_H

#include "err.h"
#include "progress.h"
#include "tree.h"

/* The directory fd, whose path is name. 0 or -errno with a message that names the
 * file. */
int gather(struct tree *t, int fd, const char *name, struct progress *progress,
	   struct err *e);

#endif
