#include "inflate.h"

#include <errno.h>
#include <string.h>

#define FAST_BITS 10
#define MAX_BITS 15
#define MAX_LITERALS 286
#define MAX_DISTANCES 30
#define END_OF_BLOCK 256

static int bad(struct inflate *z, const char *why)
{
	z->why = why;
	return -EINVAL;
}

/* ---- CRC-32, eight bytes at a time ---- */

static uint32_t crc_table[8][256];

static void crc_open(void)
{
	if (crc_table[0][1])
		return;
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			crc_table[k][i] =
				crc_table[k - 1][i] >> 8 ^
				crc_table[0][crc_table[k - 1][i] & 0xff];
}

static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t size)
{
	crc = ~crc;
	for (; size >= 8; p += 8, size -= 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		v ^= crc;
		crc = crc_table[7][v & 0xff] ^ crc_table[6][v >> 8 & 0xff] ^
		      crc_table[5][v >> 16 & 0xff] ^
		      crc_table[4][v >> 24 & 0xff] ^
		      crc_table[3][v >> 32 & 0xff] ^
		      crc_table[2][v >> 40 & 0xff] ^
		      crc_table[1][v >> 48 & 0xff] ^ crc_table[0][v >> 56];
	}
	while (size--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 0xff];
	return ~crc;
}

/* ---- bits ---- */

/* 1 when there is a byte, 0 at the end, or -errno. */
static int refill(struct inflate *z)
{
	size_t size = 0;
	int r;

	if (z->in < z->in_end)
		return 1;
	r = z->fill(z->context, &z->in, &size);
	if (r)
		return r;
	z->in_end = z->in + size;
	return size != 0;
}

/* At least count bits, at most 32, in z->bits. */
static int need(struct inflate *z, unsigned count)
{
	while (z->bit_count < count) {
		int r = refill(z);

		if (r <= 0)
			return r < 0 ? r : bad(z, "cut");
		z->bits |= (uint64_t)*z->in++ << z->bit_count;
		z->bit_count += 8;
	}
	return 0;
}

static uint32_t drop(struct inflate *z, unsigned count)
{
	uint32_t value = (uint32_t)(z->bits & ((1ull << count) - 1));

	z->bits >>= count;
	z->bit_count -= count;
	return value;
}

static int take(struct inflate *z, unsigned count, uint32_t *value)
{
	int r = need(z, count);

	*value = r ? 0 : drop(z, count);
	return r;
}

/* As many as are there, up to 56, for the decoder: no end is an error yet. */
static int gather(struct inflate *z)
{
	if (z->in_end - z->in >= 8) {
		uint64_t v;

		memcpy(&v, z->in, 8);
		z->bits |= v << z->bit_count;
		z->in += (63 - z->bit_count) >> 3;
		z->bit_count |= 56;
		return 0;
	}
	while (z->bit_count < 48) {
		int r = refill(z);

		if (r <= 0)
			return r;
		z->bits |= (uint64_t)*z->in++ << z->bit_count;
		z->bit_count += 8;
	}
	return 0;
}

/* ---- prefix codes ---- */

/* The first bit of a code is its highest: in the stream it comes first. */
static unsigned reverse(unsigned code, unsigned length)
{
	unsigned r = 0;

	for (; length; length--, code >>= 1)
		r = r << 1 | (code & 1);
	return r;
}

/* Of the lengths of n symbols' codes, which must be complete; but one of few
 * symbols may be a single one of one bit, or none. */
static int code_make(struct inflate *z, struct inflate_code *c,
		     const uint8_t *lengths, unsigned n, bool few)
{
	uint16_t offset[MAX_BITS + 2] = { 0 };
	unsigned code = 0, used = 0;
	int left = 1;

	memset(c->count, 0, sizeof(c->count));
	memset(c->fast, 0, sizeof(c->fast));
	for (unsigned i = 0; i < n; i++)
		c->count[lengths[i]]++;
	c->count[0] = 0;
	for (unsigned length = 1; length <= MAX_BITS; length++) {
		left = left * 2 - c->count[length];
		if (left < 0)
			return bad(z, "damaged: impossible code");
		offset[length + 1] =
			(uint16_t)(offset[length] + c->count[length]);
		used += c->count[length];
	}
	if (left > 0 && (!few || used > 1 || (used && !c->count[1])))
		return bad(z, "damaged: incomplete code");
	for (unsigned i = 0; i < n; i++)
		if (lengths[i])
			c->symbol[offset[lengths[i]]++] = (uint16_t)i;
	for (unsigned length = 1, i = 0; length <= FAST_BITS; length++) {
		for (unsigned k = 0; k < c->count[length]; k++, i++, code++)
			for (unsigned at = reverse(code, length);
			     at < 1u << FAST_BITS; at += 1u << length)
				c->fast[at] =
					(uint16_t)(c->symbol[i] << 4 | length);
		code <<= 1;
	}
	return 0;
}

/* The next symbol of z->bits, or -EINVAL. */
static inline int code_next(struct inflate *z, const struct inflate_code *c)
{
	unsigned entry = c->fast[z->bits & ((1u << FAST_BITS) - 1)];
	int code = 0, first = 0, index = 0;

	if (entry && (entry & 15) <= z->bit_count) {
		drop(z, entry & 15);
		return (int)(entry >> 4);
	}
	for (unsigned length = 1; length <= MAX_BITS; length++) {
		if (length > z->bit_count)
			return bad(z, "cut");
		code |= (int)(z->bits >> (length - 1) & 1);
		if (code - c->count[length] < first) {
			drop(z, length);
			return c->symbol[index + code - first];
		}
		index += c->count[length];
		first = (first + c->count[length]) << 1;
		code <<= 1;
	}
	return bad(z, "damaged: unknown code");
}

/* ---- blocks ---- */

static int begin_fixed(struct inflate *z)
{
	uint8_t lengths[288];
	int r;

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	r = code_make(z, &z->literals, lengths, 288, false);
	memset(lengths, 5, 32);
	return r ? r : code_make(z, &z->distances, lengths, 32, false);
}

/* The lengths of both codes, themselves in a code of lengths and repeats. */
static int read_lengths(struct inflate *z, uint8_t *lengths, unsigned n)
{
	static const struct {
		uint8_t bits, least;
	} repeats[] = { { 2, 3 }, { 3, 3 }, { 7, 11 } };
	uint32_t more;
	int symbol, r;

	for (unsigned i = 0; i < n;) {
		uint8_t value = 0;

		r = gather(z);
		if (r)
			return r;
		symbol = code_next(z, &z->literals);
		if (symbol < 0)
			return symbol;
		if (symbol < 16) {
			lengths[i++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == 16 && i == 0)
			return bad(z, "damaged: nothing to repeat");
		if (symbol == 16)
			value = lengths[i - 1];
		r = take(z, repeats[symbol - 16].bits, &more);
		if (r)
			return r;
		more += repeats[symbol - 16].least;
		if (more > n - i)
			return bad(z, "damaged: too many lengths");
		memset(lengths + i, value, more);
		i += more;
	}
	return 0;
}

static int begin_dynamic(struct inflate *z)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					   11, 4,  12, 3, 13, 2, 14, 1, 15 };
	uint8_t lengths[MAX_LITERALS + MAX_DISTANCES] = { 0 };
	uint32_t literals, distances, count, value;
	int r = need(z, 14);

	if (r)
		return r;
	literals = drop(z, 5) + 257;
	distances = drop(z, 5) + 1;
	count = drop(z, 4) + 4;
	if (literals > MAX_LITERALS || distances > MAX_DISTANCES)
		return bad(z, "damaged: too many codes");
	for (uint32_t i = 0; i < count; i++) {
		r = take(z, 3, &value);
		if (r)
			return r;
		lengths[order[i]] = (uint8_t)value;
	}
	r = code_make(z, &z->literals, lengths, 19, false);
	if (r)
		return r;
	memset(lengths, 0, sizeof(lengths));
	r = read_lengths(z, lengths, literals + distances);
	if (r)
		return r;
	if (!lengths[END_OF_BLOCK])
		return bad(z, "damaged: a block without an end");
	r = code_make(z, &z->literals, lengths, literals, true);
	return r ? r :
		   code_make(z, &z->distances, lengths + literals, distances,
			     true);
}

static int begin_block(struct inflate *z)
{
	uint32_t kind, size;
	int r = take(z, 1, &kind);

	if (r)
		return r;
	z->last = kind;
	r = take(z, 2, &kind);
	if (r)
		return r;
	if (kind == 3)
		return bad(z, "damaged: unknown kind of block");
	z->state = INFLATE_CODES;
	if (kind == 1)
		return begin_fixed(z);
	if (kind == 2)
		return begin_dynamic(z);
	drop(z, z->bit_count & 7);
	r = take(z, 32, &size);
	if (r)
		return r;
	if ((size & 0xffff) != (size >> 16 ^ 0xffff))
		return bad(z, "damaged: wrong length");
	z->stored = size & 0xffff;
	z->state = INFLATE_STORED;
	return 0;
}

static void end_block(struct inflate *z)
{
	z->state = z->last ? INFLATE_TRAILER : INFLATE_BLOCK;
}

/* Until the block ends or the room does. */
static int copy_stored(struct inflate *z)
{
	while (z->stored && z->ready < INFLATE_FULL) {
		size_t n = INFLATE_FULL - z->ready;
		int r;

		if (z->bit_count) { /* read ahead */
			z->out[z->ready++] = (uint8_t)drop(z, 8);
			z->stored--;
			continue;
		}
		z->bits = 0; /* gather() has seen more than it counted */
		r = refill(z);
		if (r <= 0)
			return r < 0 ? r : bad(z, "cut");
		if (n > z->stored)
			n = z->stored;
		if (n > (size_t)(z->in_end - z->in))
			n = (size_t)(z->in_end - z->in);
		memcpy(z->out + z->ready, z->in, n);
		z->in += n;
		z->ready += n;
		z->stored -= (uint32_t)n;
	}
	if (!z->stored)
		end_block(z);
	return 0;
}

/* Before it, the member has made at least distance bytes. */
static void copy_match(struct inflate *z, uint32_t length, uint32_t distance)
{
	uint8_t *to = z->out + z->ready;
	const uint8_t *from = to - distance;

	z->ready += length;
	if (distance >= length) {
		memcpy(to, from, length);
		return;
	}
	if (distance == 1) {
		memset(to, *from, length);
		return;
	}
	while (length--)
		*to++ = *from++;
}

static int match(struct inflate *z, int symbol)
{
	static const uint16_t lengths[] = { 3,   4,   5,   6,   7,  8,  9,  10,
					    11,  13,  15,  17,  19, 23, 27, 31,
					    35,  43,  51,  59,  67, 83, 99, 115,
					    131, 163, 195, 227, 258 };
	static const uint8_t length_bits[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1,
					       1, 1, 2, 2, 2, 2, 3, 3, 3, 3,
					       4, 4, 4, 4, 5, 5, 5, 5, 0 };
	static const uint16_t distances[] = {
		1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
		33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
		1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577
	};
	uint32_t length, distance, more;
	int r;

	if (symbol >= MAX_LITERALS)
		return bad(z, "damaged: unknown length");
	symbol -= END_OF_BLOCK + 1;
	r = take(z, length_bits[symbol], &more);
	if (r)
		return r;
	length = lengths[symbol] + more;
	r = gather(z);
	if (r)
		return r;
	symbol = code_next(z, &z->distances);
	if (symbol < 0)
		return symbol;
	if (symbol >= MAX_DISTANCES)
		return bad(z, "damaged: unknown distance");
	r = take(z, symbol < 2 ? 0 : (unsigned)symbol / 2 - 1, &more);
	if (r)
		return r;
	distance = distances[symbol] + more;
	if (distance > z->size + (z->ready - z->at))
		return bad(z, "damaged: a distance beyond the start");
	copy_match(z, length, distance);
	return 0;
}

static int decode(struct inflate *z)
{
	while (z->ready < INFLATE_FULL) {
		int symbol, r = gather(z);

		if (r)
			return r;
		symbol = code_next(z, &z->literals);
		if (symbol < 0)
			return symbol;
		if (symbol < END_OF_BLOCK) {
			z->out[z->ready++] = (uint8_t)symbol;
			continue;
		}
		if (symbol == END_OF_BLOCK) {
			end_block(z);
			return 0;
		}
		r = match(z, symbol);
		if (r)
			return r;
	}
	return 0;
}

/* ---- members ---- */

#define FLAG_CRC 2
#define FLAG_EXTRA 4
#define FLAG_NAME 8
#define FLAG_COMMENT 16

/* A byte of the header, which has a checksum of its own. */
static int header_byte(struct inflate *z, uint32_t *value)
{
	uint8_t byte;
	int r = take(z, 8, value);

	byte = (uint8_t)*value;
	if (r == 0)
		z->crc = crc_add(z->crc, &byte, 1);
	return r;
}

static int header_skip(struct inflate *z, uint32_t flags)
{
	uint32_t value = 0, low, size = 0;
	int r = 0;

	if (flags & FLAG_EXTRA) {
		r = header_byte(z, &low);
		if (r == 0)
			r = header_byte(z, &size);
		for (size = size << 8 | low; size && r == 0; size--)
			r = header_byte(z, &value);
	}
	for (uint32_t text = FLAG_NAME; text <= FLAG_COMMENT; text <<= 1)
		for (value = flags & text; value && r == 0;)
			r = header_byte(z, &value);
	if (r == 0 && (flags & FLAG_CRC)) {
		uint32_t want = z->crc & 0xffff;

		r = take(z, 16, &value);
		if (r == 0 && value != want)
			r = bad(z, "damaged: wrong checksum of its header");
	}
	return r;
}

/* Behind a member comes another one, or the end; zeros are padding, as for
 * gzip(1). */
static int next_member(struct inflate *z, bool first)
{
	uint32_t value, flags;
	int r;

	drop(z, z->bit_count & 7);
	do {
		if (z->bit_count == 0) {
			r = refill(z);
			if (r < 0)
				return r;
			if (r == 0 && !first) {
				z->state = INFLATE_END;
				return 0;
			}
		}
		r = take(z, 8, &value);
		if (r)
			return r;
	} while (value == 0 && !first);
	if (value != 0x1f)
		return bad(z, first ? "not gzip" : "garbage behind its end");
	z->crc = crc_add(0, (const uint8_t *)"\x1f", 1);
	r = header_byte(z, &value);
	if (r == 0 && value != 0x8b)
		return bad(z, first ? "not gzip" : "garbage behind its end");
	if (r == 0)
		r = header_byte(z, &value);
	if (r == 0 && value != 8)
		return bad(z, "not deflated");
	if (r == 0)
		r = header_byte(z, &flags);
	if (r == 0 && (flags & 0xe0))
		return bad(z, "damaged: unknown flags");
	for (int i = 0; i < 6 && r == 0; i++) /* time, kind, system */
		r = header_byte(z, &value);
	if (r == 0)
		r = header_skip(z, flags);
	z->crc = 0;
	z->size = 0;
	z->state = INFLATE_BLOCK;
	return r;
}

static int end_member(struct inflate *z)
{
	uint32_t crc, size;
	int r;

	drop(z, z->bit_count & 7);
	r = take(z, 32, &crc);
	if (r == 0)
		r = take(z, 32, &size);
	if (r)
		return r;
	if (crc != z->crc || size != (uint32_t)z->size)
		return bad(z, "damaged: wrong checksum");
	return next_member(z, false);
}

/* ---- the whole ---- */

void inflate_open(struct inflate *z, inflate_fill *fill, void *context)
{
	memset(z, 0, offsetof(struct inflate, out));
	z->fill = fill;
	z->context = context;
	crc_open();
}

static int step(struct inflate *z)
{
	switch (z->state) {
	case INFLATE_MEMBER:
		return next_member(z, true);
	case INFLATE_BLOCK:
		return begin_block(z);
	case INFLATE_STORED:
		return copy_stored(z);
	case INFLATE_CODES:
		return decode(z);
	case INFLATE_TRAILER:
		return end_member(z);
	case INFLATE_END:
		break;
	}
	return 0;
}

int inflate_more(struct inflate *z, const uint8_t **data, size_t *size)
{
	int r = 0;

	*size = 0;
	if (z->ready >= INFLATE_FULL) {
		memmove(z->out, z->out + z->ready - INFLATE_WINDOW,
			INFLATE_WINDOW);
		z->ready = INFLATE_WINDOW;
	}
	z->at = z->ready;
	while (r == 0 && z->ready == z->at && z->state != INFLATE_END)
		r = step(z);
	if (r)
		return r;
	*data = z->out + z->at;
	*size = z->ready - z->at;
	z->crc = crc_add(z->crc, *data, *size);
	z->size += *size;
	return 0;
}
