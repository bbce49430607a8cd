#include "gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unpack.h"

#define CHUNK (1u << 20)
#define BUCKETS 65536u
#define XATTR_ROOM 65536

/* A file with more than one name, met before. */
struct known {
	struct known *next;
	dev_t dev;
	ino_t ino;
	struct tree_inode *inode;
};

struct gather {
	struct tree *tree;
	struct progress *progress;
	struct err *e;
	struct stat own; /* of the image that is being written */
	struct known *buckets[BUCKETS];
	char path[PATH_MAX]; /* for messages */
	char chunk[CHUNK];
	char xattr_names[XATTR_ROOM];
};

static int bad(struct gather *g, int code, const char *why)
{
	char name[SHOWN_SIZE];

	return err_set(g->e, code, "%s: %s",
		       shown(name, g->path, strlen(g->path)), why);
}

static int failed(struct gather *g)
{
	int code = errno;

	return bad(g, -code, strerror(code));
}

static int no_memory(struct gather *g)
{
	return bad(g, -ENOMEM, "too many files, or no memory");
}

static int changed(struct gather *g)
{
	return bad(g, -EIO, "changed while it was packed");
}

/* ---- more than one name ---- */

static struct known **known_place(struct gather *g, const struct stat *st)
{
	uint64_t hash = (st->st_ino ^ st->st_dev << 32) * 0x9e3779b97f4a7c15ull;
	struct known **k = &g->buckets[hash >> 48];

	while (*k && ((*k)->ino != st->st_ino || (*k)->dev != st->st_dev))
		k = &(*k)->next;
	return k;
}

static int know(struct gather *g, const struct stat *st, struct tree_inode *i)
{
	struct known **place = known_place(g, st), *k;

	k = calloc(1, sizeof(*k));
	if (!k)
		return no_memory(g);
	*k = (struct known){ NULL, st->st_dev, st->st_ino, i };
	*place = k;
	return 0;
}

static void forget(struct gather *g)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct known *k = g->buckets[i], *next; k; k = next) {
			next = k->next;
			free(k);
		}
}

/* ---- contents ---- */

/* Where data is from at on, and where it ends; false: none is left. */
static bool next_data(int fd, uint64_t at, uint64_t size, uint64_t *start,
		      uint64_t *end)
{
	off_t n = lseek(fd, (off_t)at, SEEK_DATA);

	if (n < 0 && errno == ENXIO)
		return false;
	*start = n < 0 ? at : (uint64_t)n;
	n = lseek(fd, (off_t)*start, SEEK_HOLE);
	*end = n < 0 || (uint64_t)n > size ? size : (uint64_t)n;
	return *start < size;
}

static int copy(struct gather *g, int fd, uint64_t at, uint64_t end,
		uint64_t to)
{
	while (at < end) {
		size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(fd, g->chunk, want, (off_t)at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(g);
		if (n == 0)
			return changed(g);
		r = store_write(g->tree->store, g->chunk, (size_t)n, to + at);
		if (r)
			return bad(g, r, strerror(-r));
		at += (uint64_t)n;
		g->progress->bytes += (uint64_t)n;
		progress_show(g->progress);
	}
	return 0;
}

static int add_content(struct gather *g, int fd, const struct stat *st,
		       struct tree_inode *i)
{
	uint64_t size = (uint64_t)st->st_size, at = 0, start, end;
	struct stat now;
	int r = 0;

	if (store_begin(g->tree->store, size, &i->data))
		return bad(g, -EFBIG, "too large");
	i->size = size;
	while (r == 0 && next_data(fd, at, size, &start, &end)) {
		r = copy(g, fd, start, end, i->data);
		at = end;
	}
	if (r)
		return r;
	return fstat(fd, &now) < 0       ? failed(g) :
	       now.st_size < st->st_size ? changed(g) :
					   0;
}

static int add_xattrs(struct gather *g, int fd, struct tree_inode *i)
{
	ssize_t size = flistxattr(fd, g->xattr_names, XATTR_ROOM);

	if (size < 0)
		return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : failed(g);
	for (char *name = g->xattr_names; name < g->xattr_names + size;
	     name += strlen(name) + 1) {
		ssize_t n;

		if (!unpack_keeps_xattr(name, strlen(name)))
			continue;
		n = fgetxattr(fd, name, g->chunk, XATTR_ROOM);
		if (n < 0)
			return failed(g);
		if (tree_add_xattr(g->tree, i, name, strlen(name), g->chunk,
				   (size_t)n))
			return no_memory(g);
	}
	tree_sort_xattrs(g->tree, i);
	return 0;
}

/* ---- files ---- */

/* Opens what was looked at as st, and nothing else. */
static int open_same(struct gather *g, int dir, const char *name,
		     const struct stat *st, int *fd)
{
	struct stat now;

	*fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (*fd < 0)
		return errno == ELOOP || errno == ENOENT ? changed(g) :
							   failed(g);
	if (fstat(*fd, &now) < 0)
		return failed(g);
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino ||
	    (now.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
		return changed(g);
	return 0;
}

static int add_target(struct gather *g, int dir, const char *name,
		      struct tree_inode *i)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return failed(g);
	if (n == 0 || n > TREE_PATH)
		return changed(g);
	return tree_set_target(g->tree, i, target, (size_t)n) ? no_memory(g) :
								0;
}

static void set_attributes(struct tree_inode *i, const struct stat *st)
{
	i->mode = st->st_mode;
	i->uid = st->st_uid;
	i->gid = st->st_gid;
	i->mtime_sec = st->st_mtim.tv_sec;
	i->mtime_nsec = (uint32_t)st->st_mtim.tv_nsec;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		i->rdev = unpack_device(major(st->st_rdev), minor(st->st_rdev));
}

static int add_children(struct gather *g, int fd, struct tree_node *node);

/* What is in a regular file or a directory. */
/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int add_inside(struct gather *g, int dir, const char *name,
		      const struct stat *st, struct tree_node *node)
{
	int fd, r = open_same(g, dir, name, st, &fd);

	if (r == 0)
		r = add_xattrs(g, fd, node->inode);
	if (r == 0 && S_ISREG(st->st_mode))
		r = add_content(g, fd, st, node->inode);
	else if (r == 0)
		r = add_children(g, fd, node);
	if (fd >= 0)
		close(fd);
	return r;
}

static int put(struct gather *g, struct tree_node *parent, const char *name,
	       struct tree_inode *i, struct tree_node **node)
{
	int r = i ? tree_put(g->tree, parent, name, strlen(name), i, node) :
		    -ENOMEM;

	if (r)
		tree_drop_inode(g->tree, i);
	return r == -E2BIG ? bad(g, r, "too deep") : r ? no_memory(g) : 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int add(struct gather *g, int dir, const char *name,
	       struct tree_node *parent)
{
	struct tree_node *node;
	struct tree_inode *i;
	struct known *known;
	struct stat st;
	bool several;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(g);
	if (st.st_dev == g->own.st_dev && st.st_ino == g->own.st_ino)
		return 0;
	/* A directory that changes may tell of a name twice. */
	if (tree_find(g->tree, parent, name, strlen(name)))
		return changed(g);
	several = !S_ISDIR(st.st_mode) && st.st_nlink > 1;
	known = several ? *known_place(g, &st) : NULL;
	if (known)
		return put(g, parent, name, known->inode, NULL);
	i = tree_inode(g->tree, st.st_mode);
	if (i)
		set_attributes(i, &st);
	r = put(g, parent, name, i, &node);
	if (r == 0 && several)
		r = know(g, &st, i);
	if (r)
		return r;
	g->progress->files++;
	progress_show(g->progress);
	if (S_ISLNK(st.st_mode))
		return add_target(g, dir, name, i);
	return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ?
		       add_inside(g, dir, name, &st, node) :
		       0;
}

/* ---- directories ---- */

struct names {
	char **list;
	size_t count, room;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct gather *g, struct names *n, const char *name)
{
	if (n->count == n->room) {
		size_t room = n->room ? n->room * 2 : 32;
		char **bigger = realloc(n->list, room * sizeof(*bigger));

		if (!bigger)
			return no_memory(g);
		n->list = bigger;
		n->room = room;
	}
	n->list[n->count] = strdup(name);
	if (!n->list[n->count])
		return no_memory(g);
	n->count++;
	return 0;
}

/* In the order in which they are packed, whatever the directory's is. */
static int list_names(struct gather *g, int fd, struct names *n)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0), r = 0;
	DIR *d = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;

	if (!d) {
		r = failed(g);
		if (own >= 0)
			close(own);
		return r;
	}
	while (r == 0 && (errno = 0, entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			r = add_name(g, n, entry->d_name);
	if (r == 0 && errno)
		r = failed(g);
	closedir(d);
	if (n->count)
		qsort(n->list, n->count, sizeof(*n->list), compare_names);
	return r;
}

/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int add_children(struct gather *g, int fd, struct tree_node *node)
{
	size_t length = strlen(g->path);
	struct names n = { 0 };
	int r = list_names(g, fd, &n);

	for (size_t i = 0; i < n.count; i++) {
		int wrote = r ? 0 :
				snprintf(g->path + length,
					 sizeof(g->path) - length, "/%s",
					 n.list[i]);

		if (r == 0 && (size_t)wrote >= sizeof(g->path) - length)
			r = bad(g, -ENAMETOOLONG, "path too long");
		if (r == 0) {
			r = add(g, fd, n.list[i], node);
			g->path[length] = 0;
		}
		free(n.list[i]);
	}
	free(n.list);
	return r;
}

int gather(struct tree *t, int fd, const char *name, struct progress *progress,
	   struct err *e)
{
	struct gather *g = calloc(1, sizeof(*g));
	struct stat st;
	int r;

	if (!g)
		return err_set(e, -ENOMEM, "%s: no memory", name);
	g->tree = t;
	g->progress = progress;
	g->e = e;
	r = snprintf(g->path, sizeof(g->path), "%s", name);
	if (r < 0 || (size_t)r >= sizeof(g->path))
		r = err_set(e, -ENAMETOOLONG, "%s: path too long", name);
	else if (fstat(fd, &st) < 0 || fstat(t->store->fd, &g->own) < 0)
		r = failed(g);
	else {
		set_attributes(t->root->inode, &st);
		r = add_xattrs(g, fd, t->root->inode);
	}
	if (r == 0)
		r = add_children(g, fd, t->root);
	forget(g);
	free(g);
	return r;
}
