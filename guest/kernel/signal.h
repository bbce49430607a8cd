/* signal.h: between signal.c, sigframe.c and signalfd.c. */
#ifndef SIGNAL_H
#define SIGNAL_H

#include <linux/signal.h>

#include "kernel.h"

struct action { /* as the kernel's struct sigaction on x86-64 */
	u64 handler;
	u64 flags;
	u64 restorer;
	sigset mask;
};
extern struct action actions[SIGNAL_COUNT + 1];

/* Takes the first pending signal in set; 0: none. */
int signal_take(struct thread *t, sigset set, struct sigqueue_info *info);
/* Pending for t or the process, blocked or not. */
sigset signal_visible(const struct thread *t);
/* What depends on the kind of signal. */
void signal_fill_fields(siginfo_t *out, const struct sigqueue_info *info);

/* Builds the handler's frame and points r at it; false: no stack for it. */
bool sigframe_push(struct regs *r, struct thread *t, const struct action *a,
		   int signo, const struct sigqueue_info *info, sigset mask);

/* signalfd.c: some signal became pending. */
void signalfd_notify(void);

#endif
