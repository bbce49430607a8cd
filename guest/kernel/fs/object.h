/* object.h: what is open but not of a file system: pipes, sockets, counters. */
#ifndef FS_OBJECT_H
#define FS_OBJECT_H

#include <asm/stat.h>

#include "kernel.h"

#define ANON_MODE 0600 /* anonymous inodes have no file type */
#define ANON_INODE 1   /* and share one number */

/* What it answers to stat. */
void stat_object(struct stat *st, u32 mode, u64 inode);
u64 object_inode(void); /* a new number, for pipes and sockets */

#endif
