/*
 * inflate.h: gzip files (RFC 1952) of deflated data (RFC 1951), read piece by piece
 * through a window of 32 KiB. Any number of members, one after the other; sizes
 * and checksums must be right.
 */
#ifndef ZEROBOOT_INFLATE_H
#define ZEROBOOT_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFLATE_WINDOW ((size_t)32768)
#define INFLATE_FULL (2 * INFLATE_WINDOW)
#define INFLATE_ROOM (INFLATE_FULL + 512) /* + the longest match */

/* More compressed bytes: *size is 0 at their end. 0 or -errno. */
typedef int inflate_fill(void *context, const uint8_t **data, size_t *size);

/* Symbols of a prefix code by their codes, for the decoder. */
struct inflate_code {
	uint16_t fast[1024]; /* by the next 10 bits: symbol << 4 | length */
	uint16_t count[16];  /* codes of each length */
	uint16_t symbol[288];
};

struct inflate {
	inflate_fill *fill;
	void *context;
	const uint8_t *in, *in_end;
	uint64_t bits;
	unsigned bit_count;
	enum {
		INFLATE_MEMBER, /* a gzip header is next */
		INFLATE_BLOCK,
		INFLATE_STORED,
		INFLATE_CODES,
		INFLATE_TRAILER,
		INFLATE_END,
	} state;
	bool last;        /* this block is its member's last */
	uint32_t stored;  /* bytes left of a stored block */
	uint32_t crc;     /* of the member so far */
	uint64_t size;    /* its bytes */
	size_t at, ready; /* in out: what was taken, what was made */
	const char *why;  /* what is wrong, after -EINVAL */
	struct inflate_code literals, distances;
	uint8_t out[INFLATE_ROOM];
};

void inflate_open(struct inflate *z, inflate_fill *fill, void *context);
/* The next bytes, which stay until the next call; *size is 0 at the end. 0,
 * -EINVAL with z->why, or what fill returned. */
int inflate_more(struct inflate *z, const uint8_t **data, size_t *size);

#endif
