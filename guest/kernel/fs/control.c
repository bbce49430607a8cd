/* control.c: fcntl and ioctl, what they do for every kind of file. */
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/fs.h>

#include "fs/descriptor.h"
#include "fs/lock.h"
#include "fs/owner.h"
#include "fs/regular.h"
#include "mm/user.h"
#include "syscalls.h"

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)
#define SEALS_ALL                                                              \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |            \
	 F_SEAL_FUTURE_WRITE | NODE_SEAL_EXEC)
#define SEALS_EXEC                                                             \
	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* ---- fcntl ---- */

static bool is_type(const struct file *f, u32 type)
{
	const struct node *n = file_node(f);

	return n && (n->mode & S_IFMT) == type;
}

static long flags_set(struct file *f, s32 fd, u32 flags)
{
	bool pipe = f->ops->command || is_type(f, S_IFIFO);

	if ((flags & O_DIRECT) && !pipe && !is_type(f, S_IFREG))
		return -EINVAL;
	if (f->ops->async && owner_watch(f, fd, flags & FASYNC))
		return -ENOMEM;
	f->flags = (f->flags & ~(u32)SETTABLE) | (flags & SETTABLE);
	return 0;
}

static long seals_get(const struct file *f)
{
	const struct node *n = file_node(f);

	if (!n || (n->mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	return n->seals & NODE_SEALABLE ? n->seals & SEALS_ALL : F_SEAL_SEAL;
}

static long seals_add(struct file *f, u32 seals)
{
	struct node *n = file_node(f);

	if (!n || (n->mode & S_IFMT) != S_IFREG)
		return -EINVAL;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		return -EPERM;
	if (seals & ~(u32)SEALS_ALL)
		return -EINVAL;
	if (!(n->seals & NODE_SEALABLE) || node_sealed(n, F_SEAL_SEAL))
		return -EPERM;
	if ((seals & F_SEAL_WRITE) && !(n->seals & F_SEAL_WRITE) &&
	    object_shared_writable(n))
		return -EBUSY;
	if ((seals & NODE_SEAL_EXEC) && (n->mode & 0111))
		seals |= SEALS_EXEC;
	n->seals |= seals;
	return 0;
}

/* Linux without dnotify: there is nothing to switch off. */
static long notify_set(const struct file *f, u64 events)
{
	if (!((u32)events & ~DN_MULTISHOT))
		return 0; /* an end of what never began, of any file */
	return is_type(f, S_IFDIR) ? -EINVAL : -ENOTDIR;
}

static long lease_fcntl(const struct file *f, u32 command, u64 type)
{
	if (command == F_GETLEASE)
		return F_UNLCK;
	if (!is_type(f, S_IFREG))
		return -EINVAL;
	return type == F_UNLCK ? -EAGAIN : -EINVAL;
}

static long duplicate(struct file *f, u64 low, bool cloexec)
{
	if ((u64)(u32)low >= fd_limit())
		return -EINVAL;
	file_ref(f);
	return fd_install_at(f, (s32)low, cloexec);
}

/* What a descriptor of a mere path takes. */
static bool path_command(u32 command)
{
	return command == F_DUPFD || command == F_DUPFD_CLOEXEC ||
	       command == F_GETFD || command == F_SETFD || command == F_GETFL;
}

long sys_fcntl(u64 fd, u64 command64, u64 argument)
{
	struct file *f = fd_file((s32)fd);
	u32 command = (u32)command64;

	if (!f || ((f->flags & O_PATH) && !path_command(command)))
		return -EBADF;
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return duplicate(f, argument, command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_cloexec((s32)fd);
	case F_SETFD:
		fd_set_cloexec((s32)fd, argument & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return file_flags(f);
	case F_SETFL:
		return flags_set(f, (s32)fd, (u32)argument);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_fcntl((s32)fd, f, command, argument);
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ:
		return f->ops->command ? f->ops->command(f, command, argument) :
					 -EBADF;
	case F_ADD_SEALS:
		return seals_add(f, (u32)argument);
	case F_GET_SEALS:
		return seals_get(f);
	case F_NOTIFY:
		return notify_set(f, argument);
	case F_GETLEASE:
	case F_SETLEASE:
		return lease_fcntl(f, command, argument);
	default:
		return owner_fcntl(f, command, argument);
	}
}

/* ---- ioctl ---- */

static long async_set(struct file *f, s32 fd, bool on)
{
	if (!on == !(f->flags & FASYNC))
		return 0;
	if (!f->ops->async)
		return -ENOTTY;
	return owner_watch(f, fd, on);
}

static long switch_take(u64 argument, bool *on)
{
	s32 value;

	if (copy_from_user(&value, argument, sizeof(value)))
		return -EFAULT;
	*on = value != 0;
	return 0;
}

/* What regular files answer. */
static long regular_ioctl(const struct file *f, u32 command, u64 argument)
{
	const struct node *n = f->node;
	s64 size = (s64)PAGE_UP(n->size);
	s32 left = (s32)((s64)n->size - (s64)f->pos);

	switch (command) {
	case FIONREAD:
		return copy_to_user(argument, &left, sizeof(left));
	case FIOQSIZE:
		return copy_to_user(argument, &size, sizeof(size));
	case FICLONE:
	case FICLONERANGE:
		return -EOPNOTSUPP;
	}
	return -ENOTTY;
}

long sys_ioctl(u64 fd, u64 command64, u64 argument)
{
	struct file *f = fd_file((s32)fd);
	u32 command = (u32)command64;
	bool on = false;

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	switch (command) {
	case FIOCLEX:
	case FIONCLEX:
		fd_set_cloexec((s32)fd, command == FIOCLEX);
		return 0;
	case FIONBIO:
		if (switch_take(argument, &on))
			return -EFAULT;
		f->flags = (f->flags & ~(u32)O_NONBLOCK) |
			   (on ? O_NONBLOCK : 0);
		return 0;
	case FIOASYNC:
		return switch_take(argument, &on) ?: async_set(f, (s32)fd, on);
	}
	if (f->ops == &regular_ops)
		return regular_ioctl(f, command, argument);
	return f->ops->ioctl ? f->ops->ioctl(f, command, argument) : -ENOTTY;
}
