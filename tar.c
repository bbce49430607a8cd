#include "tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512u
#define RECORDS_MAX (1u << 20)  /* bytes of a member's pax records */
#define GLOBALS_MAX (64u << 10) /* of all global ones */
#define CHUNK (1u << 20)

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12];
	char checksum[8], type, link[100], magic[6], version[2];
	char uname[32], gname[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a block");

/* In the place of prefix and rest in GNU's own format. */
struct gnu_part {
	char offset[12], size[12];
};

struct gnu_tail {
	char times[24], offset[12], names[4], unused;
	struct gnu_part parts[4];
	char more, real_size[12], rest[17];
};
_Static_assert(sizeof(struct gnu_tail) == 167, "prefix and rest");

struct gnu_more {
	struct gnu_part parts[21];
	char more, rest[7];
};
_Static_assert(sizeof(struct gnu_more) == BLOCK, "a block");

/* ---- messages ---- */

static int wrong(struct tar *t, int code, const char *why)
{
	if (!t->last[0])
		return err_set(t->e, code, "%s: no tar: %s", t->in->name, why);
	return err_set(t->e, code, "%s: %s: %s", t->in->name, t->last, why);
}

static int bad(struct tar *t, const char *why)
{
	return wrong(t, -EINVAL, why);
}

/* ---- blocks ---- */

static int read_block(struct tar *t, void *block, const char *where)
{
	size_t got;
	int r = stream_read(t->in, block, BLOCK, &got);

	if (r == 0 && got < BLOCK)
		r = bad(t, where);
	return r;
}

static int skip(struct tar *t, uint64_t size)
{
	uint64_t got;
	int r = stream_skip(t->in, size, &got);

	if (r == 0 && got < size)
		r = bad(t, "cut in the middle of its content");
	return r;
}

static int finish_content(struct tar *t)
{
	uint64_t left = t->left + t->padding;

	t->left = t->padding = 0;
	return skip(t, left);
}

static void begin_content(struct tar *t, uint64_t size)
{
	t->left = size;
	t->padding = -size & (BLOCK - 1);
}

/* ---- numbers ---- */

/* Octal, or 256-based when the first bit is set. Blank is 0. */
static bool number(const char *field, size_t size, int64_t *value)
{
	const uint8_t *p = (const uint8_t *)field, *end = p + size;
	uint64_t n;

	if (*p & 0x80) {
		n = *p & 0x40 ? UINT64_MAX << 6 | (*p & 0x3f) : *p & 0x3f;
		while (++p < end) {
			int64_t high = (int64_t)n >> 55;

			if (high != 0 && high != -1)
				return false;
			n = n << 8 | *p;
		}
		*value = (int64_t)n;
		return true;
	}
	while (p < end && *p == ' ')
		p++;
	for (n = 0; p < end && *p >= '0' && *p <= '7'; p++)
		n = n << 3 | (uint64_t)(*p - '0');
	while (p < end && (*p == ' ' || *p == 0))
		p++;
	*value = (int64_t)n;
	return p == end;
}

#define NUMBER(field, value) number(field, sizeof(field), value)

static bool bounded(int64_t value, int64_t high)
{
	return value >= 0 && value <= high;
}

static bool checksum_ok(const struct header *h)
{
	const uint8_t *p = (const uint8_t *)h;
	int64_t want, sum = 0, old = 0; /* old tars added signed characters */

	for (size_t i = 0; i < sizeof(*h); i++) {
		bool own = i >= offsetof(struct header, checksum) &&
			   i < offsetof(struct header, type);

		sum += own ? ' ' : p[i];
		old += own ? ' ' : (int8_t)p[i];
	}
	return NUMBER(h->checksum, &want) && (want == sum || want == old);
}

static bool is_zero(const void *block)
{
	const char *p = block;

	return p[0] == 0 && memcmp(p, p + 1, BLOCK - 1) == 0;
}

/* ---- headers that come before a member's own ---- */

static int read_all(struct tar *t, char *to, uint64_t size)
{
	size_t got;
	int r;

	begin_content(t, size);
	r = stream_read(t->in, to, (size_t)size, &got);
	if (r)
		return r;
	if (got < size)
		return bad(t, "cut in the header behind it");
	t->left = 0;
	return finish_content(t);
}

/* The content of such a member, with a NUL behind it. */
static int read_text(struct tar *t, uint64_t size, char **text, size_t *length)
{
	char *place;

	if (size > RECORDS_MAX)
		return bad(t, "the header behind it is too large");
	place = realloc(*text, (size_t)size + 1);
	if (!place)
		return wrong(t, -ENOMEM, "no memory");
	*text = place;
	place[size] = 0;
	*length = (size_t)size;
	return read_all(t, place, size);
}

/* Records for all members that follow. They stay where they are, as those who are told of
 * them have it. */
static int read_global(struct tar *t, uint64_t size)
{
	char *to;
	const char *why;
	int r;

	if (size > GLOBALS_MAX - t->global_size)
		return bad(t, "the header behind it is too large");
	if (!t->global)
		t->global = malloc(GLOBALS_MAX);
	if (!t->global)
		return wrong(t, -ENOMEM, "no memory");
	to = t->global + t->global_size;
	r = read_all(t, to, size);
	if (r)
		return r;
	t->global_size += (size_t)size;
	r = pax_read(&t->global_pax, to, (size_t)size, &t->global_map, &why);
	return r ? wrong(t, r, why) : 0;
}

/* What the global records say of a member, and its own. */
static int read_records(struct tar *t)
{
	const char *why = "no memory";
	int r = pax_copy(&t->pax, &t->global_pax);

	t->map.count = 0;
	for (size_t i = 0; i < t->global_map.count && r == 0; i++)
		r = tar_map_add(&t->map, t->global_map.list[i].offset,
				t->global_map.list[i].size);
	if (r == 0)
		r = pax_read(&t->pax, t->local, t->local_size, &t->map, &why);
	t->local_size = 0;
	return r ? wrong(t, r, why) : 0;
}

/* GNU's long name or target. */
static int read_name(struct tar *t, uint64_t size, char *to)
{
	char *text = NULL;
	size_t length = 0;
	int r = read_text(t, size, &text, &length);

	if (r == 0 && text) {
		length = strlen(text);
		if (length > TAR_PATH)
			r = bad(t, "the name behind it is too long");
		else
			memcpy(to, text, length + 1);
	}
	free(text);
	return r;
}

/* ---- a member's header ---- */

/* A path of which NUL ends nothing but what a field leaves over. */
static int set_path(struct tar *t, struct pax_text *to, const char *what,
		    struct pax_text text)
{
	shown(t->last, text.data, text.size);
	if (memchr(text.data, 0, text.size))
		return err_set(t->e, -EINVAL, "%s: %s: a NUL in its %s",
			       t->in->name, t->last, what);
	if (text.size > TAR_PATH)
		return err_set(t->e, -ENAMETOOLONG,
			       "%s: %s: its %s is longer than %d bytes",
			       t->in->name, t->last, what, TAR_PATH);
	*to = text;
	return 0;
}

static bool is_ustar(const struct header *h)
{
	return !memcmp(h->magic, "ustar", sizeof(h->magic));
}

static int read_paths(struct tar *t, const struct header *h)
{
	struct tar_entry *m = &t->entry;
	struct pax_text path = { t->path, 0 }, link = { t->link, 0 };
	/* star keeps times in the last bytes of prefix, and says so. */
	size_t prefix = !is_ustar(h) ? 0 :
			memcmp(h->rest + 8, "tar", 4) ?
				       strnlen(h->prefix, sizeof(h->prefix)) :
				       strnlen(h->prefix, 131);
	size_t name = strnlen(h->name, sizeof(h->name));
	int r;

	if (!t->long_path) {
		memcpy(t->path, h->prefix, prefix);
		if (prefix)
			t->path[prefix++] = '/';
		memcpy(t->path + prefix, h->name, name);
		t->path[prefix + name] = 0;
	}
	if (!t->long_link) {
		link.size = strnlen(h->link, sizeof(h->link));
		memcpy(t->link, h->link, link.size);
		t->link[link.size] = 0;
	}
	path.size = strlen(t->path);
	link.size = strlen(t->link);
	t->long_path = t->long_link = false;
	if (t->pax.link.data)
		link = t->pax.link;
	if (t->pax.path.data)
		path = t->pax.path;
	if (t->pax.real_path.data)
		path = t->pax.real_path;
	r = set_path(t, &m->link, "target", link);
	return r ? r : set_path(t, &m->path, "name", path);
}

static int read_owner(struct tar *t, const struct header *h)
{
	struct tar_entry *m = &t->entry;
	int64_t mode, uid = 0, gid = 0;

	if (!NUMBER(h->mode, &mode) || !NUMBER(h->mtime, &m->mtime_sec) ||
	    (!t->pax.has_uid && !NUMBER(h->uid, &uid)) ||
	    (!t->pax.has_gid && !NUMBER(h->gid, &gid)))
		return bad(t, "damaged: a bad number in its header");
	if (t->pax.has_uid)
		uid = (int64_t)t->pax.uid;
	if (t->pax.has_gid)
		gid = (int64_t)t->pax.gid;
	if (!bounded(uid, UINT32_MAX - 1) || !bounded(gid, UINT32_MAX - 1))
		return bad(t, "its owner's number is out of range");
	m->mode = (uint32_t)mode & 07777;
	m->uid = (uint32_t)uid;
	m->gid = (uint32_t)gid;
	m->mtime_nsec = 0;
	if (t->pax.has_mtime) {
		m->mtime_sec = t->pax.mtime_sec;
		m->mtime_nsec = t->pax.mtime_nsec;
	}
	return 0;
}

static int read_device(struct tar *t, const struct header *h)
{
	int64_t major, minor;

	if (!NUMBER(h->major, &major) || !NUMBER(h->minor, &minor) ||
	    !bounded(major, 0xfff) || !bounded(minor, 0xfffff))
		return bad(t, "its device number is out of range");
	t->entry.major = (uint32_t)major;
	t->entry.minor = (uint32_t)minor;
	return 0;
}

/* ---- sparse files ---- */

static int add_part(struct tar *t, uint64_t offset, uint64_t size)
{
	int r = tar_map_add(&t->map, offset, size);

	if (r == -E2BIG)
		return wrong(t, r, "a sparse file of too many parts");
	return r ? wrong(t, r, "no memory") : 0;
}

/* An empty part is the last one. */
static int add_gnu_parts(struct tar *t, const struct gnu_part *p, size_t count)
{
	for (size_t i = 0; i < count && p[i].offset[0]; i++) {
		int64_t offset, size;
		int r;

		if (!NUMBER(p[i].offset, &offset) ||
		    !NUMBER(p[i].size, &size) || offset < 0 || size < 0)
			return bad(t, "damaged: a bad number in its header");
		r = add_part(t, (uint64_t)offset, (uint64_t)size);
		if (r)
			return r;
	}
	return 0;
}

static int read_gnu_map(struct tar *t, const struct header *h)
{
	struct gnu_tail tail;
	struct gnu_more more;
	int64_t size;
	int r;

	memcpy(&tail, h->prefix, sizeof(tail));
	if (!NUMBER(tail.real_size, &size) || size < 0)
		return bad(t, "damaged: a bad number in its header");
	t->map.count = 0;
	r = add_gnu_parts(t, tail.parts, 4);
	for (more.more = tail.more; more.more && r == 0;) {
		r = read_block(t, &more, "cut in its header");
		if (r == 0)
			r = add_gnu_parts(t, more.parts, 21);
	}
	t->entry.size = (uint64_t)size;
	return r;
}

/* Format 1.0: before the content, in blocks, how many parts, then of each its
 * offset and its size, a decimal number a line. */
static int read_pax_map(struct tar *t)
{
	uint64_t want = 1, number = 0, offset = 0;
	bool digits = false;
	char block[BLOCK];
	int r;

	t->map.count = 0;
	for (uint64_t line = 0; line < want;) {
		if (t->left < BLOCK)
			return bad(t, "damaged: a bad map of a sparse file");
		r = read_block(t, block, "cut in the middle of its content");
		t->left -= BLOCK;
		for (size_t i = 0; i < BLOCK && line < want && r == 0; i++) {
			if (block[i] >= '0' && block[i] <= '9' &&
			    number <= (INT64_MAX - 9) / 10) {
				number = number * 10 + (uint64_t)block[i] - '0';
				digits = true;
				continue;
			}
			if (block[i] != '\n' || !digits ||
			    (line == 0 && number > TAR_SEGMENTS))
				return bad(t, "damaged: a bad map of a sparse "
					      "file");
			if (line == 0)
				want = 1 + 2 * number;
			else if (line & 1)
				offset = number;
			else
				r = add_part(t, offset, number);
			line++;
			number = 0;
			digits = false;
		}
		if (r)
			return r;
	}
	return 0;
}

/* Parts come in order, within the file, and are what is stored. */
static int check_map(struct tar *t)
{
	uint64_t end = 0, stored = 0;

	for (size_t i = 0; i < t->map.count; i++) {
		const struct tar_segment *s = &t->map.list[i];

		if (s->offset < end || s->offset > t->entry.size ||
		    s->size > t->entry.size - s->offset)
			return bad(t, "damaged: a bad map of a sparse file");
		end = s->offset + s->size;
		stored += s->size;
	}
	if (stored != t->left)
		return bad(t, "damaged: a bad map of a sparse file");
	return 0;
}

static int read_sparse(struct tar *t, const struct header *h)
{
	const struct pax *p = &t->pax;
	int r = 0;

	t->sparse = true;
	if (h->type == 'S') {
		r = read_gnu_map(t, h);
		if (p->has_real_size)
			t->entry.size = p->real_size;
	} else if (p->sparse_major == 0) {
		t->entry.size = p->real_size;
	} else if (p->sparse_major == 1) {
		t->entry.size = p->real_size;
		r = read_pax_map(t);
	} else {
		return bad(t, "a sparse file of an unknown format");
	}
	return r ? r : check_map(t);
}

/* ---- members ---- */

static bool is_directory_name(const struct tar_entry *m)
{
	return m->path.size && m->path.data[m->path.size - 1] == '/';
}

/* What a type says; those without content have none, whatever their size. */
static int read_type(struct tar *t, const struct header *h)
{
	struct tar_entry *m = &t->entry;

	m->hard = h->type == '1';
	switch (h->type) {
	case '1':
		break;
	case '2':
		m->mode = S_IFLNK | 0777;
		break;
	case '3':
		m->mode |= S_IFCHR;
		return read_device(t, h);
	case '4':
		m->mode |= S_IFBLK;
		return read_device(t, h);
	case '5':
		m->mode |= S_IFDIR;
		break;
	case '6':
		m->mode |= S_IFIFO;
		break;
	case 'D': /* GNU's, with a list of names as its content */
		m->mode |= S_IFDIR;
		begin_content(t, m->size);
		break;
	case 'M':
		return bad(t, "a part of a tar of several volumes");
	default:
		if (!strchr("07S", h->type))
			progress_warn(t->progress,
				      "%s: %s: unknown type '%c', taken for a "
				      "file",
				      t->in->name, t->last,
				      h->type > ' ' && h->type < 0x7f ?
					      h->type :
					      '?');
		m->mode |= is_directory_name(m) ? S_IFDIR : S_IFREG;
		begin_content(t, m->size);
	}
	return 0;
}

static int read_member(struct tar *t, const struct header *h)
{
	struct tar_entry *m = &t->entry;
	int64_t size = 0;
	int r = read_paths(t, h);

	if (r)
		return r;
	if (!t->pax.has_size && !NUMBER(h->size, &size))
		return bad(t, "damaged: a bad number in its header");
	if (size < 0)
		return bad(t, "damaged: a negative size");
	m->size = t->pax.has_size ? t->pax.size : (uint64_t)size;
	t->sparse = false;
	r = read_owner(t, h);
	if (r == 0)
		r = read_type(t, h);
	if (r == 0 && S_ISREG(m->mode) && !m->hard &&
	    (h->type == 'S' || t->pax.has_real_size))
		r = read_sparse(t, h);
	m->xattrs = t->pax.xattrs;
	m->xattr_count = t->pax.xattr_count;
	return r ? r : 1;
}

/* 1: it was the member itself, 0: more headers come. */
static int read_header(struct tar *t, const struct header *h)
{
	int64_t size;
	int r;

	if (!strchr("gxXLKNV", h->type) || !h->type) {
		r = read_records(t);
		return r ? r : read_member(t, h);
	}
	if (!NUMBER(h->size, &size) || size < 0)
		return bad(t, "damaged: a bad number in the header behind it");
	switch (h->type) {
	case 'g':
		return read_global(t, (uint64_t)size);
	case 'x':
	case 'X':
		return read_text(t, (uint64_t)size, &t->local, &t->local_size);
	case 'L':
		t->long_path = true;
		return read_name(t, (uint64_t)size, t->path);
	case 'K':
		t->long_link = true;
		return read_name(t, (uint64_t)size, t->link);
	case 'V': /* a volume's name */
		begin_content(t, (uint64_t)size);
		return finish_content(t);
	default:
		return bad(t, "behind it, a list of names in an old form");
	}
}

/* Two blocks of zeros; what is behind them is read, so that a pipe's writer ends
 * well and gzip's checksum is seen. */
static int read_end(struct tar *t)
{
	const uint8_t *data;
	uint64_t more = 0;
	char block[BLOCK];
	int r = read_block(t, block,
			   "cut: one block of zeros behind it, not two");

	if (r)
		return r;
	if (!is_zero(block))
		return bad(t, "damaged: a lone block of zeros behind it");
	for (;;) {
		size_t n = CHUNK;

		r = stream_next(t->in, &data, &n);
		if (r)
			return r;
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++)
			more += data[i] != 0;
	}
	if (more)
		progress_warn(t->progress,
			      "%s: what is behind the archive's end is ignored",
			      t->in->name);
	return 0;
}

int tar_next(struct tar *t, const struct tar_entry **entry)
{
	struct header h;
	int r = finish_content(t);

	*entry = &t->entry;
	while (r == 0) {
		r = read_block(t, &h, "cut behind it: the archive has no end");
		if (r)
			return r;
		if (is_zero(&h))
			return read_end(t);
		if (!checksum_ok(&h))
			return bad(t, "damaged: no header behind it");
		r = read_header(t, &h);
	}
	return r;
}

/* The next size bytes of content. */
static int give(struct tar *t, uint64_t offset, uint64_t size,
		int (*take)(void *context, uint64_t offset, const void *data,
			    size_t size),
		void *context)
{
	while (size) {
		size_t n = size < CHUNK ? (size_t)size : CHUNK;
		const uint8_t *data;
		int r = stream_next(t->in, &data, &n);

		if (r == 0 && n == 0)
			return bad(t, "cut in the middle of its content");
		if (r == 0)
			r = take(context, offset, data, n);
		if (r)
			return r;
		offset += n;
		size -= n;
		t->left -= n;
	}
	return 0;
}

int tar_content(struct tar *t,
		int (*take)(void *context, uint64_t offset, const void *data,
			    size_t size),
		void *context)
{
	int r = 0;

	if (!t->sparse)
		return give(t, 0, t->left, take, context);
	for (size_t i = 0; i < t->map.count && r == 0; i++)
		r = give(t, t->map.list[i].offset, t->map.list[i].size, take,
			 context);
	return r;
}

void tar_open(struct tar *t, struct stream *in, struct progress *progress,
	      struct err *e)
{
	memset(t, 0, sizeof(*t));
	t->in = in;
	t->progress = progress;
	t->e = e;
}

void tar_close(struct tar *t)
{
	free(t->global);
	free(t->local);
	free(t->map.list);
	free(t->global_map.list);
	pax_free(&t->global_pax);
	pax_free(&t->pax);
}
