/* termios.c: the settings of terminals: ioctl_tty(2), TCGETS and TCSETS. */
#include <asm/ioctls.h>

#include "io/tty.h"
#include "mm/user.h"
#include "task/ids.h"
#include "task/signal.h"

#define TERMIOS_SIZE offsetof(struct termios2, c_ispeed) /* struct termios */

void termios_init(struct termios2 *s)
{
	*s = (struct termios2){
		.c_iflag = ICRNL | IXON,
		.c_oflag = OPOST | ONLCR,
		.c_cflag = B38400 | CS8 | CREAD,
		.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL |
			   ECHOKE | IEXTEN,
		.c_cc = { [VINTR] = 003,
			  [VQUIT] = 034,
			  [VERASE] = 0177,
			  [VKILL] = 025,
			  [VEOF] = 004,
			  [VMIN] = 1,
			  [VSTART] = 021,
			  [VSTOP] = 023,
			  [VSUSP] = 032,
			  [VREPRINT] = 022,
			  [VDISCARD] = 017,
			  [VWERASE] = 027,
			  [VLNEXT] = 026 },
		.c_ispeed = 38400,
		.c_ospeed = 38400,
	};
}

/* ---- speeds ---- */

/* bits: CBAUD; own: what BOTHER stands for. */
static u32 speed_of(u32 bits, u32 own)
{
	static const u32 speeds[] = {
		0,       50,      75,      110,     134,     150,     200,
		300,     600,     1200,    1800,    2400,    4800,    9600,
		19200,   38400,   57600,   115200,  230400,  460800,  500000,
		576000,  921600,  1000000, 1152000, 1500000, 2000000, 2500000,
		3000000, 3500000, 4000000,
	};

	if (bits == BOTHER)
		return own;
	if (bits & CBAUDEX)
		bits = (bits & ~(u32)CBAUDEX) + 15;
	return bits < ARRAY_SIZE(speeds) ? speeds[bits] : 0;
}

static void find_speeds(struct termios2 *s)
{
	u32 input = s->c_cflag >> IBSHIFT & CBAUD;

	s->c_ospeed = speed_of(s->c_cflag & CBAUD, s->c_ospeed);
	s->c_ispeed = input ? speed_of(input, s->c_ispeed) : s->c_ospeed;
}

/* ---- changing ---- */

static bool controls_flow(const struct termios2 *s)
{
	return (s->c_iflag & IXON) && s->c_cc[VSTOP] == 023 &&
	       s->c_cc[VSTART] == 021;
}

/* In packet mode the master is told: ioctl_tty(2), TIOCPKT. */
static void tell_state(struct tty *t, const struct termios2 *old)
{
	bool flow = controls_flow(&t->settings);
	u8 set = 0, clear = 0;

	if (flow != controls_flow(old)) {
		clear = TIOCPKT_DOSTOP | TIOCPKT_NOSTOP;
		set = flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if ((old->c_lflag | t->settings.c_lflag) & EXTPROC)
		set |= TIOCPKT_IOCTL;
	if (set)
		tty_set_state(t, clear, set);
}

static void change(struct tty *t, const struct termios2 *new)
{
	struct termios2 old = t->settings;

	t->settings = *new;
	t->settings.c_cflag &= ~(u32)(CSIZE | PARENB);
	t->settings.c_cflag |= CS8 | CREAD;
	tell_state(t, &old);
	line_settings(t, &old);
}

/* size: of the structure that the program has. */
static long set(struct tty *t, u64 argument, size_t size, bool flush)
{
	long r = terminal_check(&t->terminal, SIGTTOU);
	struct termios2 new = t->settings;

	if (r)
		return r;
	if (copy_from_user(&new, argument, size))
		return -EFAULT;
	find_speeds(&new);
	if (flush)
		line_flush(t);
	change(t, &new);
	return 0;
}

static long get_old(const struct tty *t, u64 argument)
{
	const struct termios2 *s = &t->settings;
	struct termio old = { .c_iflag = (u16)s->c_iflag,
			      .c_oflag = (u16)s->c_oflag,
			      .c_cflag = (u16)s->c_cflag,
			      .c_lflag = (u16)s->c_lflag,
			      .c_line = s->c_line };

	memcpy(old.c_cc, s->c_cc, sizeof(old.c_cc));
	return copy_to_user(argument, &old, sizeof(old));
}

static long set_old(struct tty *t, u64 argument, bool flush)
{
	long r = terminal_check(&t->terminal, SIGTTOU);
	struct termios2 new = t->settings;
	struct termio old;

	if (r)
		return r;
	if (copy_from_user(&old, argument, sizeof(old)))
		return -EFAULT;
	new.c_iflag = (new.c_iflag & 0xffff0000) | old.c_iflag;
	new.c_oflag = (new.c_oflag & 0xffff0000) | old.c_oflag;
	new.c_cflag = (new.c_cflag & 0xffff0000) | old.c_cflag;
	new.c_lflag = (new.c_lflag & 0xffff0000) | old.c_lflag;
	new.c_line = old.c_line;
	memcpy(new.c_cc, old.c_cc, sizeof(old.c_cc));
	find_speeds(&new);
	if (flush)
		line_flush(t);
	change(t, &new);
	return 0;
}

/* TIOCSSOFTCAR: a line without a modem. */
static long set_local(struct tty *t, u64 argument)
{
	struct termios2 new = t->settings;
	s32 on;

	if (copy_from_user(&on, argument, sizeof(on)))
		return -EFAULT;
	new.c_cflag = (new.c_cflag & ~(u32)CLOCAL) | (on ? CLOCAL : 0);
	change(t, &new);
	return 0;
}

static long get_local(const struct tty *t, u64 argument)
{
	s32 on = (t->settings.c_cflag & CLOCAL) != 0;

	return copy_to_user(argument, &on, sizeof(on));
}

static long get_locked(u64 argument)
{
	static const struct termios2 none;

	return copy_to_user(argument, &none, TERMIOS_SIZE);
}

/* What has been written is there already: TCSETSW has nothing to wait for. */
long termios_ioctl(struct tty *t, u32 command, u64 argument)
{
	switch (command) {
	case TCGETS:
		return copy_to_user(argument, &t->settings, TERMIOS_SIZE);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set(t, argument, TERMIOS_SIZE, command == TCSETSF);
	case TCGETS2:
		return copy_to_user(argument, &t->settings,
				    sizeof(t->settings));
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set(t, argument, sizeof(t->settings),
			   command == TCSETSF2);
	case TCGETA:
		return get_old(t, argument);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return set_old(t, argument, command == TCSETAF);
	case TIOCGLCKTRMIOS:
		return get_locked(argument);
	case TIOCSLCKTRMIOS:
		return -EPERM;
	case TIOCGSOFTCAR:
		return get_local(t, argument);
	case TIOCSSOFTCAR:
		return set_local(t, argument);
	}
	return NOT_MINE;
}
