/*
 * socket.c: sockets as files, and the system calls that make, name and connect
 * them. What differs between the families is behind struct family (socket.h).
 */
#include "net/socket.h"

#include <asm/ioctls.h>
#include <asm/sockios.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/owner.h"
#include "heap.h"
#include "task/deadline.h"
#include "mm/user.h"
#include "net/interface.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

#define TYPE_KNOWN (SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct file_ops socket_ops;

/* ---- struct socket ---- */

struct socket *sockets;

struct socket *socket_new(const struct family *family, s32 domain, s32 type,
			  s32 protocol)
{
	struct socket *s = kmalloc(sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct socket){
		.family = family,
		.domain = domain,
		.type = type,
		.protocol = protocol,
		.refs = 1,
		.inode = object_inode(),
		.send_buffer = BUFFER_DEFAULT,
		.receive_buffer = BUFFER_DEFAULT,
		.send_timeout = FOREVER,
		.receive_timeout = FOREVER,
		.low = 1,
		.peer_credentials = { 0, ~0u, ~0u },
		.uid = current->ids.fsuid,
		.all_next = sockets,
		.all_link = &sockets,
	};
	if (sockets)
		sockets->all_link = &s->all_next;
	sockets = s;
	return s;
}

void socket_ref(struct socket *s)
{
	s->refs++;
}

void socket_unref(struct socket *s)
{
	if (--s->refs)
		return;
	*s->all_link = s->all_next;
	if (s->all_next)
		s->all_next->all_link = s->all_link;
	if (s->family->free)
		s->family->free(s);
	kfree(s);
}

bool socket_option(const struct socket *s, int option)
{
	return s->options >> option & 1;
}

long socket_wait(struct socket *s, struct waitq *q, u64 deadline)
{
	long r;

	socket_ref(s);
	r = thread_wait(q, deadline);
	socket_unref(s);
	if (r == -EINTR)
		return deadline == FOREVER ? -ERESTARTSYS : -EINTR;
	return r == -ETIMEDOUT ? -EAGAIN : 0;
}

long socket_broken(u32 flags)
{
	return flags & MSG_NOSIGNAL ? -EPIPE : signal_broken_pipe();
}

u64 socket_deadline(const struct socket *s, u64 timeout, u32 flags)
{
	if (s->file->flags & O_NONBLOCK || flags & MSG_DONTWAIT)
		return 0;
	return timeout == FOREVER ? FOREVER : deadline_after(timeout);
}

struct socket *socket_of(const struct file *f)
{
	return f->ops == &socket_ops ? f->node : NULL;
}

long socket_find(u64 fd, struct socket **s)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	if (f->ops != &socket_ops)
		return -ENOTSOCK;
	*s = f->node;
	return 0;
}

/* ---- addresses ---- */

long address_take(struct address *a, u64 user, s32 size)
{
	if (size < 0 || size > ADDRESS_MAX)
		return -EINVAL;
	memset(a, 0, sizeof(*a));
	a->size = (u32)size;
	return size ? copy_from_user(a->bytes, user, (u64)size) : 0;
}

long address_put(const struct address *a, u64 user, u64 size_user)
{
	s32 room, size = (s32)a->size;
	long r = copy_from_user(&room, size_user, sizeof(room));

	if (r)
		return r;
	if (room < 0)
		return -EINVAL;
	r = copy_to_user(user, a->bytes, (u64)MIN(room, size));
	return r ? r : copy_to_user(size_user, &size, sizeof(size));
}

/* ---- the file ---- */

static u32 socket_poll(struct file *f)
{
	struct socket *s = f->node;

	return s->family->poll(s);
}

static long socket_stat(struct file *f, struct stat *st)
{
	struct socket *s = f->node;

	stat_object(st, S_IFSOCK | 0777, s->inode);
	return 0;
}

/* Whom signals go to: socket(7). */
static long owner_ioctl(struct file *f, u32 command, u64 arg)
{
	s32 value;

	if (command == FIOGETOWN || command == SIOCGPGRP) {
		value = (s32)owner_fcntl(f, F_GETOWN, 0);
		return copy_to_user(arg, &value, sizeof(value));
	}
	if (copy_from_user(&value, arg, sizeof(value)))
		return -EFAULT;
	return owner_fcntl(f, F_SETOWN, (u64)(s64)value);
}

static long socket_ioctl(struct file *f, u64 command64, u64 arg)
{
	struct socket *s = f->node;
	u32 command = (u32)command64;
	long n;
	s32 value;

	switch (command) {
	case FIOSETOWN:
	case FIOGETOWN:
	case SIOCSPGRP:
	case SIOCGPGRP:
		return owner_ioctl(f, command, arg);
	case FIONREAD:
		n = s->family->pending_bytes(s);
		value = (s32)n;
		return n < 0 ? n : copy_to_user(arg, &value, sizeof(value));
	}
	return s->family->ioctl ? s->family->ioctl(s, command, arg) :
				  interface_ioctl(s, command, arg);
}

static void socket_close(struct socket *s)
{
	s->dead = true;
	s->family->release(s);
	s->file = NULL;
	socket_unref(s);
}

static void socket_release(struct file *f)
{
	socket_close(f->node);
}

static const struct file_ops socket_ops = {
	.read = socket_read,
	.write = socket_write,
	.read_vector = socket_read_vector,
	.write_vector = socket_write_vector,
	.poll = socket_poll,
	.stat = socket_stat,
	.ioctl = socket_ioctl,
	.release = socket_release,
	.async = true,
};

/* Gives s its file; takes s also on failure. */
static long socket_open(struct socket *s, u32 flags)
{
	s->file = file_new(&socket_ops, s, O_RDWR | (flags & SOCK_NONBLOCK));
	if (s->file)
		return 0;
	socket_close(s);
	return -ENOMEM;
}

/* ---- making sockets ---- */

static long socket_create(u64 domain, u64 type, u64 protocol, struct socket **s)
{
	const struct family *family = &inet_family;
	s32 base = (s32)type & SOCK_TYPE_MASK;
	long r;

	if ((u32)type & ~(u32)TYPE_KNOWN)
		return -EINVAL;
	if ((s32)domain == AF_UNIX)
		family = &unix_family;
	else if ((s32)domain == AF_NETLINK)
		family = &netlink_family;
	else if ((s32)domain == AF_PACKET)
		return -EPERM;
	else if ((s32)domain != AF_INET && (s32)domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (base >= SOCK_MAX)
		return -EINVAL;
	*s = socket_new(family, (s32)domain, base, (s32)protocol);
	if (!*s)
		return -ENOMEM;
	r = family->create(*s);
	if (r) {
		socket_unref(*s);
		return r;
	}
	return socket_open(*s, (u32)type);
}

long sys_socket(u64 domain, u64 type, u64 protocol)
{
	struct socket *s;
	long r = socket_create(domain, type, protocol, &s);

	return r ? r : fd_install(s->file, type & SOCK_CLOEXEC);
}

static long pair_create(u64 domain, u64 type, u64 protocol, struct socket **a,
			struct socket **b)
{
	long r = socket_create(domain, type, protocol, a);

	if (r)
		return r;
	r = -EOPNOTSUPP;
	if ((*a)->domain == AF_UNIX)
		r = socket_create(domain, type, protocol, b);
	if (r)
		file_unref((*a)->file);
	else
		unix_pair(*a, *b);
	return r;
}

/* As on Linux the numbers are stored first, and stay there after an error. */
long sys_socketpair(u64 domain, u64 type, u64 protocol, u64 user)
{
	bool cloexec = type & SOCK_CLOEXEC;
	struct socket *a, *b;
	s32 fds[2];
	long r;

	if ((u32)type & ~(u32)TYPE_KNOWN)
		return -EINVAL;
	r = fd_reserve_two(fds);
	if (r)
		return r;
	r = copy_to_user(user, fds, sizeof(fds));
	if (!r)
		r = pair_create(domain, type, protocol, &a, &b);
	fd_fill(fds[0], r ? NULL : a->file, cloexec, r);
	fd_fill(fds[1], r ? NULL : b->file, cloexec, r);
	return r;
}

/* ---- names and connections ---- */

long sys_bind(u64 fd, u64 user, u64 size)
{
	struct address a;
	struct socket *s;
	long r = socket_find(fd, &s);

	if (!r)
		r = address_take(&a, user, (s32)size);
	return r ? r : s->family->bind(s, &a);
}

long sys_listen(u64 fd, u64 backlog)
{
	struct socket *s;
	long r = socket_find(fd, &s);

	return r ? r : s->family->listen(s, (s32)backlog);
}

long sys_connect(u64 fd, u64 user, u64 size)
{
	struct address a;
	struct socket *s;
	struct file *f;
	long r = socket_find(fd, &s);

	if (!r)
		r = address_take(&a, user, (s32)size);
	if (r)
		return r;
	f = s->file;
	file_ref(f);
	r = s->family->connect(s, &a, socket_deadline(s, s->send_timeout, 0));
	file_unref(f);
	return r;
}

static long accept_wait(struct socket *s, struct socket **accepted)
{
	struct file *f = s->file;
	long r;

	file_ref(f);
	r = s->family->accept(s, socket_deadline(s, s->receive_timeout, 0),
			      accepted);
	file_unref(f);
	return r;
}

/* A connection that waits at s, or comes, as a file; its other end's address is
 * stored at user unless that is 0. NULL: *error says why. */
static struct file *accept_file(struct socket *s, u64 user, u64 user_size,
				u32 flags, long *error)
{
	struct socket *accepted;
	struct address a;

	*error = accept_wait(s, &accepted);
	if (*error)
		return NULL;
	accepted->family->peer_name(accepted, &a);
	*error = socket_open(accepted, flags);
	if (*error)
		return NULL;
	if (user)
		*error = address_put(&a, user, user_size);
	if (!*error)
		return accepted->file;
	file_unref(accepted->file);
	return NULL;
}

/* Without a number for it the connection stays where it waits. */
static long do_accept(u64 fd, u64 user, u64 user_size, u32 flags)
{
	struct file *f = fd_file((s32)fd);
	struct socket *s;
	long r, number;

	if (!f || f->flags & O_PATH)
		return -EBADF;
	if (flags & ~(u32)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	number = fd_reserve();
	if (number < 0)
		return number;
	r = socket_find(fd, &s);
	f = r ? NULL : accept_file(s, user, user_size, flags, &r);
	return fd_fill((s32)number, f, flags & SOCK_CLOEXEC, r);
}

long sys_accept(u64 fd, u64 user, u64 size)
{
	return do_accept(fd, user, size, 0);
}

long sys_accept4(u64 fd, u64 user, u64 size, u64 flags)
{
	return do_accept(fd, user, size, (u32)flags);
}

long sys_shutdown(u64 fd, u64 how)
{
	struct socket *s;
	long r = socket_find(fd, &s);

	if (r)
		return r;
	return (u32)how > 2 ? -EINVAL : s->family->shut(s, (u32)how + 1);
}

/* The name of a socket without one. */
static void address_unnamed(const struct socket *s, struct address *a)
{
	memset(a, 0, sizeof(*a));
	a->family = (u16)s->domain;
	a->size = s->domain == AF_UNIX ? 2 : s->domain == AF_INET ? 16 : 28;
}

long sys_getsockname(u64 fd, u64 user, u64 size)
{
	struct address a;
	struct socket *s;
	long r = socket_find(fd, &s);

	if (r)
		return r;
	a = s->name;
	if (!a.size)
		address_unnamed(s, &a);
	return address_put(&a, user, size);
}

long sys_getpeername(u64 fd, u64 user, u64 size)
{
	struct address a;
	struct socket *s;
	long r = socket_find(fd, &s);

	if (!r)
		r = s->family->peer_name(s, &a);
	return r ? r : address_put(&a, user, size);
}

/* ---- options: option.c ---- */

long sys_setsockopt(u64 fd, u64 level, u64 name, u64 user, u64 size)
{
	struct socket *s;
	long r = socket_find(fd, &s);

	return r ? r : option_set(s, (s32)level, (s32)name, user, (s32)size);
}

long sys_getsockopt(u64 fd, u64 level, u64 name, u64 user, u64 user_size)
{
	struct socket *s;
	long r = socket_find(fd, &s);

	return r ? r : option_get(s, (s32)level, (s32)name, user, user_size);
}
