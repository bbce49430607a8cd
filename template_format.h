/*
 * template_format.h: a *.zbt file: this header, the image, then memory. Used by
 * template.c, which writes it, and snapshot.c, which loads it.
 */
#ifndef ZEROBOOT_TEMPLATE_FORMAT_H
#define ZEROBOOT_TEMPLATE_FORMAT_H

#include <stdint.h>

#include "cpu.h"
#include "template.h"
#include "vmm.h"

#define TEMPLATE_VERSION 2
#define TEMPLATE_MAGIC "ZBTMPL\r\n" /* CR LF: shows a transfer in text mode */
#define TEMPLATE_HEADER_SIZE 65536

struct template_header {
	char magic[8];
	uint32_t version;
	uint32_t abi_version;
	uint64_t checksum; /* FNV-1a of the header with this field 0 */
	uint64_t file_size;
	uint64_t image_offset, image_size;
	uint64_t memory_offset, memory_size;
	uint64_t mono_ns, wall_ns;
	uint64_t build_ns;
	uint64_t used_pages; /* of memory, not all zero */
	uint64_t xcr0;
	struct cpu_features features;
	struct vm_state state;
	uint32_t training_size;
	char training[TEMPLATE_TRAINING_MAX];
};
_Static_assert(sizeof(struct template_header) <= TEMPLATE_HEADER_SIZE, "heade"
								       "r");

uint64_t template_checksum(const struct template_header *h);

#endif
