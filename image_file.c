/* image_file.c: image files as image.h has them: opened, mapped, checked, and unpacked
 * where they are gzip. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "box.h"
#include "cache.h"
#include "file.h"
#include "guest/abi.h"
#include "image.h"
#include "store.h"
#include "stream.h"

#define LARGEST (2ull << 40) /* of what image_build() makes, and more */
#define PAGE 4096

static int refuse(const char *path, struct err *e)
{
	return err_set(e, -EINVAL, "%s: not a zeroboot image", path);
}

/* ---- room to unpack ---- */

static bool disk_has(int fd, uint64_t size)
{
	struct statvfs st;

	return fstatvfs(fd, &st) < 0 || st.f_bavail >= size / st.f_frsize;
}

/* Half of it, as for a file system in memory. */
static bool memory_has(uint64_t size)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 ||
	       size <= (uint64_t)info.totalram * info.mem_unit / 2;
}

static int room_in(const char *directory, uint64_t size)
{
	int fd = directory ?
			 open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) :
			 -1;

	if (fd >= 0 && !disk_has(fd, size)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int image_room(const char *path, uint64_t size, struct err *e)
{
	char beside[PATH_MAX];
	int fd = room_in(cache_room(), size);

	snprintf(beside, sizeof(beside), "%s", path);
	if (fd < 0)
		fd = room_in(dirname(beside), size);
	/* That may have been a box. */
	if (fd < 0 && errno == ENOTDIR)
		fd = room_in(dirname(beside), size);
	if (fd >= 0)
		return fd;
	if (!memory_has(size))
		return err_set(e, -ENOSPC,
			       "%s: no room to unpack %llu MiB: neither in the "
			       "cache, nor beside it, nor in memory",
			       path, (unsigned long long)(size >> 20));
	fd = memfd_create("zeroboot-image", MFD_CLOEXEC);
	return fd < 0 ? err_set(e, -errno, "%s: memory: %s", path,
				strerror(errno)) :
			fd;
}

/* ---- unpacking ---- */

bool image_plain(int fd, uint64_t offset, uint64_t size)
{
	char magic[sizeof(ZB_IMAGE_MAGIC) - 1];

	return size >= PAGE &&
	       file_read_at(fd, magic, sizeof(magic), offset) == 0 &&
	       !memcmp(magic, ZB_IMAGE_MAGIC, sizeof(magic));
}

static int damaged(const char *path, const char *what, uint64_t size,
		   struct err *e)
{
	return err_set(e, -EINVAL,
		       "%s: image damaged: %s the %llu bytes that it says",
		       path, what, (unsigned long long)size);
}

/* The first page of what is packed: the size of all of it. */
static int read_size(struct stream *s, uint8_t page[PAGE], uint64_t *size,
		     struct err *e)
{
	const struct zb_image_header *h = (const void *)page;
	size_t got;
	int r = stream_read(s, page, PAGE, &got);

	if (r)
		return r;
	if (got < PAGE || memcmp(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic)))
		return refuse(s->name, e);
	*size = h->size;
	if (h->size < PAGE || h->size > LARGEST)
		return err_set(e, -EINVAL, "%s: image damaged: bad sizes",
			       s->name);
	return 0;
}

static int unpack_rest(struct stream *s, struct store *store,
		       const uint8_t page[PAGE], uint64_t size, struct err *e)
{
	int r = store_write(store, page, PAGE, 0);
	uint64_t at = PAGE;

	while (r == 0) {
		const uint8_t *data;
		size_t n = SIZE_MAX;

		r = stream_next(s, &data, &n);
		if (r)
			return r;
		if (n > size - at)
			return damaged(s->name, "more than", size, e);
		if (n == 0 && at < size)
			return damaged(s->name, "less than", size, e);
		if (n == 0)
			break;
		r = store_write(store, data, n, at);
		at += n;
	}
	if (r == 0 && ftruncate(store->fd, (off_t)size) < 0)
		r = -errno;
	return r ? err_set(e, r, "%s: unpacking: %s", s->name, strerror(-r)) :
		   0;
}

/* One that is packed, with its first page read. To be closed in any case. */
static int open_packed(struct stream *s, uint8_t page[PAGE], uint64_t *whole,
		       int fd, uint64_t offset, uint64_t size, const char *path,
		       struct err *e)
{
	int r = stream_open_part(s, fd, offset, size, path, e);

	return r ? r : read_size(s, page, whole, e);
}

int image_head(int fd, uint64_t offset, uint64_t size, const char *path,
	       struct zb_image_header *h, struct err *e)
{
	uint8_t page[PAGE] __attribute__((aligned(8)));
	struct stream s;
	uint64_t whole;
	int r = open_packed(&s, page, &whole, fd, offset, size, path, e);

	stream_close(&s);
	if (r == 0)
		memcpy(h, page, sizeof(*h));
	return r;
}

/* To the file `to`, or to room for it when that is negative. */
static int unpack(int fd, uint64_t offset, uint64_t size, int *to,
		  const char *path, struct err *e)
{
	uint8_t page[PAGE] __attribute__((aligned(8)));
	struct stream s;
	uint64_t whole = 0;
	int r = open_packed(&s, page, &whole, fd, offset, size, path, e);

	if (r == 0 && *to < 0) {
		*to = image_room(path, whole, e);
		r = *to < 0 ? *to : 0;
	}
	if (r == 0)
		r = unpack_rest(&s, &(struct store){ .fd = *to }, page, whole,
				e);
	stream_close(&s);
	return r;
}

int image_unpack(int fd, uint64_t offset, uint64_t size, int to,
		 const char *path, struct err *e)
{
	return unpack(fd, offset, size, &to, path, e);
}

/* ---- the image ---- */

static int map(struct image *image, int fd, const char *path, uint64_t offset,
	       uint64_t size, struct err *e)
{
	struct err why = { "" };
	int r = file_fill_holes(fd, path, e);

	if (r)
		return r;
	image->size = size;
	image->data =
		mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, (off_t)offset);
	if (image->data == MAP_FAILED) {
		image->data = NULL;
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	}
	r = image_check(image->data, image->size, &why);
	return r ? err_set(e, r, "%s: %s", path, why.text) : 0;
}

/* In the cache, for the next who wants it. */
static void keep(const struct image *image, int unpacked, const char *path)
{
	const struct zb_image_header *h = image->data;
	char kept[PATH_MAX];

	if (cache_path(kept, path, h->checksum, ".img"))
		return;
	cache_keep(kept, unpacked);
	cache_tidy(kept);
}

static int open_fd(struct image *image, int fd, const char *path,
		   uint64_t offset, uint64_t size, bool kept, struct err *e)
{
	struct stat st;
	int unpacked = -1, r;

	image->data = NULL;
	image->size = 0;
	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (offset > (uint64_t)st.st_size)
		offset = (uint64_t)st.st_size;
	if (size == 0)
		size = (uint64_t)st.st_size - offset;
	if (!S_ISREG(st.st_mode) || size > (uint64_t)st.st_size - offset)
		return refuse(path, e);
	if (image_plain(fd, offset, size))
		return map(image, fd, path, offset, size, e);
	r = unpack(fd, offset, size, &unpacked, path, e);
	if (r == 0 && fstat(unpacked, &st) < 0)
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (r == 0)
		r = map(image, unpacked, path, 0, (uint64_t)st.st_size, e);
	if (r == 0 && kept)
		keep(image, unpacked, path);
	if (unpacked >= 0)
		close(unpacked);
	return r;
}

int image_open_fd(struct image *image, int fd, const char *path,
		  uint64_t offset, uint64_t size, struct err *e)
{
	return open_fd(image, fd, path, offset, size, false, e);
}

static int open_at(struct image *image, const char *path, uint64_t offset,
		   uint64_t size, bool kept, struct err *e)
{
	int fd = box_open_image(path);
	int r = fd < 0 ? err_set(e, fd, "%s: %s", path, strerror(-fd)) : 0;

	image->data = NULL;
	image->size = 0;
	if (r == 0 && offset == 0 && size == 0)
		r = box_locate(fd, path, true, &offset, &size, e);
	if (r == 0)
		r = open_fd(image, fd, path, offset, size, kept, e);
	if (fd >= 0)
		close(fd);
	return r;
}

int image_open_at(struct image *image, const char *path, uint64_t offset,
		  uint64_t size, struct err *e)
{
	return open_at(image, path, offset, size, false, e);
}

int image_open(struct image *image, const char *path, struct err *e)
{
	return open_at(image, path, 0, 0, false, e);
}

int image_open_kept(struct image *image, const char *path, struct err *e)
{
	return open_at(image, path, 0, 0, true, e);
}

void image_close(struct image *image)
{
	if (image->data)
		munmap(image->data, image->size);
	image->data = NULL;
}
