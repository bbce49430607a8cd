/*
 * pax.h: the records of a pax header, which say what a ustar header has no room for
 * (POSIX pax, GNU's sparse files, star's extended attributes). They are hostile.
 */
#ifndef ZEROBOOT_PAX_H
#define ZEROBOOT_PAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of the records' text. data NULL: there is none. */
struct pax_text {
	const char *data;
	size_t size;
};

/* Bytes of a sparse file that are stored. */
struct tar_segment {
	uint64_t offset, size;
};

struct tar_map {
	struct tar_segment *list;
	size_t count, room;
};

#define TAR_SEGMENTS (1u << 20) /* of one file */

/* 0, -ENOMEM or -E2BIG. */
int tar_map_add(struct tar_map *m, uint64_t offset, uint64_t size);

struct pax_xattr {
	struct pax_text name, value;
};

struct pax {
	struct pax_text path, link;
	struct pax_text real_path; /* of a sparse file */
	bool has_size, has_uid, has_gid, has_mtime, has_real_size;
	uint64_t size, uid, gid;
	int64_t mtime_sec;
	uint32_t mtime_nsec;

	/* GNU's sparse files, formats 0.0, 0.1, 1.0 */
	uint64_t sparse_major, real_size;
	bool has_map; /* in these records */
	bool has_offset;
	uint64_t map_offset;

	struct pax_xattr *xattrs;
	size_t xattr_count, xattr_room;
};

/* Of the size bytes at text, which must stay; later records win. map: where a
 * sparse file's segments go. 0, or -errno and what is wrong in *why. */
int pax_read(struct pax *p, const char *text, size_t size, struct tar_map *map,
	     const char **why);
/* What another one has, in the memory that this one has. 0 or -ENOMEM. */
int pax_copy(struct pax *p, const struct pax *from);
void pax_free(struct pax *p);

#endif
