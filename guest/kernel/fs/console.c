/* console.c: descriptors 0, 1 and 2 as the program finds them. */
#include "fs/console.h"

#include <asm/stat.h>
#include <linux/eventpoll.h>

#include "fs/descriptor.h"
#include "fs/vfs.h"
#include "host.h"
#include "task/process.h"

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
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFIFO | 0600;
	st->st_ino = 100 + (u64)f->node;
	st->st_nlink = 1;
	st->st_blksize = 4096;
	return 0;
}

static const struct file_ops console_ops = {
	.write = console_write,
	.poll = console_poll,
	.stat = console_stat,
};

size_t fd_describe(struct file *f, char *buf, size_t size)
{
	int n;

	if (f->path)
		n = ksnprintf(buf, size, "%s", f->path);
	else if (f->ops == &console_ops)
		n = ksnprintf(buf, size, "pipe:[%lu]", 100 + (u64)f->node);
	else
		n = ksnprintf(buf, size, "anon_inode:[file]");
	return MIN((size_t)n, size);
}

void console_open(void)
{
	struct file *f;
	long error;

	current->process->descriptors = descriptors_new();
	if (!current->process->descriptors)
		panic("no memory for descriptors");
	f = file_open_kernel("/dev/null", &error);
	if (!f || fd_install(f, false) != 0)
		panic("cannot open /dev/null: %ld", error);
	for (u64 stream = 1; stream <= 2; stream++) {
		f = file_new(&console_ops, (void *)stream, O_WRONLY);
		if (!f || fd_install(f, false) != (long)stream)
			panic("no memory for standard output");
	}
}
