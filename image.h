/*
 * image.h: a root file system packed into one file (layout: guest/abi.h).
 */
#ifndef ZEROBOOT_IMAGE_H
#define ZEROBOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * Packs source, a directory or a tar (ustar, pax or GNU, as `docker export`
 * writes it), into the file output, which is replaced only on success.
 * Returns 0 or -errno with a message in e.
 */
int image_build(const char *output, const char *source, struct err *e);

/*
 * Checks that the size bytes at data are a complete image whose every offset
 * stays inside. Returns 0 or -EINVAL with a message in e.
 */
int image_check(const void *data, size_t size, struct err *e);

/*
 * Finds path (absolute, symbolic links followed) in a checked image. Returns
 * the inode number or -errno.
 */
int64_t image_lookup(const void *data, const char *path);

#endif
