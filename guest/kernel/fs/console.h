/* console.h: the program's first three descriptors. */
#ifndef FS_CONSOLE_H
#define FS_CONSOLE_H

#include "fs/file.h"

/* Opens 0, which is input, 1 and 2; panics when it cannot. */
void console_open(struct file *input);

#endif
