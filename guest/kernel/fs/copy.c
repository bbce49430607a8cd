/* copy.c: from file to file: sendfile, copy_file_range. */
#include "fs/descriptor.h"
#include "fs/regular.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"

#define CHUNK 65536

/* Both files are referenced, readable and writable. */
static long copy(struct file *in, u64 *in_pos, struct file *out, u64 *out_pos,
		 u64 size)
{
	void *buf = kmalloc(CHUNK);
	long total = 0, r = 0, w;

	if (!buf)
		return -ENOMEM;
	while (size) {
		r = in->ops->read(in, buf, MIN(size, (u64)CHUNK), in_pos);
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

static long copy_referenced(struct file *in, u64 *in_pos, struct file *out,
			    u64 *out_pos, u64 size)
{
	long r;

	file_ref(in); /* another thread may close them while one waits */
	file_ref(out);
	r = copy(in, in_pos, out, out_pos, size);
	file_unref(out);
	file_unref(in);
	return r;
}

/* ---- sendfile ---- */

static long send(struct file *in, u64 *in_pos, bool own, s32 out_fd, u64 size)
{
	struct file *out;
	u64 out_pos;
	long r;

	if (!own && !file_has_position(in))
		return -ESPIPE;
	if ((s64)*in_pos < 0 || (s64)size < 0 || (s64)(*in_pos + size) < 0)
		return -EINVAL;
	out = fd_file(out_fd);
	if (!out || !file_writable(out))
		return -EBADF;
	if (!file_has_position(in) || in->ops == &directory_ops ||
	    !in->ops->read || in->ops->unspliced || !out->ops->write ||
	    out->flags & O_APPEND)
		return -EINVAL;
	out_pos = out->pos; /* the two may be one position */
	file_ref(out);
	r = copy_referenced(in, in_pos, out, &out_pos, size);
	out->pos = out_pos;
	file_unref(out);
	return r;
}

long sys_sendfile(u64 out_fd, u64 in_fd, u64 offset, u64 size)
{
	struct file *in = fd_file((s32)in_fd);
	u64 pos;
	long r;

	size = (s64)size < 0 ? size : MIN(size, MAX_RW_COUNT);
	if (offset && copy_from_user(&pos, offset, sizeof(pos)))
		return -EFAULT;
	if (!in || !file_readable(in))
		return -EBADF;
	if (!offset) {
		pos = in->pos;
		file_ref(in);
		r = send(in, &pos, true, (s32)out_fd, size);
		in->pos = pos;
		file_unref(in);
		return r;
	}
	r = send(in, &pos, false, (s32)out_fd, size);
	return copy_to_user(offset, &pos, sizeof(pos)) ? -EFAULT : r;
}

/* ---- copy_file_range ---- */

static long range_check(const struct file *in, u64 in_pos,
			const struct file *out, u64 out_pos, u64 *size)
{
	const struct node *n = file_node(in), *to = file_node(out);
	u64 end;

	if ((n && is_dir(n)) || (to && is_dir(to)))
		return -EISDIR;
	if (!n || !to || node_type(n) != S_IFREG || node_type(to) != S_IFREG)
		return -EINVAL;
	if (!file_readable(in) || !file_writable(out) || out->flags & O_APPEND)
		return -EBADF;
	if (node_mount(n) != node_mount(to))
		return -EXDEV;
	if (in_pos + *size < in_pos || out_pos + *size < out_pos)
		return -EOVERFLOW;
	/* What is made when it is read has no size. */
	end = in->ops == &regular_ops ? n->size : 0;
	*size = in_pos < end ? MIN(*size, end - in_pos) : 0;
	if (n == to && out_pos + *size > in_pos && out_pos < in_pos + *size)
		return -EINVAL;
	return (s64)in_pos < 0 || (s64)out_pos < 0 ? -EINVAL : 0;
}

static long copy_range(struct file *in, u64 in_off, struct file *out,
		       u64 out_off, u64 size)
{
	u64 in_pos = in->pos, out_pos = out->pos;
	long r;

	if ((in_off && copy_from_user(&in_pos, in_off, sizeof(in_pos))) ||
	    (out_off && copy_from_user(&out_pos, out_off, sizeof(out_pos))))
		return -EFAULT;
	r = range_check(in, in_pos, out, out_pos, &size);
	if (r)
		return r;
	r = copy_referenced(in, &in_pos, out, &out_pos,
			    MIN(size, MAX_RW_COUNT));
	if (r <= 0)
		return r;
	if (!in_off)
		in->pos = in_pos;
	else if (copy_to_user(in_off, &in_pos, sizeof(in_pos)))
		return -EFAULT;
	if (!out_off)
		out->pos = out_pos;
	else if (copy_to_user(out_off, &out_pos, sizeof(out_pos)))
		return -EFAULT;
	return r;
}

long sys_copy_file_range(u64 in_fd, u64 in_off, u64 out_fd, u64 out_off,
			 u64 size, u64 flags)
{
	struct file *in = fd_file((s32)in_fd), *out = fd_file((s32)out_fd);

	if (!in || !out || ((in->flags | out->flags) & O_PATH))
		return -EBADF;
	if (flags)
		return -EINVAL;
	return copy_range(in, in_off, out, out_off, size);
}
