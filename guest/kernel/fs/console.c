/* console.c: descriptors 0, 1 and 2 as the program finds them. */
#include "fs/console.h"

#include <asm/ioctls.h>
#include <asm/stat.h>
#include <linux/eventpoll.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/open.h"
#include "host.h"
#include "mm/user.h"

#define STREAM_SIZE 65536 /* of a pipe as it is made */
#define STREAM_INODE 2    /* below those that object_inode() gives */

static long console_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	(void)pos;
	output_write((int)(u64)f->node, buf, n);
	return (long)n;
}

static u32 console_poll(struct file *f)
{
	(void)f;
	return EPOLLOUT | EPOLLWRNORM;
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

static struct file *console_reopen(struct file *f, u32 flags, long *error)
{
	struct file *again = file_new(&console_ops, f->node, flags);

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
};

void console_open(struct file *input)
{
	descriptors_init();
	if (!input || fd_install(input, false) != 0)
		panic("no memory for standard input");
	for (u64 stream = 1; stream <= 2; stream++) {
		struct file *f =
			file_new(&console_ops, (void *)stream, O_WRONLY);

		if (!f || fd_install(f, false) != (long)stream)
			panic("no memory for standard output");
	}
}
