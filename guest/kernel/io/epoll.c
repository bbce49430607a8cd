/*
 * epoll.c: sets of watched files.
 *
 * An item is one (file, descriptor) in one set. It hangs in three lists: the
 * set's items, the file's watchers, and, while it may be ready,
 * the set's ready queue. file_ready() queues the items of a file; epoll_wait
 * takes them from the queue, asks the file again, and puts level-triggered ones
 * back. So a wait costs as much as there is ready, not as much as is watched;
 * epoll_ctl walks the watchers of one file. Items hold no reference on their
 * file: a file that goes away tells its watchers.
 */
#include <asm/stat.h>
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "task/deadline.h"
#include "io/poll.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

#define MAX_NESTS 4 /* of epoll in epoll, as Linux's EP_MAX_NESTS */
#define MAX_EVENTS (0x7fffffff / (s32)sizeof(struct epoll_event))
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_BITS                                                         \
	(EPOLLIN | EPOLLOUT | READY_ALWAYS | EPOLLWAKEUP | EPOLLET |           \
	 EPOLLEXCLUSIVE)

struct item {
	struct file_watcher watcher; /* in file->watchers; first */
	struct epoll *set;
	struct file *file;
	s32 fd;
	u32 events;
	u64 data;
	struct item *set_next, **set_link;    /* set->items */
	struct item *ready_next, *ready_prev; /* set->ready, while queued */
	bool queued;
};

struct epoll {
	struct file *file;
	struct item *items;
	struct item *ready_head, *ready_tail;
	struct waitq waiters;
};

static const struct file_ops epoll_ops;

/* ---- the ready queue ---- */

static void ready_push(struct item *it)
{
	struct epoll *ep = it->set;

	if (it->queued)
		return;
	it->queued = true;
	it->ready_next = NULL;
	it->ready_prev = ep->ready_tail;
	if (ep->ready_tail)
		ep->ready_tail->ready_next = it;
	else
		ep->ready_head = it;
	ep->ready_tail = it;
}

static void ready_remove(struct item *it)
{
	struct epoll *ep = it->set;

	if (!it->queued)
		return;
	it->queued = false;
	if (it->ready_prev)
		it->ready_prev->ready_next = it->ready_next;
	else
		ep->ready_head = it->ready_next;
	if (it->ready_next)
		it->ready_next->ready_prev = it->ready_prev;
	else
		ep->ready_tail = it->ready_prev;
}

static u32 item_poll(const struct item *it)
{
	/* a one-shot that has fired has no event bits left and stays silent */
	if (!(it->events & ~PRIVATE_BITS))
		return 0;
	return file_poll(it->file) & (it->events | READY_ALWAYS);
}

static void set_announce(struct epoll *ep)
{
	waitq_wake_all(&ep->waiters);
	/* the set itself became readable, for poll and for sets around it;
	 * these cannot form a loop (see nests_too_deep) */
	file_ready_events(ep->file, READY_READ);
}

static void item_ready(struct file_watcher *w, u32 events)
{
	struct item *it = (struct item *)w;

	if (!(it->events & ~PRIVATE_BITS) ||
	    !(events & (it->events | READY_ALWAYS)))
		return;
	ready_push(it);
	set_announce(it->set);
}

/* ---- items ---- */

/* The first of a file's items from watcher w on; NULL: there is none. */
static struct item *item_of(struct file_watcher *w)
{
	while (w && w->ready != item_ready)
		w = w->next;
	return (struct item *)w;
}

/* Through the file's items and the set's at once: the shorter list ends it. */
static struct item *item_find(struct epoll *ep, struct file *f, s32 fd)
{
	struct item *a = item_of(f->watchers), *b = ep->items;

	for (; a && b; a = item_of(a->watcher.next), b = b->set_next) {
		if (a->set == ep && a->fd == fd)
			return a;
		if (b->file == f && b->fd == fd)
			return b;
	}
	return NULL;
}

static void item_free(struct item *it)
{
	ready_remove(it);
	*it->set_link = it->set_next;
	if (it->set_next)
		it->set_next->set_link = it->set_link;
	file_unwatch(&it->watcher);
	kfree(it);
}

static void item_gone(struct file_watcher *w)
{
	item_free((struct item *)w);
}

/* Starts (again) to watch: what is ready already counts as an edge. */
static void item_watch(struct item *it, const struct epoll_event *event)
{
	it->events = event->events | READY_ALWAYS;
	it->data = event->data;
	if (item_poll(it)) {
		ready_push(it);
		set_announce(it->set);
	}
}

static long item_add(struct epoll *ep, struct file *f, s32 fd,
		     const struct epoll_event *event)
{
	struct item *it = kmalloc(sizeof(*it));

	if (!it)
		return -ENOMEM;
	it->set = ep;
	it->file = f;
	it->fd = fd;
	it->set_next = ep->items;
	it->set_link = &ep->items;
	if (ep->items)
		ep->items->set_link = &it->set_next;
	ep->items = it;
	it->watcher.ready = item_ready;
	it->watcher.gone = item_gone;
	file_watch(f, &it->watcher);
	item_watch(it, event);
	return 0;
}

/* ---- nesting ---- */

/* NOLINTNEXTLINE(misc-no-recursion): limit deep */
static int depth_above(const struct file *f, int limit)
{
	int depth = 0;

	for (const struct item *it = item_of(f->watchers); it && limit;
	     it = item_of(it->watcher.next))
		depth = MAX(depth, 1 + depth_above(it->set->file, limit - 1));
	return depth;
}

/* Levels of sets below ep, or more than limit when `forbidden` is among them. */
/* NOLINTNEXTLINE(misc-no-recursion): limit deep */
static int depth_below(const struct epoll *ep, const struct epoll *forbidden,
		       int limit)
{
	int depth = 0;

	if (ep == forbidden || limit < 0)
		return MAX_NESTS + 1;
	for (const struct item *it = ep->items; it; it = it->set_next)
		if (it->file->ops == &epoll_ops)
			depth = MAX(depth,
				    1 + depth_below(it->file->node, forbidden,
						    limit - 1));
	return depth;
}

static bool nests_too_deep(const struct epoll *outer, const struct epoll *inner)
{
	return depth_below(inner, outer, MAX_NESTS) + 1 +
		       depth_above(outer->file, MAX_NESTS + 1) >
	       MAX_NESTS;
}

/* ---- the file ---- */

static u32 epoll_poll(struct file *f)
{
	struct epoll *ep = f->node;
	struct item *next;

	for (struct item *it = ep->ready_head; it; it = next) {
		next = it->ready_next;
		if (item_poll(it))
			return READY_READ;
		ready_remove(it);
	}
	return 0;
}

static void epoll_release(struct file *f)
{
	struct epoll *ep = f->node;

	for (struct item *it = ep->items, *next; it; it = next) {
		next = it->set_next;
		item_free(it);
	}
	kfree(ep);
}

static void epoll_info(struct file *f, struct text *t)
{
	const struct epoll *ep = f->node;
	struct stat st = { 0 };

	for (const struct item *it = ep->items; it; it = it->set_next) {
		file_stat(it->file, &st);
		text_add(t,
			 "tfd: %8d events: %8x data: %16lx  pos:%lu ino:%lx "
			 "sdev:1\n",
			 it->fd, it->events, it->data, it->file->pos,
			 st.st_ino);
	}
}

static const struct file_ops epoll_ops = {
	.poll = epoll_poll,
	.release = epoll_release,
	.kind = "[eventpoll]",
	.info = epoll_info,
};

static long epoll_create(bool cloexec)
{
	struct epoll *ep = kmalloc(sizeof(*ep));

	if (!ep)
		return -ENOMEM;
	ep->file = file_new(&epoll_ops, ep, O_RDWR);
	if (!ep->file) {
		kfree(ep);
		return -ENOMEM;
	}
	return fd_install(ep->file, cloexec);
}

long sys_epoll_create(u64 size)
{
	return (s32)size <= 0 ? -EINVAL : epoll_create(false);
}

long sys_epoll_create1(u64 flags)
{
	if ((u32)flags & ~(u32)EPOLL_CLOEXEC)
		return -EINVAL;
	return epoll_create(flags & EPOLL_CLOEXEC);
}

/* ---- epoll_ctl ---- */

static long ctl_check(struct file *set, struct file *f, int op,
		      const struct epoll_event *event)
{
	if (!f->ops->poll)
		return -EPERM;
	if (f == set || set->ops != &epoll_ops)
		return -EINVAL;
	if (op == EPOLL_CTL_DEL || !(event->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD)
		return -EINVAL;
	if (op == EPOLL_CTL_ADD &&
	    (f->ops == &epoll_ops || (event->events & ~EXCLUSIVE_BITS)))
		return -EINVAL;
	return 0;
}

static long ctl_add(struct epoll *ep, struct file *f, s32 fd,
		    const struct epoll_event *event)
{
	if (f->ops == &epoll_ops && nests_too_deep(ep, f->node))
		return -ELOOP;
	if (item_find(ep, f, fd))
		return -EEXIST;
	return item_add(ep, f, fd, event);
}

static long ctl_modify(struct item *it, const struct epoll_event *event)
{
	if (!it)
		return -ENOENT;
	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	ready_remove(it);
	item_watch(it, event);
	return 0;
}

static long ctl_delete(struct item *it)
{
	if (!it)
		return -ENOENT;
	item_free(it);
	return 0;
}

long sys_epoll_ctl(u64 epfd, u64 op, u64 fd, u64 user)
{
	struct epoll_event event = { 0 };
	struct file *set, *f;
	long r;

	if ((s32)op != EPOLL_CTL_DEL) {
		r = copy_from_user(&event, user, sizeof(event));
		if (r)
			return r;
	}
	set = fd_file((s32)epfd);
	f = fd_file((s32)fd);
	if (!set || !f || (set->flags | f->flags) & O_PATH)
		return -EBADF;
	r = ctl_check(set, f, (s32)op, &event);
	if (r)
		return r;
	switch ((s32)op) {
	case EPOLL_CTL_ADD:
		return ctl_add(set->node, f, (s32)fd, &event);
	case EPOLL_CTL_MOD:
		return ctl_modify(item_find(set->node, f, (s32)fd), &event);
	case EPOLL_CTL_DEL:
		return ctl_delete(item_find(set->node, f, (s32)fd));
	}
	return -EINVAL;
}

/* ---- epoll_wait ---- */

/* One round over the ready queue: number of events stored, -EFAULT. */
static long collect(struct epoll *ep, u64 user, s32 max)
{
	struct item *it, *last = ep->ready_tail;
	struct epoll_event event;
	bool done = !last;
	long n = 0;

	while (!done && n < max) {
		it = ep->ready_head;
		done = it ==
		       last; /* those put back behind it wait their turn */
		ready_remove(it);
		event.events = item_poll(it);
		event.data = it->data;
		if (!event.events)
			continue;
		if (copy_to_user(user + (u64)n * sizeof(event), &event,
				 sizeof(event))) {
			ready_push(it);
			return n ? n : -EFAULT;
		}
		n++;
		if (it->events & EPOLLONESHOT)
			it->events &= PRIVATE_BITS;
		else if (!(it->events & EPOLLET))
			ready_push(it);
	}
	return n;
}

static long wait_ready(struct epoll *ep, u64 user, s32 max, u64 deadline)
{
	long ended = 0; /* why the wait has: one last look */
	long r;

	while (!(r = collect(ep, user, max)) && deadline && !ended)
		ended = thread_wait(&ep->waiters, deadline);
	return r || ended == -ETIMEDOUT ? r : ended;
}

static long epoll_wait(u64 epfd, u64 user, u64 maxevents, u64 deadline,
		       u64 mask, u64 mask_size)
{
	s32 max = (s32)maxevents;
	struct file *f;
	long r;

	if (max <= 0 || max > MAX_EVENTS)
		return -EINVAL;
	f = fd_file((s32)epfd);
	if (!f || f->flags & O_PATH)
		return -EBADF;
	if (f->ops != &epoll_ops)
		return -EINVAL;
	r = signal_mask_for_wait(mask, mask_size);
	if (r)
		return r;
	file_ref(f); /* another thread may close it while we wait */
	r = wait_ready(f->node, user, max, deadline);
	file_unref(f);
	return r;
}

long sys_epoll_wait(u64 epfd, u64 events, u64 max, u64 timeout)
{
	return epoll_wait(epfd, events, max, deadline_ms((s32)timeout), 0, 0);
}

long sys_epoll_pwait(u64 epfd, u64 events, u64 max, u64 timeout, u64 mask,
		     u64 mask_size)
{
	return epoll_wait(epfd, events, max, deadline_ms((s32)timeout), mask,
			  mask_size);
}

long sys_epoll_pwait2(u64 epfd, u64 events, u64 max, u64 timeout, u64 mask,
		      u64 mask_size)
{
	u64 deadline;
	long r = deadline_timespec(timeout, &deadline);

	if (r)
		return r;
	return epoll_wait(epfd, events, max, deadline, mask, mask_size);
}
