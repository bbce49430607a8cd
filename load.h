/*
 * load.h: a process that loads a template for the front end, which touches no
 * page of it. It reads the template's file, checks all of it, and fills two other
 * files: one of memory (the template up to its image), one with the image. A
 * template that is damaged, of another version, or made on a CPU with more features
 * than this one, is made anew from its image, which is in it or beside it.
 */
#ifndef ZEROBOOT_LOAD_H
#define ZEROBOOT_LOAD_H

#include <stdbool.h>

/* What workers get of a template, as descriptors. */
enum load_file {
	LOAD_MEMORY, /* sealed */
	LOAD_IMAGE,  /* the copy; as long as the image once it is whole */
	LOAD_FILE,   /* the template's own */
	LOAD_FILES
};

#define LOAD_WORDS_MAX 512 /* why it fails, into its pipe */

struct load_options {
	const char *name; /* its path */
	const char *host; /* see host.h */
	bool anew;        /* one that is of no use here may be made anew */
	int file, memory, image, pipe;
};

/* Exit status when all is loaded but the copy of the image, for lack of room or
 * the like: it stays where it is. */
#define LOAD_IN_PLACE 2
/* ... when the file was of no use, and another one has taken its place. */
#define LOAD_ANEW 3

/* Returns the exit status of the process. */
int load_main(const struct load_options *o);

#endif
