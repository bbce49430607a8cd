/* permission.h: what the running process may do with a file. */
#ifndef FS_PERMISSION_H
#define FS_PERMISSION_H

#include "fs/vfs.h"

#define MAY_EXEC 1 /* as the bits of a mode; of a directory: to search it */
#define MAY_WRITE 2
#define MAY_READ 4

/* All: 0 or -errno. */
long node_permission(const struct node *n, u32 want);
/* May names be made in dir; may n's name be taken out of it. */
long dir_may_add(const struct node *dir);
long dir_may_remove(const struct node *dir, const struct node *n);
/* May its times be set; plain: to now. */
long node_may_touch(const struct node *n, bool plain);
/* chmod and chown, where they are allowed. */
long node_chmod(struct node *n, u32 mode);
long node_chown(struct node *n, u32 uid, u32 gid);
/* Its data was changed: set-id bits go, unless whoever did it may set them. */
void node_written(struct node *n);
/* A new node in dir belongs to the running process. */
void node_own(struct node *n, const struct node *dir);

#endif
