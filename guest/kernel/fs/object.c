/* object.c: what is open but not of a file system. */
#include "fs/object.h"

void stat_object(struct stat *st, u32 mode, u64 inode)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = 15; /* any number that no file system here uses */
	st->st_ino = inode;
	st->st_nlink = 1;
	st->st_mode = mode;
	st->st_blksize = PAGE_SIZE;
}

u64 object_inode(void)
{
	static u64 last = 100; /* lower ones are given out by name */

	return ++last;
}
