/*
 * echo.c: echoes of what is typed, on their way to the output.
 *
 * They are noted while a write of the master is taken in, and put out at its end:
 * so ^S holds those that were typed before it in the same write, and ^C drops
 * them, as on Linux. What is put out goes by the settings of that moment.
 */
#include "io/poll.h"
#include "io/tty.h"

#define ENOUGH 256 /* so many are put out at once */
#define AFTER_TAB 0x80

/* The upper half of a note; the lower one is a character or a width. */
enum { PLAIN, CONTROL, LITERAL, START, BACK, TAB };

static u32 noted(const struct tty *t)
{
	return t->echo.head - t->echo.tail;
}

static void note(struct tty *t, u8 kind, u8 value)
{
	if (noted(t) == ECHO_SIZE)
		t->echo.tail++; /* nobody reads them */
	t->echo.notes[t->echo.head++ % ECHO_SIZE] = (u16)(kind << 8 | value);
	if (noted(t) == ENOUGH)
		echo_flush(t);
}

void echo_plain(struct tty *t, u8 c)
{
	note(t, c == 0377 ? LITERAL : PLAIN, c);
}

void echo_char(struct tty *t, u8 c)
{
	if (LOCAL(t, ECHOCTL) && (c < 32 || c == 127) && c != '\t')
		note(t, CONTROL, c);
	else
		echo_plain(t, c);
}

void echo_start(struct tty *t)
{
	note(t, START, 0);
}

void echo_back(struct tty *t)
{
	note(t, BACK, 0);
}

void echo_erase_tab(struct tty *t, u32 width, bool after_tab)
{
	note(t, TAB, (u8)((width & 7) | (after_tab ? AFTER_TAB : 0)));
}

void echo_clear(struct tty *t)
{
	t->echo.tail = t->echo.head;
}

static void erase_tab(struct tty *t, u8 value)
{
	u32 width = value & 7;

	if (!(value & AFTER_TAB))
		width += t->first_column;
	for (u32 back = 8 - (width & 7); back; back--) {
		tty_put(t, '\b');
		t->column -= t->column != 0;
	}
}

static void put_out(struct tty *t, u8 kind, u8 value)
{
	switch (kind) {
	case PLAIN:
		tty_put_by_settings(t, value);
		break;
	case CONTROL:
		tty_put(t, '^');
		tty_put(t, value ^ 0100);
		t->column += 2;
		break;
	case LITERAL:
		tty_put(t, value);
		t->column++;
		break;
	case START:
		t->first_column = t->column;
		break;
	case BACK:
		t->column -= t->column != 0;
		break;
	case TAB:
		erase_tab(t, value);
		break;
	}
}

void echo_flush(struct tty *t)
{
	u32 before = t->out.head;

	while (noted(t) && tty_room(t) >= TTY_WIDEST) {
		u16 n = t->echo.notes[t->echo.tail++ % ECHO_SIZE];

		put_out(t, (u8)(n >> 8), (u8)n);
	}
	if (t->out.head != before)
		tty_tell_master(t, READY_READ);
}
