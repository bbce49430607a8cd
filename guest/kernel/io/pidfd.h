/* pidfd.h: descriptors of processes. */
#ifndef IO_PIDFD_H
#define IO_PIDFD_H

#include "fs/file.h"

struct process;

/* A new descriptor of p in the running process, stored at address. 0 or
 * -errno. */
long pidfd_give(struct process *p, u64 address);
/* Whose descriptor f is; NULL: f is none. It may have been reaped. */
struct process *pidfd_process(const struct file *f);

#endif
