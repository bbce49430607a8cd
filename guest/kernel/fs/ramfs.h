/* ramfs.h: the data of regular files, and files and directories as opened. */
#ifndef FS_RAMFS_H
#define FS_RAMFS_H

#include "fs/vfs.h"

long data_read(struct node *n, void *buf, size_t size, u64 at);
long data_write(struct node *n, const void *buf, size_t size, u64 at);
long data_truncate(struct node *n, u64 size);
void data_free(struct node *n);

extern const struct file_ops regular_ops, directory_ops;
struct node *file_node(const struct file *f); /* NULL: not of a file system */

#endif
