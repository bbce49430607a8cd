/*
 * template.h: a *.zbt file: a started interpreter, stopped where it asks for
 * work. A head of 4 KiB says where the parts are:
 *
 *  STATE     struct vm_state of vmm.h
 *  TRAINING  code that touches what runs touch; may be empty
 *  PROGRAM   what was started in it, with a NUL; empty: the interpreter that the
 *            image has, with its agent
 *  USED      a bit for each page of memory: set when it is not all zero
 *  SUMS      CRC-32C of each TEMPLATE_BLOCK of the image
 *  MEMORY    the pages that are used, and those between them when a gap is short
 *            (template_runs), one behind the other
 *
 * Pages that are zero are not in the file, nor is the image: the head says which
 * it is. It is a cache: whatever does not fit any more (image, version, CPU) is
 * made anew from the image. All of it has a checksum. Head and small parts are
 * checked when it is opened, memory when it is loaded (load.h), the image after
 * that.
 */
#ifndef ZEROBOOT_TEMPLATE_H
#define ZEROBOOT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "err.h"
#include "image_find.h"
#include "sha256.h"

#define TEMPLATE_VERSION 5
#define TEMPLATE_TRAINING_MAX 16384
#define TEMPLATE_BLOCK (2ull << 20)
#define TEMPLATE_PAGE 4096ull

enum template_part {
	TEMPLATE_STATE,
	TEMPLATE_TRAINING,
	TEMPLATE_PROGRAM,
	TEMPLATE_USED,
	TEMPLATE_SUMS,
	TEMPLATE_MEMORY,
	TEMPLATE_PARTS
};

struct template_head {
	char magic[8];
	uint32_t version;
	uint32_t abi_version;
	uint32_t checksum; /* of this head with this field 0 */
	uint32_t maker;    /* see template_maker */
	uint64_t file_size;
	uint64_t memory_size; /* bytes the guest has */
	uint64_t used_pages;
	uint64_t mono_ns, wall_ns;    /* the guest's clocks when it was taken */
	uint64_t build_ns;            /* how long it took to make */
	struct cpu_features features; /* that its programs have found */
	struct {
		uint64_t offset, size;
		uint32_t checksum;
		uint32_t reserved;
	} parts[TEMPLATE_PARTS];
	struct image_id image; /* that it was made from */
	uint8_t rest[3768];    /* zero */
};

struct template
{
	int fd;
	bool owned;                /* fd is closed with it */
	struct template_head head; /* checked */
	uint8_t *small;            /* the parts before MEMORY, a copy */
};

/* What this program brings along, as a number: its kernel and agents are in each
 * template. Set once (maker.h); templates of another one are of no use. */
extern uint32_t template_maker;
/* Those of others are taken, too, if only their guest's ABI is ours: what sessions
 * are of is kept. */
extern bool template_any_maker;

/* What tells it from all others, which sessions go by: SHA-256 of its head, in hex. */
void template_name(const struct template_head *h, char name[SHA256_HEX + 1]);

/* What to do about a file for which opening or loading it gave this error: it can
 * be made anew. */
bool template_is_useless(int r);

/* Opens a file and checks all but its memory and its image. 0 or -errno, of one of
 * another zeroboot -ESTALE; then it is closed again. */
int template_open(struct template *t, const char *path, struct err *e);
/* The same of a file that is open and stays the caller's. name: for people. */
int template_read(struct template *t, int fd, const char *name, struct err *e);
void template_close(struct template *t);

/* A part before MEMORY, in memory. */
const void *template_data(const struct template *t, enum template_part part);
/* The part PROGRAM; NULL when that is empty. */
const char *template_program(const struct template *t);

/* Pages that follow each other in memory and in the file. */
struct template_run {
	uint64_t page, count; /* in memory */
	uint64_t at;          /* byte in MEMORY */
};

/* The runs that the bits of USED make, into runs unless that is NULL; how
 * many. */
size_t template_runs(const uint64_t *used, uint64_t pages,
		     struct template_run *runs);

/* The CRC-32C of each TEMPLATE_BLOCK of an image, how many those are. */
size_t template_sum_count(uint64_t image_size);
void template_sum(const void *image, uint64_t image_size, uint32_t *sums);

/* What a file is made of. */
struct template_content {
	const void *state;
	size_t state_size;
	const char *training;
	size_t training_size; /* TEMPLATE_TRAINING_MAX at most */
	const char *program;  /* may be NULL */
	const uint8_t *memory;
	const uint8_t *image;
	uint64_t image_size;
	const uint32_t *sums; /* template_sum of it */
	/* as in the head */
	uint64_t memory_size, mono_ns, wall_ns, build_ns;
	struct cpu_features features;
	/* Of one that is made of another: that, from which the rest comes (image,
	 * training, program, features, maker); and a bit for each page of memory that
	 * may not be zero. */
	const struct template *like;
	const uint64_t *some;
};

/* Writes it into an empty file. 0 or -errno. */
int template_write(int fd, const struct template_content *c);
/* A copy of an open one, which takes the place of path once it is whole: a cache.
 * 0 or -errno, then path is as it was. */
int template_keep(const char *path, int fd, struct err *e);
/* Whether path has a template with the same head as fd's, and so the same content
 * when it is whole. */
bool template_is_copy(const char *path, int fd);

/* Writes what `zeroboot template info` shows to stdout. 0 or -errno. */
int template_info(const char *path, struct err *e);

#endif
