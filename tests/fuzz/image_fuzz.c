/*
 * image_fuzz.c: whatever an image holds, checking it and looking up paths in it
 * stays inside of it and ends; what is found is an inode of it.
 *
 * Input: a byte (odd: the offsets that follow are brought near the file's), the
 * header from inode_count on without its checksum, a path of 16 bytes, and what
 * stands behind the header's page. Magic, version, size and checksum are put
 * right, or nothing would get further.
 */
#include "fuzz.h"

#include "../../image.c"

#define SIZE 8192u
#define PATH_SIZE 16

struct input {
	uint8_t near;
	uint32_t inode_count;
	uint64_t inodes, dirents, dirent_count, names, names_size;
	char path[PATH_SIZE];
} __attribute__((packed));

static void fill_header(struct zb_image_header *h, const struct input *in)
{
	memcpy(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic));
	h->version = ZB_IMAGE_VERSION;
	h->size = SIZE;
	h->inode_count = in->inode_count;
	h->inodes = in->inodes;
	h->dirents = in->dirents;
	h->dirent_count = in->dirent_count;
	h->names = in->names;
	h->names_size = in->names_size;
	if (!(in->near & 1))
		return;
	h->inode_count %= 16;
	h->inodes = 4096 + h->inodes % 1024 / 8 * 8;
	h->dirents = 4096 + h->dirents % 2048 / 4 * 4;
	h->dirent_count %= 64;
	h->names = 4096 + h->names % 4096;
	h->names_size %= 1024;
}

static void sign(char *image)
{
	struct zb_image_header *h = (struct zb_image_header *)image;

	if (fits(h->inodes, h->inode_count, sizeof(struct zb_image_inode),
		 SIZE) &&
	    fits(h->dirents, h->dirent_count, sizeof(struct zb_image_dirent),
		 SIZE) &&
	    fits(h->names, h->names_size, 1, SIZE))
		h->checksum = checksum(h, image + h->inodes,
				       image + h->dirents, image + h->names);
}

static void look_up(const char *image, const char *path)
{
	const struct zb_image_header *h = (const void *)image;
	int64_t found = image_lookup(image, path);

	assert(found < (int64_t)h->inode_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *image = aligned_alloc(4096, SIZE), path[PATH_SIZE + 1] = "";
	struct err e = { "" };
	struct input in;
	int r;

	assert(image);
	memset(image, 0, SIZE);
	memset(&in, 0, sizeof(in));
	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	if (size > sizeof(in))
		memcpy(image + 4096, data + sizeof(in),
		       size - sizeof(in) < 4096 ? size - sizeof(in) : 4096);
	fill_header((struct zb_image_header *)image, &in);
	sign(image);
	r = image_check(image, SIZE, &e);
	if (r == 0) {
		memcpy(path, in.path, PATH_SIZE);
		look_up(image, path);
		look_up(image, "/usr/bin/python3");
		look_up(image, "a/../a/./a/a");
	} else {
		assert(r == -EINVAL && e.text[0]);
	}
	free(image);
	return 0;
}
