/* Extended attributes: user.* are kept, others as on a tmpfs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "check.h"
#include "scratch.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char names[512], *sorted[32];
	long n = listxattr(path, names, sizeof(names));
	size_t count = 0;

	for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		sorted[count++] = p;
	qsort(sorted, count, sizeof(*sorted), compare);
	printf("%ld:", n);
	for (size_t i = 0; i < count; i++)
		printf(" %s", sorted[i]);
	printf("\n");
}

/* What a program might take for a file's capabilities. */
static void capabilities(const char *path)
{
	unsigned int data[6] = { 0x02000000, 1 };

	SHOW(setxattr(path, "security.capability", "junk", 4, 0));
	SHOW(setxattr(path, "security.capability", data, 8, 0));
	SHOW(setxattr(path, "security.capability", data, 24, 0));
	SHOW(setxattr(path, "security.capability", data, 20, 0));
	SHOW(getxattr(path, "security.capability", data, 20));
	SHOW(removexattr(path, "security.capability"));
}

/* Of files that keep none. */
static void elsewhere(void)
{
	static const char *const paths[] = { "/proc/self/status", "/proc",
					     "/proc/self", "/dev/null" };
	int p[2], event = eventfd(0, 0), fds[2];
	char buf[8], name[32];

	for (int i = 0; i < 4; i++) {
		printf("%s\n", paths[i]);
		SHOW(lsetxattr(paths[i], "user.a", "x", 1, 0));
		SHOW(lgetxattr(paths[i], "user.a", buf, sizeof(buf)));
		SHOW(lremovexattr(paths[i], "user.a"));
		if (i < 3)
			SHOW(lsetxattr(paths[i], "security.a", "x", 1, 0));
		SHOW(llistxattr(paths[i], buf, sizeof(buf)));
	}
	SHOW(pipe(p));
	fds[0] = p[0], fds[1] = event;
	for (int i = 0; i < 2; i++) {
		SHOW(fsetxattr(fds[i], "user.a", "x", 1, 0));
		SHOW(fgetxattr(fds[i], "user.a", buf, sizeof(buf)));
		SHOW(fremovexattr(fds[i], "user.a"));
		SHOW(flistxattr(fds[i], buf, sizeof(buf)));
		SHOW(fsetxattr(fds[i], "trusted.a", "x", 1, 0));
		SHOW(fgetxattr(fds[i], "other.a", buf, sizeof(buf)));
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", p[0]);
	SHOW(setxattr(name, "user.a", "x", 1, 0));
	SHOW(listxattr(name, buf, sizeof(buf)));
}

/* Of another's files, and what is root's to set. */
static void as_another(void)
{
	char buf[8];

	SHOW(mkdir("sticky", 0777));
	SHOW(chmod("sticky", 01777));
	SHOW(setxattr("h", "trusted.t", "x", 1, 0));
	SHOW(setxattr("h", "security.s", "x", 1, 0));
	SHOW(seteuid(65534));
	SHOW(setxattr("sticky", "user.a", "x", 1, 0));
	SHOW(getxattr("sticky", "user.a", buf, sizeof(buf)));
	SHOW(open("sticky/mine", O_RDWR | O_CREAT, 0600) >= 0);
	SHOW(setxattr("sticky/mine", "user.a", "x", 1, 0));
	SHOW(setxattr("sticky/mine", "security.a", "x", 1, 0));
	SHOW(removexattr("sticky/mine", "security.a"));
	SHOW(setxattr("sticky/mine", "trusted.a", "x", 1, 0));
	SHOW(getxattr("sticky/mine", "trusted.a", buf, sizeof(buf)));
	capabilities("sticky/mine");
	SHOW(getxattr("h", "security.s", buf, sizeof(buf)));
	list("h");
	SHOW(seteuid(0));
	list("h");
}

int main(void)
{
	static char big[65537];
	char buf[64] = "", longest[300];
	int fd, only_path;

	scratch_enter();
	fd = open("f", O_CREAT | O_RDWR, 0600);
	SHOW(symlink("f", "l"));
	SHOW(symlink("missing", "m"));
	SHOW(mkdir("d", 0700));
	SHOW(mkfifo("p", 0600));
	SHOW(listxattr("f", NULL, 0));
	SHOW(getxattr("f", "user.a", buf, sizeof(buf)));
	SHOW(setxattr("f", "user.a", "one", 3, 0));
	SHOW(getxattr("f", "user.a", buf, sizeof(buf)));
	printf("%.3s\n", buf);
	SHOW(getxattr("f", "user.a", NULL, 0));
	SHOW(getxattr("f", "user.a", buf, 2));
	SHOW(setxattr("f", "user.a", "two!", 4, XATTR_CREATE));
	SHOW(setxattr("f", "user.a", "two!", 4, XATTR_REPLACE));
	SHOW(setxattr("f", "user.b", "", 0, XATTR_REPLACE));
	SHOW(setxattr("f", "user.b", NULL, 0, XATTR_CREATE));
	SHOW(setxattr("f", "user.c", "x", 1, 4));
	SHOW(getxattr("f", "user.b", buf, sizeof(buf)));
	list("f");
	SHOW(listxattr("f", buf, 3));
	SHOW(setxattr("l", "user.l", "l", 1, 0));
	list("l");
	SHOW(lsetxattr("l", "user.l", "l", 1, 0));
	SHOW(lgetxattr("l", "user.l", buf, sizeof(buf)));
	SHOW(llistxattr("l", buf, sizeof(buf)));
	SHOW(fsetxattr(fd, "user.f", "f", 1, 0));
	SHOW(fgetxattr(fd, "user.f", buf, sizeof(buf)));
	SHOW(flistxattr(fd, NULL, 0));
	SHOW(removexattr("f", "user.a"));
	SHOW(removexattr("f", "user.a"));
	SHOW(lremovexattr("l", "user.a"));
	SHOW(fremovexattr(fd, "user.f"));
	list("f");
	SHOW(setxattr("d", "user.d", "d", 1, 0));
	list("d");
	SHOW(setxattr("p", "user.p", "p", 1, 0));
	SHOW(getxattr("p", "user.p", buf, sizeof(buf)));
	SHOW(removexattr("p", "user.p"));
	SHOW(setxattr("f", "other.a", "x", 1, 0));
	SHOW(getxattr("f", "other.a", buf, sizeof(buf)));
	SHOW(setxattr("f", "user", "x", 1, 0));
	SHOW(setxattr("f", "user.", "x", 1, 0));
	SHOW(setxattr("f", "", "x", 1, 0));
	SHOW(setxattr("f", "system.what", "x", 1, 0));
	SHOW(getxattr("missing", "user.a", buf, sizeof(buf)));
	SHOW(setxattr("m", "user.a", "x", 1, 0));
	SHOW(listxattr("missing", NULL, 0));
	SHOW(listxattr("", NULL, 0));
	SHOW(removexattr("missing", "user.a"));
	SHOW(fgetxattr(99, "user.a", buf, sizeof(buf)));
	only_path = open("f", O_PATH);
	SHOW(fgetxattr(only_path, "user.l", buf, sizeof(buf)));
	memset(longest, 'n', sizeof(longest));
	memcpy(longest, "user.", 5);
	longest[256] = 0;
	SHOW(setxattr("f", longest, "x", 1, 0));
	longest[255] = 0;
	SHOW(setxattr("f", longest, "x", 1, 0));
	SHOW(removexattr("f", longest));
	SHOW(setxattr("f", "user.big", big, sizeof(big), 0));
	SHOW(setxattr("f", "user.big", big, sizeof(big) - 1, 0));
	SHOW(getxattr("f", "user.big", NULL, 0));
	SHOW(RAW(setxattr, "f", "user.e", 8, 1, 0));
	SHOW(RAW(setxattr, "f", 8, "x", 1, 0));
	SHOW(RAW(getxattr, "f", "user.big", 8, 65536));
	SHOW(link("f", "g"));
	SHOW(rename("f", "h"));
	list("g");
	SHOW(chmod("h", 0400));
	SHOW(chmod(".", 0755));
	SHOW(seteuid(65534));
	SHOW(setxattr("h", "user.x", "x", 1, 0));
	SHOW(getxattr("h", "user.l", buf, sizeof(buf)));
	SHOW(listxattr("h", NULL, 0) > 0);
	SHOW(seteuid(0));
	capabilities("h");
	elsewhere();
	as_another();
	close(fd);
	close(only_path);
	return 0;
}
