/* regular.c: open regular files, directories, and files that are made. */
#include "fs/regular.h"

#include <linux/eventpoll.h>

#include "fs/notify.h"
#include "fs/permission.h"
#include "heap.h"
#include "mm/user.h"
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

	if (n == 0)
		return 0;
	if (f->flags & O_APPEND)
		*pos = node->size;
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

static bool regular_has_page(struct file *f, u64 index)
{
	return data_has(f->node, index);
}

static gpa_t regular_page(struct file *f, u64 index, bool write)
{
	return data_page(f->node, index, write);
}

static gpa_t regular_gather(struct file *f, u64 index, u64 count, gpa_t run)
{
	return data_gather(f->node, index, count, run);
}

static long regular_punch(struct file *f, u64 at, u64 size)
{
	long r = data_punch(f->node, at, size);

	if (r == 0)
		notify(f->node, IN_MODIFY);
	return r;
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
	.has_page = regular_has_page,
	.gather = regular_gather,
	.punch = regular_punch,
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

/* ---- files that are made anew when they are read from their start ---- */

#define STORE_MAX 4095

static long made_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	const struct node *node = f->node;
	struct text *t = &f->text;
	size_t done;
	long r;

	if (*pos == 0 || !t->at) {
		text_free(t);
		r = node->ops->show(node, t);
		if (r || t->failed)
			return r ? r : -ENOMEM;
	}
	if (*pos >= t->size)
		return 0;
	n = MIN(n, t->size - *pos);
	done = user_copy(buf, t->at + *pos, n);
	*pos += done;
	return done || !n ? (long)done : -EFAULT;
}

static long made_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	const struct node *node = f->node;
	char *text;
	long r = -EFAULT;

	n = MIN(n, (size_t)STORE_MAX);
	text = kmalloc(n + 1);
	if (!text)
		return -ENOMEM;
	if (user_copy(text, buf, n) == n)
		r = node->ops->store(node, text);
	kfree(text);
	if (r)
		return r;
	*pos += n;
	return (long)n;
}

static void made_release(struct file *f)
{
	text_free(&f->text);
	node_file_release(f);
}

static u32 made_poll(struct file *f)
{
	(void)f;
	return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

static u32 mounts_poll(struct file *f)
{
	(void)f;
	return EPOLLIN | EPOLLRDNORM;
}

#define MADE(name, poller, alone)                                              \
	const struct file_ops name = { .read = made_read,                      \
				       .write = made_write,                    \
				       .poll = poller,                         \
				       .stat = node_file_stat,                 \
				       .describe = node_file_describe,         \
				       .release = made_release,                \
				       .of_node = true,                        \
				       .unspliced = alone }
MADE(made_ops, NULL, true);
MADE(made_system_ops, made_poll, false);
MADE(made_mounts_ops, mounts_poll, false);
MADE(made_sent_ops, NULL, false);
MADE(made_polled_ops, made_poll, true);
