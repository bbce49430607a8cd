#include "image_info.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image.h"
#include "json.h"
#include "text.h"
#include "tree.h"

struct listing {
	const struct zb_image_header *h;
	const struct zb_image_inode *inodes;
	const struct zb_image_dirent *dirents;
	const struct zb_image_xattr *xattrs;
	const char *names;
	struct text path;
	uint64_t lines;
};

static void listing_open(struct listing *l, const struct image *image)
{
	const char *base = image->data;

	*l = (struct listing){ .h = image->data };
	l->inodes = (const void *)(base + l->h->inodes);
	l->dirents = (const void *)(base + l->h->dirents);
	l->xattrs = (const void *)(base + l->h->xattrs);
	l->names = base + l->h->names;
}

/* As JSON: names may have any bytes. */
static void print_quoted(const char *text, size_t size)
{
	struct text t = { 0 };

	text_json_string(&t, text, size);
	if (!t.failed)
		fwrite(t.data, 1, t.size, stdout);
	free(t.data);
}

/* ---- all files ---- */

static void print_xattrs(const struct listing *l, uint32_t number)
{
	uint64_t low = 0, high = l->h->xattr_count;

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (l->xattrs[middle].inode < number)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->h->xattr_count && l->xattrs[low].inode == number;
	     low++) {
		const struct zb_image_xattr *x = &l->xattrs[low];

		putchar(' ');
		print_quoted(l->names + x->name, x->name_size);
		putchar('=');
		print_quoted(l->names + x->value, x->value_size);
	}
}

static void print_line(const struct listing *l, uint32_t number)
{
	const struct zb_image_inode *i = &l->inodes[number];
	bool device = S_ISCHR(i->mode) || S_ISBLK(i->mode);

	printf("%06o %u %u %u %llu %lld.%09u ", i->mode, i->nlink, i->uid,
	       i->gid, (unsigned long long)(device ? i->data : i->size),
	       (long long)i->mtime_sec, i->mtime_nsec);
	print_quoted(l->path.size ? l->path.data : "/",
		     l->path.size ? l->path.size : 1);
	if (S_ISLNK(i->mode)) {
		fputs(" -> ", stdout);
		print_quoted(l->names + i->data, i->size);
	}
	print_xattrs(l, number);
	putchar('\n');
}

/* An image that was made by somebody else may have circles. */
/* NOLINTNEXTLINE(misc-no-recursion): TREE_DEPTH deep */
static int list(struct listing *l, uint32_t number, int depth, struct err *e)
{
	const struct zb_image_inode *i = &l->inodes[number];
	size_t length = l->path.size;
	int r = 0;

	if (depth > TREE_DEPTH || l->lines++ > l->h->dirent_count)
		return err_set(e, -EINVAL,
			       "image damaged: a directory in itself");
	print_line(l, number);
	if (!S_ISDIR(i->mode))
		return 0;
	for (uint64_t n = 0; n < i->size && r == 0; n++) {
		const struct zb_image_dirent *d = &l->dirents[i->data + n];

		text_add(&l->path, "/", 1);
		text_add(&l->path, l->names + d->name, d->name_size);
		if (l->path.failed)
			return err_set(e, -ENOMEM, "image: no memory");
		r = list(l, d->inode, depth + 1, e);
		l->path.size = length;
	}
	return r;
}

/* ---- the whole ---- */

static void print_settings(const struct image *image)
{
	static const struct {
		char letter;
		const char *name;
	} kinds[] = { { ZB_SETTING_ENVIRONMENT, "environment " },
		      { ZB_SETTING_DIRECTORY, "directory   " },
		      { ZB_SETTING_ENTRY, "entry point " },
		      { ZB_SETTING_COMMAND, "command     " },
		      { ZB_SETTING_USER, "user        " } };

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		bool any = false;

		for (const char *s = NULL;
		     (s = image_setting(image->data, s)) != NULL;) {
			if (*s != kinds[k].letter)
				continue;
			fputs(any ? " " : kinds[k].name, stdout);
			any = true;
			print_quoted(s + 1, strlen(s + 1));
		}
		if (any)
			putchar('\n');
	}
}

static void print_summary(const struct listing *l, const struct image *image,
			  const struct stat *st)
{
	uint64_t files = 0, directories = 0, links = 0, others = 0, bytes = 0;

	for (uint32_t i = 0; i < l->h->inode_count; i++) {
		uint32_t mode = l->inodes[i].mode;

		files += S_ISREG(mode);
		directories += S_ISDIR(mode);
		links += S_ISLNK(mode);
		others += !S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode);
		bytes += S_ISREG(mode) ? l->inodes[i].size : 0;
	}
	printf("version     %u\n", l->h->version);
	printf("files       %llu, %llu bytes\n", (unsigned long long)files,
	       (unsigned long long)bytes);
	printf("others      %llu directories, %llu links, %llu devices, FIFOs "
	       "and sockets\n",
	       (unsigned long long)directories, (unsigned long long)links,
	       (unsigned long long)others);
	printf("attributes  %llu\n", (unsigned long long)l->h->xattr_count);
	printf("file        %.1f MiB, %.1f MiB on disk\n",
	       (double)image->size / (1 << 20), (double)st->st_blocks / 2048);
}

int image_info(const char *path, bool all, struct err *e)
{
	struct image image;
	struct listing l;
	struct stat st;
	int r = image_open(&image, path, e);

	if (r)
		goto out;
	if (stat(path, &st) < 0) /* in a box */
		st = (struct stat){ 0 };
	listing_open(&l, &image);
	print_summary(&l, &image, &st);
	print_settings(&image);
	if (all)
		r = list(&l, 0, 0, e);
	free(l.path.data);
out:
	image_close(&image);
	return r;
}
