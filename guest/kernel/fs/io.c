/* io.c: reading and writing through descriptors; see also copy.c. */
#include <linux/eventpoll.h>
#include <linux/fs.h>
#include <linux/uio.h>

#include "fs/descriptor.h"
#include "fs/regular.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"

#define MAX_IOV 1024
#define FEW_IOV 8 /* without a heap allocation */
#define RWF_KNOWN                                                              \
	((u64)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))

/* ---- reading and writing ---- */

/*
 * What the program's memory has room for is enough: where its mapping ends, the
 * count is short, and only if nothing fits it is a fault.
 */
static long do_read(struct file *f, u64 buf, u64 size, u64 *pos)
{
	u64 room;
	long r;

	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	room = user_writable_size(buf, MIN(size, MAX_RW_COUNT));
	if ((size && !room) || !user_range(buf, size))
		return -EFAULT;
	if (pos && file_has_position(f) && (s64)(*pos + size) < 0)
		return -EINVAL;
	file_ref(f);
	r = f->ops->read(f, (void *)buf, room, pos);
	file_unref(f);
	current->usage.reads++;
	if (r > 0)
		current->usage.read_bytes += (u64)r;
	return r;
}

static long do_write(struct file *f, u64 buf, u64 size, u64 *pos)
{
	u64 room;
	long r;

	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	room = user_readable_size(buf, MIN(size, MAX_RW_COUNT));
	if ((size && !room) || !user_range(buf, size))
		return -EFAULT;
	if (pos && file_has_position(f) && (s64)(*pos + size) < 0)
		return -EINVAL;
	file_ref(f);
	r = f->ops->write(f, (const void *)buf, room, pos);
	file_unref(f);
	current->usage.writes++;
	if (r > 0)
		current->usage.written_bytes += (u64)r;
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

long sys_pread64(u64 fd, u64 buf, u64 size, u64 pos)
{
	struct file *f = fd_file((s32)fd);

	if ((s64)pos < 0)
		return -EINVAL;
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	return file_has_position(f) ? do_read(f, buf, size, &pos) : -ESPIPE;
}

long sys_pwrite64(u64 fd, u64 buf, u64 size, u64 pos)
{
	struct file *f = fd_file((s32)fd);

	if ((s64)pos < 0)
		return -EINVAL;
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	return file_has_position(f) ? do_write(f, buf, size, &pos) : -ESPIPE;
}

/* ---- several buffers ---- */

static long each_part(struct file *f, const struct iovec *v, u64 count,
		      u64 *pos, long (*op)(struct file *, u64, u64, u64 *))
{
	long total = 0, r;

	for (u64 i = 0; i < count; i++) {
		if (v[i].iov_len == 0)
			continue;
		/* What is there is enough: a further part must not wait. */
		if (total && op == do_read && f->ops->poll &&
		    !(f->ops->poll(f) & EPOLLIN))
			break;
		r = op(f, (u64)v[i].iov_base, v[i].iov_len, pos);
		if (r < 0)
			return total ? total : r;
		total += r;
		if ((u64)r < v[i].iov_len)
			break;
	}
	return total;
}

typedef long vector_op(struct file *f, const struct iovec *v, u64 count);

static vector_op *at_once(const struct file *f,
			  long (*op)(struct file *, u64, u64, u64 *))
{
	return op == do_read ? f->ops->read_vector : f->ops->write_vector;
}

/* Copies the list and checks it; what goes beyond MAX_RW_COUNT is cut off. */
static long vector_take(struct iovec *v, u64 iov, u64 count)
{
	u64 total = 0;
	long r = copy_from_user(v, iov, count * sizeof(*v));

	for (u64 i = 0; !r && i < count; i++) {
		if ((s64)v[i].iov_len < 0)
			return -EINVAL;
		v[i].iov_len = MIN(v[i].iov_len, MAX_RW_COUNT - total);
		total += v[i].iov_len;
		if (!user_range((u64)v[i].iov_base, v[i].iov_len))
			return -EFAULT;
	}
	return r;
}

static long do_vector(struct file *f, u64 iov, u64 count, u64 *pos,
		      long (*op)(struct file *, u64, u64, u64 *))
{
	struct iovec few[FEW_IOV], *v = few;
	long r;

	if (op == do_read ? !file_readable(f) : !file_writable(f))
		return -EBADF;
	if (count > MAX_IOV)
		return -EINVAL;
	if (count > FEW_IOV)
		v = kmalloc(count * sizeof(*v));
	if (!v)
		return -ENOMEM;
	r = vector_take(v, iov, count);
	if (!r) {
		file_ref(
			f); /* another thread may close it while a part waits */
		r = at_once(f, op) ? at_once(f, op)(f, v, count) :
				     each_part(f, v, count, pos, op);
		file_unref(f);
	}
	if (v != few)
		kfree(v);
	return r;
}

static long vector_at(struct file *f, u64 iov, u64 count, u64 pos,
		      long (*op)(struct file *, u64, u64, u64 *))
{
	if ((s64)pos < 0)
		return -EINVAL;
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if (!file_has_position(f))
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
	return vector_at(fd_file((s32)fd), iov, count, low, do_read);
}

long sys_pwritev(u64 fd, u64 iov, u64 count, u64 low, u64 high)
{
	(void)high;
	return vector_at(fd_file((s32)fd), iov, count, low, do_write);
}

/*
 * RWF_*: an operation asks the open file's flags, so for its time they are what
 * the call wants: with NOWAIT it does not wait, and regular files, which alone can
 * be appended to, never do: nobody else sees the flags. What syncs has nothing to
 * do: files are in memory.
 */
static long vector_with_flags(u64 fd, u64 iov, u64 count, u64 pos, u64 flags,
			      long (*op)(struct file *, u64, u64, u64 *))
{
	struct file *f = fd_file((s32)fd);
	u32 set = 0;
	long r;

	if (!f)
		return -EBADF;
	if (flags & ~RWF_KNOWN || (op == do_read && flags & RWF_APPEND))
		return -EOPNOTSUPP;
	if (flags & RWF_NOWAIT)
		set |= O_NONBLOCK;
	if (flags & RWF_APPEND && f->ops == &regular_ops)
		set |= O_APPEND;
	set &= ~f->flags;
	f->flags |= set;
	file_ref(f);
	r = pos == ~0ull ? do_vector(f, iov, count, &f->pos, op) :
			   vector_at(f, iov, count, pos, op);
	f->flags &= ~set;
	file_unref(f);
	return r;
}

long sys_preadv2(u64 fd, u64 iov, u64 count, u64 low, u64 high, u64 flags)
{
	(void)high;
	return vector_with_flags(fd, iov, count, low, flags, do_read);
}

long sys_pwritev2(u64 fd, u64 iov, u64 count, u64 low, u64 high, u64 flags)
{
	(void)high;
	return vector_with_flags(fd, iov, count, low, flags, do_write);
}

/* ---- positions ---- */

static long seek(struct file *f, struct node *n, s64 offset, u32 whence)
{
	s64 at = offset;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow((s64)f->pos, offset, &at))
			return -EINVAL;
		break;
	case SEEK_END:
		if (is_dir(n) || n->ops ||
		    __builtin_add_overflow((s64)n->size, offset, &at))
			return -EINVAL;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (is_dir(n))
			return -EINVAL;
		if (offset < 0 || (u64)offset >= n->size)
			return -ENXIO;
		at = (s64)(whence == SEEK_DATA ? data_next(n, (u64)offset) :
						 data_hole(n, (u64)offset));
		if (whence == SEEK_DATA && (u64)at == n->size)
			return -ENXIO;
		break;
	default:
		return -EINVAL;
	}
	if (at < 0)
		return -EINVAL;
	f->pos = (u64)at;
	return at;
}

long sys_lseek(u64 fd, u64 offset, u64 whence)
{
	struct file *f = fd_file((s32)fd);
	struct node *n;

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if ((u32)whence > SEEK_HOLE)
		return -EINVAL;
	if (file_is_anonymous(f))
		return 0; /* as Linux: it stays where it is */
	n = file_node(f);
	if (!file_has_position(f))
		return -ESPIPE;
	if (node_type(n) == S_IFCHR) /* devices stay where they are */
		return 0;
	return seek(f, n, (s64)offset, (u32)whence);
}
