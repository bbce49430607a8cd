/*
 * tar.h: the members of a tar, one after the other: v7, ustar, pax, GNU's and star's
 * formats. What a member says is checked for its form and size only: names are
 * hostile still.
 */
#ifndef ZEROBOOT_TAR_H
#define ZEROBOOT_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "pax.h"
#include "progress.h"
#include "stream.h"

#define TAR_PATH 4095

/* A member. Its texts stay until the next one. */
struct tar_entry {
	struct pax_text path, link; /* neither has a NUL in it */
	uint32_t mode;              /* with the type, as st_mode */
	bool hard;                  /* a hard link; mode says nothing then */
	uint32_t uid, gid, mtime_nsec;
	int64_t mtime_sec;
	uint32_t major, minor;
	uint64_t size; /* of a regular file */
	const struct pax_xattr *xattrs;
	size_t xattr_count;
};

struct tar {
	struct stream *in;
	struct progress *progress;
	struct err *e;
	uint64_t left, padding; /* of the member's content */
	bool sparse;            /* its content are map's segments */
	struct tar_map map, global_map;
	struct pax pax, global_pax; /* global: what all members have */
	struct tar_entry entry;
	char *global, *local; /* pax records */
	size_t global_size, local_size;
	char path[TAR_PATH + 1], link[TAR_PATH + 1];
	bool long_path, long_link; /* GNU's members that give them came */
	char last[SHOWN_SIZE]; /* the member before, for messages; empty: none */
};

void tar_open(struct tar *t, struct stream *in, struct progress *progress,
	      struct err *e);
void tar_close(struct tar *t);
/* 1 and an entry, 0 at the archive's end, -errno with a message. What has not been
 * taken of the last member's content is passed over. */
int tar_next(struct tar *t, const struct tar_entry **entry);
/* Gives the member's content to take, part by part, with each one's offset. 0,
 * -errno with a message, or what take returned. */
int tar_content(struct tar *t,
		int (*take)(void *context, uint64_t offset, const void *data,
			    size_t size),
		void *context);

#endif
