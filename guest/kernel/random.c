/*
 * random.c: the random numbers of getrandom. The first ones of a run are the
 * host's own, made before the request came; what follows is ChaCha20 (RFC 8439)
 * with fast key erasure: the first block of every request becomes the next key.
 * The host seeds it anew in every fork. What has been given out is erased.
 */
#include "random.h"

static u32 key[8];
static size_t given, ready; /* bytes of the host's; that are left, the first */

static u32 rotate(u32 v, int by)
{
	return v << by | v >> (32 - by);
}

static void quarter(u32 *s, int a, int b, int c, int d)
{
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = rotate(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = rotate(s[b] ^ s[c], 7);
}

static void block(u32 out[16], const u32 k[8], u64 counter)
{
	/* "expand 32-byte k", key, counter, nonce 0: RFC 8439, 2.3 */
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, k, 32);
	in[12] = (u32)counter;
	in[13] = (u32)(counter >> 32);
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

static size_t take_ready(void *buf, size_t n, random_copy *copy)
{
	u8 *from = (u8 *)gpa_to_ptr(ZB_RANDOM_GPA) + ready - n;
	size_t done = copy(buf, from, n);

	memset(from, 0, n);
	ready -= n;
	control->random_used = (u32)(given - ready);
	return done;
}

static size_t generate(void *buf, size_t n, random_copy *copy)
{
	u32 old[8], out[16];
	size_t done = 0, part, copied;

	memcpy(old, key, sizeof(old));
	block(out, old, 0);
	memcpy(key, out, sizeof(key));
	for (u64 counter = 1; done < n; counter++) {
		part = MIN(n - done, sizeof(out));
		block(out, old, counter);
		copied = copy((u8 *)buf + done, out, part);
		done += copied;
		if (copied < part)
			break;
	}
	memset(old, 0, sizeof(old));
	memset(out, 0, sizeof(out));
	return done;
}

size_t random_give(void *to, size_t n, random_copy *copy)
{
	return n <= ready ? take_ready(to, n, copy) : generate(to, n, copy);
}

static size_t copy_all(void *to, const void *from, size_t n)
{
	memcpy(to, from, n);
	return n;
}

void random_fill(void *buf, size_t n)
{
	random_give(buf, n, copy_all);
}

void random_reseed(void)
{
	u32 seed[ZB_SEED_SIZE / 4], out[16];

	memcpy(seed, (const void *)control->seed, sizeof(seed));
	memset((void *)control->seed, 0, ZB_SEED_SIZE);
	for (int i = 0; i < 8; i++)
		key[i] ^= seed[i];
	block(out, key, 0);
	memcpy(key, out, sizeof(key));
	for (int i = 0; i < 8; i++)
		key[i] ^= seed[8 + i];
	block(out, key, 0);
	memcpy(key, out, sizeof(key));
	given = MIN((size_t)control->random_size, (size_t)ZB_RANDOM_SIZE);
	ready = given;
	control->random_used = 0;
}
