/* xattrs.h: the extended attributes of a node. */
#ifndef FS_XATTRS_H
#define FS_XATTRS_H

#include "fs/vfs.h"

/* A value of a name, kmalloc'd with both. */
struct xattr {
	struct xattr *next;
	u32 name_size; /* with its NUL */
	u32 value_size;
	char data[]; /* the name, the value */
};

struct xattr *xattr_find(const struct node *n, const char *name);
u64 xattr_units(const struct xattr *x); /* of the quota */
/* Takes x and its units; an attribute of its name goes. */
void xattr_put(struct node *n, struct xattr *x);
bool xattr_remove(struct node *n, const char *name);
void xattrs_free(struct node *n);

#endif
