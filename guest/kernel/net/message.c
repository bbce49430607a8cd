/*
 * message.c: what goes through a socket: data from and to lists of user
 * buffers, addresses, and files (SCM_RIGHTS).
 */
#include <linux/fcntl.h>
#include <linux/uio.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "mm/user.h"
#include "net/socket.h"
#include "syscalls.h"
#include "task/process.h"

#define IOV_MAX 1024
#define IOV_FEW 8
#define MSG_WAITFORONE 0x10000
#define OVERFLOW_ID 65534 /* kernel.overflowuid */

struct msghdr64 { /* struct msghdr of the ABI */
	u64 name;
	u32 name_size, pad;
	u64 iov, iov_count;
	u64 ancillary, ancillary_size;
	u32 flags, pad2;
};

struct cmsg64 { /* struct cmsghdr of the ABI; data follows */
	u64 size;
	s32 level, type;
};
#define CMSG_ALIGN(n) (((n) + 7) & ~7ull)

/* ---- user buffers ---- */

static long io_copy(struct io *io, void *kernel, u64 n, bool in)
{
	u8 *k = kernel;
	long r = 0;

	io->left -= n;
	while (n && !r) {
		u64 part = MIN(n, io->v->size - io->done);
		u64 user = io->v->base + io->done;

		if (io->trusted)
			r = user_copy(in ? (void *)k : (void *)user,
				      in ? (void *)user : (void *)k,
				      part) == part ?
				    0 :
				    -EFAULT;
		else
			r = in ? copy_from_user(k, user, part) :
				 copy_to_user(user, k, part);
		k += part;
		n -= part;
		io->done += part;
		if (io->done == io->v->size) {
			io->v++;
			io->done = 0;
		}
	}
	return r;
}

static long io_apply(struct io *io, void *kernel, u64 n, bool in)
{
	struct io before = *io;
	long r = io_copy(io, kernel, n, in);

	if (r)
		*io = before;
	return r;
}

long io_copy_in(struct io *io, void *to, u64 n)
{
	return io_apply(io, to, n, true);
}

long io_copy_out(struct io *io, const void *from, u64 n)
{
	return io_apply(io, (void *)from, n, false);
}

void io_skip(struct io *io, u64 n)
{
	io->left -= n;
	while (n) {
		u64 part = MIN(n, io->v->size - io->done);

		n -= part;
		io->done += part;
		if (io->done == io->v->size) {
			io->v++;
			io->done = 0;
		}
	}
}

/* ---- files in flight ---- */

void rights_free(struct rights *r)
{
	static struct rights *doomed;
	static bool busy;

	if (!r)
		return;
	/* A file may be a socket with files in its queue, and so on: one after
	 * the other, not one inside the other. */
	r->next = doomed;
	doomed = r;
	if (busy)
		return;
	busy = true;
	while ((r = doomed)) {
		doomed = r->next;
		for (u32 i = 0; i < r->count; i++)
			file_unref(r->files[i]);
		kfree(r);
	}
	busy = false;
}

struct rights *rights_copy(const struct rights *r)
{
	u64 size;
	struct rights *copy;

	if (!r)
		return NULL;
	size = sizeof(*r) + r->count * sizeof(r->files[0]);
	copy = kmalloc(size);
	if (!copy)
		return NULL;
	memcpy(copy, r, size);
	for (u32 i = 0; i < r->count; i++)
		file_ref(copy->files[i]);
	return copy;
}

static long rights_add(struct rights **rights, u64 user, u64 count)
{
	struct rights *r = *rights;

	if (!r)
		r = kmalloc(sizeof(*r) + SCM_MAX_FD * sizeof(r->files[0]));
	if (!r)
		return -ENOMEM;
	*rights = r;
	if (count > SCM_MAX_FD - r->count)
		return -EINVAL;
	for (u64 i = 0; i < count; i++) {
		s32 fd;
		struct file *f;

		if (copy_from_user(&fd, user + i * sizeof(fd), sizeof(fd)))
			return -EFAULT;
		f = fd_file(fd);
		if (!f)
			return -EBADF;
		file_ref(f);
		r->files[r->count++] = f;
	}
	return 0;
}

/* ---- control messages ---- */

struct credentials credentials_current(void)
{
	return (struct credentials){ current->process->pid, current->ids.euid,
				     current->ids.egid };
}

/* Credentials that the sender says are its own. */
static long credentials_take(struct transfer *t, u64 data, u64 size)
{
	const struct ids *ids = &current->ids;
	struct credentials c;

	if (size != sizeof(c))
		return -EINVAL;
	if (copy_from_user(&c, data, sizeof(c)))
		return -EFAULT;
	if (c.pid != current->process->pid && !ids_capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (c.uid != ids->uid && c.uid != ids->euid && c.uid != ids->suid &&
	    !ids_capable(CAP_SETUID))
		return -EPERM;
	if (c.gid != ids->gid && c.gid != ids->egid && c.gid != ids->sgid &&
	    !ids_capable(CAP_SETGID))
		return -EPERM;
	if (!process_find(c.pid))
		return -ESRCH;
	t->credentials = c;
	t->has_credentials = true;
	return 0;
}

static long control_take(struct socket *s, const struct cmsg64 *c, u64 data,
			 u64 size, struct transfer *t)
{
	if (c->level != SOL_SOCKET)
		return s->family->control_take ?
			       s->family->control_take(s, t, c->level, c->type,
						       data, size) :
			       0;
	if (c->type == SCM_RIGHTS)
		return rights_add(&t->rights, data, size / sizeof(s32));
	if (c->type == SCM_CREDENTIALS)
		return credentials_take(t, data, size);
	return -EINVAL;
}

static long control_parse(struct socket *s, const struct msghdr64 *h,
			  struct transfer *t)
{
	u64 at = 0;

	while (h->ancillary &&
	       at + sizeof(struct cmsg64) <= h->ancillary_size) {
		struct cmsg64 c;
		long r = copy_from_user(&c, h->ancillary + at, sizeof(c));

		if (r)
			return r;
		if (c.size < sizeof(c) || c.size > h->ancillary_size - at)
			return -EINVAL;
		r = control_take(s, &c, h->ancillary + at + sizeof(c),
				 c.size - sizeof(c), t);
		if (r)
			return r;
		at += CMSG_ALIGN(c.size);
	}
	return 0;
}

void control_put(struct control_room *room, s32 level, s32 type,
		 const void *data, u64 size)
{
	struct cmsg64 c = { .level = level, .type = type };
	u64 left = room->user ? room->size - room->used : 0;
	u64 at = room->user + room->used;

	if (left < sizeof(c)) {
		room->cut = true;
		return;
	}
	c.size = sizeof(c) + size;
	if (c.size > left) {
		room->cut = true;
		c.size = left;
	}
	if (copy_to_user(at, &c, sizeof(c)) ||
	    copy_to_user(at + sizeof(c), data, c.size - sizeof(c)))
		return;
	room->used = MIN(room->used + CMSG_ALIGN(c.size), room->size);
}

/* Installs the files whose numbers can be stored, one after the other: a number is
 * taken only when there is a place for it. */
static void rights_put(struct control_room *room, struct rights *rights,
		       u32 flags)
{
	u64 left = room->user ? room->size - room->used : 0;
	u64 at = room->user + room->used + sizeof(struct cmsg64);
	s32 fds[SCM_MAX_FD] = { 0 };
	u32 n = 0, fit = 0;

	if (left > sizeof(struct cmsg64))
		fit = (u32)MIN((left - sizeof(struct cmsg64)) / sizeof(s32),
			       rights->count);
	for (; n < fit; n++) {
		long fd;

		if (copy_to_user(at + n * sizeof(s32), &fds[n], sizeof(s32)))
			break;
		file_ref(rights->files[n]);
		fd = fd_install(rights->files[n], flags & MSG_CMSG_CLOEXEC);
		if (fd < 0)
			break;
		fds[n] = (s32)fd;
	}
	if (n < rights->count)
		room->cut = true;
	if (n)
		control_put(room, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(s32));
}

static void control_store(struct socket *s, struct msghdr64 *h,
			  struct transfer *t)
{
	struct credentials nobody = { 0, OVERFLOW_ID, OVERFLOW_ID };
	struct control_room room = { .user = h->ancillary,
				     .size = h->ancillary_size };

	if (socket_option(s, SO_PASSCRED))
		control_put(&room, SOL_SOCKET, SCM_CREDENTIALS,
			    t->has_credentials ? &t->credentials : &nobody,
			    sizeof(nobody));
	if (t->rights)
		rights_put(&room, t->rights, t->flags);
	if (s->family->control_store)
		s->family->control_store(s, t, &room);
	h->ancillary_size = room.used;
	if (room.cut)
		h->flags |= MSG_CTRUNC;
}

/* ---- send and receive ---- */

static long do_send(struct socket *s, struct transfer *t)
{
	struct file *f = s->file;
	long r;

	if (t->flags & MSG_OOB && s->domain == AF_UNIX)
		return -EOPNOTSUPP;
	t->deadline = socket_deadline(s, s->send_timeout, t->flags);
	file_ref(f); /* another thread may close it while we wait */
	r = s->family->send(s, t);
	file_unref(f);
	return r;
}

static long do_receive(struct socket *s, struct transfer *t)
{
	struct file *f = s->file;
	long r;

	if (t->flags & MSG_OOB && s->domain == AF_UNIX)
		return -EOPNOTSUPP;
	if (t->flags & MSG_ERRQUEUE && !s->udp)
		return -EAGAIN;
	t->deadline = socket_deadline(s, s->receive_timeout, t->flags);
	file_ref(f);
	r = s->family->receive(s, t);
	file_unref(f);
	return r;
}

long socket_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct iovec64 v = { (u64)buf, n };
	struct transfer t = { .io = { .v = &v, .left = n, .trusted = true } };
	long r = n ? do_receive(f->node, &t) : 0;

	(void)pos;
	rights_free(t.rights);
	return r;
}

long socket_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct iovec64 v = { (u64)buf, n };
	struct transfer t = { .io = { .v = &v,
				      .left = n,
				      .trusted = true,
				      .kernel = !user_readable((u64)buf, n) } };

	(void)pos;
	return do_send(f->node, &t);
}

/* struct iovec is laid out alike. */
static struct io io_of(const struct iovec *v, u64 count)
{
	struct io io = { .v = (const struct iovec64 *)v };

	for (u64 i = 0; i < count; i++)
		io.left += v[i].iov_len;
	return io;
}

long socket_read_vector(struct file *f, const struct iovec *v, u64 count)
{
	struct transfer t = { .io = io_of(v, count) };
	long r = t.io.left ? do_receive(f->node, &t) : 0;

	rights_free(t.rights);
	return r;
}

long socket_write_vector(struct file *f, const struct iovec *v, u64 count)
{
	struct transfer t = { .io = io_of(v, count) };

	return t.io.left ? do_send(f->node, &t) : 0;
}

long sys_sendto(u64 fd, u64 buf, u64 n, u64 flags, u64 name, u64 name_size)
{
	struct iovec64 v = { buf, MIN(n, MAX_RW_COUNT) };
	struct transfer t = { .io = { .v = &v, .left = v.size },
			      .flags = (u32)flags };
	struct socket *s;
	long r = socket_find(fd, &s);

	if (!r && name)
		r = address_take(&t.address, name, (s32)name_size);
	return r ? r : do_send(s, &t);
}

long sys_recvfrom(u64 fd, u64 buf, u64 n, u64 flags, u64 name, u64 name_size)
{
	struct iovec64 v = { buf, MIN(n, MAX_RW_COUNT) };
	struct transfer t = { .io = { .v = &v, .left = v.size },
			      .flags = (u32)flags };
	struct socket *s;
	long r = socket_find(fd, &s), stored;

	if (r)
		return r;
	r = do_receive(s, &t);
	rights_free(t.rights);
	if (r >= 0 && name) {
		stored = address_put(&t.address, name, name_size);
		r = stored ? stored : r;
	}
	return r;
}

static struct iovec64 *iov_load(const struct msghdr64 *h, struct iovec64 *few,
				u64 *total, long *error)
{
	struct iovec64 *v = few;

	*error = -EMSGSIZE;
	if (h->iov_count > IOV_MAX)
		return NULL;
	if (h->iov_count > IOV_FEW)
		v = kmalloc(h->iov_count * sizeof(*v));
	*error = -ENOMEM;
	if (!v)
		return NULL;
	*error = h->iov_count ?
			 copy_from_user(v, h->iov, h->iov_count * sizeof(*v)) :
			 0;
	*total = 0;
	for (u64 i = 0; !*error && i < h->iov_count; i++) {
		if ((s64)v[i].size < 0)
			*error = -EINVAL;
		v[i].size = MIN(v[i].size, MAX_RW_COUNT - *total);
		*total += v[i].size;
	}
	if (!*error)
		return v;
	if (v != few)
		kfree(v);
	return NULL;
}

static long message_send(struct socket *s, const struct msghdr64 *h, u32 flags)
{
	struct transfer t = { .flags = flags };
	struct iovec64 few[IOV_FEW], *v;
	long r;

	v = iov_load(h, few, &t.io.left, &r);
	if (!v)
		return r;
	t.io.v = v;
	if (h->name)
		r = address_take(&t.address, h->name, (s32)h->name_size);
	if (!r)
		r = control_parse(s, h, &t);
	if (!r)
		r = do_send(s, &t);
	rights_free(t.rights);
	if (v != few)
		kfree(v);
	return r;
}

long sys_sendmsg(u64 fd, u64 user, u64 flags)
{
	struct msghdr64 h;
	struct socket *s;
	long r = socket_find(fd, &s);

	if (!r)
		r = copy_from_user(&h, user, sizeof(h));
	return r ? r : message_send(s, &h, (u32)flags);
}

/* Fills in name, control and flags of *h. */
static long message_receive(struct socket *s, struct msghdr64 *h, u32 flags)
{
	struct transfer t = { .flags = flags };
	struct iovec64 few[IOV_FEW], *v;
	struct file *f = s->file;
	long r, stored = 0;

	v = iov_load(h, few, &t.io.left, &r);
	if (!v)
		return r;
	t.io.v = v;
	file_ref(f);
	r = do_receive(s, &t);
	if (v != few)
		kfree(v);
	if (r >= 0) {
		h->flags = t.out_flags | (flags & MSG_CMSG_CLOEXEC);
		if (h->name)
			stored =
				copy_to_user(h->name, t.address.bytes,
					     MIN(h->name_size, t.address.size));
		h->name_size = t.address.size;
		if (!stored)
			control_store(s, h, &t);
	}
	rights_free(t.rights);
	file_unref(f);
	return stored ? stored : r;
}

/* One message of a call, the header in the program's memory at user. */
static long message_receive_at(struct socket *s, u64 user, u32 flags)
{
	struct msghdr64 h;
	u32 name_size;
	long r, stored;

	if (copy_from_user(&h, user, sizeof(h)))
		return -EFAULT;
	name_size = h.name_size;
	if ((s32)h.name_size < 0)
		return -EINVAL;
	r = message_receive(s, &h, flags);
	if (r < 0)
		return r;
	if (!h.name)
		h.name_size = name_size;
	stored = copy_to_user(user, &h, sizeof(h));
	return stored ? stored : r;
}

long sys_recvmsg(u64 fd, u64 user, u64 flags)
{
	struct socket *s;
	long r = socket_find(fd, &s);

	return r ? r : message_receive_at(s, user, (u32)flags);
}

/* ---- several messages ---- */

struct mmsghdr64 { /* struct mmsghdr of the ABI */
	struct msghdr64 header;
	u32 size, pad;
};

static u64 message_of(u64 vector, u64 i)
{
	return vector + i * sizeof(struct mmsghdr64);
}

static long size_put(u64 message, long size)
{
	u32 value = (u32)size;

	return copy_to_user(message + offsetof(struct mmsghdr64, size), &value,
			    sizeof(value));
}

long sys_sendmmsg(u64 fd, u64 vector, u64 count, u64 flags)
{
	u64 n, total = MIN((u64)(u32)count, (u64)IOV_MAX);
	long r = 0;

	for (n = 0; n < total && r >= 0; n++) {
		r = sys_sendmsg(fd, message_of(vector, n), flags);
		if (r >= 0)
			r = size_put(message_of(vector, n), r);
		if (r < 0)
			break;
	}
	return n ? (long)n : r;
}

long sys_recvmmsg(u64 fd, u64 vector, u64 count, u64 flags, u64 timeout)
{
	u64 n, total = MIN((u64)(u32)count, (u64)IOV_MAX), deadline;
	struct socket *s;
	struct file *f;
	long r = deadline_timespec(timeout, &deadline);

	if (!r)
		r = socket_find(fd, &s);
	if (r)
		return r;
	f = s->file;
	file_ref(f); /* another thread may close it while we wait */
	for (n = 0; n < total; n++) {
		r = message_receive_at(s, message_of(vector, n),
				       (u32)flags & ~(u32)MSG_WAITFORONE);
		if (r >= 0)
			r = size_put(message_of(vector, n), r);
		if (r < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != FOREVER && deadline <= mono_now()) {
			n++;
			break;
		}
	}
	file_unref(f);
	if (!n)
		return r; /* the timeout stays as it was */
	return deadline_left_timespec(timeout, deadline) ? -EFAULT : (long)n;
}
