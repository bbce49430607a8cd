/*
 * auth.h: who may ask, and how often: the key file, and a token bucket for
 * each key. Memory is bounded by the file: a bucket belongs to a known key.
 */
#ifndef ZEROBOOT_AUTH_H
#define ZEROBOOT_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define AUTH_KEYS_MAX 1024
#define AUTH_KEY_SIZE 256 /* bytes of one key */
#define AUTH_FILE_MAX (1u << 20)
#define AUTH_RATE 100     /* requests a second for one key */
#define AUTH_CAPACITY 100 /* requests at once after a pause */
#define AUTH_MASK_SIZE 16

struct json;
/* Between two parts of the work; see json.h. j may be NULL. */
typedef void auth_pause(struct json *j);

struct auth_key {
	char text[AUTH_KEY_SIZE];
	size_t size;
	unsigned place; /* in the file, from 1 */
	uint64_t id; /* never 0; the same whenever and wherever it is read: a part
		      * of its SHA-256 */
	int64_t tokens_ns; /* what may be spent, as time at AUTH_RATE; less than
			      * nothing after more than a bucket was */
	uint64_t updated_ns; /* CLOCK_MONOTONIC */
};

struct auth_keys {
	struct auth_key *list; /* in the order of their sizes and texts */
	size_t count;
};

/* ---- the pieces, without state of their own ---- */

/*
 * The keys of a file's text: a JSON array of at least one string, each 1 to
 * AUTH_KEY_SIZE visible ASCII characters, and no two the same. 0 or -errno; keys is freed by
 * auth_keys_free in both cases.
 */
int auth_parse(const char *text, size_t size, struct auth_keys *keys,
	       struct err *e);
void auth_keys_free(struct auth_keys *keys);
/*
 * The number of the key that an Authorization header's value names, or -1.
 * Takes a time that depends on the value's length and the number of keys only.
 */
int auth_find(const struct auth_keys *keys, const char *value, size_t size);
/* Takes cost requests from a key's bucket: 0, or the seconds, rounded up, after which
 * they will be there. More than AUTH_CAPACITY take a full one, and what is missing is
 * waited for by whatever comes next. */
unsigned auth_spend(struct auth_key *key, unsigned cost, uint64_t now);

/* ---- the server's keys ---- */

/* Reads $ZEROBOOT_API_KEYS_FILE or api_keys.json; neither there: no keys are
 * asked for. 0 or -errno: must not serve. */
int auth_open(struct err *e);
/* Reads the file again; on an error the old keys stay. Until it returns they hold,
 * too: pause, which may be NULL, is called now and then and may let others ask. */
int auth_reload(auth_pause *pause, struct err *e);
void auth_close(void);
bool auth_required(void);
/* The key that is meant, NULL: none. Valid until the next reload. */
struct auth_key *auth_lookup(const char *value, size_t size);
/* The key that has had this id, NULL: it is not known any more. */
struct auth_key *auth_with_id(uint64_t id);
/* What of a key may be shown: its first four characters if it is long. */
void auth_mask(const struct auth_key *key, char mask[AUTH_MASK_SIZE]);

#endif
