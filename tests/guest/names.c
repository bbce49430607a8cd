/* names.c: slashes behind names, and what is refused before what. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "scratch.h"

#define SHOW(call)                                                             \
	do {                                                                   \
		errno = 0;                                                     \
		long r_ = (long)(call);                                        \
		printf("%s: %s\n", #call,                                      \
		       r_ < 0 ? strerrorname_np(errno) : "done");              \
	} while (0)

static void slashes(void)
{
	mkdir("dir", 0755);
	close(open("file", O_CREAT | O_RDWR, 0600));
	symlink("dir", "to_dir");
	symlink("dir/", "to_slash");
	symlink("nowhere", "to_nothing");
	SHOW(open("dir/", O_CREAT | O_EXCL, 0600));
	SHOW(open("file/", O_CREAT | O_RDWR, 0600));
	SHOW(open("to_slash", O_CREAT | O_RDWR, 0600));
	SHOW(open("to_nothing/", O_CREAT | O_RDWR, 0600));
	SHOW(open("dir/.", O_CREAT | O_EXCL, 0600));
	SHOW(open("dir", O_PATH | O_TMPFILE | O_CREAT, 0600));
	SHOW(mkdir("file/", 0755));
	SHOW(mkdir("to_nothing/", 0755));
	SHOW(symlink("x", "file/"));
	SHOW(link("file", "to_dir/"));
	SHOW(link("file", "absent/"));
	SHOW(unlink("file/"));
	SHOW(unlink("to_dir/"));
	SHOW(unlink("dir/"));
	SHOW(unlink("absent/"));
	SHOW(rmdir("to_dir/"));
	SHOW(rename("absent", "to_dir/"));
	SHOW(rename("file", "to_nothing/"));
	SHOW(rename("to_dir/", "other"));
	SHOW(rename("file/", "other"));
	SHOW(renameat2(AT_FDCWD, "dir", AT_FDCWD, "file/", RENAME_EXCHANGE));
	SHOW(rename("dir/", "moved/"));
	SHOW(rename("moved", "dir"));
	char text[8];
	SHOW(readlink("", text, sizeof(text)));
}

static void positions(void)
{
	char text[64] = "0123456789";
	int a = open("a", O_CREAT | O_RDWR | O_APPEND, 0600), b;

	write(a, text, 10);
	lseek(a, 3, SEEK_SET);
	write(a, text, 0);
	printf("nothing appended at %ld\n", (long)lseek(a, 0, SEEK_CUR));
	b = open("a", O_RDWR);
	lseek(b, 4, SEEK_SET);
	printf("sent to itself %ld", (long)sendfile(b, dup(b), NULL, 6));
	printf(", now at %ld, size %ld\n", (long)lseek(b, 0, SEEK_CUR),
	       (long)lseek(b, 0, SEEK_END));
	SHOW(sendfile(b, open("dir", O_RDONLY), NULL, 1));
	SHOW(copy_file_range(open("dir", O_PATH), NULL, b, NULL, 1, 0));
	SHOW(fallocate(open("a", O_RDONLY), FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	SHOW(fallocate(b, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	SHOW(fallocate(b, FALLOC_FL_ZERO_RANGE, 0, 4096));
	SHOW(fallocate(b, FALLOC_FL_PUNCH_HOLE, 0, 4096));
}

/* What a write puts behind the end is there for the rest of it. */
static void write_of_itself(void)
{
	int f = open("self", O_CREAT | O_RDWR, 0600);
	char *p = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);

	ftruncate(f, 8192);
	memset(p, 'x', 8192);
	printf("written %ld\n", (long)pwrite(f, p + 2048, 8192, 4096));
}

int main(void)
{
	scratch_enter();
	slashes();
	positions();
	write_of_itself();
	return 0;
}
