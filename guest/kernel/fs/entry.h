/* entry.h: the entries of directories: names, and the nodes that have them. */
#ifndef FS_ENTRY_H
#define FS_ENTRY_H

#include "fs/vfs.h"

struct node *dir_lookup(struct node *dir, const char *name, u32 size);
/* A name that is there, in memory that lasts as long; NULL: it is not. */
const char *dir_name(struct node *dir, const char *name, u32 size);
/* Gives a node that has no entry a name to be shown. */
void node_name(struct node *n, const char *name, u32 size);
long dir_add(struct node *dir, const char *name, u32 size, struct node *n);
long dir_remove(struct node *dir, const char *name, u32 size);
/* A name in a directory. */
struct place {
	struct node *dir;
	const char *name;
	u32 size;
};
/* Gives the node of one name to another one, which may be in use; the two are
 * exchanged, or the first becomes left (NULL: nothing). */
long dir_move(const struct place *from, const struct place *to, bool exchange,
	      struct node *left);
bool dir_empty(struct node *dir);
void dir_free(struct node *dir); /* its own entries */
void entry_free(struct dentry *d);
void dir_list(struct node *dir, u64 *position, dir_emit *emit, void *context);

#endif
