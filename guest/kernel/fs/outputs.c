/*
 * outputs.c: files that a run returns: those that match a pattern of the request
 * when the program has ended. It lists where their pages are. It takes no memory:
 * there may be none left.
 */
#include "fs/outputs.h"

#include "fs/deliver.h"
#include "fs/entry.h"
#include "fs/path.h"
#include "fs/ramfs.h"
#include "request.h"
#include "session.h"
#include "task/process.h"

#define DEPTH_MAX 128      /* of directories that are searched */
#define ENTRIES_MAX 200000 /* that are looked at */
#define FIRST_ENTRY 2      /* behind "." and ".." */
#define NAMED_MAX 8        /* of those that are left out */

/* A directory on the way down, and where it was left. */
struct level {
	struct node *dir;
	u64 position;
	u32 size; /* of its path */
};

static struct {
	char path[PATH_MAX];    /* of what is looked at */
	char pattern[PATH_MAX]; /* terminated */
	struct level levels[DEPTH_MAX];
	u32 depth;
	u64 entries; /* looked at so far */
	u64 used;    /* bytes of the list */
	u64 left;    /* bytes that files may have */
	u32 taken, named;
	/* the entry that dir_list has given */
	char name[NAME_MAX + 1];
	u32 name_size, type;
	bool found;
} s;

/* ---- patterns ---- */

struct piece {
	const char *at, *end;
};

/* One name: "*" is any bytes, "?" one character's first byte and what follows. */
static bool match_name(struct piece p, struct piece n)
{
	const char *star = NULL, *from = NULL;

	while (n.at < n.end) {
		if (p.at < p.end && *p.at == '*') {
			star = p.at++;
			from = n.at;
		} else if (p.at < p.end && *p.at == '?') {
			p.at++;
			n.at++;
			while (n.at < n.end && (*n.at & 0xc0) == 0x80)
				n.at++;
		} else if (p.at < p.end && *p.at == *n.at) {
			p.at++;
			n.at++;
		} else if (star) {
			p.at = star + 1;
			n.at = ++from;
		} else {
			return false;
		}
	}
	while (p.at < p.end && *p.at == '*')
		p.at++;
	return p.at == p.end;
}

/* The next component of a path; slashes before it are skipped. */
static bool next(const char **at, struct piece *c)
{
	while (**at == '/' || (**at == '.' && ((*at)[1] == '/' || !(*at)[1])))
		++*at;
	c->at = c->end = *at;
	while (*c->end && *c->end != '/')
		c->end++;
	*at = c->end;
	return c->at < c->end;
}

static bool is_any(const struct piece *c)
{
	return c->end - c->at == 2 && c->at[0] == '*' && c->at[1] == '*';
}

/* "**" is any directories, or none. begun: the path leads to something that may
 * match. */
static bool match_path(const char *pattern, const char *path, bool begun)
{
	const char *again = NULL, *from = NULL;
	struct piece p, n;

	for (;;) {
		bool wanted = next(&pattern, &p);

		if (wanted && is_any(&p)) {
			if (begun)
				return true;
			again = pattern;
			from = path;
			continue;
		}
		if (!next(&path, &n))
			return begun || !wanted;
		if (wanted && match_name(p, n))
			continue;
		if (!again)
			return false;
		next(&from, &n);
		path = from;
		pattern = again;
	}
}

static bool is_pattern(const char *text)
{
	return strchr(text, '*') || strchr(text, '?');
}

/* ---- the list ---- */

static u8 *list_end(void)
{
	return (u8 *)gpa_to_ptr(ZB_OUTPUTS_GPA) + s.used;
}

static u64 padded(u64 size)
{
	return (size + 7) & ~7ull;
}

static bool is_listed(const char *path, u32 size)
{
	const u8 *at = gpa_to_ptr(ZB_OUTPUTS_GPA);
	struct zb_output o;

	for (; at < list_end(); at += padded(o.name_size)) {
		memcpy(&o, at, sizeof(o));
		at += sizeof(o);
		if (o.name_size == size && !memcmp(at, path, size))
			return true;
		if (o.kind == ZB_OUTPUT_FILE)
			at += PAGE_UP(o.size) / PAGE_SIZE * sizeof(gpa_t);
	}
	return false;
}

/* The head and the name; the pages of those that are returned come behind. */
static void list(u64 size, const char *path, u32 kind)
{
	struct zb_output o = { .size = size,
			       .name_size = (u32)strlen(path),
			       .kind = kind };

	memcpy(list_end(), &o, sizeof(o));
	s.used += sizeof(o);
	memset(list_end(), 0, padded(o.name_size));
	memcpy(list_end(), path, o.name_size);
	s.used += padded(o.name_size);
	control->outputs++;
}

static void leave_out(const struct node *n, const char *path)
{
	if (s.named++ < NAMED_MAX)
		list(n->size, path, ZB_OUTPUT_LEFT_OUT);
	else
		control->outputs_missed++;
}

static void take(const struct node *n, const char *path)
{
	u64 pages = PAGE_UP(n->size) / PAGE_SIZE;

	if (node_type(n) != S_IFREG || n->ops ||
	    is_listed(path, (u32)strlen(path)))
		return;
	if (s.taken == ZB_OUTPUTS_MAX || n->size > s.left) {
		leave_out(n, path);
		return;
	}
	s.taken++;
	s.left -= n->size;
	list(n->size, path, ZB_OUTPUT_FILE);
	for (u64 i = 0; i < pages; i++) {
		gpa_t place = data_place(n, i);

		memcpy(list_end(), &place, sizeof(place));
		s.used += sizeof(place);
	}
}

/* ---- the search ---- */

static bool emit(void *context, const char *name, u32 size, u64 ino, u32 mode,
		 u64 following)
{
	(void)context, (void)ino, (void)following;
	if (s.found)
		return false;
	memcpy(s.name, name, size);
	s.name[size] = 0;
	s.name_size = size;
	s.type = mode & S_IFMT;
	s.found = true;
	return true;
}

static void descend(struct node *dir, u32 size)
{
	if (s.depth == DEPTH_MAX)
		return;
	s.levels[s.depth++] = (struct level){ dir, FIRST_ENTRY, size };
}

/* The entry that was found, in the directory whose path has size bytes. */
static void look(const struct level *l)
{
	u32 size = l->size, more = size && s.path[size - 1] != '/';
	struct node *n;

	if (size + more + s.name_size >= PATH_MAX)
		return;
	if (more)
		s.path[size++] = '/';
	memcpy(s.path + size, s.name, s.name_size + 1);
	n = dir_lookup(l->dir, s.name, s.name_size);
	if (!n || n->ops)
		return;
	if (is_dir(n)) {
		if (match_path(s.pattern, s.path, true))
			descend(n, size + s.name_size);
	} else if (match_path(s.pattern, s.path, false)) {
		take(n, s.path);
	}
}

static void search(void)
{
	while (s.depth && s.entries < ENTRIES_MAX) {
		struct level *l = &s.levels[s.depth - 1];

		s.found = false;
		dir_list(l->dir, &l->position, emit, NULL);
		if (!s.found) {
			s.depth--;
			continue;
		}
		s.entries++;
		look(l);
	}
}

/* Where the search begins: what is before the first name with a wildcard. */
static void search_pattern(void)
{
	char *end = s.pattern, kept;
	struct walk w;
	long r;

	for (char *at = s.pattern; *at && *at != '*' && *at != '?'; at++)
		end = at;
	while (end > s.pattern && *end != '/')
		end--;
	if (*end == '/' && end == s.pattern)
		end++;
	kept = *end;
	*end = 0;
	r = s.pattern[0] ? request_find(s.pattern, &w) : request_find(".", &w);
	memcpy(s.path, s.pattern, strlen(s.pattern) + 1);
	*end = kept;
	if (r || !w.node || !is_dir(w.node) || w.node->ops)
		return;
	s.depth = 0;
	descend(w.node, (u32)strlen(s.path));
	search();
}

static void collect(const struct request_part *p)
{
	struct walk w;

	if (p->name_size >= PATH_MAX)
		return;
	memcpy(s.pattern, p->name, p->name_size);
	s.pattern[p->name_size] = 0;
	if (is_pattern(s.pattern))
		search_pattern();
	else if (request_find(s.pattern, &w) == 0 && w.node)
		take(w.node, s.pattern);
}

static void begin(void)
{
	s.used = s.entries = 0;
	s.taken = s.named = 0;
	s.left = control->outputs_limit;
}

static void collect_all(void)
{
	struct request_part p;
	u64 at = 0;

	if (!request_has(ZB_PART_OUTPUT))
		return;
	begin();
	while (request_next(&at, &p))
		if (p.kind == ZB_PART_OUTPUT)
			collect(&p);
	control->outputs_size = s.used;
}

/* ---- one that is looked at ---- */

/* The entry that was found, if there is room for it. */
static void list_entry(struct node *dir)
{
	u64 size = sizeof(struct zb_output) + padded(s.name_size);
	struct node *n = NULL;
	u32 kind = s.type == S_IFREG ? ZB_OUTPUT_ENTRY :
		   s.type == S_IFDIR ? ZB_OUTPUT_ENTRY_DIRECTORY :
		   s.type == S_IFLNK ? ZB_OUTPUT_ENTRY_LINK :
				       ZB_OUTPUT_ENTRY_OTHER;

	if (s.used + size > ZB_OUTPUTS_SIZE) {
		control->outputs_missed++;
		return;
	}
	if (kind == ZB_OUTPUT_ENTRY)
		n = dir_lookup(dir, s.name, s.name_size);
	list(n ? n->size : 0, s.name, kind);
}

static void list_directory(struct node *dir)
{
	u64 position = FIRST_ENTRY;

	while (s.entries++ < ENTRIES_MAX) {
		s.found = false;
		dir_list(dir, &position, emit, NULL);
		if (!s.found)
			return;
		list_entry(dir);
	}
}

long outputs_look(const struct request_part *p)
{
	struct walk w;
	long r;

	if (!p->name_size || p->name_size >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(s.pattern, p->name, p->name_size);
	s.pattern[p->name_size] = 0;
	r = request_find(s.pattern, &w);
	if (r || !w.node)
		return r ? r : -ENOENT;
	if (w.node->ops || (!is_dir(w.node) && node_type(w.node) != S_IFREG))
		return -EINVAL;
	begin();
	if (is_dir(w.node))
		list_directory(w.node);
	else
		take(w.node, s.pattern);
	control->outputs_size = s.used;
	return 0;
}

/* What has been written is there, whatever the end is. */
static void collect_at_end(u32 kind)
{
	(void)kind;
	collect_all();
}

void outputs_init(void)
{
	process_at_end(collect_at_end);
	session_at_report(collect_all);
}
