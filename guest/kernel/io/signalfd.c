/* signalfd.c: signals read from a file. */
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/signalfd.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

#define FAULTS                                                                 \
	(1ull << (SIGSEGV - 1) | 1ull << (SIGBUS - 1) | 1ull << (SIGILL - 1) | \
	 1ull << (SIGTRAP - 1) | 1ull << (SIGFPE - 1))

struct signalfd {
	sigset set;
	struct signalfd *next;
	struct file *file;
};

static struct signalfd *all;
static struct waitq readers;

static void notify(void)
{
	waitq_wake_all(&readers);
	for (struct signalfd *s = all; s; s = s->next)
		file_ready(s->file);
}

static struct signal_listener listener = { .notify = notify };
static bool listening;

static void describe(struct signalfd_siginfo *out,
		     const struct sigqueue_info *info)
{
	memset(out, 0, sizeof(*out));
	out->ssi_signo = (u32)info->signo;
	out->ssi_errno = info->errno_;
	out->ssi_code = info->code;
	if (info->code == SI_TIMER) {
		out->ssi_tid = (u32)info->timer;
		out->ssi_overrun = (u32)info->overrun;
	} else if (info->code > 0 && info->code < SI_KERNEL &&
		   sigset_bit(info->signo) & FAULTS) {
		out->ssi_addr = info->address;
		return;
	} else {
		out->ssi_pid = (u32)info->pid;
		out->ssi_uid = info->uid;
	}
	if (info->code > 0 && info->signo == SIGCHLD) {
		out->ssi_status = info->status;
		out->ssi_utime = (u64)info->user_time;
		out->ssi_stime = (u64)info->system_time;
		return;
	}
	if (info->code < 0 && info->code != SI_TKILL) {
		out->ssi_ptr = info->value;
		out->ssi_int = (s32)info->value;
	}
}

static long signalfd_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct signalfd *s = f->node;
	struct signalfd_siginfo one;
	struct sigqueue_info info;
	size_t count = 0;

	(void)pos;
	if (n < sizeof(one))
		return -EINVAL;
	while (!(signal_visible(current) & s->set)) {
		long r;

		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = thread_wait(&readers, FOREVER);
		if (r == -EINTR && !(signal_visible(current) & s->set))
			return -ERESTARTSYS;
	}
	for (; n - count >= sizeof(one); count += sizeof(one)) {
		if (!signal_take(current, s->set, &info))
			break;
		describe(&one, &info);
		if (user_put((u8 *)buf + count, &one, sizeof(one)) !=
		    sizeof(one))
			return count ? (long)count : -EFAULT;
	}
	return (long)count;
}

static u32 signalfd_poll(struct file *f)
{
	struct signalfd *s = f->node;

	return signal_visible(current) & s->set ? EPOLLIN : 0;
}

static void signalfd_release(struct file *f)
{
	struct signalfd **link = &all;

	while (*link && *link != f->node)
		link = &(*link)->next;
	if (*link)
		*link = (*link)->next;
	kfree(f->node);
}

static void signalfd_info(struct file *f, struct text *t)
{
	const struct signalfd *s = f->node;

	text_add(t, "sigmask:\t%016lx\n", s->set);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.poll = signalfd_poll,
	.release = signalfd_release,
	.kind = "[signalfd]",
	.info = signalfd_info,
};

long sys_signalfd4(u64 fd, u64 mask, u64 size, u64 flags)
{
	struct signalfd *s;
	struct file *f;
	sigset set;

	if (size != sizeof(set) || (flags & ~(u64)(O_NONBLOCK | O_CLOEXEC)))
		return -EINVAL;
	if (copy_from_user(&set, mask, sizeof(set)))
		return -EFAULT;
	set &= ~SIGSET_UNBLOCKABLE;
	if ((s32)fd != -1) {
		f = fd_file((s32)fd);
		if (!f)
			return -EBADF;
		if (f->ops != &signalfd_ops)
			return -EINVAL;
		((struct signalfd *)f->node)->set = set;
		return (s32)fd;
	}
	s = kmalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->set = set;
	f = file_new(&signalfd_ops, s, O_RDWR | ((u32)flags & O_NONBLOCK));
	if (!f) {
		kfree(s);
		return -ENOMEM;
	}
	s->file = f;
	if (!listening) {
		listening = true;
		signal_listen(&listener);
	}
	s->next = all;
	all = s;
	return fd_install(f, (flags & O_CLOEXEC) != 0);
}

long sys_signalfd(u64 fd, u64 mask, u64 size)
{
	return sys_signalfd4(fd, mask, size, 0);
}
