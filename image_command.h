/*
 * image_command.h: what a program of an image is started with: the arguments given,
 * or else those that the image itself has; its environment; PATH and scripts.
 */
#ifndef ZEROBOOT_IMAGE_COMMAND_H
#define ZEROBOOT_IMAGE_COMMAND_H

#include "err.h"
#include "image.h"

struct image_command {
	const char **argv, **envp; /* end in NULL */
	char *program;             /* found by PATH */
	char *line;                /* of a script, in pieces */
};

/* What it is told; all ends in NULL. */
struct image_command_given {
	const char *const *argv; /* empty: the image's entry point and command */
	const char *const *environment; /* the image's comes on top of it, */
	const char *const *variables;   /* and these on top of that; or NULL */
	const char *directory;          /* NULL: the image's */
	const char *image;              /* its name */
};

/*
 * The image and what is given must stay. 0; -ENOENT: there is no such program;
 * -EACCES: it is none; or another -errno, with a message; image_command_close() in
 * any case.
 */
int image_command(struct image_command *c, const struct image *image,
		  const struct image_command_given *given, struct err *e);
void image_command_close(struct image_command *c);

#endif
