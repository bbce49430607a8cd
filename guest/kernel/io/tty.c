/* tty.c: slaves of terminals: reading and writing as on a terminal. */
#include "io/tty.h"

#include <linux/fcntl.h>
#include <linux/major.h>

#include "fs/dev.h"
#include "io/poll.h"
#include "mm/user.h"
#include "task/process.h"
#include "task/signal.h"

#define TENTH (NSEC / 10) /* of a second: the unit of VTIME */

/* ---- telling the two sides ---- */

void tty_tell_slaves(struct tty *t, u32 events)
{
	struct file *next;

	if (events & EPOLLIN)
		waitq_wake_all(&t->slave_reading);
	if (events & EPOLLOUT)
		waitq_wake_all(&t->slave_writing);
	for (struct file *f = t->slaves; f; f = next) {
		next = f->next_end;
		file_ready_events(f, events);
	}
}

void tty_tell_master(struct tty *t, u32 events)
{
	if (events & EPOLLIN)
		waitq_wake_all(&t->master_reading);
	if (events & EPOLLOUT)
		waitq_wake_all(&t->master_writing);
	file_ready_events(t->master, events);
}

void tty_set_state(struct tty *t, u8 clear, u8 set)
{
	if (!t->packet)
		return;
	t->state = (u8)((t->state & ~clear) | set);
	tty_tell_master(t, READY_READ | EPOLLPRI);
}

void tty_hang_up(struct tty *t)
{
	terminal_hangup(&t->terminal);
	tty_tell_slaves(t, ~0u);
}

/* ---- open and close ---- */

static long attach(struct tty *t, struct file *f)
{
	if (!t->master || t->locked)
		return -EIO;
	if (t->exclusive && !ids_capable(CAP_SYS_ADMIN))
		return -EBUSY;
	f->tty = t;
	f->next_end = t->slaves;
	t->slaves = f;
	t->left = false;
	return 0;
}

/* A session's leader without a terminal gets the first one that it opens. */
static void become_controlling(struct tty *t, const struct file *f)
{
	const struct process *p = current->process;

	if ((f->flags & O_NOCTTY) || !file_readable(f))
		return;
	if (p->pid == p->session && !p->terminal && !t->terminal.session)
		terminal_acquire(&t->terminal);
}

static long slave_open(struct file *f)
{
	const struct node *n = f->node;
	struct tty *t = n->object;
	long r = t ? attach(t, f) : -EIO;

	if (r == 0)
		become_controlling(t, f);
	return r;
}

static long current_open(struct file *f)
{
	struct terminal *t = current->process->terminal;

	return t ? attach((struct tty *)t, f) : -ENXIO;
}

static void slave_release(struct file *f)
{
	struct tty *t = f->tty;
	struct file **link = t ? &t->slaves : NULL;

	node_file_release(f);
	if (!t)
		return; /* the open was refused */
	while (*link != f)
		link = &(*link)->next_end;
	*link = f->next_end;
	if (t->slaves)
		return;
	if (!t->master) {
		pty_free(t);
		return;
	}
	t->left = true;
	tty_tell_master(t, READY_READ | EPOLLHUP);
}

/* ---- reading ---- */

/* How long a read waits, and for how many bytes: termios(3), MIN and TIME. */
struct patience {
	u32 least;
	u64 between;  /* ns from byte to byte, 0: for ever */
	u64 deadline; /* of the wait that comes */
};

static struct patience patience_of(const struct tty *t)
{
	u64 time = t->settings.c_cc[VTIME] * TENTH;
	u32 least = t->settings.c_cc[VMIN];

	if (line_canonical(t))
		return (struct patience){ 1, 0, FOREVER };
	if (least)
		return (struct patience){ least, time, FOREVER };
	return (struct patience){ 1, 0, mono_now() + time };
}

/* Until something is there: 1; 0: the time is over, or the line is hung up. */
static long wait_input(struct tty *t, const struct file *f,
		       const struct patience *p)
{
	long r = 0;

	while (!line_available(t, 1)) {
		if (!t->master)
			return -EIO;
		if (r == -ETIMEDOUT || p->deadline <= mono_now())
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = thread_wait(&t->slave_reading, p->deadline);
		if (r == -EINTR)
			return -ERESTARTSYS;
	}
	return 1;
}

static long slave_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	struct tty *t = f->tty;
	struct patience p;
	size_t done = 0;
	bool end = false;
	long r;

	(void)pos;
	if (!t->master)
		return 0;
	r = terminal_check(&t->terminal, SIGTTIN);
	if (r)
		return r;
	p = patience_of(t);
	while (done < n) {
		r = wait_input(t, f, &p);
		if (r <= 0)
			break;
		r = line_take(t, (u8 *)buf + done, n - done, &end);
		line_pump(t);
		if (r < 0)
			break;
		done += (size_t)r;
		if (end || done >= p.least)
			break;
		if (p.between)
			p.deadline = mono_now() + p.between;
	}
	return done ? (long)done : r;
}

/* ---- writing ---- */

/* Until there is room: 0 or -errno. */
static long wait_room(struct tty *t, const struct file *f)
{
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	return thread_wait(&t->slave_writing, FOREVER) == -EINTR ?
		       -ERESTARTSYS :
		       0;
}

static long slave_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	struct tty *t = f->tty;
	u8 chunk[TTY_CHUNK];
	size_t done = 0, size, took;
	long r = 0;

	(void)pos;
	if (t->master && LOCAL(t, TOSTOP))
		r = terminal_check(&t->terminal, SIGTTOU);
	if (!r && t->master)
		echo_flush(t);
	while (!r && done < n) {
		if (!t->master) {
			r = -EIO;
			break;
		}
		size = user_get(chunk, (const u8 *)buf + done,
				MIN(n - done, sizeof(chunk)));
		if (!size) {
			r = -EFAULT;
			break;
		}
		took = tty_output(t, chunk, size);
		done += took;
		if (took)
			tty_tell_master(t, READY_READ);
		else
			r = wait_room(t, f);
	}
	return done ? (long)done : r;
}

static u32 slave_poll(struct file *f)
{
	const struct tty *t = f->tty;
	const u8 *cc = t->settings.c_cc;
	u32 least = cc[VTIME] || !cc[VMIN] ? 1 : cc[VMIN], events = 0;

	if (!t->master)
		return READY_READ | READY_WRITE | READY_ALWAYS;
	if (line_available(t, least))
		events |= READY_READ;
	if (tty_room(t))
		events |= READY_WRITE;
	return events;
}

#define SLAVE(opener)                                                          \
	{                                                                      \
		.open = opener, .read = slave_read, .write = slave_write,      \
		.poll = slave_poll, .ioctl = tty_ioctl,                        \
		.stat = node_file_stat, .describe = node_file_describe,        \
		.release = slave_release, .of_node = true, .stream = true,     \
		.async = true                                                  \
	}
static const struct file_ops slave_ops = SLAVE(slave_open);
static const struct file_ops current_ops = SLAVE(current_open);

void tty_init(void)
{
	dev_serve(UNIX98_PTY_SLAVE_MAJOR, DEV_ANY, &slave_ops);
	dev_serve(TTYAUX_MAJOR, 0, &current_ops);
}
