/* io.c: reading, writing and copying through descriptors. */
#include <linux/eventpoll.h>
#include <linux/falloc.h>
#include <linux/uio.h>

#include "fs/descriptor.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"

#define MAX_COUNT 0x7ffff000ul /* as Linux, MAX_RW_COUNT */
#define MAX_IOV 1024
#define IO_CHUNK 65536

/* ---- reading and writing ---- */

static bool readable(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY && !(f->flags & O_PATH);
}

static bool writable(const struct file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY && !(f->flags & O_PATH);
}

static long do_read(struct file *f, u64 buf, u64 size, u64 *pos)
{
	long r;

	if (!readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	size = MIN(size, MAX_COUNT);
	if (!user_writable(buf, size))
		return -EFAULT;
	file_ref(f);
	r = f->ops->read(f, (void *)buf, size, pos);
	file_unref(f);
	return r;
}

static long do_write(struct file *f, u64 buf, u64 size, u64 *pos)
{
	long r;

	if (!writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	size = MIN(size, MAX_COUNT);
	if (!user_readable(buf, size))
		return -EFAULT;
	file_ref(f);
	r = f->ops->write(f, (const void *)buf, size, pos);
	file_unref(f);
	return r;
}

long sys_read(u64 fd, u64 buf, u64 size)
{
	struct file *f = fd_file((s32)fd);

	return f ? do_read(f, buf, size, &f->pos) : -EBADF;
}

long sys_write(u64 fd, u64 buf, u64 size)
{
	struct file *f = fd_file((s32)fd);

	return f ? do_write(f, buf, size, &f->pos) : -EBADF;
}

static bool has_position(const struct file *f)
{
	return f->ops->of_node && !f->ops->stream;
}

/* Devices have a position, but it does not move. */
static bool seekable(const struct file *f)
{
	return f->ops == &regular_ops || f->ops == &directory_ops;
}

long sys_pread64(u64 fd, u64 buf, u64 size, u64 pos)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if ((s64)pos < 0)
		return -EINVAL;
	return has_position(f) ? do_read(f, buf, size, &pos) : -ESPIPE;
}

long sys_pwrite64(u64 fd, u64 buf, u64 size, u64 pos)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if ((s64)pos < 0)
		return -EINVAL;
	return has_position(f) ? do_write(f, buf, size, &pos) : -ESPIPE;
}

static long each_part(struct file *f, u64 iov, u64 count, u64 *pos,
		      long (*op)(struct file *, u64, u64, u64 *))
{
	struct iovec v;
	long total = 0, r;

	for (u64 i = 0; i < count; i++) {
		if (copy_from_user(&v, iov + i * sizeof(v), sizeof(v)))
			return total ? total : -EFAULT;
		if (v.iov_len == 0)
			continue;
		/* What is there is enough: a further part must not wait. */
		if (total && op == do_read && f->ops->poll &&
		    !(f->ops->poll(f) & EPOLLIN))
			break;
		r = op(f, (u64)v.iov_base, v.iov_len, pos);
		if (r < 0)
			return total ? total : r;
		total += r;
		if ((u64)r < v.iov_len)
			break;
	}
	return total;
}

static long do_vector(struct file *f, u64 iov, u64 count, u64 *pos,
		      long (*op)(struct file *, u64, u64, u64 *))
{
	long r;

	if (count > MAX_IOV)
		return -EINVAL;
	if (!user_readable(iov, count * sizeof(struct iovec)))
		return -EFAULT;
	file_ref(f); /* another thread may close it while a part waits */
	r = each_part(f, iov, count, pos, op);
	file_unref(f);
	return r;
}

static long vector_at(u64 fd, u64 iov, u64 count, u64 pos,
		      long (*op)(struct file *, u64, u64, u64 *))
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if ((s64)pos < 0)
		return -EINVAL;
	if (!has_position(f))
		return -ESPIPE;
	return do_vector(f, iov, count, &pos, op);
}

long sys_readv(u64 fd, u64 iov, u64 count)
{
	struct file *f = fd_file((s32)fd);

	return f ? do_vector(f, iov, count, &f->pos, do_read) : -EBADF;
}

long sys_writev(u64 fd, u64 iov, u64 count)
{
	struct file *f = fd_file((s32)fd);

	return f ? do_vector(f, iov, count, &f->pos, do_write) : -EBADF;
}

long sys_preadv(u64 fd, u64 iov, u64 count, u64 low, u64 high)
{
	(void)high;
	return vector_at(fd, iov, count, low, do_read);
}

long sys_pwritev(u64 fd, u64 iov, u64 count, u64 low, u64 high)
{
	(void)high;
	return vector_at(fd, iov, count, low, do_write);
}

long sys_preadv2(u64 fd, u64 iov, u64 count, u64 low, u64 high, u64 flags)
{
	(void)high;
	if (flags)
		return -EOPNOTSUPP;
	return low == ~0ull ? sys_readv(fd, iov, count) :
			      vector_at(fd, iov, count, low, do_read);
}

long sys_pwritev2(u64 fd, u64 iov, u64 count, u64 low, u64 high, u64 flags)
{
	(void)high;
	if (flags)
		return -EOPNOTSUPP;
	return low == ~0ull ? sys_writev(fd, iov, count) :
			      vector_at(fd, iov, count, low, do_write);
}

long sys_lseek(u64 fd, u64 offset, u64 whence)
{
	struct file *f = fd_file((s32)fd);
	struct node *n;
	s64 base;

	if (!f)
		return -EBADF;
	n = file_node(f);
	if (!has_position(f))
		return -ESPIPE;
	if (!seekable(f))
		return whence > 4 ? -EINVAL : 0;
	switch (whence) {
	case 0:
		base = 0;
		break;
	case 1:
		base = (s64)f->pos;
		break;
	case 2:
		base = (s64)n->size;
		break;
	case 3: /* SEEK_DATA: no holes are reported */
	case 4: /* SEEK_HOLE */
		if ((s64)offset < 0 || offset >= n->size)
			return -ENXIO;
		f->pos = whence == 3 ? offset : n->size;
		return (long)f->pos;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, (s64)offset, &base) || base < 0)
		return -EINVAL;
	f->pos = (u64)base;
	return base;
}

/* ---- copying between files ---- */

static long copy_between(struct file *in, u64 *in_pos, struct file *out,
			 u64 *out_pos, u64 size)
{
	void *buf;
	long total = 0, r = 0, w;

	if (!readable(in) || !writable(out))
		return -EBADF;
	if (!in->ops->read || !out->ops->write)
		return -EINVAL;
	buf = kmalloc(IO_CHUNK);
	if (!buf)
		return -ENOMEM;
	while (size) {
		r = in->ops->read(in, buf, MIN(size, (u64)IO_CHUNK), in_pos);
		if (r <= 0)
			break;
		w = out->ops->write(out, buf, (size_t)r, out_pos);
		if (w < r)
			*in_pos -= (u64)(r - MAX(w, 0l));
		if (w <= 0) {
			r = w;
			break;
		}
		total += w;
		size -= (u64)w;
		if (w < r)
			break;
	}
	kfree(buf);
	return total ? total : r;
}

static long copy_files(struct file *in, u64 in_off, struct file *out,
		       u64 out_off, u64 size)
{
	u64 in_pos, out_pos;
	long r;

	in_pos = in->pos;
	out_pos = out->pos;
	if ((in_off && copy_from_user(&in_pos, in_off, 8)) ||
	    (out_off && copy_from_user(&out_pos, out_off, 8)))
		return -EFAULT;
	r = copy_between(in, &in_pos, out, &out_pos, MIN(size, MAX_COUNT));
	if (r < 0)
		return r;
	if (!in_off)
		in->pos = in_pos;
	else if (copy_to_user(in_off, &in_pos, 8))
		return -EFAULT;
	if (!out_off)
		out->pos = out_pos;
	else if (copy_to_user(out_off, &out_pos, 8))
		return -EFAULT;
	return r;
}

static long copy_with_offsets(u64 in_fd, u64 in_off, u64 out_fd, u64 out_off,
			      u64 size)
{
	struct file *in = fd_file((s32)in_fd), *out = fd_file((s32)out_fd);
	long r;

	if (!in || !out)
		return -EBADF;
	if (!has_position(in))
		return -EINVAL;
	file_ref(in); /* another thread may close them while one waits */
	file_ref(out);
	r = copy_files(in, in_off, out, out_off, size);
	file_unref(out);
	file_unref(in);
	return r;
}

long sys_sendfile(u64 out_fd, u64 in_fd, u64 offset, u64 size)
{
	return copy_with_offsets(in_fd, offset, out_fd, 0, size);
}

long sys_copy_file_range(u64 in_fd, u64 in_off, u64 out_fd, u64 out_off,
			 u64 size, u64 flags)
{
	if (flags)
		return -EINVAL;
	return copy_with_offsets(in_fd, in_off, out_fd, out_off, size);
}

/* ---- size and synchronisation ---- */

long sys_ftruncate(u64 fd, u64 size)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if ((s64)size < 0 || !writable(f) || !f->ops->truncate)
		return -EINVAL;
	return f->ops->truncate(f, size);
}

long sys_fallocate(u64 fd, u64 mode, u64 offset, u64 size)
{
	struct file *f = fd_file((s32)fd);
	struct node *n;

	if (!f || !writable(f))
		return -EBADF;
	n = file_node(f);
	if (!n || f->ops != &regular_ops)
		return -ENODEV;
	if ((s64)offset < 0 || (s64)size <= 0)
		return -EINVAL;
	if (mode & ~(u64)FALLOC_FL_KEEP_SIZE)
		return -EOPNOTSUPP;
	if (mode || offset + size <= n->size)
		return 0;
	return data_truncate(n, offset + size);
}

static long any_file(u64 fd)
{
	return fd_file((s32)fd) ? 0 : -EBADF;
}

long sys_fsync(u64 fd)
{
	const struct file *f = fd_file((s32)fd);

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	return f->ops == &regular_ops || f->ops == &directory_ops ? 0 : -EINVAL;
}

long sys_fdatasync(u64 fd)
{
	return sys_fsync(fd);
}

long sys_sync(void)
{
	return 0;
}

long sys_readahead(u64 fd, u64 offset, u64 size)
{
	(void)offset, (void)size;
	return any_file(fd);
}

long sys_fadvise64(u64 fd, u64 offset, u64 size, u64 advice)
{
	struct file *f = fd_file((s32)fd);

	(void)offset, (void)size;
	if (!f)
		return -EBADF;
	if (!has_position(f))
		return -ESPIPE;
	return advice > 5 ? -EINVAL : 0;
}
