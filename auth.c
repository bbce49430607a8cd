#include "auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "sha256.h"

#define DEFAULT_FILE "api_keys.json"
#define TOKEN_NS (1000000000ull / AUTH_RATE)
#define FULL_NS (TOKEN_NS * AUTH_CAPACITY)
#define SECOND_NS 1000000000ull
#define PIECE 65536 /* bytes of the file that are read at once */

static struct {
	char *path; /* NULL: no keys are asked for */
	struct auth_keys keys;
} state;

static void take_breath(auth_pause *pause)
{
	if (pause)
		pause(NULL);
}

/* ---- the pieces ---- */

struct parse {
	struct auth_keys *keys;
	size_t room;
};

/* Nobody can tell the key by it. */
static uint64_t id_of(const struct auth_key *key)
{
	char hex[SHA256_HEX + 1];
	struct sha256 s;
	uint64_t id;

	sha256_begin(&s);
	sha256_add(&s, key->text, key->size);
	sha256_end(&s, hex);
	hex[16] = 0;
	id = strtoull(hex, NULL, 16);
	return id ? id : 1;
}

static int take_key(struct json *j, void *context)
{
	struct parse *p = context;
	struct auth_keys *keys = p->keys;
	struct auth_key *key;
	size_t at = j->at;

	if (json_peek(j) != JSON_STRING)
		return err_set(j->e, -EINVAL, "key %zu is not a string",
			       keys->count + 1);
	if (keys->count == AUTH_KEYS_MAX)
		return err_set(j->e, -E2BIG, "more than %d keys",
			       AUTH_KEYS_MAX);
	if (keys->count == p->room) {
		size_t room = p->room ? p->room * 2 : 16;
		struct auth_key *bigger =
			realloc(keys->list, room * sizeof(*bigger));

		if (!bigger)
			return err_set(j->e, -ENOMEM, "no memory");
		keys->list = bigger;
		p->room = room;
	}
	key = &keys->list[keys->count];
	memset(key, 0, sizeof(*key));
	if (json_string(j, key->text, sizeof(key->text), &key->size))
		return err_set(j->e, -EINVAL,
			       "key %zu, at byte %zu: not a string of 1 to %d "
			       "visible ASCII characters",
			       keys->count + 1, at, AUTH_KEY_SIZE);
	for (size_t i = 0; i < key->size; i++)
		if (key->text[i] <= ' ' || key->text[i] > '~')
			key->size = 0;
	if (key->size == 0)
		return err_set(j->e, -EINVAL,
			       "key %zu, at byte %zu: not 1 to %d visible "
			       "ASCII characters",
			       keys->count + 1, at, AUTH_KEY_SIZE);
	key->id = id_of(key);
	key->place = (unsigned)++keys->count;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct auth_key *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->text, y->text, x->size);
}

/* By their text, which shows those that are there twice. */
static int sort_keys(struct auth_keys *keys, struct err *e)
{
	qsort(keys->list, keys->count, sizeof(*keys->list), compare);
	for (size_t i = 1; i < keys->count; i++) {
		const struct auth_key *a = &keys->list[i - 1], *b = a + 1;

		if (compare(a, b))
			continue;
		return err_set(e, -EINVAL, "keys %u and %u are the same",
			       a->place < b->place ? a->place : b->place,
			       a->place < b->place ? b->place : a->place);
	}
	return 0;
}

static int parse(const char *text, size_t size, struct auth_keys *keys,
		 auth_pause *pause, struct err *e)
{
	struct parse p = { .keys = keys };
	struct json j;
	bool array;
	int r;

	*keys = (struct auth_keys){ 0 };
	json_begin(&j, text, size, e);
	j.pause = pause;
	array = json_peek(&j) == JSON_ARRAY;
	r = array ? json_array(&j, take_key, &p) : json_skip(&j);
	if (r == 0)
		r = json_end(&j);
	if (r == 0 && !array)
		r = err_set(e, -EINVAL, "not an array of strings");
	if (r == 0 && keys->count == 0)
		r = err_set(e, -EINVAL, "holds no key");
	if (r)
		return r;
	take_breath(pause);
	return sort_keys(keys, e);
}

int auth_parse(const char *text, size_t size, struct auth_keys *keys,
	       struct err *e)
{
	return parse(text, size, keys, NULL, e);
}

void auth_keys_free(struct auth_keys *keys)
{
	if (keys->list)
		explicit_bzero(keys->list, keys->count * sizeof(*keys->list));
	free(keys->list);
	*keys = (struct auth_keys){ 0 };
}

int auth_find(const struct auth_keys *keys, const char *value, size_t size)
{
	int found = -1;

	if (size < 8 || strncasecmp(value, "Bearer ", 7))
		return -1;
	for (value += 7, size -= 7; size && *value == ' '; size--)
		value++;
	if (size == 0 || size > AUTH_KEY_SIZE)
		return -1;
	for (size_t k = 0; k < keys->count; k++) {
		const struct auth_key *key = &keys->list[k];
		volatile unsigned char differs = key->size != size;
		int match;

		for (size_t i = 0; i < size; i++)
			differs |= (unsigned char)(value[i] ^ key->text[i]);
		/* all ones when equal, without a branch */
		match = ((int)differs - 1) >> 8;
		found = (found & ~match) | ((int)k & match);
	}
	return found;
}

unsigned auth_spend(struct auth_key *key, unsigned cost, uint64_t now)
{
	int64_t price = (int64_t)(cost * TOKEN_NS), full = (int64_t)FULL_NS;
	int64_t needed = price < full ? price : full;
	uint64_t gained = now - key->updated_ns;

	if (gained > (uint64_t)(full - key->tokens_ns))
		key->tokens_ns = full;
	else
		key->tokens_ns += (int64_t)gained;
	key->updated_ns = now;
	if (key->tokens_ns < needed)
		return (unsigned)((uint64_t)(needed - key->tokens_ns +
					     (int64_t)SECOND_NS - 1) /
				  SECOND_NS);
	key->tokens_ns -= price;
	return 0;
}

/* ---- the server's keys ---- */

/* Opens what is a regular file, or a link to one. Nothing else is waited for: a
 * FIFO would keep the server from its signals. */
static int open_file(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_set(e, -EINVAL, "%s: not a regular file", path);
}

static int read_file(const char *path, char **text, size_t *size,
		     auth_pause *pause, struct err *e)
{
	int fd = open_file(path, e), r = 0;
	ssize_t n = 1;

	*text = NULL;
	*size = 0;
	if (fd < 0)
		return fd;
	*text = malloc(AUTH_FILE_MAX);
	if (!*text)
		r = err_set(e, -ENOMEM, "no memory");
	while (r == 0 && n && *size < AUTH_FILE_MAX) {
		size_t left = AUTH_FILE_MAX - *size;

		take_breath(pause);
		n = read(fd, *text + *size, left < PIECE ? left : PIECE);
		if (n > 0)
			*size += (size_t)n;
		else if (n < 0 && errno != EINTR)
			r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	if (*size == AUTH_FILE_MAX)
		r = err_set(e, -E2BIG, "%s: larger than 1 MiB", path);
	close(fd);
	return r;
}

/* A key that was there before keeps its bucket. */
static void inherit(struct auth_key *key, uint64_t now)
{
	const struct auth_key *old = NULL;

	if (state.keys.count)
		old = bsearch(key, state.keys.list, state.keys.count,
			      sizeof(*key), compare);
	key->tokens_ns = old ? old->tokens_ns : (int64_t)FULL_NS;
	key->updated_ns = old ? old->updated_ns : now;
}

static int load(const char *path, auth_pause *pause, struct err *e)
{
	struct auth_keys keys = { 0 };
	struct err why = { "malformed" };
	size_t size = 0;
	uint64_t now;
	char *text;
	int r = read_file(path, &text, &size, pause, e);

	if (r)
		goto out;
	r = parse(text, size, &keys, pause, &why);
	if (r) {
		err_set(e, r, "%s: %s", path, why.text);
		goto out;
	}
	take_breath(pause);
	/* At once: what is spent meanwhile would be given back. */
	now = clock_mono();
	for (size_t i = 0; i < keys.count; i++)
		inherit(&keys.list[i], now);
	auth_keys_free(&state.keys);
	state.keys = keys;
	keys = (struct auth_keys){ 0 };
out:
	auth_keys_free(&keys);
	if (text)
		explicit_bzero(text, size);
	free(text);
	return r;
}

/*
 * Whatever is wrong with a file that is there must not open the door: only where
 * nothing has this name, not even a link, no keys are wanted.
 */
static int open_first(auth_pause *pause, struct err *e)
{
	const char *path = getenv("ZEROBOOT_API_KEYS_FILE");
	struct stat st;
	char *copy;
	int r;

	if (!path) {
		path = DEFAULT_FILE;
		if (lstat(path, &st) < 0 && errno == ENOENT)
			return 0;
	}
	copy = strdup(path);
	if (!copy)
		return err_set(e, -ENOMEM, "no memory");
	r = load(copy, pause, e);
	if (r)
		free(copy);
	else
		state.path = copy;
	return r;
}

int auth_open(struct err *e)
{
	return open_first(NULL, e);
}

int auth_reload(auth_pause *pause, struct err *e)
{
	return state.path ? load(state.path, pause, e) : open_first(pause, e);
}

void auth_close(void)
{
	auth_keys_free(&state.keys);
	free(state.path);
	state.path = NULL;
}

bool auth_required(void)
{
	return state.path != NULL;
}

struct auth_key *auth_lookup(const char *value, size_t size)
{
	int k = auth_find(&state.keys, value, size);

	return k < 0 ? NULL : &state.keys.list[k];
}

struct auth_key *auth_with_id(uint64_t id)
{
	for (size_t i = 0; i < state.keys.count; i++)
		if (state.keys.list[i].id == id)
			return &state.keys.list[i];
	return NULL;
}

void auth_mask(const struct auth_key *key, char mask[AUTH_MASK_SIZE])
{
	snprintf(mask, AUTH_MASK_SIZE, "%.*s...", key->size >= 16 ? 4 : 0,
		 key->text);
}
