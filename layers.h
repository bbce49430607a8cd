/*
 * layers.h: container images as `docker save` and the OCI layout have them: layers
 * that are applied in order, and settings to start the whole with.
 */
#ifndef ZEROBOOT_LAYERS_H
#define ZEROBOOT_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "progress.h"
#include "text.h"
#include "tree.h"

/* A file of the tree, as others name it. */
struct layers_blob {
	char *path;
	int64_t size; /* that it must have; -1: nobody says so */
};

/* What a container image is made of. */
struct layers {
	struct layers_blob config;
	struct layers_blob *list; /* of each layer, the lowest first */
	size_t count, room;
};

/* Looks whether the files of a tree (of the source name, for messages) are such an
 * image instead of a root file system: 1, 0 or -errno with a message.
 * layers_close() in any case. */
int layers_find(struct tree *t, const char *name, struct layers *l,
		struct err *e);
void layers_close(struct layers *l);

/* Unpacks the layers, which are files of from, into to; settings get what the
 * image says (guest/abi.h: ZB_SETTING_*). 0 or -errno with a message. */
int layers_unpack(const struct layers *l, struct tree *from, const char *name,
		  struct tree *to, struct text *settings,
		  struct progress *progress, struct err *e);

#endif
