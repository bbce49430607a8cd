/* console.c: descriptors 0, 1 and 2 as the program finds them. */
#include "fs/console.h"

#include <asm/ioctls.h>
#include <asm/stat.h>
#include <linux/eventpoll.h>
#include <linux/limits.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/open.h"
#include "host.h"
#include "mm/user.h"
#include "task/thread.h"

#define STREAM_SIZE 65536 /* of a pipe as it is made */
#define STREAM_INODE 2    /* below those that object_inode() gives */

static struct waitq writers;  /* for room in a ring */
static struct file *consoles; /* all that are open */
static bool wanted[2];        /* somebody has found no room in stream 1, 2 */

static int stream_of(const struct file *f)
{
	return (int)(u64)f->node;
}

/* ---- output that is taken as it comes ---- */

/* Whether there is room for n bytes: of more than a pipe would never tear, for
 * any. */
static bool has_room(const struct file *f, size_t n)
{
	bool room = !output_streams() ||
		    output_room(stream_of(f)) >= (n > PIPE_BUF ? 1 : n);

	if (!room)
		wanted[stream_of(f) - 1] = true;
	return room;
}

/* The host may have taken some. */
static void look_for_room(void)
{
	bool found[2];

	for (int i = 0; i < 2; i++) {
		found[i] = wanted[i] && output_room(i + 1) >= PIPE_BUF;
		wanted[i] = wanted[i] && !found[i];
	}
	if (!found[0] && !found[1])
		return;
	waitq_wake_all(&writers);
	for (struct file *f = consoles, *next; f; f = next) {
		next = f->next_end;
		if (found[stream_of(f) - 1])
			file_ready_events(f, EPOLLOUT | EPOLLWRNORM);
	}
}

static long wait_for_room(struct file *f, size_t n)
{
	while (!has_room(f, n)) {
		output_offer();
		look_for_room();
		if (has_room(f, n))
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&writers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	return 0;
}

static long stream_write(struct file *f, const u8 *buf, size_t n)
{
	size_t done = 0, some;
	long r = 0;

	while (r == 0 && done < n) {
		r = wait_for_room(f, done ? 1 : n);
		if (r)
			break;
		some = output_put(stream_of(f), buf + done, n - done);
		if (!some)
			r = -EFAULT;
		done += some;
	}
	return done ? (long)done : r;
}

/* ---- operations ---- */

static long console_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	(void)pos;
	if (output_streams())
		return stream_write(f, buf, n);
	output_write(stream_of(f), buf, n);
	return (long)n;
}

static u32 console_poll(struct file *f)
{
	return has_room(f, PIPE_BUF) ? EPOLLOUT | EPOLLWRNORM : 0;
}

static void console_release(struct file *f)
{
	struct file **link = &consoles;

	while (*link != f)
		link = &(*link)->next_end;
	*link = f->next_end;
}

static long console_stat(struct file *f, struct stat *st)
{
	stat_object(st, S_IFIFO | 0600, STREAM_INODE + (u64)f->node);
	return 0;
}

static long console_ioctl(struct file *f, u64 command, u64 argument)
{
	s32 queued = 0;

	(void)f;
	if ((u32)command != FIONREAD)
		return -ENOTTY;
	return copy_to_user(argument, &queued, sizeof(queued));
}

/* The host takes what comes, so there is no size to set. */
static long console_command(struct file *f, u32 command, u64 argument)
{
	(void)f, (void)argument;
	return command == F_GETPIPE_SZ ? STREAM_SIZE : -EPERM;
}

static const struct file_ops console_ops;

static struct file *console_new(void *stream, u32 flags)
{
	struct file *f = file_new(&console_ops, stream, flags);

	if (f) {
		f->next_end = consoles;
		consoles = f;
	}
	return f;
}

static struct file *console_reopen(struct file *f, u32 flags, long *error)
{
	struct file *again = console_new(f->node, flags);

	*error = again ? 0 : -ENOMEM;
	return again;
}

static const struct file_ops console_ops = {
	.reopen = console_reopen,
	.command = console_command,
	.write = console_write,
	.poll = console_poll,
	.stat = console_stat,
	.ioctl = console_ioctl,
	.release = console_release,
};

void console_open(struct file *input)
{
	descriptors_init();
	thread_on_host(look_for_room);
	if (!input || fd_install(input, false) != 0)
		panic("no memory for standard input");
	for (u64 stream = 1; stream <= 2; stream++) {
		struct file *f = console_new((void *)stream, O_WRONLY);

		if (!f || fd_install(f, false) != (long)stream)
			panic("no memory for standard output");
	}
}
