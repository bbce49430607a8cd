/* dev.h: character devices. */
#ifndef FS_DEV_H
#define FS_DEV_H

#include "fs/file.h"

void dev_init(void);                      /* makes /dev */
const struct file_ops *dev_ops(u64 rdev); /* NULL: no such device */

#endif
