/* sigset.h: numbers of signals, sets of them, and those that are pending. */
#ifndef TASK_SIGSET_H
#define TASK_SIGSET_H

#include "kernel.h"

#define SIGNAL_COUNT 64
typedef u64 sigset; /* bit n - 1: signal n */

static inline sigset sigset_bit(int signo)
{
	return 1ull << (signo - 1);
}

/* The first bytes of siginfo_t, laid out as Linux does on x86-64: all that has
 * a meaning. Which member of a union holds depends on signo and code. */
struct sigqueue_info {
	s32 signo, errno_, code, unused;
	union {
		struct {
			union {
				s32 pid;
				s32 timer; /* SI_TIMER */
			};
			union {
				u32 uid;
				s32 overrun; /* SI_TIMER */
			};
		};
		u64 address; /* of a fault */
		s64 band;    /* SIGIO */
	};
	union {
		u64 value;
		s32 status; /* SIGCHLD */
		s32 fd;     /* SIGIO */
	};
	s64 user_time, system_time; /* SIGCHLD, in clock ticks */
};
_Static_assert(sizeof(struct sigqueue_info) == 48, "as in Linux");

/* A signal in a queue. Most are the queue's own; a timer keeps its one. */
struct sigqueue_entry {
	struct sigqueue_entry *next;
	struct sigqueue *queue; /* where it is now, or NULL */
	struct sigqueue_info info;
	/* NULL: freed when it leaves the queue. Else called when the signal is
	 * taken, info is the copy for the program. */
	void (*taken)(struct sigqueue_entry *e, struct sigqueue_info *info);
};

/* What is pending for a thread or a process. */
struct sigqueue {
	sigset set; /* may have signals without an entry: memory was short */
	struct sigqueue_entry *first, *last;
};

struct action { /* as the kernel's struct sigaction on x86-64 */
	u64 handler;
	u64 flags;
	u64 restorer;
	sigset mask;
};

/* Shared by processes with CLONE_SIGHAND. */
struct actions {
	u32 refs;
	struct action of[SIGNAL_COUNT + 1];
};

/* A process's signals. */
struct signals {
	struct actions *actions;
	struct sigqueue pending;
	u32 queued;   /* entries of the process and its threads */
	bool stopped; /* by SIGSTOP, until SIGCONT */
};

#endif
