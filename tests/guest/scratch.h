/* scratch.h: a directory of the program's own on a tmpfs, which it works in. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[] = "/dev/shm/zeroboot-XXXXXX";

static int scratch_remove(const char *path, const struct stat *st, int type,
			  struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void scratch_leave(void)
{
	if (chdir("/") == 0)
		nftw(scratch, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void scratch_enter(void)
{
	if (!mkdtemp(scratch) || chdir(scratch)) {
		perror(scratch);
		exit(1);
	}
	atexit(scratch_leave);
	umask(022);
}

#endif
