/*
 * lock.h: advisory locks of files: flock, record locks of processes (POSIX) and
 * of open file descriptions (OFD).
 */
#ifndef FS_LOCK_H
#define FS_LOCK_H

#include "fs/file.h"

struct descriptors;

/* fcntl's F_*LK*; address: the program's struct flock. */
long lock_fcntl(s32 fd, struct file *f, u32 command, u64 address);
/* A descriptor of f in this table is closed: the table's record locks on it
 * go. */
void lock_descriptor_closed(const struct descriptors *d, struct file *f);
/* Lines as of /proc/locks: of all locks; with f, as of its fdinfo: of those that were
 * made by it or by the descriptors d. */
void lock_show(struct text *t, const struct file *f,
	       const struct descriptors *d);
/* The last reference on f is gone, and its locks with it. */
void lock_file_gone(struct file *f);

#endif
