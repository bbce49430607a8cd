/*
 * image_find.h: where the image of a template is: beside the template, by its name
 * (NAME.img for NAME.zbt), or under any name by what it is, so that several
 * templates share one.
 */
#ifndef ZEROBOOT_IMAGE_FIND_H
#define ZEROBOOT_IMAGE_FIND_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* What tells one image from another: of its header. */
struct image_id {
	uint64_t checksum, size;
};

/* Of one that is mapped. */
struct image_id image_id(const void *data, size_t size);
/* Of a file, by its head. plain: it can be mapped as it is, without image_open.
 * 0 or -errno with a message. */
int image_identify(int fd, const char *path, struct image_id *id, bool *plain,
		   struct err *e);

struct image_place {
	char path[PATH_MAX];
	int fd;     /* to read; the caller's to close */
	bool plain; /* see image_identify */
};

/*
 * The path of a template in a directory: DIRECTORY/NAME.zbt, or in the cache that
 * of an image of this program's own box. 0 or -ENAMETOOLONG.
 */
int image_template(char path[PATH_MAX], const char *directory, const char *name,
		   size_t size);

/* NAME.img of NAME.zbt. 0 or -ENAMETOOLONG. */
int image_beside(char path[PATH_MAX], const char *template);

/*
 * The image of the template that is, or will be, at a path. id: which one that has
 * been made from; NULL: the one beside it. One that is packed and has been unpacked
 * into the cache is found there. 0; -ESTALE: the one beside is another; -ENOENT:
 * there is none; -errno, also when not all names could be read.
 */
int image_find(struct image_place *place, const char *template,
	       const struct image_id *id, struct err *e);

/* Where images and templates are: a directory, or a box. given: what somebody says;
 * NULL: this program's own box, else the usual directories. */
const char *image_directory(const char *given);

/* Calls visit with the name (size bytes) of each *.img and *.zbt in a directory or
 * a box: twice for one that has both. 0, or the first that visit returns and is not
 * 0, or -errno with a message. */
typedef int image_visit(const char *name, size_t size, void *context);
int image_each(const char *directory, image_visit *visit, void *context,
	       struct err *e);

#endif
