/* notify.h: who watches nodes, and what is told of them: inotify(7). */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include <linux/inotify.h>

#include "fs/vfs.h"

struct event;

/* A queue of events, and the watches that feed it. */
struct inotify {
	struct file *file;
	struct watch *watches;
	struct event *first, *last;
	u32 queued;
	size_t bytes; /* of all events, as they are read */
	s32 last_wd;
	struct waitq readers;
};

/* A watch of a node; it goes with the node. */
struct watch {
	struct watch *of_node, *of_inotify; /* the next ones */
	struct node *node;
	struct inotify *inotify;
	s32 wd;
	u32 mask;
};

extern u64 watch_count; /* none: nobody needs to be told */

void notify_node(struct node *n, u32 mask);
void notify_node_alone(struct node *n, u32 mask);
void notify_entry(struct node *dir, u32 mask, const char *name, u32 size,
		  u32 cookie);
u32 notify_cookie(void);
void notify_free(struct node *n);

/* Something (IN_*) happened to n: its watchers hear it, and with n's name those
 * of its directory. */
static inline void notify(struct node *n, u32 mask)
{
	if (watch_count)
		notify_node(n, mask);
}
/* The same for what is not told by name: the number of links. */
static inline void notify_self(struct node *n, u32 mask)
{
	if (watch_count)
		notify_node_alone(n, mask);
}
/* A name came into dir, or left it; mask with IN_ISDIR for a directory's. */
static inline void notify_name(struct node *dir, u32 mask, const char *name,
			       u32 size, u32 cookie)
{
	if (watch_count)
		notify_entry(dir, mask, name, size, cookie);
}
/* n is being freed. */
static inline void notify_gone(struct node *n)
{
	if (n->watches)
		notify_free(n);
}

/* The watch of a node that feeds this queue, or NULL. */
struct watch *watch_find(const struct inotify *i, const struct node *n);
struct watch *watch_number(const struct inotify *i, s32 wd);
/* A new one; NULL: no room. */
struct watch *watch_add(struct inotify *i, struct node *n, u32 mask);
/* It goes, and says so. */
void watch_remove(struct watch *w);
/* Takes out the first event, which the caller frees; bytes as read() gives it,
 * size 0: the queue is empty, or it does not fit. */
size_t event_size(const struct inotify *i);
void event_take(struct inotify *i, void *buf);
void events_free(struct inotify *i);

#endif
