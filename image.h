/*
 * image.h: a root file system packed into one file (layout: guest/abi.h).
 */
#ifndef ZEROBOOT_IMAGE_H
#define ZEROBOOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "guest/abi.h"

struct image {
	void *data; /* mapped */
	size_t size;
};

/* Maps a file and checks it; one that gzip has packed is unpacked first (into
 * image_room()). 0 or -errno with a message in e; image_close() in any case. */
int image_open(struct image *image, const char *path, struct err *e);
/* What had to be unpacked is kept in the cache (cache.h). */
int image_open_kept(struct image *image, const char *path, struct err *e);
/* One that lies in a file, from a page on; size 0: to its end. */
int image_open_at(struct image *image, const char *path, uint64_t offset,
		  uint64_t size, struct err *e);
/* The same of a file that is open and stays the caller's; path: for people, and
 * to unpack beside. */
int image_open_fd(struct image *image, int fd, const char *path,
		  uint64_t offset, uint64_t size, struct err *e);
void image_close(struct image *image);

/* What lies there can be mapped as it is; else it is packed by gzip, or nothing. */
bool image_plain(int fd, uint64_t offset, uint64_t size);
/* Its header, packed or not, of which magic and size are checked. 0 or -errno with
 * a message. */
int image_head(int fd, uint64_t offset, uint64_t size, const char *path,
	       struct zb_image_header *h, struct err *e);
/* Unpacks size bytes from offset on into a file that is empty: at most as much as
 * the image's header says, all of it or an error. Not checked any further. 0 or
 * -errno with a message. */
int image_unpack(int fd, uint64_t offset, uint64_t size, int to,
		 const char *path, struct err *e);
/*
 * A file without a name that has room for size bytes: in the cache, beside path, or
 * in memory. A descriptor, or -errno with a message.
 */
int image_room(const char *path, uint64_t size, struct err *e);

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
