/*
 * store.h: the contents of an image's files, written into the image as they come:
 * nothing of them is held in memory. What is zero stays a hole.
 */
#ifndef ZEROBOOT_STORE_H
#define ZEROBOOT_STORE_H

#include <stddef.h>
#include <stdint.h>

struct store {
	int fd;
	uint64_t end;  /* where the next content goes, a multiple of 4096 */
	uint64_t dead; /* bytes before end that nobody has any more */
};

/* Room for size bytes that start on a page and are zero so far. 0 or -EFBIG. */
int store_begin(struct store *s, uint64_t size, uint64_t *at);
/* 0 or -errno. */
int store_write(struct store *s, const void *data, size_t size, uint64_t at);
/* The size bytes at at have no owner any more: the disk gets them back. */
void store_drop(struct store *s, uint64_t at, uint64_t size);
/* Moves size bytes towards the start; they may overlap. 0 or -errno. */
int store_move(struct store *s, uint64_t from, uint64_t to, uint64_t size);

#endif
