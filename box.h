/*
 * box.h: zeroboot's binary with images behind it, in one file that runs as before.
 * To whoever opens images it is a directory of them: BOX/NAME.img.
 *
 *  program    the binary, which ends where its ELF headers say
 *  parts      from pages on: images, packed by gzip or not, and default options
 *  index      a struct box_part for the program and for each part, in their order
 *  trailer    struct box_trailer, the last bytes of the file
 *
 * Numbers are little-endian. Trailer, index and each part have a CRC-32C.
 */
#ifndef ZEROBOOT_BOX_H
#define ZEROBOOT_BOX_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define BOX_MAGIC "ZBBOX\r\n" /* CR LF: shows a transfer in text mode */
#define BOX_VERSION 1
#define BOX_PARTS 64 /* at most */
#define BOX_PAGE 4096
#define BOX_OPTIONS_MAX 4096 /* bytes of a command's options */

enum box_kind {
	BOX_PROGRAM,
	BOX_IMAGE,   /* NAME.img */
	BOX_OPTIONS, /* of the command NAME: words, each with a NUL */
	BOX_KINDS
};

struct box_part {
	char name[64]; /* ends in NULs */
	uint64_t offset, size;
	uint32_t checksum;
	uint32_t kind;
};

struct box_trailer {
	char magic[8];
	uint32_t version;
	uint32_t count; /* entries of the index */
	uint64_t index; /* where it begins */
	uint64_t size;  /* of the file */
	uint32_t index_checksum;
	uint32_t checksum; /* of the trailer with this field 0 */
	uint64_t reserved[3];
};

_Static_assert(sizeof(struct box_part) == 88, "box_part");
_Static_assert(sizeof(struct box_trailer) == 64, "box_trailer");

struct box {
	char path[PATH_MAX];
	int fd;
	uint32_t count;
	struct box_part parts[BOX_PARTS]; /* the first is the program */
};

/* Checks trailer and index of a file, which becomes the box's. 0; -ENOEXEC, without a message, when
 * it is a program and nothing behind it, or something else; -errno with one. Only
 * after 0 it is to be closed. */
int box_read(struct box *b, int fd, const char *path, struct err *e);
int box_open(struct box *b, const char *path, struct err *e);
void box_close(struct box *b);
const struct box_part *box_find(const struct box *b, enum box_kind kind,
				const char *name);
/* Whether its bytes are right. 0 or -errno with a message. */
int box_check(const struct box *b, const struct box_part *part, struct err *e);

/* Opens the file that an image with this path is in: it itself or, as BOX/NAME, the
 * box. A descriptor or -errno. */
int box_open_image(const char *path);
/* Where in that file it is; in a box its bytes are checked when that is asked for. 0
 * or -errno with a message. */
int box_locate(int fd, const char *path, bool check, uint64_t *offset,
	       uint64_t *size, struct err *e);
/* There is such an image. */
bool box_has_image(const char *path);

/* How long the program in a file is, by its headers. 0, or -ENOEXEC. */
int box_program_size(int fd, uint64_t *size);
/* The file of this process. 0 or -errno with a message. */
int box_own_path(char path[PATH_MAX], struct err *e);

/* Looks at the file of this process, once, at its start. 0 when it is a box; as
 * box_open() otherwise. */
int box_begin(struct err *e);
/* That box; NULL: there is none. */
const struct box *box_own(void);
/* Its path when it has images, as the directory of them; else NULL. */
const char *box_own_images(void);

#endif
