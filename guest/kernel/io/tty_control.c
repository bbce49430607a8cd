/* tty_control.c: ioctl of terminals: sessions, window size, flow: ioctl_tty(2).
 */
#include <asm/ioctls.h>

#include "io/poll.h"
#include "io/tty.h"
#include "mm/user.h"
#include "task/group.h"
#include "task/ids.h"
#include "task/process.h"
#include "task/signal.h"

static long give(u64 argument, s32 value)
{
	return copy_to_user(argument, &value, sizeof(value));
}

/* ---- sessions and groups ---- */

static long become_controlling(struct tty *t, const struct file *f,
			       u64 argument)
{
	struct process *p = current->process;
	bool leads = p->pid == p->session;

	if (leads && t->terminal.session == p->session)
		return 0;
	if (!leads || p->terminal)
		return -EPERM;
	if (t->terminal.session) {
		if (argument != 1 || !ids_capable(CAP_SYS_ADMIN))
			return -EPERM;
		terminal_clear(&t->terminal);
	}
	if (!file_readable(f) && !ids_capable(CAP_SYS_ADMIN))
		return -EPERM;
	terminal_acquire(&t->terminal);
	return 0;
}

static long set_group(struct tty *t, u64 argument)
{
	const struct process *p = current->process;
	long r = terminal_check(&t->terminal, SIGTTOU);
	s32 group, session;

	if (r)
		return r == -EIO ? -ENOTTY : r;
	if (copy_from_user(&group, argument, sizeof(group)))
		return -EFAULT;
	if (group < 0)
		return -EINVAL;
	if (p->terminal != &t->terminal || t->terminal.session != p->session)
		return -ENOTTY;
	session = group_session(group);
	if (!session)
		return -ESRCH;
	if (session != p->session)
		return -EPERM;
	t->terminal.group = group;
	return 0;
}

static long session_ioctl(struct file *f, u32 command, u64 argument)
{
	struct tty *t = f->tty;
	bool master = f == t->master;
	bool ours = current->process->terminal == &t->terminal;

	switch (command) {
	case TIOCNOTTY:
		if (master || !ours)
			return -ENOTTY;
		terminal_leave(current->process);
		return 0;
	case TIOCSCTTY:
		return become_controlling(t, f, argument);
	case TIOCGPGRP:
		return master || ours ? give(argument, t->terminal.group) :
					-ENOTTY;
	case TIOCSPGRP:
		return set_group(t, argument);
	case TIOCGSID:
		if ((!master && !ours) || !t->terminal.session)
			return -ENOTTY;
		return give(argument, t->terminal.session);
	}
	return NOT_MINE;
}

/* ---- flow ---- */

static void send_to_slaves(struct tty *t, u8 c)
{
	if (t->master_held || ring_used(&t->coming) == COMING_SIZE)
		return;
	t->coming.bytes[t->coming.head++ % COMING_SIZE] = c;
	line_pump(t);
}

/* STOP or START as a character, though the output is stopped; not when it is
 * held. */
static void send_character(struct tty *t, bool master, u8 c)
{
	bool stopped = t->stopped;

	if (!c)
		return;
	if (master) {
		send_to_slaves(t, c);
		return;
	}
	tty_start(t);
	if (!tty_room(t))
		return;
	tty_put(t, c);
	tty_tell_master(t, READY_READ);
	if (stopped)
		tty_stop(t);
}

static void hold(struct tty *t, bool master, bool on)
{
	if (master) {
		t->master_held = on;
		if (!on)
			tty_tell_master(t, READY_WRITE);
		return;
	}
	if (on == t->held)
		return;
	t->held = on;
	if (on)
		tty_stop(t);
	else
		tty_start(t);
}

static long control_flow(struct tty *t, bool master, u64 action)
{
	const u8 *cc = t->settings.c_cc;
	long r = master ? 0 : terminal_check(&t->terminal, SIGTTOU);

	if (r)
		return r;
	switch (action) {
	case TCOOFF:
	case TCOON:
		hold(t, master, action == TCOOFF);
		return 0;
	case TCIOFF:
		send_character(t, master, master ? 023 : cc[VSTOP]);
		return 0;
	case TCION:
		send_character(t, master, master ? 021 : cc[VSTART]);
		return 0;
	}
	return -EINVAL;
}

static void flush_coming(struct tty *t)
{
	t->coming.tail = t->coming.head;
	tty_tell_master(t, READY_WRITE);
}

static void flush_out(struct tty *t)
{
	t->out.tail = t->out.head;
	tty_tell_slaves(t, READY_WRITE);
}

static long flush(struct tty *t, bool master, u64 queue)
{
	bool input = queue == TCIFLUSH || queue == TCIOFLUSH;
	bool output = queue == TCOFLUSH || queue == TCIOFLUSH;
	long r = master ? 0 : terminal_check(&t->terminal, SIGTTOU);

	if (r)
		return r;
	if (!input && !output)
		return -EINVAL;
	if (input && master)
		flush_out(t);
	else if (input) {
		line_flush(t);
		flush_coming(t);
	}
	if (output && master)
		flush_coming(t);
	else if (output)
		tty_flush_output(t);
	return 0;
}

static long flow_ioctl(struct file *f, u32 command, u64 argument)
{
	struct tty *t = f->tty;
	bool master = f == t->master;

	switch (command) {
	case TCXONC:
		return control_flow(t, master, argument);
	case TCFLSH:
		return flush(t, master, argument);
	case TCSBRK: /* no line, so no break; all has been sent */
	case TCSBRKP:
	case TIOCSBRK:
	case TIOCCBRK:
		return master ? 0 : terminal_check(&t->terminal, SIGTTOU);
	case TIOCOUTQ:
		return give(argument, 0);
	case TIOCINQ:
		return give(argument, master ? (s32)MIN(ring_used(&t->out),
							(u32)MASTER_READ) :
					       (s32)line_size(t));
	}
	return NOT_MINE;
}

/* ---- the rest ---- */

static long set_window(struct tty *t, u64 argument)
{
	struct winsize new;

	if (copy_from_user(&new, argument, sizeof(new)))
		return -EFAULT;
	if (!memcmp(&new, &t->window, sizeof(new)))
		return 0;
	t->window = new;
	terminal_signal(&t->terminal, SIGWINCH);
	return 0;
}

/* Typing for somebody else takes an administrator: dev.tty.legacy_tiocsti. */
static long simulate_input(struct tty *t, u64 argument)
{
	u8 c;

	if (!ids_capable(CAP_SYS_ADMIN))
		return -EIO;
	if (copy_from_user(&c, argument, sizeof(c)))
		return -EFAULT;
	send_to_slaves(t, c);
	return 0;
}

static long set_discipline(struct tty *t, bool master, u64 argument)
{
	long r = master ? 0 : terminal_check(&t->terminal, SIGTTOU);
	s32 number;

	if (r)
		return r;
	if (copy_from_user(&number, argument, sizeof(number)))
		return -EFAULT;
	return number ? -EINVAL : 0; /* N_TTY */
}

static long other_ioctl(struct file *f, u32 command, u64 argument)
{
	struct tty *t = f->tty;
	bool master = f == t->master;
	bool *exclusive = master ? &t->master_exclusive : &t->exclusive;

	switch (command) {
	case TIOCGWINSZ:
		return copy_to_user(argument, &t->window, sizeof(t->window));
	case TIOCSWINSZ:
		return set_window(t, argument);
	case TIOCEXCL:
	case TIOCNXCL:
		*exclusive = command == TIOCEXCL;
		return 0;
	case TIOCGEXCL:
		return give(argument, *exclusive);
	case TIOCGETD:
		return give(argument, 0); /* N_TTY */
	case TIOCSETD:
		return set_discipline(t, master, argument);
	case TIOCGDEV:
		return give(argument, (s32)t->terminal.device);
	case TIOCSTI:
		return simulate_input(t, argument);
	case TIOCCONS:
		return master ? -EINVAL : -EPERM;
	case TIOCVHANGUP:
		return -EPERM;
	}
	return NOT_MINE;
}

long tty_ioctl(struct file *f, u64 command64, u64 argument)
{
	u32 command = (u32)command64;
	struct tty *t = f->tty;
	long r;

	if (!t->master)
		return command == TIOCSPGRP ? -ENOTTY : -EIO;
	r = session_ioctl(f, command, argument);
	if (r == NOT_MINE)
		r = flow_ioctl(f, command, argument);
	if (r == NOT_MINE)
		r = other_ioctl(f, command, argument);
	if (r == NOT_MINE)
		r = termios_ioctl(t, command, argument);
	if (r == NOT_MINE && f == t->master)
		r = pty_ioctl(t, command, argument);
	/* to a slave there is no peer but its master */
	if (r == NOT_MINE && command == TIOCGPTPEER)
		return -EIO;
	return r == NOT_MINE ? -ENOTTY : r;
}
