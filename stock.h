/*
 * stock.h: what the workers of a language start from: its template and its image.
 * A process of its own (load.h) loads them into files that nobody changes any more;
 * workers that start before that is done take them from their own files, and change
 * over. Whatever becomes of those files afterwards, workers and their VMs go on. A
 * file with other content is loaded beside and, once it is found to be good, takes
 * the place for workers that start from then on.
 *
 * A template that is not there, or of no use, is made of the image, in memory, by
 * another such process, and kept as a file where that can be done.
 *
 * Where the image cannot be copied it stays where it is, and workers end when it is
 * overwritten.
 */
#ifndef ZEROBOOT_STOCK_H
#define ZEROBOOT_STOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "file.h"
#include "image_find.h"
#include "load.h"
#include "sha256.h"

/* A template that is loaded, or is being so. */
struct stock_set {
	int files[LOAD_FILES]; /* what workers get, to read; -1: not there */
	int memory, image;     /* the loader's, to write; -1: not there */
	struct file_version version; /* of the template's file; 0: it has none */
	struct file_version image_version;
	char image_path[PATH_MAX];
	struct image_id id;        /* of the image */
	char name[SHA256_HEX + 1]; /* of the template: template_name() */
	bool plain;                /* the image can be used where it is */
	bool made;                 /* by us, in memory */
	bool loaded;
	bool whole;  /* with a copy of its image, */
	bool shared; /* which is another's */
};

enum stock_work { STOCK_IDLE, STOCK_LOADING, STOCK_BUILDING, STOCK_KEEPING };

struct stock {
	const char *path, *host;         /* see host.h */
	char beside[PATH_MAX];           /* NAME.img */
	void *context;                   /* the caller's */
	void (*loaded)(struct stock *s); /* workers can start, or be trained */
	void (*failed)(struct stock *s); /* see reason; unless stock_ready(),
					  * workers that have started must end */
	void (*noted)(struct stock *s, const char *level); /* for the log */
	/* One with a copy of that image, for what is foreign; or NULL. */
	const struct stock_set *(*image)(const struct image_id *id);
	struct stock_set now, next; /* what workers start from; what comes */
	enum stock_work work;       /* what the process does, */
	pid_t pid;                  /* 0: there is none; */
	bool early;                 /* it loads now, not next */
	int pipe;                   /* its last words; -1: nobody hears them */
	bool keep;                  /* what is loaded is to be kept */
	bool foreign;     /* the template may be of another zeroboot's making */
	bool given;       /* the template has no file: stock_give */
	bool useless;     /* what was to be loaded last is, for good */
	uint64_t started; /* the process that builds */
	bool outdated;    /* and builds of what is gone */
	char reason[LOAD_WORDS_MAX]; /* what was wrong with the last load */
	char why[LOAD_WORDS_MAX]; /* it is made anew; empty: it was not there */
	/* What was loaded last, or was to be. */
	struct file_version tried, image_tried;
	uint64_t not_before, pause; /* of the next load, of the same again */
};

/* path, host, context and the callbacks are set. */
void stock_open(struct stock *s);
/* Lets go of all that it has, and waits for nothing: its process is told to end, and its
 * number stays (s->pid) until stock_reap has seen that. */
void stock_stop(struct stock *s);
void stock_reap(struct stock *s);
/* The same at a server's end: waits for the process, for a while, unless stock_stop has told
 * it before. */
void stock_close(struct stock *s);

/* For a template that is about to be made: memory to write, and to read where that can
 * be (else -1). -errno. */
int stock_memory(int *to_read);
/* It is made: nobody can change it any more. 0 or -errno. */
int stock_seal(int *memory, int *to_read);
/* The image of a set, for another template that is of it; stock_drop undoes it. 0 or
 * -errno. */
int stock_share_image(struct stock_set *to, const struct stock_set *from);
void stock_drop(struct stock_set *set);
/* After stock_open: what it has, for good, is a template that is made, with an image of
 * stock_share_image. Takes what set has. 0 or -errno. */
int stock_give(struct stock *s, struct stock_set *set);

/* Workers can start, with s->now.files. */
bool stock_ready(const struct stock *s);
/* What is to be started from, or taken instead, is being loaded or made. */
bool stock_is_working(const struct stock *s);
/* They cannot, because the template is only being made. */
bool stock_is_building(const struct stock *s);
/* MiB of guest memory of what workers start from; 0: not known. */
int stock_memory_mb(const struct stock *s);
/* Loads the template if it is not there, or has other content than that; takes
 * note of loaders that have ended. Now and then. */
void stock_tick(struct stock *s, uint64_t now);

#endif
