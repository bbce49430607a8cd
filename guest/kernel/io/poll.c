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
#define SMALL_SELECT 1024  /* descriptors without a heap allocation */
#define FEW 16             /* files without a heap allocation */

#define SELECT_READ                                                            \
	(EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLNVAL)
#define SELECT_WRITE                                                           \
	(EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR | EPOLLNVAL)
#define SELECT_EXCEPT (EPOLLPRI | EPOLLNVAL)

/* ---- readiness ---- */

u32 file_poll(struct file *f)
{
	return f->ops->poll ? f->ops->poll(f) : READY_READ | READY_WRITE;
}

/* ---- the wait that poll and select share ---- */

struct watch {
	struct file *file; /* referenced; NULL: not open, or to be ignored */
	s32 fd;
	u32 events; /* asked for */
	u32 ready;  /* those of them that came */
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
	if (w->file && w->file->flags & O_PATH)
		w->file = NULL; /* there, but nothing to ask */
	if (w->file)
		file_ref(w->file); /* may be closed while we wait */
	else
		w->ready = POLLNVAL;
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

static long poll_open(struct watch *w, u64 user, u64 count)
{
	struct pollfd p;

	for (u64 i = 0; i < count; i++, user += sizeof(p)) {
		if (copy_from_user(&p, user, sizeof(p)))
			return -EFAULT;
		if (p.fd < 0)
			continue;
		watch_open(&w[i], p.fd, (u16)p.events | READY_ALWAYS);
	}
	return 0;
}

static long poll_store(const struct watch *w, u64 user, u64 count)
{
	user += offsetof(struct pollfd, revents);
	for (u64 i = 0; i < count; i++, user += sizeof(struct pollfd)) {
		short ready = (short)w[i].ready;

		if (copy_to_user(user, &ready, sizeof(ready)))
			return -EFAULT;
	}
	return 0;
}

static long do_poll(u64 user, u64 count, u64 deadline)
{
	struct watch few[FEW], *w;
	long r;

	if (count > MAX_FDS)
		return -EINVAL;
	w = watch_alloc(few, count);
	if (!w)
		return -ENOMEM;
	r = poll_open(w, user, count);
	if (r == 0)
		r = watch_wait(w, count, deadline);
	if (r != -EFAULT && poll_store(w, user, count))
		r = -EFAULT;
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

static const u32 select_events[SETS] = { SELECT_READ, SELECT_WRITE,
					 SELECT_EXCEPT };

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
		if (!fd_file(fd))
			return -EBADF;
		watch_open(w++, fd, events);
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

/* The program's sets, copied: READ, WRITE, EXCEPT; 0: not given. */
struct select_sets {
	u64 user[SETS];
	u64 *bits[SETS];
	u64 size; /* bytes of each */
	u64 small[SETS][SMALL_SELECT / 64];
	u64 *large;
};

static long sets_load(struct select_sets *sets, s32 n)
{
	sets->size = ((u64)n + 63) / 64 * 8;
	sets->large = NULL;
	if (n > SMALL_SELECT) {
		sets->large = kmalloc(SETS * sets->size);
		if (!sets->large)
			return -ENOMEM;
	}
	for (int s = 0; s < SETS; s++) {
		sets->bits[s] = sets->large ? sets->large + s * sets->size / 8 :
					      sets->small[s];
		if (!sets->user[s])
			sets->bits[s] = NULL;
		else if (copy_from_user(sets->bits[s], sets->user[s],
					sets->size))
			return -EFAULT;
	}
	return 0;
}

static long sets_store(const struct select_sets *sets)
{
	for (int s = 0; s < SETS; s++)
		if (sets->bits[s] &&
		    copy_to_user(sets->user[s], sets->bits[s], sets->size))
			return -EFAULT;
	return 0;
}

static long select_loaded(struct select_sets *sets, s32 n, u64 deadline)
{
	struct watch few[FEW];
	u64 count = select_count(sets->bits, n);
	struct watch *w = watch_alloc(few, count);
	long r;

	if (!w)
		return -ENOMEM;
	r = select_open(w, sets->bits, n);
	if (!r)
		r = watch_wait(w, count, deadline);
	if (r >= 0)
		r = select_store(w, count, sets->bits);
	watch_free(w, count, few);
	if (r >= 0 && sets_store(sets))
		r = -EFAULT;
	return r;
}

static long do_select(s32 n, u64 readable, u64 writable, u64 except,
		      u64 deadline)
{
	struct select_sets sets = { .user = { readable, writable, except } };
	long r;

	if (n < 0)
		return -EINVAL;
	n = MIN(n, MAX_SELECT);
	r = sets_load(&sets, n);
	if (r == 0)
		r = select_loaded(&sets, n, deadline);
	kfree(sets.large);
	return r;
}

long sys_select(u64 n, u64 readable, u64 writable, u64 except, u64 timeout)
{
	u64 deadline;
	long r = deadline_timeval(timeout, &deadline);

	if (r)
		return r;
	r = do_select((s32)n, readable, writable, except, deadline);
	deadline_left_timeval(timeout, deadline);
	return r;
}

long sys_pselect6(u64 n, u64 readable, u64 writable, u64 except, u64 timeout,
		  u64 mask)
{
	u64 mask_and_size[2] = { 0, 0 };
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
	r = do_select((s32)n, readable, writable, except, deadline);
	deadline_left_timespec(timeout, deadline);
	return r;
}
