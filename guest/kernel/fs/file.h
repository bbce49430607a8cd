/* file.h: open files, of whatever kind. */
#ifndef FS_FILE_H
#define FS_FILE_H

#include <linux/fcntl.h>

#include "mm/object.h"
#include "text.h"
#include "task/thread.h"

#define MAX_RW_COUNT 0x7ffff000ul /* bytes that one call moves, as on Linux */

struct file;
struct tty;
struct stat;  /* <asm/stat.h> */
struct iovec; /* <linux/uio.h> */

/*
 * Operations of an open file; a missing one answers as Linux does for such a
 * file. buf is checked by the caller, until the operation waits (another thread may
 * unmap it): then it is used with user_put() and user_get(), else with user_copy();
 * what these leave out gives a short count, or -EFAULT when nothing was copied. pos
 * is the offset to use and advance, NULL for files without one.
 */
struct file_ops {
	long (*read)(struct file *f, void *buf, size_t n, u64 *pos);
	long (*write)(struct file *f, const void *buf, size_t n, u64 *pos);
	/* Several buffers in one go, where that is not one after the other: a
	 * datagram, what must not be torn. They are not checked. */
	long (*read_vector)(struct file *f, const struct iovec *v, u64 count);
	long (*write_vector)(struct file *f, const struct iovec *v, u64 count);
	u32 (*poll)(struct file *f); /* EPOLLIN | EPOLLOUT | ... now */
	/* NULL: it has the inode that all counters, timers and sets have. */
	long (*stat)(struct file *f, struct stat *st);
	long (*ioctl)(struct file *f, u64 command, u64 arg);
	long (*truncate)(struct file *f, u64 size);
	/*
	 * The frame that holds page `index`, for mmap; 0 past the end. Frames
	 * of the image are at or above ZB_IMAGE_GPA and read-only. With
	 * `write` the frame must be writable and belong to the file
	 * (MAP_SHARED). A frame stays valid until object_zap() for it.
	 */
	gpa_t (*page)(struct file *f, u64 index, bool write);
	bool (*has_page)(struct file *f, u64 index); /* it is no hole */
	/* As struct object_ops has it; with `page`. */
	gpa_t (*gather)(struct file *f, u64 index, u64 count, gpa_t run);
	long (*punch)(struct file *f, u64 at, u64 size); /* makes a hole */
	bool maps_zeroes; /* a mapping of it is anonymous memory */
	void (*release)(struct file *f); /* last reference is gone */
	/* Called once the file is there, where an open may wait or be refused. */
	long (*open)(struct file *f);
	/* A further opening of what has no name, by /proc/PID/fd; flags: O_*. */
	struct file *(*reopen)(struct file *f, u32 flags, long *error);
	/* fcntl's commands that are this kind's own */
	long (*command)(struct file *f, u32 command, u64 argument);
	bool unspliced;   /* though it has read, sendfile and splice do not */
	bool of_node;     /* file->node is a struct node of the file system */
	bool stream;      /* though of a node it has no position */
	bool async;       /* O_ASYNC: sends signals when it becomes ready */
	u32 magic;        /* statfs's type, where stat does not say it */
	const char *kind; /* what /proc/PID/fd shows of an anonymous inode */
	/* What it shows of others; bytes, at most size. */
	size_t (*describe)(struct file *f, char *buf, size_t size);
	/* Adds lines to /proc/PID/fdinfo/N. */
	void (*info)(struct file *f, struct text *t);
};

struct file {
	struct object object; /* what mappings of it show; first */
	const struct file_ops *ops;
	u32 refs;
	u32 flags; /* O_* of open and F_SETFL; access mode in the low bits */
	u64 pos;
	void *node; /* of the file system or object */
	u32 edges;  /* raised with every new readiness, for EPOLLET */
	union {
		struct text text; /* regular.c: of a file that is made */
		struct tty *tty;  /* tty.h: of a terminal */
	};
	struct file_watcher *watchers; /* epoll.c: who watches this file */
	struct file_owner *owner;      /* control.c: who gets signals of it */
	struct file *next_end; /* another end of the same pipe or terminal */
	s32 writer;            /* what it adds to its node's count of writers */
};

/* kmalloc'd with refs 1, or NULL. */
struct file *file_new(const struct file_ops *ops, void *node, u32 flags);
u32 file_count(void); /* that are open */
void file_ref(struct file *f);
void file_unref(struct file *f);
/* The file that a mapping shows, or NULL: it shows something else. */
struct file *file_of_object(struct object *o);
/* What stat, and what F_GETFL shows of it. */
long file_stat(struct file *f, struct stat *st);
u32 file_flags(const struct file *f);
/* It has no inode of its own. */
static inline bool file_is_anonymous(const struct file *f)
{
	return !f->ops->stat;
}
/* What /proc/self/fd/N links to; bytes, at most size. */
size_t file_describe(struct file *f, char *buf, size_t size);

static inline bool file_readable(const struct file *f)
{
	u32 mode = f->flags & O_ACCMODE; /* 3: neither nor */

	return (mode == O_RDONLY || mode == O_RDWR) && !(f->flags & O_PATH);
}

static inline bool file_writable(const struct file *f)
{
	u32 mode = f->flags & O_ACCMODE;

	return (mode == O_WRONLY || mode == O_RDWR) && !(f->flags & O_PATH);
}

static inline bool file_has_position(const struct file *f)
{
	return f->ops->of_node && !f->ops->stream;
}

/* A watcher of a file's readiness; the list is kept by the file. */
struct file_watcher {
	struct file_watcher *next, **link;
	/* f may have become ready for these EPOLL* events */
	void (*ready)(struct file_watcher *w, u32 events);
	/* f's last reference is gone: the watcher must let go of it */
	void (*gone)(struct file_watcher *w);
};

void file_watch(struct file *f, struct file_watcher *w);
void file_unwatch(struct file_watcher *w);

/* Tells pollers that f became ready; call after every change of readiness. f may
 * be NULL. */
void file_ready(struct file *f);
/* The same for a change that concerns only these EPOLL* events: an
 * edge-triggered watcher of other events is left alone. */
void file_ready_events(struct file *f, u32 events);
/* Where poll and select wait; file_ready wakes them all. */
extern struct waitq file_pollers;

#endif
