/* image_info.h: what is in an image, for people. */
#ifndef ZEROBOOT_IMAGE_INFO_H
#define ZEROBOOT_IMAGE_INFO_H

#include <stdbool.h>

#include "err.h"

/* On stdout; list: all files as well, a line each. 0 or -errno. */
int image_info(const char *path, bool list, struct err *e);

#endif
