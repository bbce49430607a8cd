/*
 * image.h: a root file system packed into one file (layout: guest/abi.h).
 */
#ifndef ZEROBOOT_IMAGE_H
#define ZEROBOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "guest/abi.h"

struct image {
	void *data; /* mapped */
	size_t size;
};

/* Maps a file and checks it. 0 or -errno with a message in e; image_close() in
 * any case. */
int image_open(struct image *image, const char *path, struct err *e);
/* One that lies in a file, from a page on; size 0: to its end. */
int image_open_at(struct image *image, const char *path, uint64_t offset,
		  uint64_t size, struct err *e);
void image_close(struct image *image);

/*
 * Checks that the size bytes at data are a complete image whose every offset
 * stays inside. Returns 0 or -EINVAL with a message in e.
 */
int image_check(const void *data, size_t size, struct err *e);

/* As in the header; the tables are where it says. */
uint64_t image_checksum(const struct zb_image_header *h, const void *inodes,
			const void *dirents, const void *names,
			const void *xattrs);

/*
 * Finds path (absolute, symbolic links followed) in a checked image. Returns
 * the inode number or -errno.
 */
int64_t image_lookup(const void *data, const char *path);

/* The setting behind last, the first for NULL; NULL when there is none: a letter
 * of ZB_SETTING_* and a text. */
const char *image_setting(const void *data, const char *last);

#endif
