/*
 * fifo.c: pipes with a name. The pipe is there while the FIFO is open; an open
 * waits for the other end.
 */
#include <linux/fcntl.h>

#include "fs/open.h"
#include "io/pipe.h"
#include "io/poll.h"

/* Waits until *opened moves: 0 or -ERESTARTSYS. */
static long partner_wait(struct pipe *p, const u32 *opened)
{
	u32 before = *opened;

	while (*opened == before)
		if (thread_wait(&p->opening, FOREVER) == -EINTR)
			return *opened == before ? -ERESTARTSYS : 0;
	return 0;
}

static long fifo_open(struct file *f)
{
	struct node *n = f->node;
	u32 mode = f->flags & O_ACCMODE;
	bool nonblock = f->flags & O_NONBLOCK;
	struct pipe *p = n->object;

	if (mode == O_ACCMODE)
		return -EINVAL;
	if (!p)
		p = n->object = pipe_new();
	if (!p)
		return -ENOMEM;
	if (mode == O_WRONLY && nonblock && !p->readers) {
		if (!p->files) {
			n->object = NULL;
			pipe_free(p);
		}
		return -ENXIO;
	}
	pipe_attach(p, f);
	f->pos = mode == O_RDONLY && !p->writers ? p->writes_opened : ~0ull;
	waitq_wake_all(&p->opening);
	if (nonblock || mode == O_RDWR)
		return 0;
	if (mode == O_RDONLY && !p->writers) {
		f->pos = ~0ull;
		return partner_wait(p, &p->writes_opened);
	}
	if (mode == O_WRONLY && !p->readers)
		return partner_wait(p, &p->reads_opened);
	return 0;
}

static void fifo_release(struct file *f)
{
	struct node *n = f->node;
	struct pipe *p = n->object;

	if (p)
		pipe_detach(p, f);
	if (p && !p->files) {
		n->object = NULL;
		pipe_free(p);
	}
	node_unref(n);
}

static const struct file_ops fifo_ops = {
	.open = fifo_open,
	.read = pipe_read,
	.write = pipe_write,
	.read_vector = pipe_read_vector,
	.write_vector = pipe_write_vector,
	.poll = pipe_poll,
	.stat = node_file_stat,
	.describe = node_file_describe,
	.ioctl = pipe_ioctl,
	.command = pipe_command,
	.release = fifo_release,
	.of_node = true,
	.stream = true,
	.async = true,
};

void fifo_init(void)
{
	node_serve(S_IFIFO, &fifo_ops);
}
