/* pty.c: masters of terminals, and what makes them: /dev/ptmx, /dev/pts. */
#include <asm/ioctls.h>
#include <linux/fcntl.h>
#include <linux/major.h>

#include "fs/descriptor.h"
#include "fs/dev.h"
#include "fs/entry.h"
#include "fs/mount.h"
#include "fs/open.h"
#include "heap.h"
#include "io/poll.h"
#include "io/tty.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "task/ids.h"
#include "task/signal.h"

#define PTY_MAX 4096 /* kernel.pty.max */
#define TTY_GROUP 5  /* gid= of the mount */
#define PTMX "ptmx"

static struct tty *first; /* in order of their numbers */
static struct node *directory, *ptmx;

/* ---- making and ending ---- */

static gpa_t frame_of(const struct ring *r)
{
	return r->bytes ? ptr_to_gpa(r->bytes) : 0;
}

static bool ring_new(struct ring *r, u32 size)
{
	gpa_t frames = frames_alloc(size / PAGE_SIZE);

	if (frames)
		r->bytes = gpa_to_ptr(frames);
	return frames != 0;
}

static bool echo_new(struct echo *e)
{
	gpa_t frame = frames_alloc(1);

	if (frame)
		e->notes = gpa_to_ptr(frame);
	return frame != 0;
}

static void ring_free(struct ring *r, u32 size)
{
	if (r->bytes)
		frames_free(frame_of(r), size / PAGE_SIZE);
}

static void free_memory(struct tty *t)
{
	ring_free(&t->coming, COMING_SIZE);
	ring_free(&t->line.ring, LINE_SIZE);
	ring_free(&t->out, OUT_SIZE);
	if (t->echo.notes)
		frames_free(ptr_to_gpa(t->echo.notes), 1);
	kfree(t);
}

static struct node *slave_node(struct tty *t)
{
	struct node *n = node_new(S_IFCHR | 0620);
	char name[12];

	if (!n)
		return NULL;
	n->uid = current->ids.fsuid;
	n->gid = TTY_GROUP;
	n->nlink = 1;
	n->rdev = t->terminal.device;
	n->object = t;
	ksnprintf(name, sizeof(name), "%u", t->number);
	node_place(n, directory, NULL, 0);
	node_name(n, name, (u32)strlen(name));
	if (!n->name) {
		n->nlink = 0;
		node_drop(n);
		return NULL;
	}
	n->unlinked = false; /* lookup() finds it */
	node_ref(n);
	return n;
}

/* The place in the list of the lowest number that is free. */
static struct tty **free_place(u32 *number)
{
	struct tty **link = &first;

	*number = 0;
	while (*link && (*link)->number == *number) {
		link = &(*link)->next;
		++*number;
	}
	return link;
}

static struct tty *pty_new(long *error)
{
	struct tty *t, **link;
	u32 number;

	link = free_place(&number);
	*error = -ENOSPC;
	if (number >= PTY_MAX)
		return NULL;
	*error = -ENOMEM;
	t = kmalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->number = number;
	t->terminal.device = dev_number(UNIX98_PTY_SLAVE_MAJOR, number);
	t->locked = true;
	termios_init(&t->settings);
	if (echo_new(&t->echo) && ring_new(&t->coming, COMING_SIZE) &&
	    ring_new(&t->line.ring, LINE_SIZE) && ring_new(&t->out, OUT_SIZE))
		t->node = slave_node(t);
	if (!t->node) {
		free_memory(t);
		return NULL;
	}
	line_settings(t, &t->settings);
	t->next = *link;
	*link = t;
	return t;
}

void pty_free(struct tty *t)
{
	struct tty **link = &first;

	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	t->node->object = NULL;
	node_unref(t->node);
	free_memory(t);
}

static long master_open(struct file *f)
{
	long error;
	struct tty *t = pty_new(&error);

	if (!t)
		return error;
	f->tty = t;
	t->master = f;
	return 0;
}

static void master_release(struct file *f)
{
	struct tty *t = f->tty;

	node_file_release(f);
	if (!t)
		return; /* there was none to open */
	t->master = NULL;
	t->node->unlinked = true;
	t->node->nlink = 0;
	tty_hang_up(t);
	if (!t->slaves)
		pty_free(t);
}

/* ---- reading and writing ---- */

static u32 readable(const struct tty *t)
{
	return MIN(ring_used(&t->out), (u32)MASTER_READ);
}

static long master_wait(struct tty *t, const struct file *f)
{
	while (!readable(t) && !(t->packet && t->state)) {
		if (t->left)
			return -EIO;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (thread_wait(&t->master_reading, FOREVER) == -EINTR)
			return -ERESTARTSYS;
	}
	return 0;
}

/* What there is, up to n bytes. */
static size_t take(struct tty *t, u8 *to, size_t n)
{
	u32 from = t->out.tail % OUT_SIZE;
	size_t size = MIN(n, (size_t)readable(t));
	size_t front = MIN(size, (size_t)(OUT_SIZE - from));
	size_t done = user_put(to, t->out.bytes + from, front);
	bool full = tty_room(t) < TTY_WIDEST; /* somebody may wait */

	if (done == front && size > front)
		done += user_put(to + front, t->out.bytes, size - front);
	t->out.tail += (u32)size;
	echo_flush(t);
	if (full && tty_room(t) >= TTY_WIDEST)
		tty_tell_slaves(t, READY_WRITE);
	return done;
}

static long master_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct tty *t = f->tty;
	size_t done = 0;
	u8 state;
	long r;

	(void)pos;
	if (!n)
		return 0;
	r = master_wait(t, f);
	if (r)
		return r;
	if (t->packet) {
		state = t->state; /* 0, TIOCPKT_DATA: data follow */
		t->state = 0;
		done = user_put(buf, &state, 1);
		if (!done)
			return -EFAULT;
		if (state)
			return 1;
	}
	done += take(t, (u8 *)buf + done, n - done);
	return done ? (long)done : -EFAULT;
}

static u32 coming_room(const struct tty *t)
{
	return t->master_held ? 0 : COMING_SIZE - ring_used(&t->coming);
}

/* Takes in what there is room for: bytes. */
static size_t accept(struct tty *t, const u8 *from, size_t n)
{
	u32 to = t->coming.head % COMING_SIZE;
	size_t size = MIN(n, (size_t)coming_room(t));
	size_t done;

	size = MIN(size, (size_t)(COMING_SIZE - to));
	done = user_get(t->coming.bytes + to, from, size);
	t->coming.head += (u32)done;
	line_pump(t);
	return done;
}

static long master_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct tty *t = f->tty;
	size_t done = 0, took;

	(void)pos;
	while (done < n) {
		if (coming_room(t)) {
			took = accept(t, (const u8 *)buf + done, n - done);
			if (!took)
				return done ? (long)done : -EFAULT;
			done += took;
			continue;
		}
		if (f->flags & O_NONBLOCK)
			return done ? (long)done : -EAGAIN;
		if (thread_wait(&t->master_writing, FOREVER) == -EINTR)
			return done ? (long)done : -ERESTARTSYS;
	}
	return (long)done;
}

static u32 master_poll(struct file *f)
{
	const struct tty *t = f->tty;
	u32 events = 0;

	if (readable(t))
		events |= READY_READ;
	if (t->packet && t->state)
		events |= READY_READ | EPOLLPRI;
	if (t->left)
		events |= EPOLLHUP;
	if (coming_room(t))
		events |= READY_WRITE;
	return events;
}

/* ---- ioctl ---- */

static long give(u64 argument, s32 value)
{
	return copy_to_user(argument, &value, sizeof(value));
}

static long open_peer(struct tty *t, u32 flags)
{
	long fd = fd_reserve(), error;
	struct file *f;

	if (fd < 0)
		return fd;
	f = node_open(t->node, flags & ~(u32)O_CLOEXEC, &error);
	return fd_fill((s32)fd, f, flags & O_CLOEXEC, error);
}

static long set_packet(struct tty *t, u64 argument)
{
	s32 on;

	if (copy_from_user(&on, argument, sizeof(on)))
		return -EFAULT;
	if (on && !t->packet)
		t->state = 0;
	t->packet = on != 0;
	return 0;
}

static long set_lock(struct tty *t, u64 argument)
{
	s32 on;

	if (copy_from_user(&on, argument, sizeof(on)))
		return -EFAULT;
	t->locked = on != 0;
	return 0;
}

static long send_signal(const struct tty *t, s32 signo)
{
	if (signo != SIGINT && signo != SIGQUIT && signo != SIGTSTP)
		return -EINVAL;
	terminal_signal(&t->terminal, signo);
	return 0;
}

long pty_ioctl(struct tty *t, u32 command, u64 argument)
{
	switch (command) {
	case TIOCGPTN:
		return give(argument, (s32)t->number);
	case TIOCSPTLCK:
		return set_lock(t, argument);
	case TIOCGPTLCK:
		return give(argument, t->locked);
	case TIOCGPTPEER:
		return open_peer(t, (u32)argument);
	case TIOCPKT:
		return set_packet(t, argument);
	case TIOCGPKT:
		return give(argument, t->packet);
	case TIOCSIG:
		return send_signal(t, (s32)argument);
	}
	return NOT_MINE;
}

static const struct file_ops master_ops = {
	.open = master_open,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = tty_ioctl,
	.stat = node_file_stat,
	.describe = node_file_describe,
	.release = master_release,
	.of_node = true,
	.stream = true,
	.async = true,
};

/* ---- /dev/pts ---- */

static struct node *lookup(struct node *dir, const char *name, u32 size)
{
	(void)dir;
	if (size == strlen(PTMX) && !memcmp(name, PTMX, size))
		return ptmx;
	for (struct tty *t = first; t; t = t->next)
		if (t->master && t->node->name_size == size &&
		    !memcmp(t->node->name, name, size))
			return t->node;
	return NULL;
}

static void list(struct node *dir, u64 *position, dir_emit *emit, void *context)
{
	(void)dir;
	*position = MAX(*position, 2ul); /* "." and ".." are before it */
	if (*position == 2) {
		if (!emit(context, PTMX, (u32)strlen(PTMX), ptmx->ino,
			  ptmx->mode, 3))
			return;
		*position = 3;
	}
	for (struct tty *t = first; t; t = t->next) {
		const struct node *n = t->node;

		if (!t->master || t->number + 3 < *position)
			continue;
		*position = t->number + 3;
		if (!emit(context, n->name, n->name_size, n->ino, n->mode,
			  *position + 1))
			return;
		++*position;
	}
}

static bool not_magic(const struct node *n)
{
	(void)n;
	return false;
}

static const struct node_ops pts_ops = {
	.lookup = lookup,
	.list = list,
	.magic = not_magic,
};

void pty_init(void)
{
	u64 number = dev_number(TTYAUX_MAJOR, 2);
	struct node *n = vfs_make("/dev/ptmx", S_IFCHR | 0666);

	if (n)
		n->rdev = number;
	directory = vfs_make("/dev/pts", S_IFDIR | 0755);
	ptmx = node_new(S_IFCHR | 0666);
	if (!directory || !ptmx)
		panic("no memory for /dev/pts");
	ptmx->rdev = number;
	ptmx->nlink = 1;
	node_place(ptmx, directory, PTMX, (u32)strlen(PTMX));
	node_ref(ptmx);
	node_ref(directory);
	directory->ops = &pts_ops;
	mount_serve(MOUNT_PTS, directory);
	dev_serve(TTYAUX_MAJOR, 2, &master_ops);
}
