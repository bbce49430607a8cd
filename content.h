/* content.h: a content of the API: a JSON string, or {"base64": "..."}. */
#ifndef ZEROBOOT_CONTENT_H
#define ZEROBOOT_CONTENT_H

#include "field.h"
#include "json.h"
#include "parts.h"

/* {"base64": "..."}: of a request, and with its size of an answer. */
extern const struct object content_bytes, content_file;

/*
 * Reads one and makes it a part; base64 is that of RFC 4648, 4, with its padding. 0;
 * -EINVAL with a message in j->e, or with *problem: what is wrong with it, at byte
 * *at; -ENOMEM.
 */
int content_read(struct json *j, struct parts *to, enum part_kind kind,
		 const char *name, size_t name_size, const char **problem,
		 size_t *at);
/* Writes base64 of data from *at on, as far as it fits (4 bytes at least), and moves
 * *at. Returns how much. */
size_t content_encode(char *to, size_t room, const void *data, size_t size,
		      size_t *at);

#endif
