/* proc_fd.c: /proc/PID/fd and fdinfo: what the descriptors lead to. */
#include "fs/descriptor.h"
#include "fs/lock.h"
#include "fs/proc.h"
#include "task/process.h"

static struct file *file_of(const struct proc_subject *s)
{
	return fd_file_of(s->process, s->fd);
}

static void show_link(struct text *t, const struct proc_subject *s)
{
	struct file *f = file_of(s);
	char *to = f ? text_reserve(t, PATH_MAX) : NULL;

	if (to)
		t->size += file_describe(f, to, PATH_MAX);
}

static void show_info(struct text *t, const struct proc_subject *s)
{
	struct file *f = file_of(s);
	struct stat st = { 0 };

	if (!f)
		return;
	file_stat(f, &st);
	text_add(t, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", f->pos,
		 file_flags(f) |
			 (fd_cloexec_of(s->process, s->fd) ? (u32)O_CLOEXEC :
							     0),
		 file_mount(f), st.st_ino);
	lock_show(t, f, s->process->descriptors);
	if (f->ops->info)
		f->ops->info(f, t);
}

const struct proc_row proc_fd_row = { .mode = S_IFLNK | 0700,
				      .intimate = true,
				      .show = show_link,
				      .file = file_of };
const struct proc_row proc_fdinfo_row = { .mode = S_IFREG | 0444,
					  .intimate = true,
					  .show = show_info };
