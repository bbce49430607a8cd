/* ramfs.h: the data of regular files. */
#ifndef FS_RAMFS_H
#define FS_RAMFS_H

#include "fs/vfs.h"

#define MAX_SIZE 0x7fffffffffffffffull

long data_read(struct node *n, void *buf, size_t size, u64 at);
long data_write(struct node *n, const void *buf, size_t size, u64 at);
/* A file without data gets frames for its own, of which the last is zero behind
 * size. 0 or -ENOSPC: frames that it did not get are free. */
long data_adopt(struct node *n, gpa_t frames, u64 size);
long data_truncate(struct node *n, u64 size);
/* Makes pages of a range present, or takes them out. */
long data_allocate(struct node *n, u64 at, u64 size);
long data_punch(struct node *n, u64 at, u64 size);
/* The next data, or hole, at or after a position below the size. */
u64 data_next(const struct node *n, u64 at);
u64 data_hole(const struct node *n, u64 at);
u64 data_blocks(const struct node *n); /* of 512 bytes */
/* Whether a page has data; else it is a hole, or behind the end. */
bool data_has(const struct node *n, u64 index);
/* The frame of a page, for mappings: struct file_ops, page. */
/* Where a page's data is: in memory, in the image; 0: nowhere, zeroes. */
gpa_t data_place(const struct node *n, u64 index);
gpa_t data_page(struct node *n, u64 index, bool write);
/* Pages in a run of frames: struct object_ops, gather. */
gpa_t data_gather(struct node *n, u64 index, u64 count, gpa_t run);
void data_free(struct node *n);
u64 data_frames(void); /* of all files */

#endif
