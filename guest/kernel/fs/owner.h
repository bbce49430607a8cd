/* owner.h: who gets a signal when a file becomes ready (O_ASYNC, F_SETOWN). */
#ifndef FS_OWNER_H
#define FS_OWNER_H

#include "fs/file.h"

/* fcntl's F_*OWN*, F_*SIG; -EINVAL for another command. */
long owner_fcntl(struct file *f, u32 command, u64 argument);
/* Switches O_ASYNC, by this descriptor; the kind of file must have it. 0 or
 * -ENOMEM. */
long owner_watch(struct file *f, s32 fd, bool on);
/* f became ready for these EPOLL* events. */
void owner_signal(struct file *f, u32 events);

/* Urgent data came through f: SIGURG. */
void owner_urgent(struct file *f);

#endif
