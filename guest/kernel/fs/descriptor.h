/* descriptor.h: the tables of descriptors of processes. */
#ifndef FS_DESCRIPTOR_H
#define FS_DESCRIPTOR_H

#include "fs/file.h"

struct descriptors;
struct process;

/* Gives the first process an empty table. */
void descriptors_init(void);
/* The running process shares its table with no other. 0 or -ENOMEM. */
long descriptors_unshare(void);
/* Of any process: borrowed, NULL when not open; the first at or above, or -1. */
struct file *fd_file_of(const struct process *p, s32 fd);
s32 fd_next_of(const struct process *p, s32 fd);
bool fd_cloexec_of(const struct process *p, s32 fd); /* of an open one */
struct file *fd_file(s32 fd); /* borrowed, NULL when not open */
/* Takes the reference, also on failure; lowest free number or -EMFILE. */
long fd_install(struct file *f, bool cloexec);
/* The lowest free number at or above low. */
long fd_install_at(struct file *f, s32 low, bool cloexec);
/*
 * Numbers for files that are yet to come, for calls that do something that
 * cannot be undone, or wait: until fd_fill() the number is not open, but not free
 * either. The lowest, or two; -EMFILE, -ENOMEM.
 */
long fd_reserve(void);
long fd_reserve_two(s32 fds[2]);
/* The reserved number gets f, whose reference it takes, and is returned. NULL: it
 * is free again, and `error` is returned. */
long fd_fill(s32 fd, struct file *f, bool cloexec, long error);
bool fd_cloexec(s32 fd); /* of one that is open */
void fd_set_cloexec(s32 fd, bool cloexec);
/* Numbers are below this. */
u64 fd_limit(void);
s32 fd_next(s32 fd); /* the first open one at or above, or -1 */

#endif
