/*
 * snapshot.h: what a machine starts from: a vCPU's state, memory, an image. One
 * is loaded from a template file; all its machines share its pages.
 */
#ifndef ZEROBOOT_SNAPSHOT_H
#define ZEROBOOT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "vmm.h"

struct template_header;

struct snapshot {
	int fd; /* the template's file */
	size_t size;
	const struct template_header *header; /* checked */
	const struct vm_state *state;
	uint64_t memory_offset, memory_size;
	uint64_t image_offset, image_size;
	const void *locked; /* the beginning of memory, read-only */
	uint64_t mono_ns;   /* the guest's clocks when it was taken */
	uint64_t wall_ns;
	uint64_t build_ns;    /* how long it took to make */
	const char *training; /* code that touches what runs touch */
	size_t training_size; /* 0: none */
};

/*
 * Opens and checks a template's file: version, head checksum, sizes and, when vmm
 * is not NULL, that this host has the CPU features it was made with. The image's
 * own structure was checked when the template was made and is covered by nothing
 * here: only the guest, not the host, reads it.
 */
int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e);
void snapshot_close(struct snapshot *s);

/* A private mapping of memory and of the image; *image may come out NULL.
 * 0 or -errno; the caller unmaps with snapshot_unmap. */
int snapshot_map(const struct snapshot *s, void **memory, void **image,
		 struct err *e);
void snapshot_unmap(const struct snapshot *s, void *memory, void *image);

#endif
