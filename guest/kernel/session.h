/*
 * session.h: a program that is given one request after the other, its execs. Its
 * agent says how each has ended; the host is told, and the VM stands still until
 * the next one.
 */
#ifndef SESSION_H
#define SESSION_H

#include "kernel.h"

/* Whether the agent takes execs: the first request was that of a session. */
bool session_open(void);
/* But what runs is a run: the program ends with it. */
bool session_once(void);
/* What runs is the first exec of a copy. */
bool session_forked(void);
/* To be asked once there is a request. */
void session_begin(void);
/* It is to become a template: asked by the host, and the agent has been told. */
bool session_settles(void);
bool session_asks_to_settle(void);
/*
 * What the agent writes: the exec's exit code and whether there is a result, two
 * u32, and its text. Only the first process may: n or -errno.
 */
long session_report(const void *buf, size_t n);
/* There was a report since the last stop. */
bool session_reported(void);
/* Tells the host of the exec that was reported. Returns with the next request. */
void session_stop(void);
/* The same of one that had no code. */
void session_stop_served(void);
/* The same of one that was refused, for what host_refuse() said. */
void session_stop_refused(void);
/* The same where the template is taken: what comes is the first request. */
void session_stop_settled(void);
/* Something to do before the host is told of an exec. */
void session_at_report(void (*call)(void));

#endif
