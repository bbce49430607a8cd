/* ramfs.c: the data of regular files, in the image or in frames. */
#include "fs/ramfs.h"

#include "heap.h"
#include "mm/frame.h"
#include "task/clock.h"

#define MAX_SIZE (1ull << 40)

static const void *image_data(const struct node *n)
{
	const struct zb_image_header *h = (const void *)ZB_IMAGE_BASE;
	const struct zb_image_inode *i =
		(const struct zb_image_inode *)(ZB_IMAGE_BASE + h->inodes) +
		n->image;

	return (const void *)(ZB_IMAGE_BASE + i->data);
}

void data_free(struct node *n)
{
	for (u64 i = 0; i < n->frame_count; i++)
		if (n->frames[i])
			frames_free(n->frames[i], 1);
	kfree(n->frames);
	n->frames = NULL;
	n->frame_count = 0;
}

static bool room_for(struct node *n, u64 pages)
{
	u64 want = n->frame_count ? n->frame_count : 4;
	gpa_t *bigger;

	if (pages <= n->frame_count)
		return true;
	while (want < pages)
		want *= 2;
	if (want / 512 > frames_available())
		return false;
	bigger = krealloc(n->frames, want * sizeof(*bigger));
	if (!bigger)
		return false;
	n->frames = bigger;
	n->frame_count = want;
	return true;
}

static u8 *page_for_write(struct node *n, u64 index)
{
	if (!room_for(n, index + 1))
		return NULL;
	if (!n->frames[index])
		n->frames[index] = frames_alloc(1);
	return n->frames[index] ? gpa_to_ptr(n->frames[index]) : NULL;
}

/* Brings the image's data into frames, before the first change. */
static long copy_up(struct node *n)
{
	const u8 *from;

	if (n->in_memory)
		return 0;
	from = image_data(n);
	for (u64 at = 0; at < n->size; at += PAGE_SIZE) {
		u8 *page = page_for_write(n, at / PAGE_SIZE);

		if (!page) {
			data_free(n);
			return -ENOSPC;
		}
		memcpy(page, from + at, MIN(PAGE_SIZE, n->size - at));
	}
	n->in_memory = true;
	return 0;
}

long data_read(struct node *n, void *buf, size_t size, u64 at)
{
	u8 *to = buf;
	size_t left;

	if (at >= n->size)
		return 0;
	size = left = MIN(size, n->size - at);
	if (!n->in_memory) {
		memcpy(buf, (const u8 *)image_data(n) + at, size);
		return (long)size;
	}
	while (left) {
		u64 index = at / PAGE_SIZE, offset = at % PAGE_SIZE;
		size_t part = MIN(left, PAGE_SIZE - offset);

		if (index < n->frame_count && n->frames[index])
			memcpy(to, (u8 *)gpa_to_ptr(n->frames[index]) + offset,
			       part);
		else
			memset(to, 0, part);
		to += part;
		at += part;
		left -= part;
	}
	return (long)size;
}

long data_write(struct node *n, const void *buf, size_t size, u64 at)
{
	const u8 *from = buf;
	size_t left = size;
	long r;

	if (at > MAX_SIZE || size > MAX_SIZE - at)
		return -EFBIG;
	r = copy_up(n);
	if (r)
		return r;
	while (left) {
		u64 offset = at % PAGE_SIZE;
		size_t part = MIN(left, PAGE_SIZE - offset);
		u8 *page = page_for_write(n, at / PAGE_SIZE);

		if (!page)
			break;
		memcpy(page + offset, from, part);
		from += part;
		at += part;
		left -= part;
	}
	if (at > n->size)
		n->size = at;
	n->mtime = n->ctime = wall_now();
	return left == size && size ? -ENOSPC : (long)(size - left);
}

long data_truncate(struct node *n, u64 size)
{
	u64 keep = PAGE_UP(size) / PAGE_SIZE;
	long r;

	if (size > MAX_SIZE)
		return -EFBIG;
	if (size == 0 && !n->in_memory)
		n->in_memory = true; /* nothing of it is wanted */
	r = copy_up(n);
	if (r)
		return r;
	for (u64 i = keep; i < n->frame_count; i++) {
		if (n->frames[i])
			frames_free(n->frames[i], 1);
		n->frames[i] = 0;
	}
	if (size < n->size && size % PAGE_SIZE && keep <= n->frame_count &&
	    n->frames[keep - 1])
		memset((u8 *)gpa_to_ptr(n->frames[keep - 1]) + size % PAGE_SIZE,
		       0, PAGE_SIZE - size % PAGE_SIZE);
	n->size = size;
	n->mtime = n->ctime = wall_now();
	return 0;
}

/* ---- open files ---- */

static long regular_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	long r = data_read(f->node, buf, n, *pos);

	if (r > 0)
		*pos += (u64)r;
	return r;
}

static long regular_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct node *node = f->node;
	long r;

	if (f->flags & O_APPEND)
		*pos = node->size;
	r = data_write(node, buf, n, *pos);
	if (r > 0)
		*pos += (u64)r;
	return r;
}

static gpa_t regular_page(struct file *f, u64 index, bool write)
{
	struct node *n = f->node;

	if (index >= PAGE_UP(n->size) / PAGE_SIZE)
		return 0;
	if (!n->in_memory && !write)
		return ZB_IMAGE_GPA + ((u64)image_data(n) - ZB_IMAGE_BASE) +
		       index * PAGE_SIZE;
	if (copy_up(n))
		return 0;
	return page_for_write(n, index) ? n->frames[index] : 0;
}

static long node_file_stat(struct file *f, struct stat *st)
{
	node_stat(f->node, st);
	return 0;
}

static long regular_truncate(struct file *f, u64 size)
{
	return data_truncate(f->node, size);
}

static void node_file_release(struct file *f)
{
	node_unref(f->node);
}

const struct file_ops regular_ops = {
	.read = regular_read,
	.write = regular_write,
	.stat = node_file_stat,
	.truncate = regular_truncate,
	.page = regular_page,
	.release = node_file_release,
	.of_node = true,
};

static long directory_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	(void)f, (void)buf, (void)n, (void)pos;
	return -EISDIR;
}

const struct file_ops directory_ops = {
	.read = directory_read,
	.stat = node_file_stat,
	.release = node_file_release,
	.of_node = true,
};

struct node *file_node(const struct file *f)
{
	return f->ops->of_node ? f->node : NULL;
}
