/*
 * image_build.c: contents go into the image's file as they are read, behind its
 * first page; the tables come behind them when all is known.
 */
#include "image_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "gather.h"
#include "image.h"
#include "layers.h"
#include "progress.h"
#include "store.h"
#include "stream.h"
#include "text.h"
#include "tree.h"
#include "unpack.h"

#define FIRST_DATA 4096

struct build {
	struct file_draft draft; /* fd -1: none */
	struct store store;
	struct tree tree;
	struct text settings;

	/* the tables, when they are written */
	struct text inodes, dirents, names, xattrs;
	struct tree_inode **files; /* in order of their data */
	uint32_t count, file_count;

	struct progress *progress;
	struct err *e;
};

static int no_memory(const struct build *b)
{
	return err_set(b->e, -ENOMEM, "image: no memory");
}

static int build_open(struct build *b, const char *output,
		      struct progress *progress, struct err *e)
{
	int r;

	memset(b, 0, sizeof(*b));
	b->progress = progress;
	b->e = e;
	r = file_draft(&b->draft, output, e);
	if (r) {
		b->draft.fd = -1;
		return r;
	}
	b->store = (struct store){ .fd = b->draft.fd, .end = FIRST_DATA };
	return tree_open(&b->tree, &b->store) ? no_memory(b) : 0;
}

static void build_close(struct build *b)
{
	tree_close(&b->tree);
	free(b->settings.data);
	free(b->inodes.data);
	free(b->dirents.data);
	free(b->names.data);
	free(b->xattrs.data);
	free(b->files);
}

/* ---- the tables ---- */

/* Where in names text stands from now on. */
static uint32_t add_name(struct build *b, const void *text, size_t size)
{
	size_t at = b->names.size;

	text_add(&b->names, text, size);
	return (uint32_t)at;
}

static void add_xattrs(struct build *b, const struct tree_inode *i)
{
	for (const struct tree_xattr *x = i->xattrs; x; x = x->next) {
		struct zb_image_xattr to = {
			.inode = i->number,
			.name = add_name(b, x->data, x->name_size),
			.value = add_name(b, x->data + x->name_size,
					  x->value_size),
			.value_size = x->value_size,
			.name_size = (uint16_t)x->name_size,
		};

		text_add(&b->xattrs, &to, sizeof(to));
	}
}

static void add_inode(struct build *b, struct tree_inode *i, uint32_t parent)
{
	struct zb_image_inode to = {
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.nlink = i->names,
		.mtime_sec = i->mtime_sec,
		.mtime_nsec = i->mtime_nsec,
		.parent = parent,
	};

	i->number = b->count++;
	if (S_ISREG(i->mode) || S_ISLNK(i->mode))
		to.size = i->size;
	if (S_ISREG(i->mode))
		to.data = i->size ? i->data : FIRST_DATA;
	else if (S_ISLNK(i->mode))
		to.data = add_name(b, i->target, i->size);
	else if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
		to.data = i->rdev;
	text_add(&b->inodes, &to, sizeof(to));
	add_xattrs(b, i);
}

static int compare_nodes(const void *a, const void *b)
{
	const struct tree_node *x = *(struct tree_node *const *)a;
	const struct tree_node *y = *(struct tree_node *const *)b;
	size_t least = x->name_size < y->name_size ? x->name_size :
						     y->name_size;
	int r = memcmp(x->name, y->name, least);

	return r ? r : (int)x->name_size - (int)y->name_size;
}

static int add_directory(struct build *b, const struct tree_node *dir);

/* A child whose entry is there already: number n in dirents. */
/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int add_child(struct build *b, const struct tree_node *dir,
		     const struct tree_node *child, size_t n)
{
	struct tree_inode *i = child->inode;
	struct zb_image_dirent *entry;
	int r = 0;

	/* The root's number, 0, is no child's. */
	if (!i->number)
		add_inode(b, i, dir->inode->number);
	if (b->inodes.failed || b->names.failed || b->xattrs.failed)
		return no_memory(b);
	entry = (struct zb_image_dirent *)b->dirents.data + n;
	entry->inode = i->number;
	if (S_ISDIR(i->mode))
		r = add_directory(b, child);
	return r;
}

/* All entries of a directory first, so that they are adjacent, then what is in
 * them. */
/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int add_directory(struct build *b, const struct tree_node *dir)
{
	size_t first = b->dirents.size / sizeof(struct zb_image_dirent);
	struct tree_node **list;
	struct zb_image_inode *own;
	uint32_t n = 0, links = 2;
	int r = 0;

	list = calloc(dir->count + 1, sizeof(struct tree_node *));
	if (!list)
		return no_memory(b);
	for (struct tree_node *c = dir->children; c; c = c->next) {
		list[n++] = c;
		links += S_ISDIR(c->inode->mode);
	}
	if (n)
		qsort(list, n, sizeof(struct tree_node *), compare_nodes);
	for (uint32_t i = 0; i < n; i++) {
		struct zb_image_dirent entry = {
			.name = add_name(b, list[i]->name, list[i]->name_size),
			.name_size = list[i]->name_size,
		};

		text_add(&b->dirents, &entry, sizeof(entry));
	}
	if (b->dirents.failed || b->names.failed) {
		r = no_memory(b);
		goto out;
	}
	own = (struct zb_image_inode *)b->inodes.data + dir->inode->number;
	own->data = first;
	own->size = n;
	own->nlink = links;
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = add_child(b, dir, list[i], first + i);
out:
	free(list);
	return r;
}

/* ---- contents that nobody has any more ---- */

static int compare_data(const void *a, const void *b)
{
	const struct tree_inode *x = *(struct tree_inode *const *)a;
	const struct tree_inode *y = *(struct tree_inode *const *)b;

	return (x->data > y->data) - (x->data < y->data);
}

/* Every file once: the one that has counted it has moved it. */
static void list_files(struct build *b, const struct tree_node *dir)
{
	const struct tree_node *n = dir;

	for (;;) {
		if (n->children) {
			n = n->children;
		} else {
			while (n != dir && !n->next)
				n = n->parent;
			if (n == dir)
				return;
			n = n->next;
		}
		if (S_ISREG(n->inode->mode) && n->inode->size)
			b->files[b->file_count++] = n->inode;
	}
}

/* Files replaced by later members or hidden by later layers have left gaps: what
 * is behind them moves down. */
static int close_gaps(struct build *b)
{
	uint64_t end = FIRST_DATA;
	int r = 0;

	if (!b->store.dead)
		return 0;
	b->files = calloc(b->tree.node_count + 1, sizeof(*b->files));
	if (!b->files)
		return no_memory(b);
	list_files(b, b->tree.root);
	qsort(b->files, b->file_count, sizeof(*b->files), compare_data);
	for (uint32_t n = 0; n < b->file_count && r == 0; n++) {
		struct tree_inode *i = b->files[n];

		if (n && b->files[n - 1] == i) /* another name of it */
			continue;
		if (i->data != end)
			r = store_move(&b->store, i->data, end, i->size);
		i->data = end;
		end += (i->size + 4095) & ~4095ull;
	}
	b->store.end = end;
	if (r == 0 && ftruncate(b->store.fd, (off_t)end) < 0)
		r = -errno;
	return r ? err_set(b->e, r, "image: %s", strerror(-r)) : 0;
}

/* ---- the image ---- */

static void write_header(struct build *b, struct zb_image_header *h)
{
	*h = (struct zb_image_header){ .version = ZB_IMAGE_VERSION,
				       .inode_count = b->count };
	memcpy(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic));
	h->inodes = b->store.end;
	h->dirents = h->inodes + b->inodes.size;
	h->dirent_count = b->dirents.size / sizeof(struct zb_image_dirent);
	h->xattrs = h->dirents + b->dirents.size;
	h->xattr_count = b->xattrs.size / sizeof(struct zb_image_xattr);
	h->names = h->xattrs + b->xattrs.size;
	h->names_size = b->names.size;
	h->settings = b->names.size - b->settings.size;
	h->settings_size = b->settings.size;
	h->size = (h->names + h->names_size + 4095) & ~4095ull;
	h->checksum = image_checksum(h, b->inodes.data, b->dirents.data,
				     b->names.data, b->xattrs.data);
}

static int build_write(struct build *b)
{
	struct zb_image_header h;
	int fd = b->store.fd, r = close_gaps(b);

	if (r)
		return r;
	add_inode(b, b->tree.root->inode, 0);
	if (b->inodes.failed)
		return no_memory(b);
	r = add_directory(b, b->tree.root);
	if (r)
		return r;
	if (b->settings.size)
		text_add(&b->names, b->settings.data, b->settings.size);
	if (b->names.failed)
		return no_memory(b);
	if (b->names.size > UINT32_MAX)
		return err_set(b->e, -E2BIG, "image: too many names");
	write_header(b, &h);
	r = ftruncate(fd, (off_t)h.size) < 0 ? -errno : 0;
	if (r == 0)
		r = file_write_at(fd, b->inodes.data, b->inodes.size, h.inodes);
	if (r == 0)
		r = file_write_at(fd, b->dirents.data, b->dirents.size,
				  h.dirents);
	if (r == 0)
		r = file_write_at(fd, b->xattrs.data, b->xattrs.size, h.xattrs);
	if (r == 0)
		r = file_write_at(fd, b->names.data, b->names.size, h.names);
	if (r == 0)
		r = file_write_at(fd, &h, sizeof(h), 0);
	return r ? err_set(b->e, r, "image: %s", strerror(-r)) : 0;
}

/* ---- the source ---- */

static const char *source_name(char to[SHOWN_SIZE], const char *source)
{
	return strcmp(source, "-") ? shown(to, source, strlen(source)) :
				     "stdin";
}

static int source_open(const char *source, struct stat *st, struct err *e)
{
	bool standard = !strcmp(source, "-");
	int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
			    open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, st) < 0) {
		err_set(e, -errno, "%s: %s", source, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (isatty(fd)) {
		err_set(e, -EINVAL, "%s: a terminal, not a tar", source);
		close(fd);
		return -1;
	}
	return fd;
}

static int source_read(struct build *b, const char *source)
{
	char name[SHOWN_SIZE];
	struct stream s = { 0 };
	struct stat st;
	int fd = source_open(source, &st, b->e), r;

	if (fd < 0)
		return -EIO;
	if (S_ISDIR(st.st_mode)) {
		r = gather(&b->tree, fd, source, b->progress, b->e);
	} else {
		r = stream_open(&s, fd, source_name(name, source), b->e);
		if (r == 0)
			r = unpack_tar(&b->tree, &s, false, b->progress, b->e);
		stream_close(&s);
	}
	close(fd);
	return r;
}

/* What was read is a container image: it becomes the place that an image of its
 * layers is built from. */
static int build_layers(struct build *b, const struct layers *l,
			const char *output, const char *source)
{
	struct build *whole = malloc(sizeof(*whole)), old;
	int r;

	if (!whole)
		return no_memory(b);
	file_unname(&b->draft);
	r = build_open(whole, output, b->progress, b->e);
	if (r == 0)
		r = layers_unpack(l, &b->tree, source, &whole->tree,
				  &whole->settings, b->progress, b->e);
	old = *b;
	*b = *whole;
	/* Trees know where their stores are. */
	b->tree.store = &b->store;
	old.tree.store = &old.store;
	close(old.draft.fd);
	build_close(&old);
	free(whole);
	return r;
}

int image_build(const char *output, const char *source, struct err *e)
{
	struct progress progress;
	struct layers layers;
	char name[SHOWN_SIZE];
	struct build *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return err_set(e, -ENOMEM, "image: no memory");
	progress_begin(&progress);
	r = build_open(b, output, &progress, e);
	if (r == 0)
		r = source_read(b, source);
	if (r == 0) {
		r = layers_find(&b->tree, source_name(name, source), &layers,
				e);
		if (r == 1)
			r = build_layers(b, &layers, output,
					 source_name(name, source));
		layers_close(&layers);
	}
	if (r == 0)
		r = build_write(b);
	progress_end(&progress);
	if (b->draft.fd >= 0)
		r = file_replace(&b->draft, output, r, e);
	build_close(b);
	free(b);
	return r;
}
