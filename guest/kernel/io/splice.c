/*
 * splice.c: splice, tee, vmsplice. Bytes are copied where Linux passes pages;
 * what a caller sees is the same. At least one side is a pipe.
 */
#include <linux/fcntl.h>
#include <linux/uio.h>

#include "fs/descriptor.h"
#include "fs/vfs.h"
#include "heap.h"
#include "io/pipe.h"
#include "io/poll.h"
#include "mm/user.h"
#include "syscalls.h"

#define SPLICE_F_NONBLOCK 2 /* Linux keeps these outside uapi */
#define SPLICE_F_ALL 0xf
#define MAX_IOV 1024

static u32 slots_free(const struct pipe *p)
{
	return p->room - (p->tail - p->head);
}

/* ---- pipe to pipe ---- */

/* Waits until one has bytes and the other a slot: 1, 0 at the end, -errno. */
static long both_wait(struct pipe *in, struct pipe *out, bool nonblock)
{
	for (;;) {
		long r = pipe_wait_read(in, nonblock);

		if (r <= 0)
			return r;
		r = pipe_wait_write(out, nonblock);
		if (r)
			return r;
		if (!pipe_empty(in) && !in->held)
			return 1;
	}
}

/* Copies slots: bytes, or -ENOMEM for none. */
static long slots_copy(struct pipe *in, struct pipe *out, u64 size)
{
	long total = 0;

	for (u32 at = in->head; at != in->tail && !pipe_full(out) && size;
	     at++) {
		struct slot *s = pipe_slot(in, at);
		long r = pipe_push(out, s->page + s->offset,
				   MIN(size, (u64)s->size));

		if (r < 0)
			return total ? total : r;
		pipe_slot(out, out->tail - 1)->packet = s->packet;
		total += r;
		size -= (u64)r;
	}
	return total;
}

/* Moves slots, and copies a part of the last: bytes, or -ENOMEM for none. */
static long slots_move(struct pipe *in, struct pipe *out, u64 size)
{
	long total = 0, r;

	while (!pipe_empty(in) && !pipe_full(out) && size) {
		struct slot *s = pipe_slot(in, in->head);
		u64 whole = s->size;

		if (size < whole) {
			r = pipe_push(out, s->page + s->offset, size);
			if (r < 0)
				return total ? total : r;
			pipe_slot(out, out->tail - 1)->packet = s->packet;
			pipe_consume(in, size);
			return total + r;
		}
		*pipe_slot(out, out->tail++) = *s;
		*s = (struct slot){ 0 };
		in->head++;
		total += (long)whole;
		size -= whole;
	}
	return total;
}

static long pipe_to_pipe(struct pipe *in, struct pipe *out, u64 size,
			 bool nonblock, bool keep)
{
	bool was_full;
	long r;

	if (in == out)
		return -EINVAL;
	r = both_wait(in, out, nonblock);
	if (r <= 0)
		return r;
	was_full = pipe_full(in);
	r = keep ? slots_copy(in, out, size) : slots_move(in, out, size);
	if (r > 0)
		pipe_filled(out);
	pipe_drained(in, was_full);
	return r;
}

/* ---- file to pipe ---- */

/* Waits until a read of f does not wait and the pipe has a slot. */
static long source_wait(struct file *f, struct pipe *p, bool nonblock)
{
	const u32 some = EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP;

	for (;;) {
		long r = pipe_wait_write(p, nonblock);

		if (r)
			return r;
		if (!f->ops->poll || f->ops->poll(f) & some)
			return 0;
		if (nonblock || f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&file_pollers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
}

static long file_to_pipe(struct file *in, u64 *pos, struct pipe *out, u64 size,
			 bool nonblock)
{
	long r = source_wait(in, out, nonblock), n, done = 0;
	u8 *buf;

	if (r)
		return r;
	size = MIN(size, slots_free(out) * PAGE_SIZE);
	size = MIN(size, 16 * PAGE_SIZE);
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	n = in->ops->read(in, buf, size, pos);
	while (done < n && !pipe_full(out)) {
		r = pipe_push(out, buf + done, (size_t)(n - done));
		if (r < 0)
			break;
		done += r;
	}
	kfree(buf);
	if (n <= 0)
		return n;
	if (done)
		pipe_filled(out);
	if (file_has_position(in))
		*pos -= (u64)(n - done);
	return done ? done : r;
}

/* ---- pipe to file ---- */

static long pipe_to_file(struct pipe *in, struct file *out, u64 *pos, u64 size,
			 bool nonblock)
{
	long total = 0, r = 0;

	while (size) {
		struct slot *s;
		bool was_full;

		if (total && (pipe_empty(in) || in->held))
			break;
		r = pipe_wait_read(in, nonblock);
		if (r <= 0)
			break;
		s = pipe_slot(in, in->head);
		in->held = true; /* nobody takes it while the write waits */
		r = out->ops->write(out, s->page + s->offset,
				    MIN(size, (u64)s->size), pos);
		in->held = false;
		was_full = pipe_full(in);
		if (r > 0)
			pipe_consume(in, (size_t)r);
		waitq_wake_all(&in->reading);
		pipe_drained(in, was_full);
		if (r <= 0)
			break;
		total += r;
		size -= (u64)r;
	}
	return total ? total : r;
}

/* ---- splice ---- */

/* A side's offset: the program's, or the file's own. */
static long offset_take(struct file *f, u64 user, u64 *pos)
{
	*pos = f->pos;
	if (!user)
		return 0;
	if (!file_has_position(f))
		return -EINVAL;
	if (copy_from_user(pos, user, sizeof(*pos)))
		return -EFAULT;
	return (s64)*pos < 0 ? -EINVAL : 0;
}

static long offset_give(struct file *f, u64 user, u64 pos)
{
	if (user)
		return copy_to_user(user, &pos, sizeof(pos));
	if (file_has_position(f))
		f->pos = pos;
	return 0;
}

static long splice_in(struct file *in, u64 user, struct file *out, u64 size,
		      bool nonblock)
{
	u64 pos;
	long r;

	if (!in->ops->read || in->ops->unspliced ||
	    (in->ops->of_node && is_dir(in->node)))
		return -EINVAL;
	if (user && !file_has_position(in))
		return -EINVAL;
	r = offset_take(in, user, &pos);
	if (!r)
		r = file_to_pipe(in, &pos, pipe_of(out), size,
				 nonblock || out->flags & O_NONBLOCK);
	if (r >= 0 && offset_give(in, user, pos))
		return -EFAULT;
	return r;
}

static long splice_out(struct file *in, struct file *out, u64 user, u64 size,
		       bool nonblock)
{
	u64 pos;
	long r;

	if (!out->ops->write || out->flags & O_APPEND)
		return -EINVAL;
	r = offset_take(out, user, &pos);
	if (!r)
		r = pipe_to_file(pipe_of(in), out, &pos, size,
				 nonblock || in->flags & O_NONBLOCK);
	if (r >= 0 && offset_give(out, user, pos))
		return -EFAULT;
	return r;
}

static long do_splice(struct file *in, u64 in_off, struct file *out,
		      u64 out_off, u64 size, bool nonblock)
{
	struct pipe *from = pipe_of(in), *to = pipe_of(out);

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if ((from && in_off) || (to && out_off))
		return -ESPIPE;
	if (from && to)
		return pipe_to_pipe(from, to, size,
				    nonblock || (in->flags | out->flags) &
							O_NONBLOCK,
				    false);
	if (from)
		return splice_out(in, out, out_off, size, nonblock);
	if (to)
		return splice_in(in, in_off, out, size, nonblock);
	return -EINVAL;
}

long sys_splice(u64 in_fd, u64 in_off, u64 out_fd, u64 out_off, u64 size,
		u64 flags)
{
	struct file *in = fd_file((s32)in_fd), *out = fd_file((s32)out_fd);
	long r;

	if (!size)
		return 0;
	if (flags & ~(u64)SPLICE_F_ALL)
		return -EINVAL;
	if (!in || !out)
		return -EBADF;
	file_ref(in); /* another thread may close them while one waits */
	file_ref(out);
	r = do_splice(in, in_off, out, out_off, MIN(size, MAX_RW_COUNT),
		      flags & SPLICE_F_NONBLOCK);
	file_unref(out);
	file_unref(in);
	return r;
}

long sys_tee(u64 in_fd, u64 out_fd, u64 size, u64 flags)
{
	struct file *in = fd_file((s32)in_fd), *out = fd_file((s32)out_fd);
	long r = -EINVAL;

	if (flags & ~(u64)SPLICE_F_ALL)
		return -EINVAL;
	if (!size)
		return 0;
	if (!in || !out || !file_readable(in) || !file_writable(out))
		return -EBADF;
	file_ref(in);
	file_ref(out);
	if (pipe_of(in) && pipe_of(out))
		r = pipe_to_pipe(pipe_of(in), pipe_of(out), size,
				 flags & SPLICE_F_NONBLOCK ||
					 (in->flags | out->flags) & O_NONBLOCK,
				 true);
	file_unref(out);
	file_unref(in);
	return r;
}

/* ---- vmsplice ---- */

static long pages_push(struct pipe *p, const struct iovec *v, u64 count)
{
	long total = 0, r;

	for (u64 i = 0; i < count; i++) {
		u64 at = (u64)v[i].iov_base, end = at + v[i].iov_len;

		if (!user_readable(at, v[i].iov_len))
			return total ? total : -EFAULT;
		for (; at < end; at += (u64)r) {
			if (pipe_full(p))
				return total;
			r = pipe_push(p, (void *)at,
				      MIN(end - at,
					  PAGE_SIZE - at % PAGE_SIZE));
			if (r < 0)
				return total ? total : r;
			total += r;
		}
	}
	return total;
}

static long pages_pull(struct file *f, const struct iovec *v, u64 count)
{
	long total = 0, r;

	for (u64 i = 0; i < count; i++) {
		if (!v[i].iov_len || (total && pipe_empty(pipe_of(f))))
			continue;
		if (!user_writable((u64)v[i].iov_base, v[i].iov_len))
			return total ? total : -EFAULT;
		r = pipe_read(f, v[i].iov_base, v[i].iov_len, NULL);
		if (r <= 0)
			return total ? total : r;
		total += r;
	}
	return total;
}

static long do_vmsplice(struct file *f, const struct iovec *v, u64 count,
			bool nonblock)
{
	struct pipe *p = pipe_of(f);
	long r;

	nonblock = nonblock || f->flags & O_NONBLOCK;
	if (file_writable(f)) {
		r = pipe_wait_write(p, nonblock);
		if (!r)
			r = pages_push(p, v, count);
		if (r > 0)
			pipe_filled(p);
		return r;
	}
	r = pipe_wait_read(p, nonblock);
	return r <= 0 ? r : pages_pull(f, v, count);
}

long sys_vmsplice(u64 fd, u64 iov, u64 count, u64 flags)
{
	struct file *f = fd_file((s32)fd);
	struct iovec *v;
	u64 total = 0;
	long r = 0;

	if (flags & ~(u64)SPLICE_F_ALL)
		return -EINVAL;
	if (!f || !pipe_of(f))
		return -EBADF;
	if (count > MAX_IOV)
		return -EINVAL;
	v = kmalloc(count * sizeof(*v) + 1);
	if (!v)
		return -ENOMEM;
	if (copy_from_user(v, iov, count * sizeof(*v)))
		r = -EFAULT;
	for (u64 i = 0; i < count && !r; i++) {
		if ((s64)v[i].iov_len < 0)
			r = -EINVAL;
		v[i].iov_len = MIN(v[i].iov_len, MAX_RW_COUNT - total);
		total += v[i].iov_len;
	}
	file_ref(f);
	if (!r && total)
		r = do_vmsplice(f, v, count, flags & SPLICE_F_NONBLOCK);
	file_unref(f);
	kfree(v);
	return r;
}
