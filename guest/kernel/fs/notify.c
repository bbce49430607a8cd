/* notify.c: watches of nodes, and queues of what happened to them. */
#include "fs/notify.h"

#include <linux/eventpoll.h>

#include "fs/quota.h"
#include "heap.h"

#define MAX_QUEUED 16384 /* as Linux, fs.inotify.max_queued_events */

struct event {
	struct event *next;
	s32 wd;
	u32 mask, cookie;
	u32 name_size; /* without the padding */
	char name[];
};

u64 watch_count;

u32 notify_cookie(void)
{
	static u32 last;

	return ++last;
}

/* ---- queues ---- */

/* Names are padded with NULs, one at least. */
static u32 padded(u32 name_size)
{
	const u32 unit = sizeof(struct inotify_event);

	return name_size ? (name_size + unit) / unit * unit : 0;
}

size_t event_size(const struct inotify *i)
{
	return i->first ? sizeof(struct inotify_event) +
				  padded(i->first->name_size) :
			  0;
}

void event_take(struct inotify *i, void *buf)
{
	struct event *e = i->first;
	struct inotify_event *out = buf;

	i->bytes -= event_size(i);
	i->queued--;
	i->first = e->next;
	if (!i->first)
		i->last = NULL;
	out->wd = e->wd;
	out->mask = e->mask;
	out->cookie = e->cookie;
	out->len = padded(e->name_size);
	memset(out->name, 0, out->len);
	memcpy(out->name, e->name, e->name_size);
	kfree(e);
}

void events_free(struct inotify *i)
{
	struct event *e = i->first, *next;

	for (; e; e = next) {
		next = e->next;
		kfree(e);
	}
	i->first = i->last = NULL;
}

static bool same_as_last(const struct inotify *i, s32 wd, u32 mask,
			 const char *name, u32 size)
{
	const struct event *e = i->last;

	return e && e->wd == wd && e->mask == mask && e->name_size == size &&
	       !memcmp(e->name, name, size);
}

static void queue(struct inotify *i, s32 wd, u32 mask, u32 cookie,
		  const char *name, u32 size)
{
	struct event *e;

	if (i->queued >= MAX_QUEUED) {
		if (i->last->mask == IN_Q_OVERFLOW)
			return;
		wd = -1;
		mask = IN_Q_OVERFLOW;
		cookie = size = 0;
	}
	if (!cookie && same_as_last(i, wd, mask, name, size))
		return;
	e = kmalloc(sizeof(*e) + size);
	if (!e)
		return;
	e->wd = wd;
	e->mask = mask;
	e->cookie = cookie;
	e->name_size = size;
	memcpy(e->name, name, size);
	if (i->last)
		i->last->next = e;
	else
		i->first = e;
	i->last = e;
	i->queued++;
	i->bytes += sizeof(struct inotify_event) + padded(size);
	waitq_wake_all(&i->readers);
	file_ready_events(i->file, EPOLLIN | EPOLLRDNORM);
}

/* ---- watches ---- */

struct watch *watch_find(const struct inotify *i, const struct node *n)
{
	struct watch *w = n->watches;

	while (w && w->inotify != i)
		w = w->of_node;
	return w;
}

struct watch *watch_number(const struct inotify *i, s32 wd)
{
	struct watch *w = i->watches;

	while (w && w->wd != wd)
		w = w->of_inotify;
	return w;
}

struct watch *watch_add(struct inotify *i, struct node *n, u32 mask)
{
	struct watch *w = quota_take(1) ? kmalloc(sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	w->node = n;
	w->inotify = i;
	w->mask = mask;
	w->wd = ++i->last_wd;
	w->of_node = n->watches;
	n->watches = w;
	w->of_inotify = i->watches;
	i->watches = w;
	watch_count++;
	return w;
}

/* The one that stands here in its node's list. */
static void remove_at(struct watch **place)
{
	struct watch *w = *place, **at;

	*place = w->of_node;
	for (at = &w->inotify->watches; *at != w;)
		at = &(*at)->of_inotify;
	*at = w->of_inotify;
	watch_count--;
	queue(w->inotify, w->wd, IN_IGNORED, 0, NULL, 0);
	kfree(w);
	quota_give(1);
}

void watch_remove(struct watch *w)
{
	struct watch **at = &w->node->watches;

	while (*at != w)
		at = &(*at)->of_node;
	remove_at(at);
}

/* ---- events ---- */

static void tell(struct node *watched, u32 mask, const char *name, u32 size,
		 u32 cookie)
{
	struct watch **at = &watched->watches, *w;

	while ((w = *at)) {
		bool wanted = w->mask & mask & IN_ALL_EVENTS;

		if (wanted)
			queue(w->inotify, w->wd, mask, cookie, name, size);
		if (wanted && (w->mask & IN_ONESHOT))
			remove_at(at);
		else
			at = &w->of_node;
	}
}

void notify_entry(struct node *dir, u32 mask, const char *name, u32 size,
		  u32 cookie)
{
	tell(dir, mask, name, size, cookie);
}

void notify_node_alone(struct node *n, u32 mask)
{
	tell(n, mask, NULL, 0, 0);
}

/* Whether those who watch the directory of n want to hear of it. */
static bool is_child(const struct node *n)
{
	const struct watch *w = n->parent && n->name ? n->parent->watches :
						       NULL;

	while (w && n->unlinked && (w->mask & IN_EXCL_UNLINK))
		w = w->of_node;
	return w != NULL;
}

void notify_node(struct node *n, u32 mask)
{
	if (is_dir(n))
		mask |= IN_ISDIR;
	if (is_child(n))
		tell(n->parent, mask, n->name, n->name_size, 0);
	tell(n, mask, NULL, 0, 0);
}

void notify_free(struct node *n)
{
	notify_node_alone(n, IN_DELETE_SELF);
	while (n->watches)
		remove_at(&n->watches);
}
