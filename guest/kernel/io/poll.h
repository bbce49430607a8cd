/*
 * poll.h: readiness of files, shared by poll.c, epoll.c and the objects that
 * become ready.
 *
 * Event bits are the EPOLL* ones; POLL* have the same values on x86-64.
 */
#ifndef IO_POLL_H
#define IO_POLL_H

#include "fs/file.h"
#include "task/deadline.h"

#include <linux/eventpoll.h>

#define READY_READ (EPOLLIN | EPOLLRDNORM)
#define READY_WRITE (EPOLLOUT | EPOLLWRNORM)
#define READY_ALWAYS                                                           \
	(EPOLLERR | EPOLLHUP) /* reported without being asked for */

/* What f is ready for now; a file without a poll op always reads and writes. */
u32 file_poll(struct file *f);

#endif
