/*
 * name.c: names of unix sockets. A name with a path is a file, whose node knows
 * the socket while it is open; abstract names are in a hash table, each type of
 * socket with its own.
 */
#include <linux/un.h>

#include "fs/entry.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/surroundings.h"
#include "net/socket.h"
#include "random.h"

#define PATH_OFFSET 2 /* of sun_path */
#define BUCKETS 1024
#define AUTO_NAMES 0x100000 /* five hexadecimal digits */

static struct socket *table[BUCKETS];

static bool is_abstract(const struct address *a)
{
	return a->bytes[PATH_OFFSET] == 0;
}

/* Checks, and gives a path the one length that it is shown with. */
static long normalize(const struct address *from, struct address *to)
{
	u64 length;

	if (from->size <= PATH_OFFSET ||
	    from->size > sizeof(struct sockaddr_un) || from->family != AF_UNIX)
		return -EINVAL;
	*to = *from;
	if (is_abstract(to))
		return 0;
	length = strnlen((char *)to->bytes + PATH_OFFSET,
			 from->size - PATH_OFFSET);
	to->bytes[PATH_OFFSET + length] = 0;
	to->size = (u32)(PATH_OFFSET + length + 1);
	return 0;
}

/* ---- abstract names ---- */

static struct socket **bucket_of(const struct address *a)
{
	u32 hash = 2166136261u; /* FNV-1a */

	for (u32 i = PATH_OFFSET; i < a->size; i++)
		hash = (hash ^ a->bytes[i]) * 16777619u;
	return &table[hash % BUCKETS];
}

static struct socket *abstract_find(const struct address *a, s32 type)
{
	struct socket *s = *bucket_of(a);

	while (s && (s->type != type || s->name.size != a->size ||
		     memcmp(s->name.bytes, a->bytes, a->size)))
		s = s->name_next;
	return s;
}

static long abstract_bind(struct socket *s, const struct address *a)
{
	struct socket **bucket = bucket_of(a);

	if (abstract_find(a, s->type))
		return -EADDRINUSE;
	s->name = *a;
	s->name_next = *bucket;
	s->name_link = bucket;
	if (s->name_next)
		s->name_next->name_link = &s->name_next;
	*bucket = s;
	return 0;
}

long name_auto(struct socket *s)
{
	struct address a = { .size = PATH_OFFSET + 6, .family = AF_UNIX };
	u32 number;

	random_fill(&number, sizeof(number));
	for (u32 i = 0; i < AUTO_NAMES; i++) {
		ksnprintf((char *)a.bytes + PATH_OFFSET + 1, 6, "%05x",
			  (number + i) % AUTO_NAMES);
		if (!abstract_bind(s, &a))
			return 0;
	}
	return -ENOSPC;
}

/* ---- paths ---- */

static long walk(const struct address *a, bool follow, struct walk *w)
{
	return vfs_walk(path_cwd(), (const char *)a->bytes + PATH_OFFSET,
			follow, w);
}

static long path_bind(struct socket *s, const struct address *a)
{
	struct walk w;
	struct node *n;
	long r = walk(a, false, &w);

	if (r)
		return r;
	if (w.node || w.magic || !w.parent)
		return -EADDRINUSE;
	if (w.directory || !w.parent->nlink)
		return -ENOENT;
	r = dir_may_add(w.parent);
	if (r)
		return r;
	n = node_new(S_IFSOCK | (0777 & ~surroundings()->umask));
	if (!n)
		return -ENOSPC;
	node_ref(n);
	node_own(n, w.parent);
	r = dir_add(w.parent, w.name, w.name_size, n);
	if (r) {
		node_unref(n);
		return r;
	}
	n->object = s;
	s->node = n;
	s->name = *a;
	return 0;
}

static long path_resolve(const struct address *a, struct socket **found)
{
	struct walk w;
	long r = walk(a, true, &w);

	if (r)
		return r;
	if (!w.node)
		return w.magic ? -ECONNREFUSED : -ENOENT;
	r = node_permission(w.node, MAY_WRITE);
	if (r)
		return r;
	*found = node_type(w.node) == S_IFSOCK ? w.node->object : NULL;
	return *found ? 0 : -ECONNREFUSED;
}

/* ---- both ---- */

long name_bind(struct socket *s, const struct address *a)
{
	struct address name;
	long r;

	if (a->size == PATH_OFFSET && a->family == AF_UNIX)
		return s->name.size ? 0 : name_auto(s);
	r = normalize(a, &name);
	if (r)
		return r;
	if (s->name.size)
		return -EINVAL;
	return is_abstract(&name) ? abstract_bind(s, &name) :
				    path_bind(s, &name);
}

long name_resolve(const struct socket *s, const struct address *a,
		  struct socket **found)
{
	struct address name;
	long r = normalize(a, &name);

	if (r)
		return r;
	if (is_abstract(&name)) {
		*found = abstract_find(&name, s->type);
		return *found ? 0 : -ECONNREFUSED;
	}
	r = path_resolve(&name, found);
	if (r)
		return r;
	return (*found)->type == s->type ? 0 : -EPROTOTYPE;
}

void name_drop(struct socket *s)
{
	if (s->name_link) {
		*s->name_link = s->name_next;
		if (s->name_next)
			s->name_next->name_link = s->name_link;
		s->name_link = NULL;
	}
	if (s->node) {
		s->node->object = NULL;
		node_unref(s->node);
		s->node = NULL;
	}
}
