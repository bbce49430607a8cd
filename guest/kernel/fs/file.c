/* file.c: open files: their references and readiness. */
#include "fs/file.h"

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/lock.h"
#include "fs/object.h"
#include "fs/owner.h"
#include "heap.h"

struct waitq file_pollers;

static u32 open_files;

/* ---- as an object of mappings ---- */

static struct file *of(struct object *o)
{
	return (struct file *)o;
}

static void object_ref(struct object *o)
{
	file_ref(of(o));
}

static void object_unref(struct object *o)
{
	file_unref(of(o));
}

static bool object_has(struct object *o, u64 index)
{
	return of(o)->ops->has_page(of(o), index);
}

static gpa_t object_page(struct object *o, u64 index, bool write)
{
	return of(o)->ops->page(of(o), index, write);
}

static gpa_t object_gather(struct object *o, u64 index, u64 count, gpa_t run)
{
	return of(o)->ops->gather(of(o), index, count, run);
}

static size_t object_read(struct object *o, void *buf, size_t size, u64 at)
{
	long r = of(o)->ops->read(of(o), buf, size, &at);

	return r < 0 ? 0 : (size_t)r;
}

static long object_punch(struct object *o, u64 at, u64 size)
{
	struct file *f = of(o);

	return f->ops->punch ? f->ops->punch(f, at, size) : -EOPNOTSUPP;
}

static size_t object_name(struct object *o, char *buf, size_t size)
{
	return file_describe(of(o), buf, size);
}

static const struct object_ops object_ops = {
	.ref = object_ref,
	.unref = object_unref,
	.page = object_page,
	.has = object_has,
	.gather = object_gather,
	.read = object_read,
	.punch = object_punch,
	.name = object_name,
};

struct file *file_of_object(struct object *o)
{
	return o->ops == &object_ops ? of(o) : NULL;
}

/* ---- files ---- */

struct file *file_new(const struct file_ops *ops, void *node, u32 flags)
{
	struct file *f = kmalloc(sizeof(*f));

	if (!f)
		return NULL;
	f->object = (struct object){ .ops = &object_ops, .data = node };
	f->ops = ops;
	f->node = node;
	f->flags = flags;
	f->refs = 1;
	open_files++;
	return f;
}

u32 file_count(void)
{
	return open_files;
}

void file_ref(struct file *f)
{
	f->refs++;
}

void file_unref(struct file *f)
{
	if (--f->refs)
		return;
	while (f->watchers)
		f->watchers->gone(f->watchers);
	lock_file_gone(f);
	if (f->ops->release)
		f->ops->release(f);
	open_files--;
	kfree(f->owner);
	kfree(f);
}

long file_stat(struct file *f, struct stat *st)
{
	if (!file_is_anonymous(f))
		return f->ops->stat(f, st);
	stat_object(st, ANON_MODE, ANON_INODE);
	return 0;
}

u32 file_flags(const struct file *f)
{
	bool large = f->ops->of_node && !(f->flags & O_PATH);

	return f->flags | (large ? O_LARGEFILE : 0);
}

size_t file_describe(struct file *f, char *buf, size_t size)
{
	struct stat st = { 0 };
	int n;

	if (f->ops->describe)
		return f->ops->describe(f, buf, size);
	file_stat(f, &st);
	if (S_ISFIFO(st.st_mode))
		n = ksnprintf(buf, size, "pipe:[%lu]", st.st_ino);
	else if (S_ISSOCK(st.st_mode))
		n = ksnprintf(buf, size, "socket:[%lu]", st.st_ino);
	else
		n = ksnprintf(buf, size, "anon_inode:%s",
			      f->ops->kind ? f->ops->kind : "[file]");
	return MIN((size_t)n, size);
}

void file_watch(struct file *f, struct file_watcher *w)
{
	w->next = f->watchers;
	w->link = &f->watchers;
	if (w->next)
		w->next->link = &w->next;
	f->watchers = w;
}

void file_unwatch(struct file_watcher *w)
{
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
}

void file_ready_events(struct file *f, u32 events)
{
	struct file_watcher *next;

	if (!f)
		return;
	f->edges++;
	if (f->flags & FASYNC)
		owner_signal(f, events);
	for (struct file_watcher *w = f->watchers; w; w = next) {
		next = w->next;
		w->ready(w, events);
	}
	waitq_wake_all(&file_pollers);
}

void file_ready(struct file *f)
{
	file_ready_events(f, ~0u);
}
