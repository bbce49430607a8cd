/* tty_output.c: from a terminal's slaves to its master. */
#include "io/poll.h"
#include "io/tty.h"

#define TAB 8

static bool is_control(u8 c)
{
	return c < 32 || c == 127;
}

u32 tty_room(const struct tty *t)
{
	return t->stopped ? 0 : OUT_SIZE - ring_used(&t->out);
}

void tty_put(struct tty *t, u8 c)
{
	t->out.bytes[t->out.head++ % OUT_SIZE] = c;
}

/* ---- output settings: termios(3), c_oflag ---- */

static u32 to_tab(const struct tty *t)
{
	return TAB - t->column % TAB;
}

/* Room that the character takes. */
static u32 width_of(const struct tty *t, u8 c)
{
	if (c == '\n' && OUTPUT(t, ONLCR))
		return 2;
	if (c == '\t' && (t->settings.c_oflag & TABDLY) == XTABS)
		return to_tab(t);
	return 1;
}

static void new_line(struct tty *t)
{
	if (OUTPUT(t, ONLRET | ONLCR))
		t->column = 0;
	t->first_column = t->column;
	if (OUTPUT(t, ONLCR))
		tty_put(t, '\r');
	tty_put(t, '\n');
}

static void carriage_return(struct tty *t)
{
	if (OUTPUT(t, ONOCR) && t->column == 0)
		return;
	if (OUTPUT(t, OCRNL)) {
		if (OUTPUT(t, ONLRET))
			t->first_column = t->column = 0;
		tty_put(t, '\n');
		return;
	}
	t->first_column = t->column = 0;
	tty_put(t, '\r');
}

static void tab(struct tty *t)
{
	u32 width = to_tab(t);

	t->column += width;
	if ((t->settings.c_oflag & TABDLY) != XTABS)
		tty_put(t, '\t');
	else
		while (width--)
			tty_put(t, ' ');
}

/* Of Latin-1, as Linux has it. */
static u8 upper(u8 c)
{
	bool lower = (c >= 'a' && c <= 'z') || (c >= 0337 && c != 0367);

	return lower ? (u8)(c - 'a' + 'A') : c;
}

static void plain(struct tty *t, u8 c)
{
	if (c == '\b' && t->column)
		t->column--;
	if (!is_control(c)) {
		if (OUTPUT(t, OLCUC))
			c = upper(c);
		if (!INPUT(t, IUTF8) || (c & 0xc0) != 0x80)
			t->column++;
	}
	tty_put(t, c);
}

static void process(struct tty *t, u8 c)
{
	switch (c) {
	case '\n':
		new_line(t);
		break;
	case '\r':
		carriage_return(t);
		break;
	case '\t':
		tab(t);
		break;
	default:
		plain(t, c);
	}
}

void tty_put_by_settings(struct tty *t, u8 c)
{
	if (OUTPUT(t, OPOST))
		process(t, c);
	else
		tty_put(t, c);
}

size_t tty_output(struct tty *t, const u8 *from, size_t n)
{
	size_t done = 0;

	for (; done < n; done++) {
		u32 width = OUTPUT(t, OPOST) ? width_of(t, from[done]) : 1;

		if (tty_room(t) < width)
			break;
		tty_put_by_settings(t, from[done]);
	}
	return done;
}

/* ---- stopping, starting, flushing ---- */

void tty_stop(struct tty *t)
{
	if (t->stopped)
		return;
	t->stopped = true;
	tty_set_state(t, TIOCPKT_START, TIOCPKT_STOP);
}

void tty_start(struct tty *t)
{
	if (!t->stopped || t->held)
		return;
	t->stopped = false;
	tty_set_state(t, TIOCPKT_STOP, TIOCPKT_START);
	tty_tell_slaves(t, READY_WRITE);
}

/* What the master could have read already stays, as on Linux. */
void tty_flush_output(struct tty *t)
{
	u32 end = t->receiving ? t->settled : t->out.head;

	t->out.head = t->out.tail + MIN(end - t->out.tail, (u32)MASTER_READ);
	tty_set_state(t, 0, TIOCPKT_FLUSHWRITE);
	tty_tell_slaves(t, READY_WRITE);
}
