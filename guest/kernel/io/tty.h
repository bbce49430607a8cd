/*
 * tty.h: pseudo-terminals: what the files of the noun share.
 *
 * A terminal has a master, the file that opened /dev/ptmx, and slaves, files of
 * /dev/pts/N. What the master writes goes through the line discipline (line.c)
 * into the line, which slaves read; what they write, and echoes
 * (echo.c), goes through the output settings (tty_output.c) to the master. A terminal lives as long as one
 * of its files is open; without a master it is hung up for good.
 */
#ifndef IO_TTY_H
#define IO_TTY_H

#include <asm/termbits.h>
#include <asm/termios.h>

#include "fs/vfs.h"
#include "task/terminal.h"
#include "task/thread.h"

#define LINE_SIZE 4096   /* a page: what is read, or may still be edited */
#define COMING_SIZE 8192 /* from the master, when the line is full */
#define OUT_SIZE 16384   /* for the master */
#define ECHO_SIZE (PAGE_SIZE / sizeof(u16)) /* echoes that wait */
#define MASTER_READ 4095 /* a read of the master takes at most this */
#define NOT_MINE (-515)  /* a part of ioctl does not know the command */
#define TTY_CHUNK 256    /* copied to the stack at a time */
#define TTY_WIDEST 8     /* bytes that a character becomes at most */

/* Bytes go in at head and out at tail, which count from the start; the size is
 * a power of two. */
struct ring {
	u8 *bytes;
	u32 head, tail;
};

struct line {
	struct ring ring;
	/* A bit for each place: what lies there ends a line. A zero that does
	 * is the mark of an end of file. */
	u64 ends[LINE_SIZE / 64];
	u32 complete; /* whole lines end here; behind it may be edited */
	bool literal; /* the next character is taken as it is */
	bool erasing; /* between \ and / of ECHOPRT */
	u64 special[256 / 64]; /* a bit for each character with a meaning */
};

/* Notes of what is to be echoed; counted as in a ring. */
struct echo {
	u16 *notes;
	u32 head, tail;
};

struct tty {
	struct terminal terminal;
	struct tty *next; /* in order of their numbers */
	u32 number;
	struct node *node;   /* /dev/pts/N, referenced */
	struct file *master; /* NULL: closed */
	struct file *slaves; /* that are open, by next_end */
	bool locked;         /* TIOCSPTLCK: no slave can be opened */
	bool left;           /* slaves were open, and none is now */
	bool exclusive;      /* TIOCEXCL of a slave */
	bool master_exclusive;
	bool packet; /* TIOCPKT: the master reads a state first */
	u8 state;    /* TIOCPKT_* that it has not read */
	struct termios2 settings;
	struct winsize window;
	struct ring coming;
	struct line line;
	struct ring out;
	struct echo echo;
	bool receiving;   /* what the master writes is being taken in */
	u32 settled;      /* the output's head before that */
	u32 column;       /* of the output */
	u32 first_column; /* where the line that is edited starts */
	bool stopped;     /* by ^S or TCOOFF */
	bool held;        /* by TCOOFF: only TCOON starts it */
	bool master_held; /* the same of what the master writes */
	struct waitq slave_reading, slave_writing;
	struct waitq master_reading, master_writing;
};

#define INPUT(t, flag) (((t)->settings.c_iflag & (flag)) != 0)
#define OUTPUT(t, flag) (((t)->settings.c_oflag & (flag)) != 0)
#define LOCAL(t, flag) (((t)->settings.c_lflag & (flag)) != 0)

static inline u32 ring_used(const struct ring *r)
{
	return r->head - r->tail;
}

/* ---- tty.c: slaves ---- */

/* Wakes those who wait for these EPOLL* events of one side. */
void tty_tell_slaves(struct tty *t, u32 events);
void tty_tell_master(struct tty *t, u32 events);
/* The master sees a change of state, when it wants to. */
void tty_set_state(struct tty *t, u8 clear, u8 set);
/* The master is closed: nothing more comes or goes. */
void tty_hang_up(struct tty *t);
void tty_init(void); /* /dev/tty and /dev/pts/N can be opened */

/* ---- line.c ---- */

/* Takes in what the master has written, as far as the line has room. */
void line_pump(struct tty *t);
/* A line, or in raw mode as many bytes as one wants at once, is there. */
bool line_available(const struct tty *t, u32 bytes);
/* Lines are edited, and read one by one. */
bool line_canonical(const struct tty *t);
/* Copies to the program's memory: bytes, or -EFAULT. *end: a line has ended. */
long line_take(struct tty *t, u8 *to, size_t n, bool *end);
u32 line_size(const struct tty *t); /* FIONREAD */
void line_flush(struct tty *t);
/* The settings have changed from these. */
void line_settings(struct tty *t, const struct termios2 *old);

/* ---- tty_output.c ---- */

/* Bytes that a slave may write now. */
u32 tty_room(const struct tty *t);
/* By the settings; bytes that there was room for. */
size_t tty_output(struct tty *t, const u8 *from, size_t n);
/* A byte as it is, or by the settings; there is room. */
void tty_put(struct tty *t, u8 c);
void tty_put_by_settings(struct tty *t, u8 c);
void tty_stop(struct tty *t);
void tty_start(struct tty *t);
void tty_flush_output(struct tty *t);

/* ---- echo.c ---- */

/* A character, controls as ^X where ECHOCTL says so, or as they are. */
void echo_char(struct tty *t, u8 c);
void echo_plain(struct tty *t, u8 c);
/* Here the line starts that is edited. */
void echo_start(struct tty *t);
/* What comes was no column wide. */
void echo_back(struct tty *t);
/* Goes back over a tab; width: characters since the one before, or, unless
 * after_tab, since the line's start. */
void echo_erase_tab(struct tty *t, u32 width, bool after_tab);
void echo_clear(struct tty *t);
/* Puts them out, as far as there is room. */
void echo_flush(struct tty *t);

/* ---- termios.c ---- */

void termios_init(struct termios2 *s);
/* TCGETS and its relatives; NOT_MINE. */
long termios_ioctl(struct tty *t, u32 command, u64 argument);

/* ---- tty_control.c ---- */

long tty_ioctl(struct file *f, u64 command, u64 argument);

/* ---- pty.c: masters ---- */

/* The terminal's number is free again, and its memory. */
void pty_free(struct tty *t);
/* What only a master does; NOT_MINE. */
long pty_ioctl(struct tty *t, u32 command, u64 argument);
void pty_init(void); /* /dev/ptmx and /dev/pts */

#endif
