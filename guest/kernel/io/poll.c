/*
 * poll.c: poll, ppoll, select, pselect6.
 *
 * All pollers sleep on one queue. file_ready() wakes them all and each looks
 * through its own files again: there are few threads, and none of them needs a
 * list entry in every object. epoll.c, which serves many files, does better.
 * These calls are never restarted: a signal ends them with EINTR.
 */
#include "io/poll.h"

#include <asm/poll.h>
#include <linux/stat.h>
#include <linux/time_types.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "task/deadline.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

#define MAX_FDS (1u << 20) /* Linux: RLIMIT_NOFILE */
#define MAX_SELECT 65536   /* Linux: as many as the table has room for */
#define FEW 16             /* files without a heap allocation */

#define SELECT_READ                                                            \
	(EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define SELECT_WRITE (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define SELECT_EXCEPT EPOLLPRI

/* ---- readiness ---- */

u32 file_poll(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f) : READY_READ | READY_WRITE;
}

/* ---- the wait that poll and select share ---- */

struct watch {
	struct file *file; /* referenced; NULL: not open, or to be ignored */
	s32 fd;
	u32 events;        /* asked for */
	u32 ready;         /* those of them that came */
};

static long scan(struct watch *w, u64 count)
{
	long n = 0;

	for (u64 i = 0; i < count; i++) {
		if (w[i].file)
			w[i].ready = file_poll(w[i].file) & w[i].events;
		n += w[i].ready != 0;
	}
	return n;
}

/* Number of watches with something ready, 0 when the time is over, -EINTR. */
static long watch_wait(struct watch *w, u64 count, u64 deadline)
{
	for (;;) {
		long r = scan(w, count);

		if (r)
			return r;
		if (signal_pending(current))
			return -EINTR;
		if (!deadline)
			return 0;
		r = thread_wait(&file_pollers, deadline);
		if (r == -ETIMEDOUT)
			deadline = 0; /* one last look */
		else if (r == -EINTR)
			return scan(w, count) ?: -EINTR;
	}
}

static struct watch *watch_alloc(struct watch *few, u64 count)
{
	if (count > FEW)
		return kmalloc(count * sizeof(*few));
	memset(few, 0, FEW * sizeof(*few));
	return few;
}

static void watch_open(struct watch *w, s32 fd, u32 events)
{
	w->fd = fd;
	w->events = events;
	w->file = fd_file(fd);
	if (w->file)
		file_ref(w->file); /* may be closed while we wait */
}

static void watch_free(struct watch *w, u64 count, struct watch *few)
{
	for (u64 i = 0; i < count; i++)
		if (w[i].file)
			file_unref(w[i].file);
	if (w != few)
		kfree(w);
}

/* ---- poll ---- */

static void poll_open(struct watch *w, const struct pollfd *p, u64 count)
{
	for (u64 i = 0; i < count; i++) {
		if (p[i].fd < 0)
			continue;
		watch_open(&w[i], p[i].fd, (u16)p[i].events | READY_ALWAYS);
		if (!w[i].file)
			w[i].ready = POLLNVAL;
	}
}

static long poll_store(const struct watch *w, u64 user, u64 count)
{
	struct pollfd *p = (void *)user;

	if (!user_writable(user, count * sizeof(*p)))
		return -EFAULT;
	for (u64 i = 0; i < count; i++)
		p[i].revents = (short)w[i].ready;
	return 0;
}

static long do_poll(u64 user, u64 count, u64 deadline)
{
	struct watch few[FEW], *w;
	long r, stored;

	if (count > MAX_FDS)
		return -EINVAL;
	if (count && !user_readable(user, count * sizeof(struct pollfd)))
		return -EFAULT;
	w = watch_alloc(few, count);
	if (!w)
		return -ENOMEM;
	poll_open(w, (void *)user, count);
	r = watch_wait(w, count, deadline);
	stored = count ? poll_store(w, user, count) : 0;
	if (stored)
		r = stored;
	watch_free(w, count, few);
	return r;
}

long sys_poll(u64 fds, u64 count, u64 timeout)
{
	return do_poll(fds, (u32)count, deadline_ms((s32)timeout));
}

long sys_ppoll(u64 fds, u64 count, u64 timeout, u64 mask, u64 mask_size)
{
	u64 deadline;
	long r = deadline_timespec(timeout, &deadline);

	if (r)
		return r;
	r = signal_mask_for_wait(mask, mask_size);
	if (r)
		return r;
	r = do_poll(fds, (u32)count, deadline);
	deadline_left_timespec(timeout, deadline);
	return r;
}

/* ---- select ---- */

enum { READ, WRITE, EXCEPT, SETS };

static const u32 select_events[SETS] = {SELECT_READ, SELECT_WRITE,
					SELECT_EXCEPT};

static bool bit(const u64 *set, s32 fd)
{
	return set && (set[fd / 64] >> (fd % 64) & 1);
}

static u32 select_asked(u64 *const sets[SETS], s32 fd)
{
	u32 events = 0;

	for (int s = 0; s < SETS; s++)
		if (bit(sets[s], fd))
			events |= select_events[s];
	return events;
}

static u64 select_count(u64 *const sets[SETS], s32 n)
{
	u64 count = 0;

	for (s32 fd = 0; fd < n; fd++)
		count += select_asked(sets, fd) != 0;
	return count;
}

static long select_open(struct watch *w, u64 *const sets[SETS], s32 n)
{
	for (s32 fd = 0; fd < n; fd++) {
		u32 events = select_asked(sets, fd);

		if (!events)
			continue;
		watch_open(w, fd, events);
		if (!w++->file)
			return -EBADF;
	}
	return 0;
}

/* Leaves in sets what is ready of what was asked; returns the number of bits. */
static long select_store(const struct watch *w, u64 count, u64 *sets[SETS])
{
	long bits = 0;

	for (u64 i = 0; i < count; i++) {
		for (int s = 0; s < SETS; s++) {
			if (!bit(sets[s], w[i].fd))
				continue;
			if (w[i].ready & select_events[s])
				bits++;
			else
				sets[s][w[i].fd / 64] &=
					~(1ull << (w[i].fd % 64));
		}
	}
	return bits;
}

static bool sets_writable(u64 *const sets[SETS], s32 n)
{
	for (int s = 0; s < SETS; s++)
		if (sets[s] && !user_writable((u64)sets[s], ((u64)n + 63) / 64 * 8))
			return false;
	return true;
}

static long do_select(s32 n, u64 *sets[SETS], u64 deadline)
{
	struct watch few[FEW], *w;
	u64 count;
	long r;

	if (n < 0)
		return -EINVAL;
	n = MIN(n, MAX_SELECT);
	if (!sets_writable(sets, n))
		return -EFAULT;
	count = select_count(sets, n);
	w = watch_alloc(few, count);
	if (!w)
		return -ENOMEM;
	r = select_open(w, sets, n);
	if (!r)
		r = watch_wait(w, count, deadline);
	/* the program's sets are both input and output, and its memory may have
	 * changed during the wait: only bits that are still asked for count */
	if (r >= 0)
		r = sets_writable(sets, n) ? select_store(w, count, sets)
					   : -EFAULT;
	watch_free(w, count, few);
	return r;
}

long sys_select(u64 n, u64 readable, u64 writable, u64 except, u64 timeout)
{
	u64 *sets[SETS] = {(u64 *)readable, (u64 *)writable, (u64 *)except};
	u64 deadline;
	long r = deadline_timeval(timeout, &deadline);

	if (r)
		return r;
	r = do_select((s32)n, sets, deadline);
	deadline_left_timeval(timeout, deadline);
	return r;
}

long sys_pselect6(u64 n, u64 readable, u64 writable, u64 except, u64 timeout,
		  u64 mask)
{
	u64 *sets[SETS] = {(u64 *)readable, (u64 *)writable, (u64 *)except};
	u64 mask_and_size[2] = {0, 0};
	u64 deadline;
	long r;

	if (mask) {
		r = copy_from_user(mask_and_size, mask, sizeof(mask_and_size));
		if (r)
			return r;
	}
	r = deadline_timespec(timeout, &deadline);
	if (r)
		return r;
	r = signal_mask_for_wait(mask_and_size[0], mask_and_size[1]);
	if (r)
		return r;
	r = do_select((s32)n, sets, deadline);
	deadline_left_timespec(timeout, deadline);
	return r;
}
