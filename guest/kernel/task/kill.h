/* kill.h: sending signals to whoever a number stands for. */
#ifndef TASK_KILL_H
#define TASK_KILL_H

#include "kernel.h"

/* PIDFD_SIGNAL_*: to whom; 0: the process. */
#define KILL_THREAD 1
#define KILL_PROCESS 2
#define KILL_GROUP 4
#define KILL_SCOPES (KILL_THREAD | KILL_PROCESS | KILL_GROUP)

/* Sends as kill(2) and tgkill(2) do, or what the program says at info. 0 or
 * -errno. */
long kill_scope(s32 pid, u32 scope, u64 signo, u64 info);

/* Sends the signal that the host has for the program, if it has one, as a
 * terminal does: to all of the first process's group. */
void kill_by_host(void);
/* Of a session they are for what runs: until an exec has its code they wait, and when it
 * is read again, whatever has come meanwhile comes once more. */
void kill_hold(void);
void kill_release(void);

#endif
