#include "parts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "discard.h"

#define LARGE (512u << 10) /* what is worth asking whether it is there */

/* The data in a place of that size or larger, or NULL. */
static char *enlarge(const struct parts *p, size_t *room)
{
	char *data = NULL;

	if (!p->data && *room >= LARGE)
		data = discard_take(*room, 2 * *room, room);
	return data ? data : realloc(p->data, *room);
}

static bool reserve(struct parts *p, size_t more)
{
	size_t want = p->size + more, room;
	char *data;

	if (want <= p->room)
		return true;
	/* What follows may be as long again as what is left, and has a head. */
	room = p->room ? want + want / 8 : want;
	data = enlarge(p, &room);
	if (!data)
		return false;
	p->data = data;
	p->room = room;
	return true;
}

/* Zeroes up to a multiple of 8. */
static void pad(struct parts *p)
{
	size_t padded = PADDED(p->size);

	memset(p->data + p->size, 0, padded - p->size);
	p->size = padded;
}

char *parts_begin(struct parts *p, enum part_kind kind, const char *name,
		  size_t name_size, size_t most)
{
	struct part head = { .kind = kind, .name_size = (uint32_t)name_size };

	if (!reserve(p, sizeof(head) + PADDED(name_size) + PADDED(most)))
		return NULL;
	p->open = p->size;
	memcpy(p->data + p->size, &head, sizeof(head));
	p->size += sizeof(head);
	if (name_size)
		memcpy(p->data + p->size, name, name_size);
	p->size += name_size;
	pad(p);
	return p->data + p->size;
}

void parts_end(struct parts *p, size_t size)
{
	struct part head;

	memcpy(&head, p->data + p->open, sizeof(head));
	head.size = size;
	memcpy(p->data + p->open, &head, sizeof(head));
	p->size += size;
	pad(p);
}

int parts_add(struct parts *p, enum part_kind kind, const char *name,
	      size_t name_size, const void *data, size_t size)
{
	char *to = parts_begin(p, kind, name, name_size, size);

	if (!to)
		return -ENOMEM;
	if (size)
		memcpy(to, data, size);
	parts_end(p, size);
	return 0;
}

void parts_fit(struct parts *p)
{
	char *shorter;

	if (p->room / 2 <= p->size || p->size == 0)
		return;
	shorter = realloc(p->data, p->size);
	if (!shorter)
		return;
	p->data = shorter;
	p->room = p->size;
}

void parts_drop(struct parts *p)
{
	free(p->data);
	*p = (struct parts){ 0 };
}

/* ---- what may be in them ---- */

const char *parts_strings_problem(struct parts_strings *s, size_t size)
{
	s->count++;
	s->size += size + 1;
	return s->count > PARTS_STRINGS_COUNT || s->size > PARTS_STRINGS_MAX ?
		       "too many, or too long" :
		       NULL;
}

const char *parts_string_problem(const char *text, size_t size)
{
	return size && memchr(text, 0, size) ? "has a NUL byte" : NULL;
}

const char *parts_name_problem(const char *name, size_t size)
{
	if (!size)
		return "an empty name";
	if (memchr(name, '=', size))
		return "a name with a \"=\"";
	return memchr(name, 0, size) ? "a name with a NUL byte" : NULL;
}

const char *parts_path_problem(const char *path, size_t size)
{
	const char *at = path, *end = path + size, *stop;
	unsigned depth = 0;

	if (!size)
		return "an empty path";
	if (size > PARTS_PATH_MAX)
		return "a path that is too long";
	if (memchr(path, 0, size))
		return "a path with a NUL byte";
	for (; at < end; at = stop + 1) {
		stop = memchr(at, '/', (size_t)(end - at));
		if (!stop)
			stop = end;
		if (stop - at == 2 && at[0] == '.' && at[1] == '.')
			return "a path with \"..\"";
		if (stop - at > 255)
			return "a path with a name that is too long";
		if (++depth > PARTS_DEPTH_MAX + 1)
			return "a path that is too deep";
	}
	return path[size - 1] == '/' ? "a path that ends with \"/\"" : NULL;
}
