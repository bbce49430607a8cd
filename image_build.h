/*
 * image_build.h: makes an image file of a directory, a tar or a container image.
 */
#ifndef ZEROBOOT_IMAGE_BUILD_H
#define ZEROBOOT_IMAGE_BUILD_H

#include "err.h"

/*
 * Packs source into the file output, which is replaced only on success; nothing
 * else is written. source: a directory, a tar (gzip'd or not), or "-", a tar on
 * standard input; what is in it is a root file system, or what `docker save` and
 * the OCI layout have. Returns 0 or -errno with a message in e.
 */
int image_build(const char *output, const char *source, struct err *e);

#endif
