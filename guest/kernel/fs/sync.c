/* sync.c: room for files, and what storage would have to be told. */
#include <linux/falloc.h>
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "fs/notify.h"
#include "fs/regular.h"
#include "syscalls.h"

static long allocate(struct node *n, u64 offset, u64 size, bool keep)
{
	u64 end = offset + size;
	size_t more = 1;
	long r = 0;

	if (!keep && end > n->size)
		r = file_size_limit(end - 1, &more);
	if (r == 0)
		r = data_allocate(n, offset, size);
	if (r || keep || end <= n->size)
		return r;
	return data_truncate(n, end);
}

/* What Linux knows of; tmpfs, as we, does only the first two. */
static long check_mode(u64 mode)
{
	switch (mode & ~(u64)FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_UNSHARE_RANGE:
	case FALLOC_FL_ZERO_RANGE:
		return 0;
	case FALLOC_FL_PUNCH_HOLE:
		return mode & FALLOC_FL_KEEP_SIZE ? 0 : -EOPNOTSUPP;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		return mode & FALLOC_FL_KEEP_SIZE ? -EOPNOTSUPP : 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* A terminal, though it has no position, is a device. */
static bool is_stream(const struct file *f)
{
	const struct node *n = file_node(f);

	return !n || node_type(n) == S_IFIFO;
}

long sys_fallocate(u64 fd, u64 mode, u64 offset, u64 size)
{
	struct file *f = fd_file((s32)fd);
	bool keep = mode & FALLOC_FL_KEEP_SIZE;
	struct node *n;
	long r;

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if ((s64)offset < 0 || (s64)size <= 0)
		return -EINVAL;
	r = check_mode(mode);
	if (r)
		return r;
	if (!file_writable(f))
		return -EBADF;
	n = file_node(f);
	if (is_stream(f))
		return -ESPIPE;
	if (f->ops != &regular_ops)
		return is_dir(n) ? -EISDIR : -ENODEV;
	if ((s64)(offset + size) < 0)
		return -EFBIG;
	if (mode & ~(u64)(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	r = mode & FALLOC_FL_PUNCH_HOLE ? data_punch(n, offset, size) :
					  allocate(n, offset, size, keep);
	if (r == 0)
		notify(n, IN_MODIFY);
	return r;
}

static long any_file(u64 fd)
{
	const struct file *f = fd_file((s32)fd);

	return f && !(f->flags & O_PATH) ? 0 : -EBADF;
}

static long storable(u64 fd)
{
	const struct file *f = fd_file((s32)fd);

	if (any_file(fd))
		return -EBADF;
	return f->ops == &regular_ops || f->ops == &directory_ops ? 0 : -EINVAL;
}

long sys_fsync(u64 fd)
{
	return storable(fd);
}

long sys_fdatasync(u64 fd)
{
	return storable(fd);
}

long sys_syncfs(u64 fd)
{
	return any_file(fd);
}

long sys_sync(void)
{
	return 0;
}

long sys_sync_file_range(u64 fd, u64 offset, u64 size, u64 flags)
{
	const struct file *f = fd_file((s32)fd);

	if (any_file(fd))
		return -EBADF;
	if ((flags & ~7ull) || (s64)offset < 0 || (s64)(offset + size) < 0)
		return -EINVAL;
	return file_has_position(f) ? 0 : -ESPIPE;
}

long sys_readahead(u64 fd, u64 offset, u64 size)
{
	const struct file *f = fd_file((s32)fd);

	(void)offset, (void)size;
	if (any_file(fd) || !file_readable(f))
		return -EBADF;
	return f->ops == &regular_ops ? 0 : -EINVAL;
}

long sys_fadvise64(u64 fd, u64 offset, u64 size, u64 advice)
{
	const struct file *f = fd_file((s32)fd);

	(void)offset;
	if (any_file(fd))
		return -EBADF;
	if (is_stream(f))
		return -ESPIPE;
	return (s64)size < 0 || advice > 5 ? -EINVAL : 0;
}
