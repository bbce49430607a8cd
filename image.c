#include "image.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/abi.h"

#define MAX_LINKS 40

/* ---- checking ---- */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

uint64_t image_checksum(const struct zb_image_header *h, const void *inodes,
			const void *dirents, const void *names,
			const void *xattrs)
{
	struct zb_image_header copy = *h;
	uint64_t hash = 0xcbf29ce484222325ull;

	copy.checksum = 0;
	hash = hash_bytes(hash, &copy,
			  h->version == 1 ? ZB_IMAGE_HEADER_1 : sizeof(copy));
	hash = hash_bytes(hash, inodes,
			  h->inode_count * sizeof(struct zb_image_inode));
	hash = hash_bytes(hash, dirents,
			  h->dirent_count * sizeof(struct zb_image_dirent));
	hash = hash_bytes(hash, names, h->names_size);
	return hash_bytes(hash, xattrs,
			  h->xattr_count * sizeof(struct zb_image_xattr));
}

static bool fits(uint64_t offset, uint64_t count, size_t each, size_t size)
{
	return offset <= size && count <= (size - offset) / each;
}

static bool inode_ok(const struct zb_image_header *h,
		     const struct zb_image_inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		return (i->data & 4095) == 0 && i->size <= h->size &&
		       fits(i->data, (i->size + 4095) / 4096, 4096, h->size);
	case S_IFDIR:
		return i->parent < h->inode_count &&
		       fits(i->data, i->size, 1, h->dirent_count);
	case S_IFLNK:
		return i->size < PATH_MAX &&
		       fits(i->data, i->size, 1, h->names_size);
	default:
		return true;
	}
}

static bool xattr_ok(const struct zb_image_header *h,
		     const struct zb_image_xattr *x)
{
	return x->inode < h->inode_count && x->name_size &&
	       x->name_size <= 255 && x->value_size <= 65536 &&
	       fits(x->name, x->name_size, 1, h->names_size) &&
	       fits(x->value, x->value_size, 1, h->names_size);
}

/* Each ends in a NUL, so the last byte is one. */
static bool settings_ok(const struct zb_image_header *h, const char *base)
{
	return fits(h->settings, h->settings_size, 1, h->names_size) &&
	       (!h->settings_size ||
		!base[h->names + h->settings + h->settings_size - 1]);
}

int image_check(const void *data, size_t size, struct err *e)
{
	const struct zb_image_header *h = data;
	const struct zb_image_inode *inodes;
	const struct zb_image_dirent *dirents;
	const struct zb_image_xattr *xattrs;
	const char *base = data;

	if (size < 4096 || memcmp(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic)))
		return err_set(e, -EINVAL, "not a zeroboot image");
	if (h->version == 0 || h->version > ZB_IMAGE_VERSION)
		return err_set(e, -EINVAL,
			       "image version %u, this zeroboot reads up to %u",
			       h->version, ZB_IMAGE_VERSION);
	if (h->size != size || (h->inodes & 7) || (h->dirents & 3) ||
	    (h->xattrs & 3) || h->inode_count == 0 ||
	    !fits(h->inodes, h->inode_count, sizeof(*inodes), size) ||
	    !fits(h->dirents, h->dirent_count, sizeof(*dirents), size) ||
	    !fits(h->names, h->names_size, 1, size) ||
	    !fits(h->xattrs, h->xattr_count, sizeof(*xattrs), size) ||
	    !settings_ok(h, base))
		return err_set(e, -EINVAL, "image damaged: bad sizes");
	inodes = (const void *)(base + h->inodes);
	dirents = (const void *)(base + h->dirents);
	xattrs = (const void *)(base + h->xattrs);
	if (h->checksum !=
	    image_checksum(h, inodes, dirents, base + h->names, xattrs))
		return err_set(e, -EINVAL, "image damaged: wrong checksum");
	for (uint32_t i = 0; i < h->inode_count; i++)
		if (!inode_ok(h, &inodes[i]))
			return err_set(e, -EINVAL, "image damaged: inode %u",
				       i);
	for (uint64_t i = 0; i < h->dirent_count; i++)
		if (dirents[i].inode >= h->inode_count ||
		    dirents[i].name_size == 0 || dirents[i].name_size > 255 ||
		    !fits(dirents[i].name, dirents[i].name_size, 1,
			  h->names_size))
			return err_set(e, -EINVAL, "image damaged: entry %llu",
				       (unsigned long long)i);
	for (uint64_t i = 0; i < h->xattr_count; i++)
		if (!xattr_ok(h, &xattrs[i]) ||
		    (i && xattrs[i].inode < xattrs[i - 1].inode))
			return err_set(e, -EINVAL,
				       "image damaged: attribute %llu",
				       (unsigned long long)i);
	if (!S_ISDIR(inodes[0].mode))
		return err_set(e, -EINVAL, "image damaged: no root directory");
	return 0;
}

/* ---- looking up ---- */

static int64_t find_entry(const void *data, uint32_t directory,
			  const char *name, size_t size)
{
	const struct zb_image_header *h = data;
	const char *base = data;
	const struct zb_image_inode *i =
		(const struct zb_image_inode *)(base + h->inodes) + directory;
	const struct zb_image_dirent *d =
		(const struct zb_image_dirent *)(base + h->dirents) + i->data;

	for (uint64_t n = 0; n < i->size; n++)
		if (d[n].name_size == size &&
		    !memcmp(base + h->names + d[n].name, name, size))
			return d[n].inode;
	return -ENOENT;
}

/* Follows at most *links symbolic links in all. */
/* NOLINTNEXTLINE(misc-no-recursion): MAX_LINKS deep */
static int64_t lookup(const void *data, uint32_t at, const char *path,
		      int *links)
{
	const struct zb_image_header *h = data;
	const char *base = data;

	while (*path) {
		const struct zb_image_inode *i;
		char target[PATH_MAX];
		size_t size;
		int64_t next;

		while (*path == '/')
			path++;
		size = strcspn(path, "/");
		if (size == 0)
			break;
		i = (const struct zb_image_inode *)(base + h->inodes) + at;
		/* Only of a directory parent, data and size are checked to be
		 * what is meant here. */
		if (!S_ISDIR(i->mode))
			return -ENOTDIR;
		if (size == 1 && path[0] == '.')
			next = at;
		else if (size == 2 && !memcmp(path, "..", 2))
			next = i->parent;
		else
			next = find_entry(data, at, path, size);
		if (next < 0)
			return next;
		path += size;
		i = (const struct zb_image_inode *)(base + h->inodes) + next;
		if (!S_ISLNK(i->mode)) {
			at = (uint32_t)next;
			continue;
		}
		if (--*links < 0)
			return -ELOOP;
		memcpy(target, base + h->names + i->data, i->size);
		target[i->size] = 0;
		next = lookup(data, target[0] == '/' ? 0 : at, target, links);
		if (next < 0)
			return next;
		at = (uint32_t)next;
	}
	return at;
}

int64_t image_lookup(const void *data, const char *path)
{
	int links = MAX_LINKS;

	return lookup(data, 0, path, &links);
}

const char *image_setting(const void *data, const char *last)
{
	const struct zb_image_header *h = data;
	const char *p = (const char *)data + h->names + h->settings,
		   *end = p + h->settings_size;

	if (last)
		p = last + strlen(last) + 1;
	return p < end ? p : NULL;
}
