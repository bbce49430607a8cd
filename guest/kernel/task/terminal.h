/*
 * terminal.h: controlling terminals, as far as processes know them. What a
 * terminal does else is io/tty.h's, which embeds this.
 */
#ifndef TASK_TERMINAL_H
#define TASK_TERMINAL_H

#include "kernel.h"

struct process;

struct terminal {
	u32 device;  /* its number, as stat shows it */
	s32 session; /* whose controlling terminal it is; 0: nobody's */
	s32 group;   /* in the foreground; 0: none */
};

/* Gives the running process's session the terminal; it leads it, and has none.
 */
void terminal_acquire(struct terminal *t);
/* Takes the terminal away from all processes of its session. */
void terminal_clear(struct terminal *t);
/* The same, and tells the session's leader: the line is gone. */
void terminal_hangup(struct terminal *t);
/* p gives up its terminal; when it leads the session, all of that do. */
void terminal_leave(struct process *p);
/* The same when p ends. */
void terminal_exit(struct process *p);
/* A signal of the kernel's to the group in the foreground. */
void terminal_signal(const struct terminal *t, int signo);
/*
 * What the running process's group, when it is in the background, gets for
 * reading (SIGTTIN) or changing (SIGTTOU) its terminal: 0 when it may, -EIO, or
 * -ERESTARTSYS with the signal sent.
 */
long terminal_check(const struct terminal *t, int signo);

#endif
