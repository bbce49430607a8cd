/*
 * proc.h: files of /proc, also where none is mounted, as in an empty chroot: who
 * may make a mount has one of its own then, which nobody else sees.
 */
#ifndef ZEROBOOT_PROC_H
#define ZEROBOOT_PROC_H

#include <stdio.h>

/* As open("/proc/NAME", flags), closed by an exec. */
int proc_open(const char *name, int flags);
/* As fopen of it, to read. */
FILE *proc_read(const char *name);

#endif
