/*
 * template.h: a *.zbt file: a started interpreter, stopped where it asks for
 * work. snapshot.c loads it.
 */
#ifndef ZEROBOOT_TEMPLATE_H
#define ZEROBOOT_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define TEMPLATE_TRAINING_MAX 16384

struct vm;
struct vmm;

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

/* MiB of guest memory of the file, or -errno. */
int template_memory_mb(const char *path, struct err *e);

/* Writes what `zeroboot template info` shows to stdout. 0 or -errno. */
int template_info(const char *path, struct err *e);

#endif
