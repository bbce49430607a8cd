/* sigwait.c: waiting for signals. */
#include "mm/user.h"
#include "syscalls.h"
#include "task/deadline.h"
#include "task/signal.h"

static struct waitq sleepers; /* nothing but a signal wakes them */

long sys_pause(void)
{
	while (!signal_pending(current))
		thread_wait(&sleepers, FOREVER);
	return -EINTR;
}

long sys_rt_sigsuspend(u64 mask, u64 size)
{
	sigset set;
	long r = signal_read_mask(mask, size, &set);

	if (r)
		return r;
	signal_mask_for_wait(mask, size);
	return sys_pause();
}

/* A signal's number, -EAGAIN or -EINTR. */
static long wait_for(sigset set, u64 deadline, struct sigqueue_info *info)
{
	struct thread *t = current;
	int n;
	long r;

	while (!(n = signal_take(t, set, info))) {
		t->waiting_for = set;
		r = thread_wait(&sleepers, deadline);
		t->waiting_for = 0;
		if (signal_visible(t) & set)
			continue;
		if (r == -ETIMEDOUT)
			return -EAGAIN;
		if (r == -EINTR)
			return -EINTR;
	}
	return n;
}

long sys_rt_sigtimedwait(u64 set_address, u64 info_address, u64 timeout,
			 u64 size)
{
	struct sigqueue_info info;
	siginfo_t out;
	u64 deadline;
	sigset set;
	long r;

	r = signal_read_mask(set_address, size, &set);
	if (r)
		return r;
	r = deadline_timespec(timeout, &deadline);
	if (r)
		return r;
	r = wait_for(set, deadline, &info);
	if (r < 0 || !info_address)
		return r;
	memset(&out, 0, sizeof(out));
	memcpy(&out, &info, sizeof(info));
	return copy_to_user(info_address, &out, sizeof(out)) ? -EFAULT : r;
}
