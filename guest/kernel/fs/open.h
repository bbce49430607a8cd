/* open.h: from a path or a node to an open file. */
#ifndef FS_OPEN_H
#define FS_OPEN_H

#include "fs/vfs.h"

/* An open file of this node; NULL and *error. */
struct file *node_open(struct node *n, u32 flags, long *error);
/* Says how nodes of this type are opened, whose kind lives above (FIFOs). */
void node_serve(u32 type, const struct file_ops *ops);
/* Opens by absolute path for the kernel itself; NULL and *error. */
struct file *file_open_kernel(const char *path, long *error);
/* Opens a program: a regular file that may be executed and that nobody has open
 * for writing; as long as the file is open nobody can. NULL and *error. */
struct file *file_open_program(struct node *start, const char *path,
			       bool follow, long *error);
struct file *node_open_program(struct node *n, long *error);
/* Makes a read-only in-memory file with this content (the agent). */
long file_make(const char *path, const void *data, size_t size, u32 mode);

#endif
