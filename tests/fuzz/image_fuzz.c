/*
 * image_fuzz.c: an image that image_check takes can be searched for any path
 * without leaving it, in bounded time; one that is packed and then cut or damaged
 * becomes itself or is refused.
 *
 * Input: a path, a NUL, and bytes that become the image: header, inodes,
 * entries, names. Its sizes and its checksum are made right, or nothing would
 * get any further. What is left of the input damages it when it is packed.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../image.c"
#include "../../inflate.c"
#include "file.h"

#define INODES 8
#define DIRENTS 16
#define NAMES 256
#define XATTRS 4
#define SIZE 8192

/* Takes up to size bytes from the input; the rest stays. */
static void fill(void *to, size_t size, const uint8_t **data, size_t *left)
{
	if (size > *left)
		size = *left;
	memcpy(to, *data, size);
	*data += size;
	*left -= size;
}

/* Half of the numbers are brought near to what they count. */
static void tame(struct zb_image_inode *inodes, struct zb_image_dirent *dirents)
{
	static const uint32_t kinds[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR };

	for (int i = 0; i < INODES; i++) {
		if (inodes[i].gid & 1)
			continue;
		inodes[i].mode = kinds[inodes[i].mode % 4];
		inodes[i].size %= 8;
		inodes[i].data %= DIRENTS;
		if (S_ISREG(inodes[i].mode))
			inodes[i].data = 4096;
		if (S_ISDIR(inodes[i].mode))
			inodes[i].parent %= INODES;
	}
	for (int i = 0; i < DIRENTS; i++) {
		dirents[i].inode %= INODES;
		dirents[i].name_size = 1 + dirents[i].name_size % 3;
		dirents[i].name %= NAMES - 3;
	}
}

/* As gzip would, without compressing: a stored block. */
static size_t pack(uint8_t *to, const uint8_t *image)
{
	static const uint8_t header[10] = { 0x1f, 0x8b, 8 };
	uint16_t size = SIZE, inverse = (uint16_t)~size;
	uint32_t trailer[2] = { 0, SIZE };
	uint8_t *p = to;

	crc_open();
	trailer[0] = crc_add(0, image, SIZE);
	p = (uint8_t *)memcpy(p, header, sizeof(header)) + sizeof(header);
	*p++ = 1;
	p = (uint8_t *)memcpy(p, &size, 2) + 2;
	p = (uint8_t *)memcpy(p, &inverse, 2) + 2;
	p = (uint8_t *)memcpy(p, image, SIZE) + SIZE;
	p = (uint8_t *)memcpy(p, trailer, 8) + 8;
	return (size_t)(p - to);
}

/* Each three bytes of data change one, the last two cut it. */
static void unpack_damaged(const uint8_t *image, const uint8_t *data,
			   size_t size)
{
	uint8_t packed[SIZE + 64], out[SIZE];
	size_t whole = pack(packed, image), n = whole;
	int from = memfd_create("packed", 0), to = memfd_create("image", 0), r;
	struct err e = { "" };
	struct stat st;

	assert(from >= 0 && to >= 0);
	for (; size >= 3; data += 3, size -= 3)
		packed[(data[0] << 8 | data[1]) % whole] ^= data[2];
	if (size == 2)
		n = (size_t)(data[0] << 8 | data[1]) % (whole + 1);
	assert(file_write_at(from, packed, n, 0) == 0);
	r = image_unpack(from, 0, n, to, "x", &e);
	assert(fstat(to, &st) == 0 && st.st_size <= SIZE);
	assert(r == 0 || e.text[0]);
	if (r == 0) {
		assert(st.st_size == SIZE);
		assert(file_read_at(to, out, SIZE, 0) == 0);
		assert(!memcmp(out, image, SIZE));
	}
	close(from);
	close(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	struct zb_image_header *h;
	struct zb_image_inode *inodes;
	struct zb_image_dirent *dirents;
	struct zb_image_xattr *xattrs;
	struct err e = { "" };
	uint8_t *image;
	char *path;

	if (!nul)
		return 0;
	path = exact(data, (size_t)(nul - data) + 1);
	size -= (size_t)(nul - data) + 1;
	data = nul + 1;
	image = calloc(1, SIZE);
	assert(image && path);
	h = (void *)image;
	memcpy(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic));
	h->version = ZB_IMAGE_VERSION;
	h->size = SIZE;
	h->inodes = sizeof(*h);
	h->inode_count = INODES;
	h->dirents = h->inodes + INODES * sizeof(*inodes);
	h->dirent_count = DIRENTS;
	h->names = h->dirents + DIRENTS * sizeof(*dirents);
	h->names_size = NAMES;
	h->xattrs = h->names + NAMES;
	h->xattr_count = XATTRS;
	h->settings_size = 32;
	inodes = (void *)(image + h->inodes);
	dirents = (void *)(image + h->dirents);
	fill(image + sizeof(*h), SIZE - sizeof(*h), &data, &size);
	xattrs = (void *)(image + h->xattrs);
	for (int i = 0; i < XATTRS; i++) {
		xattrs[i].inode = (uint32_t)i;
		xattrs[i].name %= NAMES;
		xattrs[i].value %= NAMES;
		xattrs[i].value_size %= NAMES;
	}
	image[h->names + h->settings_size - 1] = 0;
	tame(inodes, dirents);
	fill(image, sizeof(*h), &data, &size);
	if (fits(h->inodes, h->inode_count, sizeof(*inodes), SIZE) &&
	    fits(h->dirents, h->dirent_count, sizeof(*dirents), SIZE) &&
	    fits(h->names, h->names_size, 1, SIZE) &&
	    fits(h->xattrs, h->xattr_count, sizeof(*xattrs), SIZE) &&
	    !(h->inodes & 7) && !(h->dirents & 3) && !(h->xattrs & 3))
		h->checksum =
			image_checksum(h, image + h->inodes, image + h->dirents,
				       image + h->names, image + h->xattrs);
	if (image_check(image, SIZE, &e) == 0) {
		assert(image_lookup(image, path) < (int64_t)h->inode_count);
		for (const char *s = NULL; (s = image_setting(image, s));)
			assert((uint8_t *)s + strlen(s) < image + SIZE);
	} else
		assert(e.text[0]);
	unpack_damaged(image, data, size);
	free(image);
	free(path);
	return 0;
}
