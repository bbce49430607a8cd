/*
 * pipe.c: pipes.
 *
 * A pipe is a ring of slots, each with a page that is taken when bytes come and
 * given back when they are read: an idle pipe costs its struct. As on Linux a
 * write that fits into the last slot's page goes there, and what is at most
 * PIPE_BUF bytes goes into one slot, so it is never torn.
 */
#include "io/pipe.h"

#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "fs/vfs.h"
#include "heap.h"
#include "io/poll.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"
#include "task/process.h"
#include "task/signal.h"

#define SLOTS_DEFAULT 16
#define CHUNK (SLOTS_DEFAULT * PAGE_SIZE) /* of a list of buffers */
#define SIZE_FREE (1u << 20) /* fs.pipe-max-size: more takes a capability */
#define SIZE_MAX_EVER (1u << 31)

/* The pipe behind an end of one. */
static struct pipe *behind(const struct file *f)
{
	return f->ops->of_node ? ((struct node *)f->node)->object : f->node;
}

struct pipe *pipe_of(const struct file *f)
{
	return f->ops->read == pipe_read ? behind(f) : NULL;
}

/* ---- slots ---- */

static void slot_drop(struct pipe *p)
{
	struct slot *s = pipe_slot(p, p->head++);

	frames_free(ptr_to_gpa(s->page), 1);
	*s = (struct slot){ 0 };
}

long pipe_push(struct pipe *p, const void *from, size_t n)
{
	struct slot *s = pipe_slot(p, p->tail);
	gpa_t frame = frames_alloc(1);
	size_t done;

	if (!frame)
		return -ENOMEM;
	done = user_get(gpa_to_ptr(frame), from, MIN(n, PAGE_SIZE));
	if (!done) {
		frames_free(frame, 1);
		return -EFAULT;
	}
	*s = (struct slot){ .page = gpa_to_ptr(frame), .size = (u16)done };
	p->tail++;
	return (long)done;
}

/* Into the page of the last slot, where all of n bytes fit: bytes copied. */
static size_t slot_extend(struct pipe *p, const void *from, size_t n)
{
	struct slot *s = pipe_slot(p, p->tail - 1);
	size_t done;

	if (!n || pipe_empty(p) || !s->merge ||
	    s->offset + s->size + n > PAGE_SIZE)
		return 0;
	done = user_get(s->page + s->offset + s->size, from, n);
	s->size = (u16)(s->size + done);
	return done;
}

void pipe_consume(struct pipe *p, size_t n)
{
	struct slot *s = pipe_slot(p, p->head);

	s->offset = (u16)(s->offset + n);
	s->size = (u16)(s->size - n);
	if (!s->size)
		slot_drop(p);
}

static u64 queued(const struct pipe *p)
{
	u64 n = 0;

	for (u32 i = p->head; i != p->tail; i++)
		n += pipe_slot(p, i)->size;
	return n;
}

/* ---- waiting and telling ---- */

static void ready(struct pipe *p, u32 not_mode, u32 events)
{
	for (struct file *f = p->files, *next; f; f = next) {
		next = f->next_end;
		if ((f->flags & O_ACCMODE) != not_mode)
			file_ready_events(f, events);
	}
}

void pipe_filled(struct pipe *p)
{
	waitq_wake_all(&p->reading);
	ready(p, O_WRONLY, READY_READ);
}

void pipe_drained(struct pipe *p, bool was_full)
{
	if (!was_full || pipe_full(p))
		return;
	waitq_wake_all(&p->writing);
	ready(p, O_RDONLY, READY_WRITE);
}

static void look_into(struct pipe *p)
{
	void (*ask)(struct pipe *) = p->ask;

	p->ask = NULL;
	if (ask)
		ask(p);
}

long pipe_wait_read(struct pipe *p, bool nonblock)
{
	look_into(p);
	while (pipe_empty(p) || p->held) {
		if (!p->writers && !p->held)
			return 0;
		if (nonblock)
			return -EAGAIN;
		if (thread_wait(&p->reading, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	return 1;
}

long pipe_wait_write(struct pipe *p, bool nonblock)
{
	look_into(p);
	for (;;) {
		if (!p->readers)
			return signal_broken_pipe();
		if (!pipe_full(p))
			return 0;
		if (nonblock)
			return -EAGAIN;
		if (thread_wait(&p->writing, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
}

/* ---- read and write ---- */

/* A place in a list of buffers of the program, which nobody has checked, or of the
 * kernel. */
struct place {
	const struct iovec *v;
	size_t done; /* of the first one */
};

/* Copies between it and a buffer of the kernel: bytes, fewer after a fault. */
static size_t place_copy(struct place *at, u8 *buf, size_t n, bool in)
{
	size_t total = 0;

	while (total < n) {
		u8 *user = (u8 *)at->v->iov_base + at->done;
		size_t part = MIN(n - total, at->v->iov_len - at->done);
		size_t copied = in ? user_get(buf + total, user, part) :
				     user_put(user, buf + total, part);

		total += copied;
		at->done += copied;
		if (copied < part)
			break;
		if (at->done == at->v->iov_len)
			*at = (struct place){ at->v + 1, 0 };
	}
	return total;
}

static size_t size_of(const struct iovec *v, u64 count)
{
	size_t total = 0;

	for (u64 i = 0; i < count; i++)
		total += v[i].iov_len;
	return total;
}

/* From the slots that are there: bytes, or -EFAULT for none. */
static long take(struct pipe *p, struct place *at, size_t n)
{
	size_t done = 0;

	while (done < n && !pipe_empty(p)) {
		struct slot *s = pipe_slot(p, p->head);
		size_t part = MIN(n - done, (size_t)s->size);
		size_t copied =
			place_copy(at, s->page + s->offset, part, false);
		bool packet = s->packet;

		if (copied < part) /* all of it stays */
			return done ? (long)done : -EFAULT;
		done += part;
		pipe_consume(p, packet ? s->size : part);
		if (packet)
			break;
	}
	return (long)done;
}

long pipe_read_vector(struct file *f, const struct iovec *v, u64 count)
{
	struct pipe *p = behind(f);
	struct place at = { v, 0 };
	size_t n = size_of(v, count);
	bool was_full;
	long r;

	if (!n)
		return 0;
	r = pipe_wait_read(p, f->flags & O_NONBLOCK);
	if (r <= 0)
		return r;
	was_full = pipe_full(p);
	r = take(p, &at, n);
	pipe_drained(p, was_full);
	return r;
}

long pipe_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct iovec v = { buf, n };

	(void)pos;
	return pipe_read_vector(f, &v, 1);
}

long pipe_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct pipe *p = behind(f);
	bool packets = f->flags & O_DIRECT;
	const u8 *from = buf;
	size_t done;
	long r = 0;

	(void)pos;
	if (n && !p->readers)
		return signal_broken_pipe();
	look_into(p);
	/* also a packet, where what is there is none, as on Linux */
	done = slot_extend(p, from, n % PAGE_SIZE);
	if (done)
		pipe_filled(p);
	while (done < n) {
		struct slot *s;

		r = pipe_wait_write(p, f->flags & O_NONBLOCK);
		if (r)
			break;
		r = pipe_push(p, from + done, n - done);
		if (r < 0)
			break;
		s = pipe_slot(p, p->tail - 1);
		s->packet = packets;
		s->merge = !packets;
		done += (size_t)r;
		pipe_filled(p);
	}
	return done ? (long)done : r;
}

/* By way of a buffer, so that small ones come out whole. The first piece leaves
 * whole chunks behind: pages are filled as by one write. */
long pipe_write_vector(struct file *f, const struct iovec *v, u64 count)
{
	size_t left = size_of(v, count), room = MIN(left, (size_t)CHUNK);
	struct place at = { v, 0 };
	long done = 0, r = 0;
	u8 *buf;

	if (!left)
		return 0;
	buf = kmalloc(room);
	if (!buf)
		return -ENOMEM;
	while (left) {
		size_t part = left % CHUNK ? left % CHUNK : CHUNK;
		size_t got = place_copy(&at, buf, part, true);

		r = got ? pipe_write(f, buf, got, NULL) : -EFAULT;
		if (r <= 0)
			break;
		done += r;
		left -= (size_t)r;
		if ((size_t)r < part)
			break;
	}
	kfree(buf);
	return done ? done : r;
}

/* ---- the other operations ---- */

u32 pipe_poll(struct file *f)
{
	struct pipe *p = behind(f);
	u32 mode = f->flags & O_ACCMODE, events = 0;

	look_into(p);
	if (mode != O_WRONLY) {
		events |= pipe_empty(p) ? 0 : READY_READ;
		/* a FIFO's reader has no end to see before a writer came */
		if (!p->writers && f->pos != p->writes_opened)
			events |= EPOLLHUP;
	}
	if (mode != O_RDONLY) {
		events |= pipe_full(p) ? 0 : READY_WRITE;
		events |= p->readers ? 0 : EPOLLERR;
	}
	return events;
}

static long pipe_stat(struct file *f, struct stat *st)
{
	stat_object(st, S_IFIFO | 0600, behind(f)->inode);
	return 0;
}

long pipe_ioctl(struct file *f, u64 command, u64 argument)
{
	s32 n;

	if ((u32)command != FIONREAD)
		return -ENOTTY;
	look_into(behind(f));
	n = (s32)queued(behind(f));
	return copy_to_user(argument, &n, sizeof(n));
}

/* room: a power of two, and enough for what is in it. */
static long set_room(struct pipe *p, u32 room)
{
	u32 used = p->tail - p->head;
	struct slot *slots = kmalloc(room * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (u32 i = 0; i < used; i++)
		slots[i] = *pipe_slot(p, p->head + i);
	kfree(p->slots);
	p->slots = slots;
	p->head = 0;
	p->tail = used;
	p->room = room;
	return 0;
}

static long resize(struct pipe *p, u64 size)
{
	bool was_full = pipe_full(p);
	u32 room = 1;
	long r;

	if (size > SIZE_MAX_EVER)
		return -EINVAL;
	while (room * PAGE_SIZE < size)
		room *= 2;
	if (room > p->room && room * PAGE_SIZE > SIZE_FREE &&
	    !ids_capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (room < p->tail - p->head)
		return -EBUSY;
	r = set_room(p, room);
	if (r)
		return r;
	pipe_drained(p, was_full);
	return (long)(room * PAGE_SIZE);
}

long pipe_command(struct file *f, u32 command, u64 argument)
{
	struct pipe *p = behind(f);

	look_into(p);
	if (command == F_GETPIPE_SZ)
		return (long)(p->room * PAGE_SIZE);
	return command == F_SETPIPE_SZ ? resize(p, (u32)argument) : -EINVAL;
}

/* ---- filling ---- */

static void push_frame(struct pipe *p, const u8 *page, u64 size)
{
	*pipe_slot(p, p->tail++) =
		(struct slot){ .page = (u8 *)page, .size = (u16)size };
}

long pipe_fill(struct pipe *p, const u8 *data, u64 size, bool frames)
{
	u32 room = p->room;
	long r = 0;

	while ((u64)room * PAGE_SIZE < size)
		room *= 2;
	if (room > p->room)
		r = set_room(p, room);
	for (u64 at = 0; r >= 0 && at < size; at += PAGE_SIZE) {
		u64 part = MIN(size - at, PAGE_SIZE);

		if (frames)
			push_frame(p, data + at, part);
		else
			r = pipe_push(p, data + at, part);
	}
	return r < 0 ? r : 0;
}

/* ---- making and ending ---- */

struct pipe *pipe_new(void)
{
	struct pipe *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->room = SLOTS_DEFAULT;
	p->inode = object_inode();
	p->slots = kmalloc(p->room * sizeof(*p->slots));
	if (p->slots)
		return p;
	kfree(p);
	return NULL;
}

void pipe_free(struct pipe *p)
{
	while (!pipe_empty(p))
		slot_drop(p);
	kfree(p->slots);
	kfree(p);
}

void pipe_attach(struct pipe *p, struct file *f)
{
	u32 mode = f->flags & O_ACCMODE;

	p->readers += mode != O_WRONLY;
	p->reads_opened += mode != O_WRONLY;
	p->writers += mode != O_RDONLY;
	p->writes_opened += mode != O_RDONLY;
	f->next_end = p->files;
	p->files = f;
}

void pipe_detach(struct pipe *p, struct file *f)
{
	u32 mode = f->flags & O_ACCMODE;
	struct file **link = &p->files;

	while (*link && *link != f)
		link = &(*link)->next_end;
	if (!*link)
		return;
	*link = f->next_end;
	p->readers -= mode != O_WRONLY;
	p->writers -= mode != O_RDONLY;
	waitq_wake_all(&p->reading);
	waitq_wake_all(&p->writing);
	if (!p->readers != !p->writers)
		ready(p, ~0u, ~0u);
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->node;

	pipe_detach(p, f);
	if (!p->files)
		pipe_free(p);
}

/* Either end gives either: what counts is what it is opened for. */
static struct file *pipe_reopen(struct file *f, u32 flags, long *error)
{
	struct file *end;

	*error = (flags & O_ACCMODE) == O_ACCMODE ? -EINVAL : 0;
	if (*error)
		return NULL;
	end = file_new(f->ops, f->node, flags);
	*error = end ? 0 : -ENOMEM;
	if (end)
		pipe_attach(f->node, end);
	return end;
}

static const struct file_ops pipe_ops = {
	.reopen = pipe_reopen,
	.read = pipe_read,
	.write = pipe_write,
	.read_vector = pipe_read_vector,
	.write_vector = pipe_write_vector,
	.poll = pipe_poll,
	.stat = pipe_stat,
	.ioctl = pipe_ioctl,
	.command = pipe_command,
	.release = pipe_release,
	.async = true,
};

/* ---- system calls ---- */

long pipe_ends(u32 flags, struct file **reader, struct file **writer)
{
	struct pipe *p = pipe_new();

	if (!p)
		return -ENOMEM;
	*reader = file_new(&pipe_ops, p, O_RDONLY | (flags & O_NONBLOCK));
	if (!*reader) {
		pipe_free(p);
		return -ENOMEM;
	}
	pipe_attach(p, *reader);
	*writer = file_new(&pipe_ops, p,
			   O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (!*writer) {
		file_unref(*reader); /* frees the pipe */
		return -ENOMEM;
	}
	pipe_attach(p, *writer);
	return 0;
}

static long do_pipe(u64 user, u32 flags)
{
	struct file *reader = NULL, *writer = NULL;
	s32 fds[2];
	long r;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	r = fd_reserve_two(fds);
	if (r)
		return r;
	r = copy_to_user(user, fds, sizeof(fds));
	if (!r)
		r = pipe_ends(flags, &reader, &writer);
	if (r)
		reader = writer = NULL;
	fd_fill(fds[0], reader, flags & O_CLOEXEC, r);
	fd_fill(fds[1], writer, flags & O_CLOEXEC, r);
	return r;
}

long sys_pipe(u64 user)
{
	return do_pipe(user, 0);
}

long sys_pipe2(u64 user, u64 flags)
{
	return do_pipe(user, (u32)flags);
}
