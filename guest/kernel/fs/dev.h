/* dev.h: character devices. */
#ifndef FS_DEV_H
#define FS_DEV_H

#include "fs/file.h"

void dev_init(void);                      /* makes /dev */
const struct file_ops *dev_ops(u64 rdev); /* NULL: no such device */
/* Says how a device is opened whose kind lives above; DEV_ANY: all minors. */
#define DEV_ANY (~0u)
void dev_serve(u32 major, u32 minor, const struct file_ops *ops);
/* As stat shows it: makedev(3). */
u32 dev_number(u32 major, u32 minor);

#endif
