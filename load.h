/*
 * load.h: processes that load, build, keep, store and derive templates for the front
 * end, which touches no page of one: all of it takes long. One loads: it reads a template and its image, checks all of
 * them, and fills two other files, one of memory (the template), one with the image.
 * One builds: it makes a template of an image, in memory. One keeps: it writes such
 * a template where it belongs, and names an image that was unpacked. One stores: it
 * copies a template and its image to where sessions find them (origin.h). One derives: it
 * makes a template, in memory, of another one and a session of it (derived.h).
 */
#ifndef ZEROBOOT_LOAD_H
#define ZEROBOOT_LOAD_H

#include <stdbool.h>

/* What workers get of a template, as descriptors. */
enum load_file {
	LOAD_MEMORY, /* sealed */
	LOAD_IMAGE,  /* the copy; as long as the image once it is whole */
	LOAD_FILE,   /* the template's own */
	LOAD_SOURCE, /* the image's own */
	LOAD_FILES
};

#define LOAD_WORDS_MAX 512 /* why it fails, into its pipe */

enum load_job { LOAD_LOAD, LOAD_BUILD, LOAD_DERIVE, LOAD_KEEP, LOAD_STORE };

struct load_options {
	enum load_job job;
	const char *name;  /* the template's path */
	const char *image; /* the image's, or where its copy is kept */
	const char *host;  /* see host.h */
	/* The template as it was (-1: not there) and as it becomes, the images, the
	 * last words. When one is derived, what comes from copy is the session. */
	int file, memory, copy, source, pipe;
};

/* Exit status when all is loaded but the copy of the image, for lack of room or
 * the like: it stays where it is. */
#define LOAD_IN_PLACE 2
/* ... when the template is of no use, and can be made anew. */
#define LOAD_USELESS 3

/* Returns the exit status of the process. */
int load_main(const struct load_options *o);

#endif
