#include "sha256.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 64u

/* The first bits of the cube roots of the first primes. */
static const uint32_t rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
};

static uint32_t turn(uint32_t x, unsigned by)
{
	return x >> by | x << (32 - by);
}

/* a is at v[first % 8]. */
static inline void add_round(uint32_t v[8], unsigned first, uint32_t more)
{
	uint32_t a = v[first % 8], b = v[(first + 1) % 8];
	uint32_t c = v[(first + 2) % 8], e = v[(first + 4) % 8];
	uint32_t f = v[(first + 5) % 8], g = v[(first + 6) % 8];
	uint32_t one = v[(first + 7) % 8] + more +
		       (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
		       ((e & f) ^ (~e & g));

	v[(first + 3) % 8] += one;
	v[(first + 7) % 8] = one + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
			     ((a & b) ^ (a & c) ^ (b & c));
}

static void add_block(struct sha256 *s, const uint8_t *p)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], p + 4 * (size_t)i, 4);
		w[i] = be32toh(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		       (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
		       (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
	memcpy(v, s->state, sizeof(v));
	/* What the standard calls a to h is v, turned by one place each round. */
	for (unsigned i = 0; i < 64; i += 8)
		for (unsigned k = 0; k < 8; k++)
			add_round(v, 8 - k, rounds[i + k] + w[i + k]);
	for (int i = 0; i < 8; i++)
		s->state[i] += v[i];
}

void sha256_begin(struct sha256 *s)
{
	static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372,
					   0xa54ff53a, 0x510e527f, 0x9b05688c,
					   0x1f83d9ab, 0x5be0cd19 };

	memcpy(s->state, start, sizeof(start));
	s->size = 0;
}

void sha256_add(struct sha256 *s, const void *data, size_t size)
{
	size_t have = s->size % BLOCK;
	const uint8_t *p = data;

	s->size += size;
	if (have && size >= BLOCK - have) {
		memcpy(s->block + have, p, BLOCK - have);
		p += BLOCK - have;
		size -= BLOCK - have;
		have = 0;
		add_block(s, s->block);
	}
	for (; size >= BLOCK; p += BLOCK, size -= BLOCK)
		add_block(s, p);
	memcpy(s->block + have, p, size);
}

void sha256_end(struct sha256 *s, char hex[SHA256_HEX + 1])
{
	static const uint8_t padding[BLOCK] = { 0x80 };
	uint64_t bits = htobe64(s->size * 8);

	sha256_add(s, padding, 1 + (119 - s->size % BLOCK) % BLOCK);
	sha256_add(s, &bits, sizeof(bits));
	for (size_t i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", s->state[i]);
}
