/* regular.c: open regular files, directories, and files of /proc. */
#include "fs/regular.h"

#include "fs/notify.h"
#include "fs/permission.h"
#include "heap.h"
#include "task/limits.h"
#include "task/signal.h"

#define DAY 86400

static bool later(const struct stamp *a, const struct stamp *b)
{
	return a->sec > b->sec || (a->sec == b->sec && a->nsec > b->nsec);
}

/* As mounted with relatime; what is in the image is read without a trace. */
static void touch(struct node *n)
{
	struct stamp now;

	if (n->image_size)
		return;
	now = stamp_now();
	if (later(&n->atime, &n->mtime) && later(&n->atime, &n->ctime) &&
	    now.sec - n->atime.sec < DAY)
		return;
	n->atime = now;
}

static long regular_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct node *node = f->node;
	long r = data_read(node, buf, n, *pos);

	if (r > 0) {
		*pos += (u64)r;
		notify(node, IN_ACCESS);
	}
	if (n && !(f->flags & O_NOATIME))
		touch(node);
	return r;
}

long file_size_limit(u64 at, size_t *n)
{
	const struct sigqueue_info info = { .signo = SIGXFSZ, .code = SI_USER };
	u64 limit = limit_of(RLIMIT_FSIZE);

	if (at >= limit) {
		signal_send_thread(current, &info);
		return -EFBIG;
	}
	*n = MIN(*n, limit - at);
	return 0;
}

static long regular_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct node *node = f->node;
	long r;

	if (f->flags & O_APPEND)
		*pos = node->size;
	if (n == 0)
		return 0;
	r = file_size_limit(*pos, &n);
	if (r == 0)
		r = data_write(node, buf, n, *pos);
	if (r > 0) {
		*pos += (u64)r;
		node_written(node);
		notify(node, IN_MODIFY);
	}
	return r;
}

static gpa_t regular_page(struct file *f, u64 index, bool write)
{
	return data_page(f->node, index, write);
}

static long regular_truncate(struct file *f, u64 size)
{
	long r = data_truncate(f->node, size);

	if (r == 0) {
		node_written(f->node);
		notify(f->node, IN_MODIFY);
	}
	return r;
}

const struct file_ops regular_ops = {
	.read = regular_read,
	.write = regular_write,
	.truncate = regular_truncate,
	.page = regular_page,
	NODE_FILE,
};

static long directory_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	(void)f, (void)buf, (void)n, (void)pos;
	return -EISDIR;
}

const struct file_ops directory_ops = {
	.read = directory_read,
	NODE_FILE,
};

const struct file_ops path_ops = { NODE_FILE };

/* ---- files of /proc: made anew when read from their start ---- */

/* The text, in memory of its own; the size is guessed, then doubled. */
static char *generate(struct node *n, size_t *length)
{
	for (size_t size = 2048;; size *= 8) {
		char *text = kmalloc(size);

		if (!text)
			return NULL;
		*length = n->generate(text, size);
		/* A generator may stop at a line that does not fit. */
		if (*length <= size / 2 || size >= (1ul << 20)) {
			*length = MIN(*length, size);
			return text;
		}
		kfree(text);
	}
}

static long generated_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct node *copy = f->node;
	size_t length;
	char *text;
	long r;

	if (*pos == 0) {
		text = generate(copy, &length);
		if (!text)
			return -ENOMEM;
		r = data_truncate(copy, 0);
		if (r == 0)
			r = data_write(copy, text, length, 0);
		kfree(text);
		if (r < 0)
			return r;
	}
	r = data_read(copy, buf, n, *pos);
	if (r > 0)
		*pos += (u64)r;
	return r;
}

static const struct file_ops generated_ops = {
	.read = generated_read,
	NODE_FILE,
};

struct file *generated_open(struct node *n, u32 flags, long *error)
{
	struct node *copy = node_new(n->mode);
	struct file *f = copy ? file_new(&generated_ops, copy, flags) : NULL;

	*error = -ENOMEM;
	if (!f) {
		if (copy)
			node_drop(copy);
		return NULL;
	}
	copy->ino = n->ino;
	copy->generate = n->generate;
	node_ref(n); /* without a name of its own it has n's */
	copy->parent = n;
	node_ref(copy);
	*error = 0;
	return f;
}
