/* regular.h: open regular files and directories. */
#ifndef FS_REGULAR_H
#define FS_REGULAR_H

#include "fs/ramfs.h"

extern const struct file_ops regular_ops, directory_ops;
extern const struct file_ops path_ops; /* O_PATH: for its node only */
/*
 * Whose node has struct node_ops. As on Linux they differ in whether one may wait
 * for them (poll, epoll) and whether sendfile and splice read them: neither; both;
 * both, where a wait for a change of the mounts is meant; the second; the first.
 */
extern const struct file_ops made_ops, made_system_ops, made_mounts_ops;
extern const struct file_ops made_sent_ops, made_polled_ops;
/* How much of a write at this position RLIMIT_FSIZE allows; -EFBIG and the
 * signal when it is nothing. */
long file_size_limit(u64 at, size_t *n);

#endif
