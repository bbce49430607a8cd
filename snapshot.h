/*
 * snapshot.h: what a machine starts from: a vCPU's state, memory, an image. All
 * machines of one share its pages.
 *
 * Memory is what a template has of it, with anonymous memory, which is zero,
 * around: a hole of a file in memory becomes a page of it for good when it is
 * read through a mapping.
 */
#ifndef ZEROBOOT_SNAPSHOT_H
#define ZEROBOOT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "image.h"
#include "template.h"
#include "vmm.h"

struct snapshot {
	struct template template;
	const struct vm_state *state;
	struct template_run *runs;
	size_t run_count;
	const uint8_t *memory; /* all of it, read-only */
	uint64_t memory_size;
	gpa_t large_gpa;      /* as in struct vm */
	const uint64_t *used; /* a bit a page; not set: it is zero */
	const void *image;    /* may be NULL */
	uint64_t image_size;
	bool lent;        /* the image is somebody else's mapping */
	uint64_t mono_ns; /* the guest's clock when it was taken */
	const char *training;
	size_t training_size; /* 0: none */
};

/*
 * Opens a template's file with its image, and checks it as template_open does, and,
 * when vmm is not NULL, that this host has the CPU features it was made with. 0 or
 * -errno.
 */
int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e);
/* What a server hands its workers (stock.h), as descriptors, which outlive the
 * snapshot; -1: not there. */
struct snapshot_files {
	int memory; /* the template, once it is sealed */
	int file;   /* the same where it came from: until then */
	int image;  /* a copy of the image, once that has all of its size */
	int source; /* the image where it came from: until then */
};
/* The same of those, as far as they are there. name: for people. */
int snapshot_attach(struct snapshot *s, const struct snapshot_files *files,
		    const char *name, const struct vmm *vmm, struct err *e);
/* The same of a template's file that is open, and its image that is mapped: both
 * stay the caller's. */
int snapshot_borrow(struct snapshot *s, int fd, const struct image *image,
		    const char *name, const struct vmm *vmm, struct err *e);
/* Memory is sealed. */
bool snapshot_is_loaded(const struct snapshot_files *files);
/* Also when zeroed. */
void snapshot_close(struct snapshot *s);

/* A private mapping of memory, or NULL and e. */
void *snapshot_map(const struct snapshot *s, struct err *e);
void snapshot_unmap(const struct snapshot *s, void *memory);

/* What a template is made from beside the VM. */
struct snapshot_source {
	const void *image; /* mapped */
	uint64_t image_size;
	const uint32_t *sums; /* template_sum of it */
	const char *training; /* TEMPLATE_TRAINING_MAX bytes at most */
	size_t training_size;
	const char *program; /* NULL: the image's interpreter with its agent */
	uint64_t build_ns;
};

/* Writes vm, which has just returned VM_READY, into fd, an empty file, as a template.
 * 0 or -errno. */
int snapshot_save(int fd, struct vm *vm, const struct vmm *vmm,
		  const struct snapshot_source *source, struct err *e);

struct delta;

/* Writes what s has become by d, a session that has settled, into fd, an empty file, as
 * a template. 0; -EINVAL: it can be none; -errno. */
int snapshot_derive(int fd, const struct snapshot *s, const struct delta *d,
		    struct err *e);

#endif
