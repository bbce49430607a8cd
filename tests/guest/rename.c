/* Names that are moved, exchanged, linked and removed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "check.h"
#include "scratch.h"

static void make(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("cannot make %s\n", path);
	close(fd);
}

static void show(const char *path)
{
	char text[64] = "";
	struct stat st;
	int fd;

	if (lstat(path, &st)) {
		printf(" %s: %s\n", path, strerrorname_np(errno));
		return;
	}
	fd = S_ISREG(st.st_mode) ? open(path, O_RDONLY) : -1;
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		printf("cannot read\n");
	close(fd);
	printf(" %s: type %o links %d %s\n", path, st.st_mode >> 12,
	       (int)st.st_nlink, text);
}

static int named(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char *names[64];
	int count = 0;
	DIR *d = opendir(path);
	struct dirent *e;

	while ((e = readdir(d)) && count < 64)
		names[count++] = strdup(e->d_name);
	closedir(d);
	qsort(names, (size_t)count, sizeof(*names), named);
	for (int i = 0; i < count; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	printf("\n");
}

static void files(void)
{
	make("a", "A");
	make("b", "B");
	SHOW(rename("a", "b"));
	show("a");
	show("b");
	SHOW(rename("b", "b"));
	SHOW(rename("missing", "b"));
	SHOW(rename("b", "missing/b"));
	SHOW(rename("b", "c/"));
	SHOW(rename("b/", "c"));
	SHOW(link("b", "c"));
	show("c");
	SHOW(rename("b", "c")); /* one file: nothing happens */
	show("b");
	SHOW(unlink("c"));
	SHOW(link("b", "b"));
	SHOW(link("missing", "c"));
	SHOW(link("b", "missing/c"));
	SHOW(link("b", "c/"));
	SHOW(link(".", "c"));
	SHOW(symlink("b", "s"));
	SHOW(link("s", "s2"));
	show("s2");
	SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
	show("s3");
	SHOW(linkat(AT_FDCWD, "s", AT_FDCWD, "s4", 0x10));
	SHOW(rename("s", "s3"));
	show("s3");
	show("b");
	SHOW(unlink("b/"));
	SHOW(unlink("."));
	SHOW(unlink(""));
	SHOW(unlinkat(AT_FDCWD, "b", 1));
	SHOW(unlinkat(99, "b", 0));
	SHOW(remove("s2"));
}

static void directories(void)
{
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d/e", 0755));
	SHOW(mkdir("d/e/f", 0755));
	show("d");
	show("d/e");
	SHOW(rename("d", "d/e/f/g"));
	SHOW(rename("d", "d"));
	SHOW(rename("d/e", "d"));
	SHOW(rename("d", "b"));
	SHOW(rename("b", "d"));
	SHOW(mkdir("empty", 0755));
	SHOW(rename("empty", "d"));
	SHOW(rename("d", "empty"));
	show("d");
	show("empty");
	SHOW(rename("empty/", "d/"));
	SHOW(rename("d/e/f", "f"));
	show("d/e");
	SHOW(rename("f", "d/e/"));
	show("d/e");
	SHOW(rename("d/.", "x"));
	SHOW(rename("d/..", "x"));
	SHOW(rename("d", "."));
	SHOW(rename("d", ".."));
	SHOW(rmdir("d/."));
	SHOW(rmdir("d/.."));
	SHOW(rmdir("/"));
	SHOW(rmdir("d"));
	SHOW(rmdir("b"));
	SHOW(rmdir("missing"));
	SHOW(rmdir("d/e/"));
	SHOW(rmdir("d"));
	show("d");
}

static void flags(void)
{
	make("a", "A");
	make("b", "B");
	mkdir("d", 0755);
	mkdir("d/in", 0755);
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "new", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "new", AT_FDCWD, "a", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, ".", RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE));
	show("a");
	show("b");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE));
	show("a");
	show("d");
	show("a/in");
	SHOW(renameat2(AT_FDCWD, "d", AT_FDCWD, "a/in", RENAME_EXCHANGE));
	show("d");
	show("a");
	show("a/in");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "a/in", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "a/in", AT_FDCWD, "a", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "missing", RENAME_EXCHANGE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b/", RENAME_EXCHANGE));
	SHOW(symlink("missing", "dangling"));
	SHOW(rmdir("dangling/"));
	SHOW(unlink("dangling/"));
	SHOW(mkdir("dangling/", 0700));
	SHOW(rename("dangling/", "x"));
	SHOW(unlink("dangling"));
	SHOW(renameat2(AT_FDCWD, "b", AT_FDCWD, "moved", RENAME_WHITEOUT));
	show("b");
	show("moved");
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b",
		       RENAME_EXCHANGE | RENAME_NOREPLACE));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b",
		       RENAME_EXCHANGE | RENAME_WHITEOUT));
	SHOW(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 8));
	list(".");
	list("a");
}

/* The calls that start at a descriptor. */
static void at(void)
{
	char text[16] = "";
	int fd;

	SHOW(RAW(mkdirat, AT_FDCWD, "at", 0755));
	fd = open("at", O_RDONLY | O_DIRECTORY);
	SHOW(RAW(mkdirat, fd, "in", 0700));
	SHOW(RAW(mkdirat, fd, "in", 0700));
	SHOW(RAW(mkdirat, 99, "in", 0700));
	SHOW(RAW(symlinkat, "target", fd, "link"));
	SHOW(RAW(readlinkat, fd, "link", text, 3));
	SHOW(RAW(readlinkat, fd, "link", text, 0));
	SHOW(RAW(readlinkat, fd, "link", 8, 16));
	SHOW(RAW(readlinkat, fd, "in", text, sizeof(text)));
	printf("%s\n", text);
	SHOW(RAW(renameat, fd, "link", AT_FDCWD, "moved"));
	SHOW(RAW(renameat, fd, "link", AT_FDCWD, "moved"));
	SHOW(RAW(renameat, AT_FDCWD, "moved", fd, "in"));
	SHOW(RAW(faccessat, fd, "in", X_OK));
	SHOW(RAW(faccessat, fd, "moved", F_OK));
	SHOW(unlinkat(fd, "in", AT_REMOVEDIR));
	SHOW(unlink("moved"));
	close(fd);
	list("at");
}

static void sticky(void)
{
	SHOW(mkdir("shared", 0755));
	SHOW(chmod("shared", 01777));
	make("shared/root", "");
	SHOW(seteuid(65534));
	SHOW(unlink("shared/root"));
	SHOW(rename("shared/root", "shared/mine"));
	make("shared/mine", "");
	SHOW(unlink("shared/mine"));
	SHOW(mkdir("mine", 0700));
	SHOW(open("/dev/shm/none/x", O_RDONLY));
	SHOW(seteuid(0));
	SHOW(chmod(".", 0700));
	SHOW(seteuid(65534));
	SHOW(open("shared/root", O_RDONLY));
	SHOW(access("shared/root", F_OK));
	SHOW(seteuid(0));
}

int main(void)
{
	scratch_enter();
	files();
	directories();
	flags();
	at();
	sticky();
	return 0;
}
