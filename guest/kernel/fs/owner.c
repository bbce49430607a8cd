/* owner.c: signals of files that become ready. */
#include "fs/owner.h"

#include <linux/eventpoll.h>
#include <linux/fcntl.h>

#include "heap.h"
#include "mm/user.h"
#include "task/group.h"
#include "task/process.h"
#include "task/signal.h"

#define SIGNAL_LAST 64
#define POLL_IN_CODE                                                           \
	1               /* si_code of readiness: <asm-generic/siginfo.h> needs \
			 */
#define POLL_OUT_CODE 2 /* libc's types */
#define KERNEL_CODE 0x80

struct file_owner {
	s32 type;  /* F_OWNER_* */
	s32 id;    /* 0: nobody */
	s32 signo; /* 0: SIGIO, without saying more */
	s32 fd;    /* by which O_ASYNC was set, for siginfo */
};

static struct file_owner *owner_get(struct file *f)
{
	if (!f->owner)
		f->owner = kmalloc(sizeof(*f->owner));
	return f->owner;
}

static bool exists(s32 type, s32 id)
{
	if (type == F_OWNER_TID)
		return thread_find(id) != NULL;
	if (type == F_OWNER_PID)
		return process_find(id) != NULL;
	return group_exists(id);
}

static long owner_set(struct file *f, s32 type, s32 id)
{
	struct file_owner *o = owner_get(f);

	if (!o)
		return -ENOMEM;
	if (id && !exists(type, id))
		return -ESRCH;
	o->type = type;
	o->id = id;
	return 0;
}

static long owner_set_ex(struct file *f, u64 user)
{
	struct f_owner_ex x;

	if (copy_from_user(&x, user, sizeof(x)))
		return -EFAULT;
	if (x.type < F_OWNER_TID || x.type > F_OWNER_PGRP)
		return -EINVAL;
	return owner_set(f, x.type, x.pid);
}

/* 0 as soon as it is gone. */
static s32 owner_id(const struct file_owner *o)
{
	return o->id && exists(o->type, o->id) ? o->id : 0;
}

static long owner_get_ex(const struct file *f, u64 user)
{
	struct f_owner_ex x = { 0 };

	if (f->owner) {
		x.type = f->owner->type;
		x.pid = owner_id(f->owner);
	}
	return copy_to_user(user, &x, sizeof(x));
}

long owner_fcntl(struct file *f, u32 command, u64 argument)
{
	s32 id = (s32)argument;
	struct file_owner *o = f->owner;

	switch (command) {
	case F_SETOWN:
		if (id == (s32)0x80000000)
			return -EINVAL;
		return id < 0 ? owner_set(f, F_OWNER_PGRP, -id) :
				owner_set(f, F_OWNER_PID, id);
	case F_GETOWN:
		id = o ? owner_id(o) : 0;
		return id && o->type == F_OWNER_PGRP ? -id : id;
	case F_SETOWN_EX:
		return owner_set_ex(f, argument);
	case F_GETOWN_EX:
		return owner_get_ex(f, argument);
	case F_GETSIG:
		return o ? o->signo : 0;
	case F_SETSIG:
		if (argument > SIGNAL_LAST)
			return -EINVAL;
		o = owner_get(f);
		if (!o)
			return -ENOMEM;
		o->signo = id;
		return 0;
	}
	return -EINVAL;
}

long owner_watch(struct file *f, s32 fd, bool on)
{
	if (on && !owner_get(f))
		return -ENOMEM;
	if (on && !(f->flags & FASYNC))
		f->owner->fd = fd;
	f->flags = (f->flags & ~(u32)FASYNC) | (on ? FASYNC : 0);
	return 0;
}

static void owner_send(const struct file_owner *o, struct sigqueue_info *info)
{
	if (o->type == F_OWNER_TID) {
		struct thread *t = thread_find(o->id);

		if (t)
			signal_send_thread(t, info);
	} else if (o->type == F_OWNER_PGRP) {
		group_signal(o->id, info);
	} else {
		struct process *p = process_find(o->id);

		if (p)
			signal_send_process(p, info);
	}
}

void owner_urgent(struct file *f)
{
	struct sigqueue_info info = { .signo = SIGURG, .code = KERNEL_CODE };

	if (f->owner && f->owner->id)
		owner_send(f->owner, &info);
}

void owner_signal(struct file *f, u32 events)
{
	const struct file_owner *o = f->owner;
	bool in = events & EPOLLIN;
	struct sigqueue_info info = {
		.signo = SIGIO,
		.code = KERNEL_CODE,
	};

	if (!o || !o->id)
		return;
	if (o->signo) {
		info.signo = o->signo;
		info.code = in ? POLL_IN_CODE : POLL_OUT_CODE;
		info.band = (s32)(in ? EPOLLIN | EPOLLRDNORM :
				       EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
		info.fd = o->fd;
	}
	owner_send(o, &info);
}
