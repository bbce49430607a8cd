/* signal.h: sending, taking and delivering signals. */
#ifndef TASK_SIGNAL_H
#define TASK_SIGNAL_H

#include <linux/signal.h>

#include "task/thread.h"

/* Sends to one thread; sync: a fault, not to be ignored or blocked. */
void signal_send_thread(struct thread *t, const struct sigqueue_info *info);
void signal_send_process(const struct sigqueue_info *info);
void signal_fault(struct thread *t, const struct sigqueue_info *info,
		  u64 trap_number, u64 error_code, u64 cr2);
/* True when t has a signal to handle now; drops what is ignored. */
bool signal_pending(struct thread *t);
/* True when signal_deliver has something to do: a signal, or a mask that a wait
 * has changed. */
bool signal_work(struct thread *t);
/* On the way out to the program: delivers pending signals by changing regs. */
void signal_deliver(struct regs *r);
/* Swaps the mask for the time of one wait (ppoll, epoll_pwait, sigsuspend). The
 * old one comes back on the way out, after a handler ran. user == 0: no-op.
 * 0, -EINVAL, -EFAULT. */
long signal_mask_for_wait(u64 user_mask, u64 size);

/* Takes the first pending signal in set; 0: none. */
int signal_take(struct thread *t, sigset set, struct sigqueue_info *info);
/* Pending for t or the process, blocked or not. */
sigset signal_visible(const struct thread *t);
/* What depends on the kind of signal. */
void signal_fill_fields(siginfo_t *out, const struct sigqueue_info *info);

/* Builds the handler's frame and points r at it; false: no stack for it. */
bool sigframe_push(struct regs *r, struct thread *t, const struct action *a,
		   int signo, const struct sigqueue_info *info, sigset mask);

/* Whoever wants to know that some signal became pending: signalfd.c. */
struct signal_listener {
	void (*notify)(void);
	struct signal_listener *next;
};
void signal_listen(struct signal_listener *l);

#endif
