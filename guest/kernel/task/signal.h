/* signal.h: sending, taking and delivering signals. */
#ifndef TASK_SIGNAL_H
#define TASK_SIGNAL_H

#include <linux/signal.h>

#include "task/process.h"
#include "task/sigqueue.h"
#include "task/thread.h"

/* Nobody blocks or handles these. */
#define SIGSET_UNBLOCKABLE (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))

/* To one thread, or to whichever thread of p takes it. 0, or -EAGAIN as
 * sigqueue_add. */
long signal_send_thread(struct thread *t, const struct sigqueue_info *info);
long signal_send_process(struct process *p, const struct sigqueue_info *info);
/* The same with an entry that its owner keeps. False: the signal is ignored,
 * and the entry is in no queue. t may be NULL. */
bool signal_send_entry(struct process *p, struct thread *t,
		       struct sigqueue_entry *e);
/* SIGPIPE to the running thread, whose bytes nobody will read: -EPIPE. */
long signal_broken_pipe(void);
/* A signal that t cannot ignore or block: its program ends if it does. */
void signal_force(struct thread *t, const struct sigqueue_info *info);
/* The same for an exception. */
void signal_fault(struct thread *t, const struct sigqueue_info *info,
		  u64 trap_number, u64 error_code, u64 cr2);
/* True when t has a signal to handle now; drops what is ignored. */
bool signal_pending(struct thread *t);
/* True when signal_deliver has something to do for a thread that goes back to
 * its program with r. */
bool signal_work(struct thread *t, const struct regs *r);
/* On the way out to the program: delivers pending signals by changing regs. */
void signal_deliver(struct regs *r);
/* False for an address to which `iretq` would fault in the kernel, one that is
 * not canonical. */
bool signal_can_return(u64 address);
/* t ends. */
void signal_forget(struct thread *t);

/* Changes the mask of the running thread; what it no longer takes goes to
 * others. */
void signal_set_mask(sigset mask);
/* Reads a mask of the program: 0, -EINVAL, -EFAULT. */
long signal_read_mask(u64 address, u64 size, sigset *set);
/* Swaps the mask for the time of one wait (ppoll, epoll_pwait, sigsuspend). The
 * old one comes back on the way out, after a handler ran. user == 0: no-op.
 * 0, -EINVAL, -EFAULT. */
long signal_mask_for_wait(u64 user_mask, u64 size);
/* p's action for signo; forgets the pending ones when that ignores it. */
void signal_set_action(struct process *p, int signo, const struct action *a);

/* The actions of a new process: shared, or a copy. 0 or -ENOMEM. */
long signal_copy_actions(struct process *p, bool share);
/* The running process shares its actions with no other. 0 or -ENOMEM. */
long signal_own_actions(struct process *p);
void signal_release_actions(struct process *p);
/* As execve(2): what is not ignored has the default action. */
void signal_reset_actions(struct process *p);

/* Takes the first pending signal in set; 0: none. */
int signal_take(struct thread *t, sigset set, struct sigqueue_info *info);
/* Pending for t or the process, blocked or not. */
sigset signal_visible(const struct thread *t);

/* ---- sigframe.c ---- */

/* Builds the handler's frame and points r at it; false: no stack for it. */
bool sigframe_push(struct regs *r, struct thread *t, const struct action *a,
		   int signo, const struct sigqueue_info *info, sigset mask);
/* Bytes that a frame takes at most: AT_MINSIGSTKSZ. */
u64 sigframe_size(void);

/* ---- altstack.c ---- */

/* sp is on t's alternate stack, so that the next handler goes on there. */
bool altstack_holds(const struct thread *t, u64 sp);
/* t has none from now on. */
void altstack_reset(struct thread *t);
/* 0, -EPERM, -EINVAL, -ENOMEM. */
long altstack_set(struct thread *t, u64 sp, const stack_t *s);

/* Whoever wants to know that some signal became pending: signalfd.c. */
struct signal_listener {
	void (*notify)(void);
	struct signal_listener *next;
};
void signal_listen(struct signal_listener *l);

#endif
