/*
 * ramfs.c: the data of regular files. A page is a frame of the file, or the
 * image's as long as it was not written to, or a hole that reads as zeroes.
 */
#include "fs/ramfs.h"

#include <linux/memfd.h>

#include "fs/image.h"
#include "fs/quota.h"
#include "mm/frame.h"
#include "mm/page.h"
#include "mm/user.h"

#define PAGE_UNITS (PAGE_SIZE / UNIT)

/* Of a frame in the table: it was allocated, but nothing was written to it, so
 * that it counts as a hole where data is looked for. */
#define UNWRITTEN 1ull
/* A mapping has it, which may have written to it: it counts as a hole while it is
 * zero. Alone, it is there in place of a hole, and then is no block of the file. */
#define LENT 2ull
#define KINDS (UNWRITTEN | LENT)

/* Of what files may take, as much may be in place of holes: 1 of so many. */
#define STAND_INS_SHARE 8

static gpa_t frame_of(const struct node *n, u64 index)
{
	return (gpa_t)radix_get(&n->content, index) & ~KINDS;
}

/* Whether what the table has of a page is there in place of a hole. */
static bool is_stand_in(gpa_t entry)
{
	return (entry & KINDS) == LENT;
}

static u64 stand_ins; /* of all files */

static void count_stand_in(struct node *n, int more)
{
	n->stand_ins += (u64)more;
	stand_ins += (u64)more;
}

/* Whether what the table has of a page, which is something, counts as a hole. */
static bool is_hole(gpa_t entry)
{
	if (entry & LENT)
		return page_is_zero(gpa_to_ptr(entry & ~KINDS));
	return entry & UNWRITTEN;
}

/* Whether a page without a frame has the image's data. */
static bool in_image(const struct node *n, u64 index)
{
	return index < PAGE_UP(n->image_size) / PAGE_SIZE;
}

static u64 page_of(u64 at)
{
	return at / PAGE_SIZE;
}

static u64 frame_count; /* of all files */

u64 data_frames(void)
{
	return frame_count;
}

static void frame_drop(struct node *n, u64 index)
{
	gpa_t entry = (gpa_t)radix_remove(&n->content, index);

	if (!entry)
		return;
	count_stand_in(n, -is_stand_in(entry));
	frames_free(entry & ~KINDS, 1);
	quota_give(PAGE_UNITS);
	n->frame_count--;
	frame_count--;
	if (in_image(n, index))
		n->covered_count--;
}

/* Drops the frames of [first, end). */
static void frames_drop(struct node *n, u64 first, u64 end)
{
	for (u64 i = first; radix_next(&n->content, &i) && i < end; i++)
		frame_drop(n, i);
}

void data_free(struct node *n)
{
	frames_drop(n, 0, ~0ull);
}

/* The frame of a page, made when there is none; whole: all of it is to be
 * written. 0: no room. */
static gpa_t frame_make(struct node *n, u64 index, bool whole)
{
	gpa_t frame = (gpa_t)radix_get(&n->content, index);
	bool image = in_image(n, index);

	if (frame & KINDS) {
		count_stand_in(n, -is_stand_in(frame));
		frame &= ~KINDS;
		radix_set(&n->content, index, (void *)frame);
	}
	if (frame)
		return frame;
	if (!quota_take(PAGE_UNITS))
		return 0;
	frame = frames_alloc(1);
	if (!frame || !radix_set(&n->content, index, (void *)frame)) {
		if (frame)
			frames_free(frame, 1);
		quota_give(PAGE_UNITS);
		return 0;
	}
	n->frame_count++;
	frame_count++;
	if (!image)
		return frame;
	n->covered_count++;
	if (!whole)
		memcpy(gpa_to_ptr(frame),
		       (const u8 *)image_data(n) + index * PAGE_SIZE,
		       MIN(PAGE_SIZE, n->image_size - index * PAGE_SIZE));
	object_zap(n, index, index + 1, false);
	return frame;
}

/* Copies one page's part, or clears where there is a hole. */
static size_t read_part(const struct node *n, void *to, u64 at, size_t size)
{
	gpa_t frame = frame_of(n, page_of(at));
	size_t there;

	if (frame)
		return user_copy(to, (u8 *)gpa_to_ptr(frame) + at % PAGE_SIZE,
				 size);
	there = at < n->image_size ? MIN(size, n->image_size - at) : 0;
	if (there) {
		there = user_copy(to, (const u8 *)image_data(n) + at, there);
		if (there < size && at + there < n->image_size)
			return there;
	}
	return there + user_clear((u8 *)to + there, size - there);
}

long data_read(struct node *n, void *buf, size_t size, u64 at)
{
	u8 *to = buf;
	size_t left, done;

	if (at >= n->size)
		return 0;
	size = left = MIN(size, n->size - at);
	while (left) {
		size_t part = MIN(left, PAGE_SIZE - at % PAGE_SIZE);

		/* In one piece what the image has in one. */
		if (!n->frame_count && at < n->image_size)
			part = MIN(left, n->image_size - at);
		done = read_part(n, to, at, part);
		to += done;
		at += done;
		left -= done;
		if (done < part)
			break;
	}
	return left == size && size ? -EFAULT : (long)(size - left);
}

/* What seals and the largest size leave of a write; 0 or -errno. */
static long may_write(const struct node *n, u64 at, size_t *size)
{
	if (at >= MAX_SIZE)
		return -EFBIG;
	*size = MIN(*size, MAX_SIZE - at);
	if (node_sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	return node_sealed(n, F_SEAL_GROW) && at + *size > n->size ? -EPERM : 0;
}

long data_write(struct node *n, const void *buf, size_t size, u64 at)
{
	const u8 *from = buf;
	size_t left;
	long r;

	if (size == 0)
		return 0;
	r = may_write(n, at, &size);
	if (r)
		return r;
	left = size;
	while (left) {
		size_t part = MIN(left, PAGE_SIZE - at % PAGE_SIZE), done;
		gpa_t frame = frame_make(n, page_of(at), false);

		if (!frame) {
			r = -ENOSPC;
			break;
		}
		done = user_copy((u8 *)gpa_to_ptr(frame) + at % PAGE_SIZE, from,
				 part);
		from += done;
		at += done;
		left -= done;
		if (!done) {
			r = -EFAULT;
			break;
		}
		/* At once: what follows may come of a mapping of it. */
		n->size = MAX(n->size, at);
	}
	if (left == size)
		return r;
	n->mtime = n->ctime = stamp_now();
	return (long)(size - left);
}

long data_adopt(struct node *n, gpa_t frames, u64 size)
{
	u64 count = page_of(PAGE_UP(size));

	for (u64 i = 0; i < count; i++) {
		gpa_t frame = frames + i * PAGE_SIZE;

		if (!quota_take(PAGE_UNITS)) {
			frames_free(frame, count - i);
			return -ENOSPC;
		}
		if (!radix_set(&n->content, i, (void *)frame)) {
			quota_give(PAGE_UNITS);
			frames_free(frame, count - i);
			return -ENOSPC;
		}
		n->frame_count++;
		frame_count++;
	}
	n->size = size;
	n->mtime = n->ctime = stamp_now();
	return 0;
}

/* The image's data beyond size is not the file's any more. */
static void image_cut(struct node *n, u64 size)
{
	n->image_size = size;
	n->covered_count = 0;
	for (u64 i = 0; radix_next(&n->content, &i) && in_image(n, i); i++)
		n->covered_count++;
}

/* Clears the rest of the page that holds the end, which a mapping may have
 * written to. */
static long clear_tail(struct node *n, u64 end)
{
	gpa_t frame = frame_of(n, page_of(end));

	if (end % PAGE_SIZE == 0 || (!frame && !in_image(n, page_of(end))))
		return 0;
	if (!frame)
		frame = frame_make(n, page_of(end), false);
	if (!frame)
		return -ENOSPC;
	memset((u8 *)gpa_to_ptr(frame) + end % PAGE_SIZE, 0,
	       PAGE_SIZE - end % PAGE_SIZE);
	return 0;
}

long data_truncate(struct node *n, u64 size)
{
	u64 keep = page_of(PAGE_UP(size));
	long r;

	if (size > MAX_SIZE)
		return -EFBIG;
	if ((size < n->size && node_sealed(n, F_SEAL_SHRINK)) ||
	    (size > n->size && node_sealed(n, F_SEAL_GROW)))
		return -EPERM;
	if (size <= n->size) {
		r = clear_tail(n, size);
		if (r)
			return r;
		n->size = size;
		object_zap(n, keep, ~0ull, true);
		frames_drop(n, keep, ~0ull);
		if (size < n->image_size)
			image_cut(n, size);
	} else if (frame_of(n, page_of(n->size))) {
		clear_tail(n, n->size);
	}
	n->size = size;
	n->mtime = n->ctime = stamp_now();
	return 0;
}

long data_allocate(struct node *n, u64 at, u64 size)
{
	u64 first = page_of(at), end = page_of(PAGE_UP(at + size)), i;
	gpa_t frame, old;

	if (node_sealed(n, F_SEAL_GROW) && at + size > n->size)
		return -EPERM;
	if (end - first > quota_left() / PAGE_UNITS + n->frame_count +
				  page_of(PAGE_UP(n->image_size)))
		return -ENOSPC;
	for (i = first; i < end; i++) {
		old = (gpa_t)radix_get(&n->content, i);
		if (!old && in_image(n, i))
			continue;
		frame = frame_make(n, i, true); /* the second time: data */
		if (!frame)
			break;
		if (!old || is_stand_in(old))
			radix_set(&n->content, i,
				  (void *)(frame | UNWRITTEN | (old & LENT)));
	}
	if (i == end)
		return 0;
	/* What was allocated behind the end is given back, as by Linux. */
	frames_drop(n, MAX(first, page_of(PAGE_UP(n->size))), end);
	return -ENOSPC;
}

/* Clears [from, to), which lies in one page. */
static long clear_part(struct node *n, u64 from, u64 to)
{
	gpa_t frame = frame_of(n, page_of(from));

	if (from == to || (!frame && !in_image(n, page_of(from))))
		return 0;
	if (!frame)
		frame = frame_make(n, page_of(from), false);
	if (!frame)
		return -ENOSPC;
	memset((u8 *)gpa_to_ptr(frame) + from % PAGE_SIZE, 0, to - from);
	return 0;
}

long data_punch(struct node *n, u64 at, u64 size)
{
	u64 end = at + size, first = page_of(PAGE_UP(at)), last = page_of(end);
	long r;

	if (node_sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return -EPERM;
	if (first > last) /* within a page */
		return clear_part(n, at, end);
	r = clear_part(n, at, first * PAGE_SIZE);
	if (r == 0)
		r = clear_part(n, last * PAGE_SIZE, end);
	if (r || first == last)
		return r;
	object_zap(n, first, last, false);
	/* A hole in the image's data is a frame of zeroes. */
	for (u64 i = first; r == 0 && i < last && in_image(n, i); i++) {
		gpa_t frame = frame_make(n, i, true);

		if (!frame)
			return -ENOSPC;
		memset(gpa_to_ptr(frame), 0, PAGE_SIZE);
	}
	frames_drop(n, MAX(first, page_of(PAGE_UP(n->image_size))), last);
	return 0;
}

u64 data_next(const struct node *n, u64 at)
{
	u64 index = page_of(at);

	gpa_t frame;

	if (at < n->image_size)
		return at;
	while ((frame = (gpa_t)radix_next(&n->content, &index)) &&
	       is_hole(frame))
		index++;
	if (!frame || index >= page_of(PAGE_UP(n->size)))
		return n->size;
	return MAX(at, index * PAGE_SIZE);
}

static bool is_data(const struct node *n, u64 index)
{
	gpa_t frame = (gpa_t)radix_get(&n->content, index);

	return (frame && !is_hole(frame)) || (!frame && in_image(n, index));
}

u64 data_hole(const struct node *n, u64 at)
{
	u64 index = page_of(at);

	while (is_data(n, index))
		index++;
	at = MAX(at, index * PAGE_SIZE);
	return MIN(at, n->size);
}

/* Holes in whose place there is something. */
static u64 holes_filled(const struct node *n)
{
	u64 left = n->stand_ins, count = 0;
	gpa_t entry;

	for (u64 i = 0; left && (entry = (gpa_t)radix_next(&n->content, &i));
	     i++) {
		if (!is_stand_in(entry))
			continue;
		left--;
		count += is_hole(entry);
	}
	return count;
}

u64 data_blocks(const struct node *n)
{
	return (page_of(PAGE_UP(n->image_size)) + n->frame_count -
		n->covered_count - holes_filled(n)) *
	       (PAGE_SIZE / 512);
}

bool data_has(const struct node *n, u64 index)
{
	gpa_t entry = (gpa_t)radix_get(&n->content, index);

	return entry ? !(entry & LENT && is_hole(entry)) : in_image(n, index);
}

gpa_t data_page(struct node *n, u64 index, bool write)
{
	if (index >= page_of(PAGE_UP(n->size)))
		return 0;
	if (frame_of(n, index))
		return frame_make(n, index, false);
	if (!write && in_image(n, index))
		return ZB_IMAGE_GPA + ((u64)image_data(n) - ZB_IMAGE_BASE) +
		       index * PAGE_SIZE;
	return frame_make(n, index, false);
}

gpa_t data_place(const struct node *n, u64 index)
{
	gpa_t frame = frame_of(n, index);

	if (frame || !in_image(n, index))
		return frame;
	return ZB_IMAGE_GPA + ((u64)image_data(n) - ZB_IMAGE_BASE) +
	       index * PAGE_SIZE;
}

/* ---- in a run ---- */

/* Whether frames of some of the pages are shown in their places in the pool. */
static bool any_shown(const struct node *n, u64 first, u64 end)
{
	for (u64 i = first; radix_next(&n->content, &i) && i < end; i++)
		if (frame_displaced(frame_of(n, i)))
			return true;
	return false;
}

/* Whether the pages' frames follow each other. */
static bool is_run(const struct node *n, u64 index, u64 count)
{
	gpa_t first = frame_of(n, index);

	for (u64 i = 0; i < count; i++)
		if (!first || frame_of(n, index + i) != first + i * PAGE_SIZE)
			return false;
	return true;
}

/* Whether there is plenty for what are holes among the pages: a mapping of them may
 * never be touched. */
static bool may_stand_in(const struct node *n, u64 index, u64 count)
{
	u64 holes = 0;

	for (u64 i = index; i < index + count; i++)
		holes += !frame_of(n, i) && !in_image(n, i);
	return !holes || (frames_available() >= frames_total() / 16 &&
			  holes * PAGE_UNITS <= quota_left() / 2 &&
			  (stand_ins + holes) * PAGE_UNITS <=
				  quota_limit() / STAND_INS_SHARE);
}

/* A frame of zeroes becomes that of a page. False: no room. */
static bool move_page(struct node *n, u64 index, gpa_t to)
{
	gpa_t old = (gpa_t)radix_get(&n->content, index);
	bool image = !old && in_image(n, index), hole = !old && !image;

	if (!old && !quota_take(PAGE_UNITS))
		return false;
	if (!radix_set(&n->content, index,
		       (void *)(to | (old & KINDS) | (hole ? LENT : 0)))) {
		quota_give(PAGE_UNITS); /* what has an entry has room */
		return false;
	}
	count_stand_in(n, hole);
	if (old) {
		memcpy(gpa_to_ptr(to), gpa_to_ptr(old & ~KINDS), PAGE_SIZE);
		frames_free(old & ~KINDS, 1);
		return true;
	}
	n->frame_count++;
	frame_count++;
	n->covered_count += image;
	if (image)
		memcpy(gpa_to_ptr(to),
		       (const u8 *)image_data(n) + index * PAGE_SIZE,
		       MIN(PAGE_SIZE, n->image_size - index * PAGE_SIZE));
	return true;
}

/* What nobody has written to may be written to by a mapping from now on. */
static gpa_t lend(struct node *n, u64 index, u64 count)
{
	for (u64 i = index; i < index + count; i++) {
		gpa_t entry = (gpa_t)radix_get(&n->content, i);

		if ((entry & KINDS) == UNWRITTEN)
			radix_set(&n->content, i, (void *)(entry | LENT));
	}
	return frame_of(n, index);
}

gpa_t data_gather(struct node *n, u64 index, u64 count, gpa_t run)
{
	u64 moved = 0;

	if (!run) {
		if (index + count > page_of(PAGE_UP(n->size)) ||
		    any_shown(n, index, index + count))
			return 0;
		if (is_run(n, index, count))
			return lend(n, index, count);
		return may_stand_in(n, index, count) ? GATHER_MOVES : 0;
	}
	object_zap(n, index, index + count, false);
	while (moved < count &&
	       move_page(n, index + moved, run + moved * PAGE_SIZE))
		moved++;
	if (moved == count)
		return lend(n, index, count);
	for (; moved < count; moved++)
		frames_free_zero(run + moved * PAGE_SIZE);
	return 0;
}
