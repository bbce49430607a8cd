/*
 * build.h: a template is built of an image: its interpreter is started with its
 * agent until it waits for a request, that is saved, and proved by VMs that start
 * from it.
 */
#ifndef ZEROBOOT_BUILD_H
#define ZEROBOOT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "image.h"
#include "snapshot.h"
#include "vmm.h"

struct build_options {
	const char
		*name; /* the template's path: which language, when that has the
			   * name of one */
	const struct image *image;
	const char *image_name; /* for people */
	/* Which of the image's interpreters, by its path, or what is started
	 * instead of one; may be NULL. */
	const char *program;
	uint64_t memory_mb; /* 0: as the image wants */
	bool trace;
};

/* Into fd, an empty file. 0 or -errno; what the image's programs have printed
 * meanwhile is shown on stderr in any case. */
int build_template(const struct build_options *o, const struct vmm *vmm, int fd,
		   struct err *e);

/*
 * As snapshot_open, of a template that is made of the image beside it, and kept,
 * where it is not there, or of no use here.
 */
int build_or_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e);

#endif
