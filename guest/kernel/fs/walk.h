/* walk.h: from a path to a node. */
#ifndef FS_WALK_H
#define FS_WALK_H

#include "fs/vfs.h"

/* Where a path leads. */
struct walk {
	struct node *parent; /* of the last component; NULL for "/" */
	struct node *node;   /* NULL: does not exist */
	struct file *magic;  /* behind /proc/self/fd/N: borrowed */
	bool directory;      /* a trailing slash asks for one */
	bool dots;           /* the last component is "." or ".." */
	u32 name_size;
	char name[NAME_MAX + 1];
};

/* From directory start (NULL: the root); follow: the last link, too. 0 or
 * -errno; a missing last component is 0 with node NULL. */
long vfs_walk(struct node *start, const char *path, bool follow,
	      struct walk *w);
/* For a name to be made, moved or removed: a last component that is a link is
 * not followed, whatever stands behind it; w->directory tells of slashes. */
#define WALK_NAME (1ull << 32)
/* The same with RESOLVE_* of openat2, or WALK_NAME. */
long vfs_resolve(struct node *start, const char *path, bool follow, u64 resolve,
		 struct walk *w);

#endif
