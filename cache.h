/*
 * cache.h: a directory where zeroboot keeps, without being asked, what can be made
 * anew: templates of a box's images, images that were unpacked. It is
 * $CACHE_DIRECTORY (a service manager's), else $XDG_CACHE_HOME/zeroboot, else
 * $HOME/.cache/zeroboot; what is there is believed, so it must be nobody else's to
 * write to.
 */
#ifndef ZEROBOOT_CACHE_H
#define ZEROBOOT_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/* Where a file without a name may be put; NULL: there is no such directory. */
const char *cache_room(void);

/*
 * The place of what was made of an image: NAME.CHECKSUM and the ending, the name
 * being that of the image's path. The directory is made where it is missing. 0, or
 * -errno: nothing is kept here.
 */
int cache_path(char path[PATH_MAX], const char *image, uint64_t checksum,
	       const char *ending);
/* NAME of such a path. False: it is none. */
bool cache_name(char name[NAME_MAX + 1], const char *path);

/* Gives a file that has no name this path in the cache, on the disk; nothing where
 * that cannot be done. */
void cache_keep(const char *path, int fd);
/* What else has its name and ending there, and is a month old, goes. */
void cache_tidy(const char *path);

#endif
