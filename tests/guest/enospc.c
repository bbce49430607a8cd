/* A file system that is full: what no longer works, and that it works again. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "check.h"
#include "scratch.h"

#define MIB (1l << 20)

static long fill(int fd)
{
	static char block[65536];
	long total = 0, n;

	memset(block, 'f', sizeof(block));
	while ((n = write(fd, block, sizeof(block))) > 0)
		total += n;
	printf("full: %s\n", strerrorname_np(errno));
	return total;
}

static int room(void)
{
	struct statfs s;

	statfs(".", &s);
	return s.f_bavail > 0;
}

static void names(void)
{
	char name[32];
	long made = 0;
	int e = 0;

	for (; made < 10000000 && !e; made++) {
		sprintf(name, "n%ld", made);
		if (mknod(name, S_IFREG | 0600, 0))
			e = errno;
	}
	printf("many names: %d, then %s\n", made > 10000, strerrorname_np(e));
	SHOW(mkdir("one-more", 0700));
	SHOW(symlink("a", "one-more"));
	while (made-- > 0) {
		sprintf(name, "n%ld", made);
		unlink(name);
	}
	SHOW(mkdir("one-more", 0700));
}

int main(void)
{
	struct statfs s;
	long total, again;
	char *map;
	int fd;

	/* Natively a tmpfs of its own; the guest's is small as it is. */
	if (unshare(CLONE_NEWNS) == 0) {
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		if (mount("none", "/dev/shm", "tmpfs", 0,
			  "size=64m,nr_inodes=20000"))
			perror("mount");
	}
	scratch_enter();
	fd = open("big", O_CREAT | O_RDWR, 0600);
	total = fill(fd);
	printf("some was written: %d\n", total > 32 * MIB);
	SHOW(room());
	SHOW(write(fd, "x", 1));
	SHOW(rename("big", "bigger"));
	SHOW(rename("bigger", "big"));
	SHOW(pwrite(fd, "x", 1, 0));
	SHOW(ftruncate(fd, 1l << 40)); /* takes nothing */
	SHOW(fallocate(fd, 0, 0, 1l << 40));
	SHOW(ftruncate(fd, total));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MIB));
	SHOW(pwrite(fd, "x", 1, 0));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	map[0] = 'm';
	SHOW(pread(fd, &s, 1, 4096));
	SHOW(unlink("big"));
	SHOW(room());
	map[1] = 'n';
	close(fd);
	munmap(map, 4096);
	SHOW(room());
	fd = open("big", O_CREAT | O_RDWR, 0600);
	again = fill(fd);
	printf("as much again: %d\n", again >= total - MIB);
	SHOW(ftruncate(fd, 0));
	close(fd);
	names();
	return 0;
}
