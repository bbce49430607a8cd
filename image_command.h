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

/*
 * given: arguments, argv[0] first; empty: the image's entry point and command.
 * environment: what the image's comes on top of. The image and the arguments must
 * stay. 0 or -errno with a message; image_command_close() in any case.
 */
int image_command(struct image_command *c, const struct image *image,
		  const char *const *given, const char *const *environment,
		  const char *name, struct err *e);
void image_command_close(struct image_command *c);

#endif
