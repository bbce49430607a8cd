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
 *  IMAGE     the image that it was made from
 *
 * Pages that are zero are not in the file. All of it has a checksum. Head and
 * small parts are checked when it is opened, memory when it is loaded (load.h),
 * the image after that.
 */
#ifndef ZEROBOOT_TEMPLATE_H
#define ZEROBOOT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "err.h"

#define TEMPLATE_VERSION 4
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
	TEMPLATE_IMAGE,
	TEMPLATE_PARTS
};

struct template_head {
	char magic[8];
	uint32_t version;
	uint32_t abi_version;
	uint32_t checksum; /* of this head with this field 0 */
	uint32_t reserved;
	uint64_t file_size;
	uint64_t memory_size; /* bytes the guest has */
	uint64_t used_pages;
	uint64_t mono_ns, wall_ns;    /* the guest's clocks when it was taken */
	uint64_t build_ns;            /* how long it took to make */
	struct cpu_features features; /* that its programs have found */
	struct {
		uint64_t offset, size;
		uint32_t checksum; /* of the image: 0, it has SUMS */
		uint32_t reserved;
	} parts[TEMPLATE_PARTS];
	uint8_t rest[3760]; /* zero */
};

struct template
{
	int fd;
	bool owned;                /* fd is closed with it */
	struct template_head head; /* checked */
	uint8_t *small;            /* the parts before MEMORY, a copy */
};

/* Opens a file and checks all but its memory and its image. 0 or -errno; then it
 * is closed again. */
int template_open(struct template *t, const char *path, struct err *e);
/* The same of a file that is open and stays the caller's. name: for people. size:
 * of the file, which may end where its image begins. */
int template_read(struct template *t, int fd, uint64_t size, const char *name,
		  struct err *e);
void template_close(struct template *t);

/* A part before MEMORY, in memory. */
const void *template_data(const struct template *t, enum template_part part);

/* Pages that follow each other in memory and in the file. */
struct template_run {
	uint64_t page, count; /* in memory */
	uint64_t at;          /* byte in MEMORY */
};

/* The runs that the bits of USED make, into runs unless that is NULL; how
 * many. */
size_t template_runs(const uint64_t *used, uint64_t pages,
		     struct template_run *runs);

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
	/* as in the head */
	uint64_t memory_size, mono_ns, wall_ns, build_ns;
	struct cpu_features features;
};

/* Makes a file, which takes the place of path once it is whole. 0 or -errno. */
int template_write(const char *path, const struct template_content *c,
		   struct err *e);

/* Writes what `zeroboot template info` shows to stdout. 0 or -errno. */
int template_info(const char *path, struct err *e);

#endif
