/* pipe.h: what others do with pipes. */
#ifndef IO_PIPE_H
#define IO_PIPE_H

#include "fs/file.h"

/* The reading end of a pipe that is empty and has no writer; NULL: no memory. */
struct file *pipe_ended(void);

#endif
