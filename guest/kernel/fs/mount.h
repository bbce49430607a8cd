/* mount.h: what the file system has from the start. */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "fs/vfs.h"

/* The root, and the directories that programs expect. */
void vfs_init(void);
/* Adds a node of this mode under a path of the kernel's own; NULL: no memory. */
struct node *vfs_make(const char *path, u32 mode);

#endif
