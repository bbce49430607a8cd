/*
 * pipe.c: pipes.
 *
 * A ring of page slots, of which only those that hold bytes have a frame: an
 * idle pipe costs its struct. Writes of up to PIPE_BUF bytes happen whole or
 * not at all; a pipe counts as writable while PIPE_BUF bytes fit.
 */
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include <linux/stat.h>

#include "fs/descriptor.h"
#include "fs/object.h"
#include "heap.h"
#include "io/pipe.h"
#include "io/poll.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

/* signal numbers and codes: <asm/signal.h> and <asm-generic/siginfo.h> need
 * libc types */
#define SIGPIPE 13
#define SI_USER 0

#define CAPACITY (16 * PAGE_SIZE)
#define SLOTS 17 /* so many pages can hold a part of CAPACITY adjacent bytes */

enum { READ_END, WRITE_END };

struct pipe {
	struct file *ends[2]; /* NULL: closed */
	u8 *slots[SLOTS];
	u64 head, tail;       /* bytes read and written since the start */
	struct waitq readers, writers;
	u64 inode;
};

static u64 used(const struct pipe *p)
{
	return p->tail - p->head;
}

static u64 space(const struct pipe *p)
{
	return CAPACITY - used(p);
}

/* ---- the ring ---- */

static u64 slot_of(u64 offset)
{
	return offset / PAGE_SIZE % SLOTS;
}

static void slot_free(struct pipe *p, u64 slot)
{
	if (p->slots[slot])
		frames_free(ptr_to_gpa(p->slots[slot]), 1);
	p->slots[slot] = NULL;
}

static bool slot_fill(struct pipe *p, u64 slot)
{
	gpa_t frame;

	if (p->slots[slot])
		return true;
	frame = frames_alloc(1);
	if (frame)
		p->slots[slot] = gpa_to_ptr(frame);
	return frame != 0;
}

/* Bytes copied; fewer than n only when the ring is empty. */
static u64 ring_get(struct pipe *p, u8 *to, u64 n)
{
	u64 done = 0;

	n = MIN(n, used(p));
	while (done < n) {
		u64 at = p->head % PAGE_SIZE;
		u64 part = MIN(n - done, PAGE_SIZE - at);
		u64 slot = slot_of(p->head);

		memcpy(to + done, p->slots[slot] + at, part);
		p->head += part;
		done += part;
		if (p->head % PAGE_SIZE == 0 || !used(p))
			slot_free(p, slot);
	}
	if (!used(p))
		p->head = p->tail = 0;
	return done;
}

/* Makes room for n more bytes, which fit. Adds frames or nothing. */
static bool ring_reserve(struct pipe *p, u64 n)
{
	u64 first = p->tail / PAGE_SIZE, last = (p->tail + n - 1) / PAGE_SIZE;

	for (u64 i = first; i <= last; i++) {
		if (slot_fill(p, i % SLOTS))
			continue;
		while (i-- > first)
			if (i != first || p->tail % PAGE_SIZE == 0)
				slot_free(p, i % SLOTS);
		return false;
	}
	return true;
}

static void ring_put(struct pipe *p, const u8 *from, u64 n)
{
	u64 done = 0;

	while (done < n) {
		u64 at = p->tail % PAGE_SIZE;
		u64 part = MIN(n - done, PAGE_SIZE - at);

		memcpy(p->slots[slot_of(p->tail)] + at, from + done, part);
		p->tail += part;
		done += part;
	}
}

/* ---- read and write ---- */

/* Waits until there is something to read: 1, 0 at the end, or -errno. */
static long read_wait(struct file *f, struct pipe *p, bool *waited)
{
	while (!used(p)) {
		if (!p->ends[WRITE_END])
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		*waited = true;
		if (thread_wait(&p->readers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	return 1;
}

static long pipe_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct pipe *p = f->node;
	bool waited = false, was_full;
	long r;

	(void)pos;
	if (!n)
		return 0;
	r = read_wait(f, p, &waited);
	if (r <= 0)
		return r;
	if (waited && !user_writable((u64)buf, n))
		return -EFAULT;
	was_full = space(p) < PIPE_BUF;
	r = (long)ring_get(p, buf, n);
	waitq_wake_all(&p->writers);
	if (was_full && space(p) >= PIPE_BUF)
		file_ready_events(p->ends[WRITE_END], READY_WRITE);
	return r;
}

static long broken_pipe(void)
{
	signal_send_thread(current, &(struct sigqueue_info){
					    .signo = SIGPIPE,
					    .code = SI_USER,
					    .pid = current->process->pid,
				    });
	return -EPIPE;
}

/* Waits until `need` bytes fit: 0 or -errno. */
static long write_wait(struct file *f, struct pipe *p, u64 need, bool *waited)
{
	for (;;) {
		if (!p->ends[READ_END])
			return broken_pipe();
		if (space(p) >= need)
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		*waited = true;
		if (thread_wait(&p->writers, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
}

static long pipe_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct pipe *p = f->node;
	/* a buffer of the kernel's own (sendfile) outlives any wait */
	bool recheck = space(p) < n && user_readable((u64)buf, n);
	bool waited = false;
	u64 done = 0;
	long r = 0;

	(void)pos;
	while (done < n) {
		u64 part;

		r = write_wait(f, p, n <= PIPE_BUF ? n : 1, &waited);
		if (r)
			break;
		part = MIN(n - done, space(p));
		r = -EFAULT;
		if (waited && recheck &&
		    !user_readable((u64)buf + done, part))
			break;
		r = -ENOMEM;
		if (!ring_reserve(p, part))
			break;
		ring_put(p, (const u8 *)buf + done, part);
		done += part;
		r = 0;
		waitq_wake_all(&p->readers);
		file_ready_events(p->ends[READ_END], READY_READ);
	}
	return done ? (long)done : r;
}

/* ---- the other operations ---- */

static u32 read_end_poll(struct file *f)
{
	struct pipe *p = f->node;

	return (used(p) ? READY_READ : 0) | (p->ends[WRITE_END] ? 0 : EPOLLHUP);
}

static u32 write_end_poll(struct file *f)
{
	struct pipe *p = f->node;

	return (space(p) >= PIPE_BUF ? READY_WRITE : 0) |
	       (p->ends[READ_END] ? 0 : EPOLLERR);
}

static long pipe_stat(struct file *f, struct stat *st)
{
	struct pipe *p = f->node;

	stat_object(st, S_IFIFO | 0600, p->inode);
	return 0;
}

static long pipe_ioctl(struct file *f, u64 command, u64 arg)
{
	struct pipe *p = f->node;
	s32 n = (s32)used(p);

	if ((u32)command != FIONREAD)
		return -ENOTTY;
	return copy_to_user(arg, &n, sizeof(n));
}

static void pipe_free(struct pipe *p)
{
	for (u64 i = 0; i < SLOTS; i++)
		slot_free(p, i);
	kfree(p);
}

static void end_release(struct file *f, int end)
{
	struct pipe *p = f->node;

	p->ends[end] = NULL;
	waitq_wake_all(&p->readers);
	waitq_wake_all(&p->writers);
	if (p->ends[!end])
		file_ready(p->ends[!end]);
	else
		pipe_free(p);
}

static void read_end_release(struct file *f)
{
	end_release(f, READ_END);
}

static void write_end_release(struct file *f)
{
	end_release(f, WRITE_END);
}

static const struct file_ops read_end_ops = {
	.read = pipe_read,
	.poll = read_end_poll,
	.stat = pipe_stat,
	.ioctl = pipe_ioctl,
	.release = read_end_release,
};

static const struct file_ops write_end_ops = {
	.write = pipe_write,
	.poll = write_end_poll,
	.stat = pipe_stat,
	.ioctl = pipe_ioctl,
	.release = write_end_release,
};

/* ---- system calls ---- */

static struct pipe *pipe_new(u32 flags)
{
	struct pipe *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->inode = object_inode();
	p->ends[READ_END] = file_new(&read_end_ops, p, O_RDONLY | flags);
	if (!p->ends[READ_END]) {
		kfree(p);
		return NULL;
	}
	p->ends[WRITE_END] = file_new(&write_end_ops, p, O_WRONLY | flags);
	if (!p->ends[WRITE_END]) {
		file_unref(p->ends[READ_END]); /* frees the pipe */
		return NULL;
	}
	return p;
}

struct file *pipe_ended(void)
{
	struct pipe *p = pipe_new(0);
	struct file *reader;

	if (!p)
		return NULL;
	reader = p->ends[READ_END];
	file_unref(p->ends[WRITE_END]);
	return reader;
}

static long do_pipe(u64 user, u32 flags)
{
	struct file *writer;
	struct pipe *p;
	s32 fds[2];
	long r;

	if (flags & ~(u32)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (!user_writable(user, sizeof(fds)))
		return -EFAULT;
	p = pipe_new(flags & O_NONBLOCK);
	if (!p)
		return -ENOMEM;
	writer = p->ends[WRITE_END];
	r = fd_install(p->ends[READ_END], flags & O_CLOEXEC);
	if (r < 0) {
		file_unref(writer);
		return r;
	}
	fds[READ_END] = (s32)r;
	r = fd_install(writer, flags & O_CLOEXEC);
	if (r < 0) {
		sys_close((u64)fds[READ_END]);
		return r;
	}
	fds[WRITE_END] = (s32)r;
	return copy_to_user(user, fds, sizeof(fds));
}

long sys_pipe(u64 user)
{
	return do_pipe(user, 0);
}

long sys_pipe2(u64 user, u64 flags)
{
	return do_pipe(user, (u32)flags);
}
