/*
 * json.h: RFC 8259, strictly: UTF-8, surrogate pairs, number grammar, bounded
 * depth, no duplicate keys, nothing behind the value. Reading walks the text in
 * place; nothing is kept of what nobody asked for.
 */
#ifndef ZEROBOOT_JSON_H
#define ZEROBOOT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "text.h"

/* ---- reading ---- */

#define JSON_KEY_MAX 4096 /* bytes of a key: a path is one */
#define JSON_KEYS_MAX 256 /* in one object */

struct json {
	const char *text;
	size_t size, at;
	int depth;
	struct err *e; /* what is wrong, with its byte offset */
	/* Is called now and then, or NULL. May end the text where it is: size
	 * becomes at. */
	void (*pause)(struct json *j);
	size_t pause_at; /* not before this byte */
};

enum json_kind {
	JSON_STRING,
	JSON_NUMBER,
	JSON_OBJECT,
	JSON_ARRAY,
	JSON_OTHER
};

/* Before all else; passes over a byte order mark (RFC 8259, 8.1). */
void json_begin(struct json *j, const char *text, size_t size, struct err *e);
/* What comes next, by its first byte. */
enum json_kind json_peek(struct json *j);
/* 0 or -EINVAL with a message in j->e, for all that follow. */
/* A string, unescaped into to, which has room for size bytes (the text's length
 * is always enough); *length without a NUL. */
int json_string(struct json *j, char *to, size_t size, size_t *length);
/* An integer, or what of INT64_MIN and INT64_MAX is next to it; -ERANGE: a
 * number with a fraction or an exponent. */
int json_integer(struct json *j, int64_t *value);
int json_skip(struct json *j);
/* Calls member for each key (read), with the value not yet read. */
int json_object(struct json *j,
		int (*member)(struct json *j, const char *key, size_t size,
			      void *context),
		void *context);
int json_array(struct json *j, int (*element)(struct json *j, void *context),
	       void *context);
/* Nothing but white space is left. */
int json_end(struct json *j);

/* ---- writing ---- */

bool json_is_utf8(const void *data, size_t size);

/* Bytes as a JSON string; what is not UTF-8 becomes U+FFFD, one for each
 * maximal part (Unicode, 3.9, table 3-8). */
void text_json_string(struct text *t, const void *data, size_t size);
/* The most that one byte, or one bad sequence, becomes. */
#define JSON_ESCAPED_MAX 6
/*
 * The same without the quotes, in parts: writes what fits (JSON_ESCAPED_MAX bytes
 * at least) of the bytes from *at on, and moves *at. Returns how much.
 */
size_t json_escape(char *to, size_t room, const void *data, size_t size,
		   size_t *at);
/* How long the next `most` bytes of it, or a few more, come out; moves *at. */
size_t json_escaped_size(const void *data, size_t size, size_t *at,
			 size_t most);

#endif
