/* object.c: what is open but not of a file system. */
#include "fs/object.h"

#include "fs/vfs.h"

void stat_object(struct stat *st, u32 mode, u64 inode)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = MOUNT_NONE;
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
