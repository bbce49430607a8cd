/*
 * delta_segment.h: how a segment of a delta (delta.h) is laid out, for those who
 * keep them and do not look inside.
 */
#ifndef ZEROBOOT_DELTA_SEGMENT_H
#define ZEROBOOT_DELTA_SEGMENT_H

#include <stdint.h>

#define DELTA_MAGIC "ZBDELTA\n"
#define DELTA_VERSION 3
#define DELTA_TEMPLATE 64 /* SHA-256 of the template's head, in hex */
#define DELTA_LINE 64ul   /* bytes of a line; a page has as many lines */

/* In the order of struct kvm_regs. */
struct delta_registers {
	uint64_t general[16];
	uint64_t rip, flags, fs_base, gs_base;
};

/* The head; its vector state follows, then its records, by page. */
struct delta_segment {
	char magic[8];
	uint32_t version;
	uint32_t abi_version;
	uint32_t checksum; /* CRC-32C of the segment with this field 0 */
	uint32_t whole;    /* 1: what is before it does not count */
	uint64_t size;     /* bytes, a multiple of 8 */
	uint64_t records;
	uint64_t mono_ns;      /* the guest's clock, which stands still */
	uint32_t vectors_size; /* bytes, a multiple of 8: XSAVE's standard form
				* without the zeroes at its end */
	uint32_t reserved;
	char template[DELTA_TEMPLATE];
	struct delta_registers registers;
};

/* Its lines follow. What a page's last record that has a line says of it is what
 * counts; a line in none is as the template's, and so is the whole page after a record
 * without lines, until the next one. */
struct delta_record {
	uint32_t page;    /* gpa / 4096 */
	uint32_t earlier; /* bytes / 8 from the state's beginning to the page's
			   * record before; 0: there is none */
	uint64_t mask;    /* bit n: line n follows */
};

#endif
