#include "pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XATTRS_MAX 4096 /* of one file */

int tar_map_add(struct tar_map *m, uint64_t offset, uint64_t size)
{
	if (m->count == TAR_SEGMENTS)
		return -E2BIG;
	if (m->count == m->room) {
		size_t room = m->room ? m->room * 2 : 64;
		struct tar_segment *bigger =
			realloc(m->list, room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		m->list = bigger;
		m->room = room;
	}
	m->list[m->count++] = (struct tar_segment){ offset, size };
	return 0;
}

/* ---- values ---- */

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes a decimal number of at most INT64_MAX from the front. */
static bool number(struct pax_text *t, uint64_t *value)
{
	if (t->size == 0 || !digit(t->data[0]))
		return false;
	for (*value = 0; t->size && digit(t->data[0]); t->data++, t->size--) {
		if (*value > (INT64_MAX - 9) / 10)
			return false;
		*value = *value * 10 + (uint64_t)(t->data[0] - '0');
	}
	return true;
}

static bool whole_number(struct pax_text t, uint64_t *value)
{
	return number(&t, value) && t.size == 0;
}

/* Seconds with a fraction, maybe before 1970. */
static bool time_value(struct pax_text t, int64_t *sec, uint32_t *nsec)
{
	bool minus = t.size && t.data[0] == '-';
	uint64_t value;
	uint32_t scale = 100000000;

	if (minus) {
		t.data++;
		t.size--;
	}
	if (!number(&t, &value))
		return false;
	*sec = (int64_t)value;
	*nsec = 0;
	if (t.size && t.data[0] == '.') {
		t.data++;
		t.size--;
		for (; t.size && digit(t.data[0]); t.data++, t.size--) {
			*nsec += (uint32_t)(t.data[0] - '0') * scale;
			scale /= 10;
		}
	}
	if (minus) {
		*sec = -*sec - (*nsec ? 1 : 0);
		*nsec = *nsec ? 1000000000 - *nsec : 0;
	}
	return t.size == 0;
}

/* ---- records ---- */

static bool is(struct pax_text key, const char *name)
{
	return key.size == strlen(name) && !memcmp(key.data, name, key.size);
}

static bool within(struct pax_text *key, const char *space)
{
	size_t n = strlen(space);

	if (key->size <= n || memcmp(key->data, space, n))
		return false;
	key->data += n;
	key->size -= n;
	return true;
}

static int add_xattr(struct pax *p, struct pax_text name, struct pax_text value)
{
	if (p->xattr_count == XATTRS_MAX)
		return -E2BIG;
	if (p->xattr_count == p->xattr_room) {
		size_t room = p->xattr_room ? p->xattr_room * 2 : 8;
		struct pax_xattr *bigger =
			realloc(p->xattrs, room * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		p->xattrs = bigger;
		p->xattr_room = room;
	}
	p->xattrs[p->xattr_count++] = (struct pax_xattr){ name, value };
	return 0;
}

/* Format 0.1: OFFSET,SIZE,OFFSET,SIZE... */
static int read_map(struct pax_text t, struct tar_map *map)
{
	uint64_t offset, size;
	int r = 0;

	map->count = 0;
	while (t.size && r == 0) {
		if (!number(&t, &offset) || t.size == 0 || t.data[0] != ',')
			return -EINVAL;
		t.data++;
		t.size--;
		if (!number(&t, &size) || (t.size && t.data[0] != ','))
			return -EINVAL;
		if (t.size) {
			t.data++;
			t.size--;
		}
		r = tar_map_add(map, offset, size);
	}
	return r;
}

/* Format 0.0 has a record for each number. */
static int sparse_record(struct pax *p, struct pax_text key,
			 struct pax_text value, struct tar_map *map)
{
	uint64_t n;

	if (is(key, "name")) {
		p->real_path = value;
		return 0;
	}
	if (is(key, "map")) {
		p->has_map = true;
		return read_map(value, map);
	}
	if (!whole_number(value, &n))
		return -EINVAL;
	if (is(key, "size") || is(key, "realsize")) {
		p->real_size = n;
		p->has_real_size = true;
	} else if (is(key, "major")) {
		p->sparse_major = n;
	} else if (is(key, "offset")) {
		p->map_offset = n;
		p->has_offset = true;
	} else if (is(key, "numbytes")) {
		if (!p->has_offset)
			return -EINVAL;
		if (!p->has_map)
			map->count = 0;
		p->has_offset = false;
		p->has_map = true;
		return tar_map_add(map, p->map_offset, n);
	}
	return 0;
}

/* An empty value takes back what a global header said. */
static int record(struct pax *p, struct pax_text key, struct pax_text value,
		  struct tar_map *map)
{
	bool there = value.size != 0;

	if (is(key, "path"))
		p->path = there ? value : (struct pax_text){ 0 };
	else if (is(key, "linkpath"))
		p->link = there ? value : (struct pax_text){ 0 };
	else if (is(key, "size"))
		return (p->has_size = there) && !whole_number(value, &p->size) ?
			       -EINVAL :
			       0;
	else if (is(key, "uid"))
		return (p->has_uid = there) && !whole_number(value, &p->uid) ?
			       -EINVAL :
			       0;
	else if (is(key, "gid"))
		return (p->has_gid = there) && !whole_number(value, &p->gid) ?
			       -EINVAL :
			       0;
	else if (is(key, "mtime"))
		return (p->has_mtime = there) &&
				       !time_value(value, &p->mtime_sec,
						   &p->mtime_nsec) ?
			       -EINVAL :
			       0;
	else if (within(&key, "GNU.sparse."))
		return sparse_record(p, key, value, map);
	else if (within(&key, "SCHILY.xattr."))
		return add_xattr(p, key, value);
	return 0;
}

/* "LENGTH KEY=VALUE\n", the length that of all of it. */
int pax_read(struct pax *p, const char *text, size_t size, struct tar_map *map,
	     const char **why)
{
	*why = "damaged: bad pax record";
	while (size) {
		struct pax_text rest = { text, size }, key, value;
		uint64_t length;
		const char *equals;
		int r;

		if (!number(&rest, &length) || rest.size == 0 ||
		    rest.data[0] != ' ' || length > size ||
		    length < size - rest.size + 3 || text[length - 1] != '\n')
			return -EINVAL;
		key.data = rest.data + 1;
		equals = memchr(key.data, '=',
				(size_t)(text + length - 1 - key.data));
		if (!equals || equals == key.data)
			return -EINVAL;
		key.size = (size_t)(equals - key.data);
		value.data = equals + 1;
		value.size = (size_t)(text + length - 1 - value.data);
		r = record(p, key, value, map);
		if (r == -ENOMEM)
			*why = "no memory";
		else if (r == -E2BIG)
			*why = "too many attributes or parts";
		if (r)
			return r;
		text += length;
		size -= length;
	}
	return 0;
}

int pax_copy(struct pax *p, const struct pax *from)
{
	struct pax_xattr *xattrs = p->xattrs;
	size_t room = p->xattr_room;

	*p = *from;
	p->xattrs = xattrs;
	p->xattr_room = room;
	p->xattr_count = 0;
	for (size_t i = 0; i < from->xattr_count; i++)
		if (add_xattr(p, from->xattrs[i].name, from->xattrs[i].value))
			return -ENOMEM;
	return 0;
}

void pax_free(struct pax *p)
{
	free(p->xattrs);
	*p = (struct pax){ 0 };
}
