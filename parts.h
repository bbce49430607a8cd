/*
 * parts.h: a list of parts (protocol.h) that grows at its end: what a request
 * consists of, as it is sent to a worker.
 */
#ifndef ZEROBOOT_PARTS_H
#define ZEROBOOT_PARTS_H

#include <stddef.h>

#include "protocol.h"

#define PARTS_STRINGS_COUNT 1024       /* arguments and variables, and */
#define PARTS_STRINGS_MAX (128u << 10) /* bytes of them, each with a NUL */
#define PARTS_PATH_MAX 4095
#define PARTS_OUTPUTS_MAX 64 /* patterns of files to return */
#define PARTS_DEPTH_MAX 128  /* directories of a path */

struct parts { /* zeroed: empty */
	char *data;
	size_t size, room;
	size_t open; /* where the part is that has no end yet */
};

/* Begins a part whose data will be at most so many bytes: to be written where it
 * says, before parts_end; NULL: no memory. */
char *parts_begin(struct parts *p, enum part_kind kind, const char *name,
		  size_t name_size, size_t most);
void parts_end(struct parts *p, size_t size);
/* All of a part. 0 or -ENOMEM. */
int parts_add(struct parts *p, enum part_kind kind, const char *name,
	      size_t name_size, const void *data, size_t size);
/* Gives back room that nothing is in. */
void parts_fit(struct parts *p);
void parts_drop(struct parts *p);

struct parts_strings { /* of a request; zeroed: none */
	size_t count, size;
};
/* Why the program cannot have one more string of this size; NULL: it can, and it
 * counts. */
const char *parts_strings_problem(struct parts_strings *s, size_t size);
/* Why a file of a request cannot have this path; NULL: it can. */
const char *parts_path_problem(const char *path, size_t size);
/* The same of a variable's name, and of a string of the program's. */
const char *parts_name_problem(const char *name, size_t size);
const char *parts_string_problem(const char *text, size_t size);

#endif
