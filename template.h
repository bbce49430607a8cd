/*
 * template.h: a *.zbt file: a started interpreter, stopped where it asks for
 * work. Header with the vCPU's state, then the image, then memory; one mmap
 * loads it. All forks share its pages.
 */
#ifndef ZEROBOOT_TEMPLATE_H
#define ZEROBOOT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "err.h"
#include "vmm.h"

#define TEMPLATE_VERSION 2
#define TEMPLATE_TRAINING_MAX 16384

struct template_header;

struct template
{
	int fd;
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

/* What a template is made from beside the VM. */
struct template_source {
	const void *image; /* mapped */
	uint64_t image_size;
	const char *training; /* TEMPLATE_TRAINING_MAX bytes at most */
	size_t training_size;
	uint64_t build_ns;
};

/*
 * Takes vm, which has just returned VM_READY, into the file path, replaced only
 * on success. 0 or -errno.
 */
int template_save(const char *path, struct vm *vm, const struct vmm *vmm,
		  const struct template_source *source, struct err *e);

/*
 * Opens and checks a file: version, head checksum, sizes and, when vmm is not
 * NULL, that this host has the CPU features it was made with. The image's own
 * structure was checked when the template was made and is covered by nothing
 * here: only the guest, not the host, reads it.
 */
int template_open(struct template *t, const char *path, const struct vmm *vmm,
		  struct err *e);
void template_close(struct template *t);

/* A private mapping of memory and of the image; *image may come out NULL.
 * 0 or -errno; the caller unmaps with template_unmap. */
int template_map(const struct template *t, void **memory, void **image,
		 struct err *e);
void template_unmap(const struct template *t, void *memory, void *image);

/* A new VM in the template's state on a mapping of its own; it waits for
 * template_request. 0 or -errno. vm_destroy and template_unmap end it. */
int template_fork(const struct template *t, const struct vmm *vmm,
		  struct vm *vm, void **memory, void **image, struct err *e);

/* Hands code to a forked VM. -E2BIG when it does not fit. */
int template_request(const struct template *t, struct vm *vm, const void *code,
		     size_t size, uint32_t output_limit);

/* Which file has a path, and its content's size and age. */
struct template_file {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec written;
};

/* All zero when there is none. */
struct template_file template_look(const char *path);
/* It is the same file with other content, as after cp: who has it mapped has a
 * mixture. (A rename to its name leaves the old file whole.) */
bool template_overwritten(const struct template_file *then,
			  const struct template_file *now);

/* MiB of guest memory of the file, or -errno. */
int template_memory_mb(const char *path, struct err *e);

/* Writes what `zeroboot template info` shows to stdout. 0 or -errno. */
int template_info(const char *path, struct err *e);

#endif
