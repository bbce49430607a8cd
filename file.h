/*
 * file.h: files that are written whole or not at all, and files that change
 * while somebody uses them.
 */
#ifndef ZEROBOOT_FILE_H
#define ZEROBOOT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"

/* Writes all of it. 0 or -errno. */
int file_write_at(int fd, const void *data, size_t size, uint64_t offset);

/* Reads all of it; -EIO when there is less. 0 or -errno. */
int file_read_at(int fd, void *data, size_t size, uint64_t offset);

/* In a file system in memory a hole takes a page when a mapping is read there, and
 * who finds none is ended by SIGBUS: takes them now, for what will be mapped. 0, or
 * -ENOSPC with a message. */
int file_fill_holes(int fd, const char *path, struct err *e);

/* A file that takes the place of another once it is whole. */
struct file_draft {
	int fd;
	char path[PATH_MAX]; /* beside the other one */
};

/* A new one, empty. There is one with a name at a time: a signal that ends the
 * process removes it; what a process that was killed left under the name is taken
 * away. 0 or -errno. */
int file_draft(struct file_draft *d, const char *path, struct err *e);
/* It will not become path: nothing but its descriptor is left. */
void file_unname(struct file_draft *d);
/* r: 0 puts the draft at path, on the disk; an error removes it. Returns r, or
 * what failed. */
int file_replace(struct file_draft *d, const char *path, int r, struct err *e);
/* The same of what can be made again: after a crash path may be as it was before. */
int file_replace_spare(struct file_draft *d, const char *path, int r,
		       struct err *e);

/* What names an open directory has is on the disk, or its file system cannot say that. 0 or
 * -errno. */
int file_sync_directory(int fd);

/* Which file has a path, and its content's size and age. */
struct file_version {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written;
};

/* All zero when there is none. */
struct file_version file_look(const char *path);
/* It is the same file with other content, as after cp: who has it mapped has a
 * mixture. (A rename to its name leaves the old file whole.) */
bool file_overwritten(const struct file_version *then,
		      const struct file_version *now);

#endif
