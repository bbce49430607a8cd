/* image.h: the image's directories and files. */
#ifndef FS_IMAGE_H
#define FS_IMAGE_H

#include "fs/vfs.h"

u32 image_count(const struct node *dir); /* entries of a directory */
/* The node that name has in the image, and the image's copy of the name. */
struct node *image_lookup(struct node *dir, const char *name, u32 size);
/* The image's copy of a name that it has in dir, or NULL. */
const char *image_name(const struct node *dir, const char *name, u32 size);
/* Entry number i of a directory; returns its name. */
const char *image_entry(const struct node *dir, u32 i, u32 *size, u64 *ino,
			u32 *mode);
struct node *image_root(void);
/* Where its programs want to start; NULL: it does not say. */
const char *image_directory(void);
/* The target of a link, not terminated, n->size bytes; a file's data. */
const char *image_target(const struct node *n);
const void *image_data(const struct node *n);
void image_forget(const struct node *n); /* n is being freed */

#endif
