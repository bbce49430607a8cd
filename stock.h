/*
 * stock.h: what the workers of a language start from: its template. A process of
 * its own (load.h) loads it into files that nobody changes any more; workers that
 * start before that is done take it from its own file, and change over. Whatever
 * becomes of the template's file afterwards, workers and their VMs go on. A file
 * with other content is loaded beside and, once it is found to be good, takes the
 * place for workers that start from then on.
 *
 * Where the image cannot be copied it stays where it is, and workers end when the
 * template is overwritten.
 */
#ifndef ZEROBOOT_STOCK_H
#define ZEROBOOT_STOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "file.h"
#include "load.h"

/* A template that is loaded, or is being so. */
struct stock_set {
	int files[LOAD_FILES]; /* what workers get, to read; -1: not there */
	int memory, image;     /* the loader's, to write; -1: not there */
	struct file_version version;
	bool loaded;
	bool whole; /* with a copy of its image */
};

struct stock {
	const char *path, *host;         /* see host.h */
	void *context;                   /* the caller's */
	void (*loaded)(struct stock *s); /* workers can start, or be trained */
	void (*failed)(struct stock *s); /* see reason; unless stock_ready(),
					  * workers that have started must end */
	struct stock_set now, next;  /* what workers start from; what comes */
	pid_t pid;                   /* of the loader of next; 0: none, */
	bool early;                  /* or of now */
	int pipe;                    /* its last words */
	char reason[LOAD_WORDS_MAX]; /* what was wrong with the last load */
	bool remade; /* and the loader has put a good one in its place */
	struct file_version tried;  /* what was loaded last, or was to be */
	uint64_t not_before, pause; /* of the next load, of the same again */
};

/* path, host, context, loaded and failed are set. */
void stock_open(struct stock *s);
void stock_close(struct stock *s);

/* Workers can start, with s->now.files. */
bool stock_ready(const struct stock *s);
/* MiB of guest memory of what workers start from; 0: not known. */
int stock_memory_mb(const struct stock *s);
/* Loads the template if it is not there, or has other content than that; takes
 * note of loaders that have ended. Now and then. */
void stock_tick(struct stock *s, uint64_t now);

#endif
