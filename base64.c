#include "base64.h"

#include <immintrin.h>
#include <string.h>

#define BAD 0xff000000u

/* A step takes 32 characters and writes 32 bytes, of which 24 count: behind it there
 * must be as many to come as it writes too much. */
#define STEP 32
#define STEP_LEAST 48

const char base64_alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* What a character stands for at each place of a group: bits of its three bytes, the
 * first of them lowest. */
static uint32_t values[4][256];

static void make_values(void)
{
	memset(values, 0xff, sizeof(values));
	for (uint32_t i = 0; i < 64; i++) {
		uint8_t c = (uint8_t)base64_alphabet[i];

		values[0][c] = i << 2;
		values[1][c] = i >> 4 | (i & 15) << 12;
		values[2][c] = i >> 2 << 8 | (i & 3) << 22;
		values[3][c] = i << 16;
	}
}

static uint32_t group(const uint8_t *from)
{
	return values[0][from[0]] | values[1][from[1]] | values[2][from[2]] |
	       values[3][from[3]];
}

static bool by_table(const uint8_t *from, size_t size, uint8_t *to)
{
	uint32_t any = 0, bytes;

	if (!values[3]['B'])
		make_values();
	for (; size > 4; size -= 4, from += 4, to += 3) {
		bytes = group(from);
		any |= bytes;
		memcpy(to, &bytes, 4); /* the last is the next group's first */
	}
	if (size) {
		bytes = group(from);
		any |= bytes;
		memcpy(to, &bytes, 3);
	}
	return !(any & BAD);
}

/*
 * As many steps as there are. A character's upper four bits say which range it can be
 * of and so what is added to make it its value (a slash has a row of its own); it is of
 * none when a bit is set in the rows of both its halves. (W. Mula, D. Lemire: Faster
 * Base64 Encoding and Decoding Using AVX2 Instructions, ACM TWEB 12, 2018.)
 */
__attribute__((target("avx2"))) static size_t
by_steps(const uint8_t *from, size_t size, uint8_t *to, bool *good)
{
	const __m256i low_rows = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
			      0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
	const __m256i high_rows = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
			      0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
	const __m256i offsets = _mm256_broadcastsi128_si256(_mm_setr_epi8(
		0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
	const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(
		2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
	const __m256i join = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
	const __m256i slash = _mm256_set1_epi8('/');
	__m256i bad = _mm256_setzero_si256();
	size_t done = 0;

	for (; size - done >= STEP_LEAST; done += STEP) {
		__m256i c = _mm256_loadu_si256((const void *)(from + done));
		__m256i high = _mm256_and_si256(_mm256_srli_epi32(c, 4), slash);
		__m256i low = _mm256_and_si256(c, slash);
		__m256i row =
			_mm256_add_epi8(_mm256_cmpeq_epi8(c, slash), high);

		bad = _mm256_or_si256(
			bad,
			_mm256_and_si256(_mm256_shuffle_epi8(low_rows, low),
					 _mm256_shuffle_epi8(high_rows, high)));
		c = _mm256_add_epi8(c, _mm256_shuffle_epi8(offsets, row));
		/* Four times six bits become 24. */
		c = _mm256_maddubs_epi16(c, _mm256_set1_epi32(0x01400140));
		c = _mm256_madd_epi16(c, _mm256_set1_epi32(0x00011000));
		c = _mm256_shuffle_epi8(c, order);
		c = _mm256_permutevar8x32_epi32(c, join);
		_mm256_storeu_si256((void *)(to + done / 4 * 3), c);
	}
	*good = _mm256_testz_si256(bad, bad);
	return done;
}

bool base64_decode(const uint8_t *from, size_t size, uint8_t *to)
{
	size_t done = 0;
	bool good = true;

	if (size >= STEP_LEAST && __builtin_cpu_supports("avx2"))
		done = by_steps(from, size, to, &good);
	return good && by_table(from + done, size - done, to + done / 4 * 3);
}
