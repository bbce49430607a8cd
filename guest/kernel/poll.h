/*
 * poll.h: readiness of files, shared by poll.c, epoll.c and the objects that
 * become ready.
 *
 * Event bits are the EPOLL* ones; POLL* have the same values on x86-64.
 */
#ifndef POLL_H
#define POLL_H

#include "kernel.h"

#include <asm/stat.h>
#include <linux/eventpoll.h>

#define READY_READ (EPOLLIN | EPOLLRDNORM)
#define READY_WRITE (EPOLLOUT | EPOLLWRNORM)
#define READY_ALWAYS (EPOLLERR | EPOLLHUP) /* reported without being asked for */

/* What f is ready for now; a file without a poll op always reads and writes. */
u32 file_poll(struct file *f);

/* As file_ready (kernel.h), for a change that concerns only these events: an
 * edge-triggered watcher of other events is left alone. f may be NULL. */
void file_ready_events(struct file *f, u32 events);

/* Queues f in the epoll sets that watch it. For file_ready_events only. */
void epoll_notify(struct file *f, u32 events);

/* f's last reference goes: it leaves every epoll set. */
void epoll_forget(struct file *f);

/* mono ns, saturating */
u64 deadline_after(u64 ns);
/* Milliseconds as poll and epoll_wait take them: negative is forever. */
u64 deadline_ms(s32 ms);
/* From a struct timespec of the program; user == 0 is forever. 0, -EINVAL,
 * -EFAULT. */
long deadline_timespec(u64 user, u64 *deadline);

/* st for an object without a file system. */
void stat_object(struct stat *st, u32 mode, u64 inode);
#define ANON_MODE 0600 /* anon inodes have no file type */
#define ANON_INODE 1   /* and share one number */
u64 object_inode(void); /* a new number, for pipes and sockets */

#endif
