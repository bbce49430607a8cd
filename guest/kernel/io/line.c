/*
 * line.c: the line discipline N_TTY: from what the master writes to what slaves
 * read: termios(3), *Canonical and noncanonical mode*.
 */
#include "io/poll.h"
#include "io/tty.h"
#include "mm/user.h"
#include "task/signal.h"

#define END_OF_FILE 0 /* in the line, where a line ends */
#define DISABLED 0    /* in c_cc: no character */

static u8 *at(struct line *l, u32 i)
{
	return &l->ring.bytes[i % LINE_SIZE];
}

static bool bit(const u64 *set, u32 i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static bool ends(const struct line *l, u32 i)
{
	return bit(l->ends, i % LINE_SIZE);
}

static void set_end(struct line *l, u32 i, bool is)
{
	u64 mask = 1ull << (i % 64);

	if (is)
		l->ends[i % LINE_SIZE / 64] |= mask;
	else
		l->ends[i % LINE_SIZE / 64] &= ~mask;
}

bool line_canonical(const struct tty *t)
{
	return LOCAL(t, ICANON) && !LOCAL(t, EXTPROC);
}

bool line_available(const struct tty *t, u32 bytes)
{
	const struct line *l = &t->line;

	if (line_canonical(t))
		return l->complete != l->ring.tail;
	return ring_used(&l->ring) >= bytes;
}

static bool is_char(const struct tty *t, u32 which, u8 c)
{
	return c != DISABLED && t->settings.c_cc[which] == c;
}

/* ---- putting in ---- */

static void put(struct line *l, u8 c)
{
	*at(l, l->ring.head++) = c;
}

/* 0377 comes twice, where one marks errors. */
static void put_marked(struct tty *t, u8 c)
{
	if (c == 0377 && INPUT(t, PARMRK))
		put(&t->line, c);
	put(&t->line, c);
}

static void end_line(struct line *l, u8 c)
{
	set_end(l, l->ring.head, true);
	put(l, c);
	l->complete = l->ring.head;
}

static void finish_erasing(struct tty *t)
{
	if (!t->line.erasing)
		return;
	echo_plain(t, '/');
	t->line.erasing = false;
}

/* Echoes an ordinary character; the first of a line says where it starts. */
static void echo(struct tty *t, u8 c)
{
	finish_erasing(t);
	if (t->line.complete == t->line.ring.head)
		echo_start(t);
	echo_char(t, c);
}

static void start(struct tty *t)
{
	tty_start(t);
	echo_flush(t);
}

static void restart_any(struct tty *t)
{
	if (t->stopped && !t->held && INPUT(t, IXON) && INPUT(t, IXANY))
		start(t);
}

static void receive_plain(struct tty *t, u8 c)
{
	restart_any(t);
	if (LOCAL(t, ECHO))
		echo(t, c);
	put_marked(t, c);
}

/* ---- editing ---- */

static bool is_word(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '_' ||
	       (c >= 0300 && c != 0327 && c != 0367); /* letters of Latin-1 */
}

static bool is_control(u8 c)
{
	return c < 32 || c == 127;
}

static bool continues(const struct tty *t, u8 c)
{
	return INPUT(t, IUTF8) && (c & 0xc0) == 0x80;
}

/* Columns back to the line's start or to a tab. */
static void echo_erased_tab(struct tty *t)
{
	struct line *l = &t->line;
	u32 columns = 0;

	for (u32 i = l->ring.head; i != l->complete; i--) {
		u8 c = *at(l, i - 1);

		if (c == '\t') {
			echo_erase_tab(t, columns, true);
			return;
		}
		if (is_control(c))
			columns += LOCAL(t, ECHOCTL) ? 2 : 0;
		else if (!continues(t, c))
			columns++;
	}
	echo_erase_tab(t, columns, false);
}

static void echo_blank(struct tty *t)
{
	echo_plain(t, '\b');
	echo_plain(t, ' ');
	echo_plain(t, '\b');
}

/* The character of `size` bytes behind the line's head has been erased. */
static void echo_erased(struct tty *t, u8 c, u32 size, bool single)
{
	struct line *l = &t->line;

	if (LOCAL(t, ECHOPRT)) {
		if (!l->erasing)
			echo_plain(t, '\\');
		l->erasing = true;
		echo_char(t, c);
		for (u32 i = 1; i < size; i++) {
			echo_plain(t, *at(l, l->ring.head + i));
			echo_back(t);
		}
		return;
	}
	if (single && !LOCAL(t, ECHOE)) {
		echo_char(t, t->settings.c_cc[VERASE]);
		return;
	}
	if (c == '\t') {
		echo_erased_tab(t);
		return;
	}
	if (is_control(c) && !LOCAL(t, ECHOCTL))
		return;
	if (is_control(c))
		echo_blank(t);
	echo_blank(t);
}

/* Takes the last character away; false: a word ends before it, or there is
 * none. */
static bool erase_one(struct tty *t, u32 which, bool *in_word)
{
	struct line *l = &t->line;
	u32 head = l->ring.head, size;
	u8 c;

	do
		c = *at(l, --head);
	while (continues(t, c) && head != l->complete);
	if (continues(t, c))
		return false;
	if (which == VWERASE) {
		if (!is_word(c) && *in_word)
			return false;
		*in_word |= is_word(c);
	}
	size = l->ring.head - head;
	l->ring.head = head;
	if (LOCAL(t, ECHO))
		echo_erased(t, c, size, which == VERASE);
	return which != VERASE;
}

static void erase(struct tty *t, u32 which)
{
	struct line *l = &t->line;
	bool in_word = false;

	if (l->ring.head == l->complete)
		return;
	if (which == VKILL && !LOCAL(t, ECHO)) {
		l->ring.head = l->complete;
		return;
	}
	if (which == VKILL &&
	    !(LOCAL(t, ECHOK) && LOCAL(t, ECHOKE) && LOCAL(t, ECHOE))) {
		l->ring.head = l->complete;
		finish_erasing(t);
		echo_char(t, t->settings.c_cc[VKILL]);
		if (LOCAL(t, ECHOK))
			echo_plain(t, '\n');
		return;
	}
	while (l->ring.head != l->complete)
		if (!erase_one(t, which, &in_word))
			break;
	if (l->ring.head == l->complete && LOCAL(t, ECHO))
		finish_erasing(t);
}

static void take_literally(struct tty *t)
{
	t->line.literal = true;
	if (!LOCAL(t, ECHO))
		return;
	finish_erasing(t);
	if (LOCAL(t, ECHOCTL)) {
		echo_plain(t, '^');
		echo_plain(t, '\b');
	}
}

static void reprint(struct tty *t, u8 c)
{
	struct line *l = &t->line;

	finish_erasing(t);
	echo_char(t, c);
	echo_plain(t, '\n');
	for (u32 i = l->complete; i != l->ring.head; i++)
		echo_char(t, *at(l, i));
}

/* What has a meaning while lines are edited; false: nothing. */
static bool receive_editing(struct tty *t, u8 c)
{
	bool extended = LOCAL(t, IEXTEN);

	if (is_char(t, VERASE, c)) {
		erase(t, VERASE);
	} else if (is_char(t, VKILL, c)) {
		erase(t, VKILL);
	} else if (is_char(t, VWERASE, c) && extended) {
		erase(t, VWERASE);
	} else if (is_char(t, VLNEXT, c) && extended) {
		take_literally(t);
	} else if (is_char(t, VREPRINT, c) && LOCAL(t, ECHO) && extended) {
		reprint(t, c);
	} else if (c == '\n') {
		if (LOCAL(t, ECHO | ECHONL))
			echo_plain(t, '\n');
		end_line(&t->line, c);
	} else if (is_char(t, VEOF, c)) {
		end_line(&t->line, END_OF_FILE);
	} else if (is_char(t, VEOL, c) || (is_char(t, VEOL2, c) && extended)) {
		if (LOCAL(t, ECHO)) {
			if (t->line.complete == t->line.ring.head)
				echo_start(t);
			echo_char(t, c);
		}
		if (c == 0377 && INPUT(t, PARMRK))
			put(&t->line, c);
		end_line(&t->line, c);
	} else {
		return false;
	}
	return true;
}

/* ---- characters with a meaning ---- */

static void line_clear(struct line *l)
{
	l->ring.head = l->ring.tail = l->complete = 0;
	l->erasing = false;
	memset(l->ends, 0, sizeof(l->ends));
}

void line_flush(struct tty *t)
{
	line_clear(&t->line);
	tty_set_state(t, 0, TIOCPKT_FLUSHREAD);
}

static void receive_signal(struct tty *t, u8 c, int signo)
{
	terminal_signal(&t->terminal, signo);
	if (!LOCAL(t, NOFLSH)) {
		echo_clear(t);
		tty_flush_output(t);
		line_flush(t);
	}
	if (INPUT(t, IXON))
		tty_start(t);
	if (LOCAL(t, ECHO))
		echo_char(t, c);
	else
		echo_flush(t);
}

static bool receive_control(struct tty *t, u8 c)
{
	if (INPUT(t, IXON) && is_char(t, VSTART, c))
		start(t);
	else if (INPUT(t, IXON) && is_char(t, VSTOP, c))
		tty_stop(t);
	else if (LOCAL(t, ISIG) && is_char(t, VINTR, c))
		receive_signal(t, c, SIGINT);
	else if (LOCAL(t, ISIG) && is_char(t, VQUIT, c))
		receive_signal(t, c, SIGQUIT);
	else if (LOCAL(t, ISIG) && is_char(t, VSUSP, c))
		receive_signal(t, c, SIGTSTP);
	else
		return false;
	return true;
}

static void receive_special(struct tty *t, u8 c)
{
	if (receive_control(t, c))
		return;
	restart_any(t);
	if (c == '\r' && INPUT(t, IGNCR))
		return;
	if (c == '\r' && INPUT(t, ICRNL))
		c = '\n';
	else if (c == '\n' && INPUT(t, INLCR))
		c = '\r';
	if (LOCAL(t, ICANON) && receive_editing(t, c))
		return;
	if (LOCAL(t, ECHO)) {
		if (c == '\n') {
			finish_erasing(t);
			echo_plain(t, c);
		} else {
			echo(t, c);
		}
	}
	put_marked(t, c);
}

/* Of Latin-1, as Linux has it. */
static u8 lower(u8 c)
{
	bool upper = (c >= 'A' && c <= 'Z') ||
		     (c >= 0300 && c <= 0336 && c != 0327);

	return upper ? (u8)(c - 'A' + 'a') : c;
}

static void receive(struct tty *t, u8 c)
{
	bool literal = t->line.literal;

	if (INPUT(t, ISTRIP))
		c &= 0x7f;
	if (INPUT(t, IUCLC) && LOCAL(t, IEXTEN))
		c = lower(c);
	t->line.literal = false;
	if (literal)
		receive_plain(t, c);
	else if (LOCAL(t, EXTPROC))
		put(&t->line, c);
	else if (bit(t->line.special, c))
		receive_special(t, c);
	else
		receive_plain(t, c);
}

/* Whether one more character can be taken. A line that is edited is always
 * taken: what it has no room for replaces its last character, so that its end
 * finds room. */
static bool make_room(struct tty *t)
{
	struct line *l = &t->line;
	s32 left = (s32)(LINE_SIZE - ring_used(&l->ring));
	s32 room = INPUT(t, PARMRK) ? (left + 2) / 3 - 1 : left - 1;

	if (room > 0)
		return true;
	if (!LOCAL(t, ICANON) || l->complete != l->ring.tail)
		return false;
	if (room < 0)
		l->ring.head--;
	return true;
}

void line_pump(struct tty *t)
{
	u32 taken = t->coming.tail, noted = t->echo.head;
	u32 before = ring_used(&t->coming);

	t->settled = t->out.head;
	t->receiving = true;
	while (ring_used(&t->coming) && make_room(t))
		receive(t, t->coming.bytes[t->coming.tail++ % COMING_SIZE]);
	t->receiving = false;
	if (t->coming.tail == taken)
		return;
	if (LOCAL(t, ECHO | ECHONL) && t->echo.head != noted)
		echo_flush(t);
	if (before == COMING_SIZE)
		tty_tell_master(t, READY_WRITE);
	if (line_available(t, 1))
		tty_tell_slaves(t, READY_READ);
}

/* ---- taking out ---- */

/* Up to n bytes from tail on, to a program. Bytes, fewer after a fault. */
static size_t copy_out(struct line *l, u8 *to, size_t n)
{
	size_t first = MIN(n, (size_t)(LINE_SIZE - l->ring.tail % LINE_SIZE));
	size_t done = user_put(to, at(l, l->ring.tail), first);

	if (done == first && n > first)
		done += user_put(to + first, l->ring.bytes, n - first);
	return done;
}

static bool at_end_of_file(struct line *l)
{
	u32 tail = l->ring.tail;

	return tail != l->complete && ends(l, tail) &&
	       *at(l, tail) == END_OF_FILE;
}

/* Of one line. Its end of file is taken with it, and not copied; so is one that
 * follows a buffer that has just been filled. */
static long take_line(struct line *l, u8 *to, size_t n, bool *end)
{
	size_t most = MIN(n, (size_t)(l->complete - l->ring.tail)), size = 0;
	size_t done;

	for (*end = false; size < most; size++) {
		if (!ends(l, l->ring.tail + (u32)size))
			continue;
		*end = true;
		size += *at(l, l->ring.tail + (u32)size) != END_OF_FILE;
		break;
	}
	done = copy_out(l, to, size);
	l->ring.tail += (u32)size;
	if (*end && size && ends(l, l->ring.tail - 1))
		set_end(l, l->ring.tail - 1, false);
	else if (at_end_of_file(l))
		set_end(l, l->ring.tail++, false);
	return done == size ? (long)size : done ? (long)done : -EFAULT;
}

long line_take(struct tty *t, u8 *to, size_t n, bool *end)
{
	struct line *l = &t->line;
	size_t size = MIN(n, (size_t)ring_used(&l->ring)), done;

	if (line_canonical(t))
		return take_line(l, to, n, end);
	*end = false;
	done = copy_out(l, to, size);
	l->ring.tail += (u32)size;
	return done == size ? (long)size : done ? (long)done : -EFAULT;
}

u32 line_size(const struct tty *t)
{
	const struct line *l = &t->line;
	u32 size = 0;

	if (!line_canonical(t))
		return ring_used(&l->ring);
	for (u32 i = l->ring.tail; i != l->complete; i++)
		size += !ends(l, i) ||
			l->ring.bytes[i % LINE_SIZE] != END_OF_FILE;
	return size;
}

/* ---- settings ---- */

static void add_special(struct tty *t, u8 c)
{
	t->line.special[c / 64] |= 1ull << (c % 64);
}

static void find_special(struct tty *t)
{
	static const u8 editing[] = { VERASE, VKILL, VEOF, VEOL };
	static const u8 extended[] = { VWERASE, VLNEXT, VEOL2, VREPRINT };
	const u8 *cc = t->settings.c_cc;

	memset(t->line.special, 0, sizeof(t->line.special));
	for (size_t i = 0; LOCAL(t, ICANON) && i < ARRAY_SIZE(editing); i++)
		add_special(t, cc[editing[i]]);
	for (size_t i = 0;
	     LOCAL(t, ICANON) && LOCAL(t, IEXTEN) && i < ARRAY_SIZE(extended);
	     i++)
		add_special(t, cc[extended[i]]);
	if (INPUT(t, IXON)) {
		add_special(t, cc[VSTART]);
		add_special(t, cc[VSTOP]);
	}
	if (LOCAL(t, ISIG)) {
		add_special(t, cc[VINTR]);
		add_special(t, cc[VQUIT]);
		add_special(t, cc[VSUSP]);
	}
	if (INPUT(t, IGNCR | ICRNL))
		add_special(t, '\r');
	if (INPUT(t, INLCR) || LOCAL(t, ICANON))
		add_special(t, '\n');
	t->line.special[0] &= ~1ull; /* DISABLED */
}

/* What is in the line becomes a line, or is no longer one. */
static void change_mode(struct tty *t)
{
	struct line *l = &t->line;

	memset(l->ends, 0, sizeof(l->ends));
	l->complete = l->ring.tail;
	if (LOCAL(t, ICANON) && ring_used(&l->ring)) {
		set_end(l, l->ring.head - 1, true);
		l->complete = l->ring.head;
	}
	l->erasing = l->literal = false;
}

void line_settings(struct tty *t, const struct termios2 *old)
{
	if ((old->c_lflag ^ t->settings.c_lflag) & (ICANON | EXTPROC))
		change_mode(t);
	find_special(t);
	if (!INPUT(t, IXON) && (old->c_iflag & IXON) && !t->held)
		start(t);
	/* Those who wait look again, by the new settings. */
	waitq_wake_all(&t->slave_reading);
	waitq_wake_all(&t->slave_writing);
	line_pump(t);
	if (line_available(t, 1))
		tty_tell_slaves(t, READY_READ);
}
