/* proc.h: /proc and /sys. */
#ifndef FS_PROC_H
#define FS_PROC_H

void proc_init(void); /* makes them */

#endif
