/*
 * auth_fuzz.c: a key is found exactly when it is one of the file's; a bucket
 * never gives more than its rate, and its Retry-After is exact.
 *
 * Input: the key file, a NUL, an Authorization header's value, a NUL, and pairs
 * of bytes: what is spent, and the time before it.
 */
#include "fuzz.h"

#include <strings.h>

#include "auth.h"
#include "clock.h"

#define SECOND_NS 1000000000ull

/* auth.c asks for it when it loads a file; here none is loaded. */
uint64_t clock_mono(void)
{
	return 0;
}

/* The bytes up to a NUL or the end, taken from the front. */
static const char *part(const uint8_t **data, size_t *size, size_t *length)
{
	const uint8_t *start = *data;
	const uint8_t *end = *size ? memchr(start, 0, *size) : NULL;

	*length = end ? (size_t)(end - start) : *size;
	*data += end ? *length + 1 : *length;
	*size -= end ? *length + 1 : *length;
	return (const char *)start;
}

/* ---- keys ---- */

static void check_keys(const struct auth_keys *keys)
{
	assert(keys->count >= 1 && keys->count <= AUTH_KEYS_MAX);
	for (size_t k = 0; k < keys->count; k++) {
		const struct auth_key *key = &keys->list[k];
		char mask[AUTH_MASK_SIZE];

		assert(key->size >= 1 && key->size <= AUTH_KEY_SIZE);
		for (size_t i = 0; i < key->size; i++)
			assert(key->text[i] > ' ' && key->text[i] <= '~');
		auth_mask(key, mask);
		assert(strlen(mask) <= (key->size >= 16 ? 7u : 3u));
	}
}

static bool is_key(const struct auth_key *key, const char *text, size_t size)
{
	return key->size == size && !memcmp(key->text, text, size);
}

static void check_find(const struct auth_keys *keys, const char *value,
		       size_t size)
{
	char *copy = exact(value, size);
	int found = auth_find(keys, copy, size);
	bool known = false;

	free(copy);
	assert(found >= -1 && found < (int)keys->count);
	if (size < 7 || strncasecmp(value, "Bearer ", 7)) {
		assert(found == -1);
		return;
	}
	for (value += 7, size -= 7; size && *value == ' '; size--)
		value++;
	for (size_t k = 0; k < keys->count; k++)
		known |= is_key(&keys->list[k], value, size);
	assert(known == (found >= 0));
	assert(!known || is_key(&keys->list[found], value, size));
}

/* Each key is found, and nothing that differs by a byte at its end. */
static void check_each(const struct auth_keys *keys)
{
	for (size_t k = 0; k < keys->count && k < 64; k++) {
		const struct auth_key *key = &keys->list[k];
		char value[AUTH_KEY_SIZE + 16] = "bEARER  ";

		memcpy(value + 8, key->text, key->size);
		check_find(keys, value, 8 + key->size);
		assert(auth_find(keys, value, 8 + key->size) >= 0);
		check_find(keys, value, 8 + key->size - 1);
		value[8 + key->size] = 'x';
		check_find(keys, value, 8 + key->size + 1);
		value[8 + key->size - 1] ^= 1;
		check_find(keys, value, 8 + key->size);
	}
}

/* ---- rates ---- */

static void check_wait(const struct auth_key *key, unsigned cost, uint64_t now,
		       unsigned wait)
{
	struct auth_key later = *key, sooner = *key;

	assert(wait <= AUTH_CAPACITY / AUTH_RATE + 1);
	assert(auth_spend(&later, cost, now + wait * SECOND_NS) == 0);
	if (wait > 1)
		assert(auth_spend(&sooner, cost, now + (wait - 1) * SECOND_NS) >
		       0);
}

static void check_rate(const uint8_t *data, size_t size)
{
	uint64_t start = 5 * SECOND_NS, now = start, spent = 0;
	struct auth_key key = { .updated_ns = 0 };

	for (size_t i = 0; i + 1 < size; i += 2) {
		unsigned cost = 1 + data[i] % AUTH_CAPACITY, wait;

		now += (uint64_t)data[i + 1] * data[i + 1] * 50000;
		wait = auth_spend(&key, cost, now);
		if (wait)
			check_wait(&key, cost, now, wait);
		else
			spent += cost;
		assert(spent <=
		       AUTH_CAPACITY + (now - start) * AUTH_RATE / SECOND_NS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t file_size, value_size;
	const char *file = part(&data, &size, &file_size);
	const char *value = part(&data, &size, &value_size);
	char *copy = exact(file, file_size);
	struct err e = { "" };
	struct auth_keys keys;
	int r = auth_parse(copy, file_size, &keys, &e);

	free(copy);
	if (r == 0) {
		check_keys(&keys);
		check_find(&keys, value, value_size);
		check_each(&keys);
	} else {
		assert(r < 0 && e.text[0]);
	}
	auth_keys_free(&keys);
	assert(!keys.list && !keys.count);
	check_rate(data, size);
	return 0;
}
