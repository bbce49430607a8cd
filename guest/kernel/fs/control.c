/* control.c: fcntl and ioctl, what they do for every kind of file. */
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>

#include "fs/descriptor.h"
#include "fs/lock.h"
#include "fs/ramfs.h"
#include "mm/user.h"
#include "syscalls.h"

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)

static long seals(struct file *f, u64 command, u64 argument)
{
	struct node *n = file_node(f);

	if (!n)
		return -EINVAL;
	if (command == F_GET_SEALS)
		return n->seals;
	if (n->seals & F_SEAL_SEAL)
		return -EPERM;
	n->seals |= (u32)argument;
	return 0;
}

/* What a descriptor of a mere path takes. */
static bool path_command(u32 command)
{
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ||
	       command == F_GETFD || command == F_SETFD || command == F_GETFL;
}

long sys_fcntl(u64 fd, u64 command, u64 argument)
{
	struct file *f = fd_file((s32)fd);

	if (!f || ((f->flags & O_PATH) && !path_command((u32)command)))
		return -EBADF;
	switch ((u32)command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if ((s32)argument < 0 || (u64)(u32)argument >= fd_limit())
			return -EINVAL;
		file_ref(f);
		return fd_install_at(f, (s32)argument,
				  command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_cloexec((s32)fd);
	case F_SETFD:
		fd_set_cloexec((s32)fd, argument & 1);
		return 0;
	case F_GETFL:
		return (long)(f->flags | O_LARGEFILE);
	case F_SETFL:
		f->flags = (f->flags & ~(u32)SETTABLE) |
			   ((u32)argument & SETTABLE);
		return 0;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_fcntl((s32)fd, f, (u32)command, argument);
	case F_GETOWN:
		return 0;
	case F_SETOWN:
		return 0;
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ:
		return 65536;
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return seals(f, command, argument);
	default:
		return -EINVAL;
	}
}

long sys_ioctl(u64 fd, u64 command, u64 argument)
{
	struct file *f = fd_file((s32)fd);
	s32 on;

	if (!f)
		return -EBADF;
	switch ((u32)command) {
	case FIOCLEX:
	case FIONCLEX:
		fd_set_cloexec((s32)fd, command == FIOCLEX);
		return 0;
	case FIONBIO:
		if (copy_from_user(&on, argument, sizeof(on)))
			return -EFAULT;
		f->flags = (f->flags & ~(u32)O_NONBLOCK) |
			   (on ? O_NONBLOCK : 0);
		return 0;
	case FIONREAD:
		if (f->ops == &regular_ops) {
			struct node *n = f->node;

			on = (s32)(n->size > f->pos ? n->size - f->pos : 0);
			return copy_to_user(argument, &on, sizeof(on));
		}
		break;
	}
	return f->ops->ioctl ? f->ops->ioctl(f, command, argument) : -ENOTTY;
}
