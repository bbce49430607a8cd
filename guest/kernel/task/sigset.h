/* sigset.h: numbers of signals, sets of them, and what comes with one. */
#ifndef TASK_SIGSET_H
#define TASK_SIGSET_H

#include "kernel.h"

#define SIGNAL_COUNT 64
typedef u64 sigset; /* bit n - 1: signal n */

struct sigqueue_info { /* the parts of siginfo_t that we fill */
	s32 signo, errno_, code;
	s32 pid, uid; /* or timer id, overrun */
	u64 value;    /* or address of the fault */
};

struct action { /* as the kernel's struct sigaction on x86-64 */
	u64 handler;
	u64 flags;
	u64 restorer;
	sigset mask;
};

/* A process's signals. */
struct signals {
	struct action actions[SIGNAL_COUNT + 1];
	sigset pending;
	struct sigqueue_info info[SIGNAL_COUNT];
};

#endif
