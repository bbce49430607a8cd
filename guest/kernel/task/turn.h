/*
 * turn.h: whose turn it is on the CPU. Each thread that can run gets an equal
 * share of it, of whatever process; niceness makes the share smaller or larger.
 */
#ifndef TASK_TURN_H
#define TASK_TURN_H

#include "kernel.h"

struct thread;

/* Among those that wait for the CPU. */
void turn_add(struct thread *t);
/* The one whose turn it is, no longer among them; NULL: there is none. */
struct thread *turn_take(void);
bool turn_any(void);
/* t has had the CPU until now. */
void turn_charge(struct thread *t, u64 now);
/* t can run again after a wait: turn_add() follows. */
void turn_woken(struct thread *t);
/* t goes behind the next one. */
void turn_pass(struct thread *t);
/* A new thread is served as the running one, which made it. */
void turn_start(struct thread *t);
/* Another thread has woken that has had much less of the CPU than the running
 * one, or, ticked, less at all. */
bool turn_over(bool ticked);

#endif
