/*
 * unpack.h: the members of a tar as files of a tree. Nothing is ever made on the
 * host: paths end in the tree, contents in its store.
 */
#ifndef ZEROBOOT_UNPACK_H
#define ZEROBOOT_UNPACK_H

#include <stdbool.h>

#include "err.h"
#include "progress.h"
#include "stream.h"
#include "tree.h"

/*
 * All of the tar into the tree, later members over earlier ones. layer: it is a
 * layer of a container image (t->layer), whose .wh. names hide files of those
 * beneath. 0 or -errno with a message that names the member.
 */
int unpack_tar(struct tree *t, struct stream *in, bool layer,
	       struct progress *progress, struct err *e);

/* Of an attribute's name: whether images keep it. */
bool unpack_keeps_xattr(const char *name, size_t size);
/* As of stat.st_rdev, but the same on every machine. */
uint64_t unpack_device(uint32_t major, uint32_t minor);

#endif
