/*
 * tree.h: a root file system in memory, all but its files' contents: what an image
 * is written of. Names are hostile: nothing here touches the host's files, `..` at
 * the root is the root, and memory is bounded.
 */
#ifndef ZEROBOOT_TREE_H
#define ZEROBOOT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store.h"

#define TREE_MEMORY (1ull << 30) /* bytes of nodes, names, attributes */
#define TREE_DEPTH 128
#define TREE_NAME 255
#define TREE_PATH 4095

struct tree_xattr {
	struct tree_xattr *next; /* sorted by name */
	uint32_t name_size, value_size;
	char data[]; /* the name, the value */
};

/* A file, which may have several names. */
struct tree_inode {
	uint32_t mode, uid, gid; /* as in struct stat */
	uint32_t names;
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t number; /* for who writes it */
	uint64_t rdev;
	uint64_t size,
		data; /* a regular file's in the store; a link's target */
	char *target;
	struct tree_xattr *xattrs;
};

struct tree_node {
	struct tree_node *parent; /* the root is its own */
	struct tree_node *next, *previous, *children;
	struct tree_node *hash_next;
	struct tree_inode *inode;
	uint64_t hash;
	uint32_t count;  /* of children */
	uint32_t layer;  /* the last one that had it */
	uint32_t hidden; /* the last one that hid what was in it; 0: none */
	uint16_t depth, name_size;
	char name[];
};

struct tree {
	struct tree_node *root;
	struct tree_node **buckets;
	size_t bucket_count, node_count;
	uint64_t memory, seed;
	struct store *store;
	uint32_t layer;    /* of what is put into it now, from 1 */
	int64_t mtime_sec; /* of the directories that tree_walk makes */
};

/* What follows returns 0 or -errno: ENOMEM (also: TREE_MEMORY is used up), ENOENT,
 * ENOTDIR, ELOOP, E2BIG (too deep). */
int tree_open(struct tree *t, struct store *store);
void tree_close(struct tree *t);

/* A new one without a name, mode as given. NULL: no memory. */
struct tree_inode *tree_inode(struct tree *t, uint32_t mode);
int tree_set_target(struct tree *t, struct tree_inode *i, const char *target,
		    size_t size);
int tree_add_xattr(struct tree *t, struct tree_inode *i, const char *name,
		   size_t name_size, const void *value, size_t value_size);
/* After all have been added; of those of a name the last one stays. */
void tree_sort_xattrs(struct tree *t, struct tree_inode *i);
void tree_drop_xattrs(struct tree *t, struct tree_inode *i);
/* One that got no name goes; NULL is allowed. */
void tree_drop_inode(struct tree *t, struct tree_inode *i);

struct tree_node *tree_find(const struct tree *t, const struct tree_node *dir,
			    const char *name, size_t size);
/* Gives inode a name, in the place of what has it now. */
int tree_put(struct tree *t, struct tree_node *dir, const char *name,
	     size_t size, struct tree_inode *inode, struct tree_node **node);
/* The directory that path (size bytes) leads to; links on the way are followed,
 * within the tree. make: directories that are missing are made. */
int tree_walk(struct tree *t, const char *path, size_t size, bool make,
	      struct tree_node **dir);
/* The regular file that path leads to, links followed; NULL: none. */
const struct tree_inode *tree_file(struct tree *t, const char *path);
/* With all that is beneath it. */
void tree_remove(struct tree *t, struct tree_node *node);
/* The same, but what t->layer has stays, with the directories above it. */
void tree_hide(struct tree *t, struct tree_node *node);
void tree_hide_children(struct tree *t, struct tree_node *node);

#endif
