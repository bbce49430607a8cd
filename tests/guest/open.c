/* The ways to open a file, and to fail at it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "check.h"
#include "scratch.h"

static int fresh(long fd)
{
	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? -1 : 0;
}
#define OPEN(...) SHOW(fresh(open(__VA_ARGS__)))
#define OPENAT(...) SHOW(fresh(openat(__VA_ARGS__)))

static long open2(int fd, const char *path, uint64_t flags, uint64_t mode,
		  uint64_t resolve)
{
	struct open_how how = { .flags = flags,
				.mode = mode,
				.resolve = resolve };

	return syscall(SYS_openat2, fd, path, &how, sizeof(how));
}
#define OPEN2(...) SHOW(fresh(open2(__VA_ARGS__)))

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void link_of(int fd)
{
	char name[64], path[256];
	long n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = 0;
	printf("at %s\n", strncmp(path, scratch, strlen(scratch)) ?
				  path :
				  path + strlen(scratch));
}

static void paths(void)
{
	char longest[300], path[5000];

	memset(longest, 'n', sizeof(longest));
	longest[255] = 0;
	OPEN(longest, O_CREAT | O_WRONLY, 0600);
	SHOW(unlink(longest));
	memset(longest, 'n', sizeof(longest));
	longest[256] = 0;
	OPEN(longest, O_CREAT | O_WRONLY, 0600);
	OPEN(longest, O_RDONLY);
	OPEN("missing/nnnn", O_RDONLY);
	snprintf(path, sizeof(path), "missing/%s", longest);
	OPEN(path, O_RDONLY);
	snprintf(path, sizeof(path), "file/%s", longest);
	OPEN(path, O_RDONLY);
	memset(path, '/', sizeof(path));
	strcpy(path + 4093, "as");
	OPEN(path, O_RDONLY);
	memset(path, '/', sizeof(path));
	strcpy(path + 4094, "as");
	OPEN(path, O_RDONLY);
	OPEN("", O_RDONLY);
	OPEN((char *)8, O_RDONLY);
	OPEN("file/", O_RDONLY);
	OPEN("file/.", O_RDONLY);
	OPEN("file/..", O_RDONLY);
	OPEN("file/x", O_CREAT | O_RDWR, 0600);
	OPEN("missing/x", O_CREAT | O_RDWR, 0600);
	OPEN("missing/", O_CREAT | O_RDWR, 0600);
	OPEN("missing/", O_RDONLY);
	OPEN("dir/.", O_CREAT | O_RDWR, 0600);
	OPEN("dir/..", O_RDONLY);
	OPEN("dir//./../dir///", O_RDONLY);
	OPEN("to-dir/", O_RDONLY | O_NOFOLLOW);
	OPEN("to-dir", O_RDONLY | O_NOFOLLOW);
	OPEN("to-file/", O_RDONLY);
	OPEN("to-slash", O_RDONLY);
	OPEN("to-file-slash", O_RDONLY);
	OPEN("to-missing", O_RDONLY);
	OPEN("to-root", O_RDONLY | O_DIRECTORY);
	OPEN("to-up/dir", O_RDONLY | O_DIRECTORY);
	OPEN("/../../..", O_RDONLY);
}

static void modes(void)
{
	int fd;

	OPEN("file", O_CREAT | O_EXCL | O_RDWR, 0600);
	OPEN("to-missing", O_CREAT | O_EXCL | O_RDWR, 0600);
	OPEN("to-missing", O_CREAT | O_RDWR, 0600);
	SHOW(access("missing-target", F_OK));
	SHOW(unlink("missing-target"));
	OPEN("dir", O_CREAT | O_RDONLY, 0600);
	OPEN("dir", O_CREAT | O_EXCL | O_RDONLY, 0600);
	OPEN("dir/", O_CREAT | O_EXCL | O_RDONLY, 0600);
	OPEN("to-file/", O_CREAT | O_RDWR, 0600);
	OPEN("dir", O_RDWR);
	OPEN("dir", O_WRONLY | O_TRUNC);
	OPEN("dir", O_RDONLY | O_TRUNC);
	OPEN("file", O_DIRECTORY | O_RDONLY);
	OPEN("to-file", O_DIRECTORY | O_NOFOLLOW | O_RDONLY);
	OPEN("to-dir", O_DIRECTORY | O_NOFOLLOW | O_RDONLY);
	OPEN("new", O_DIRECTORY | O_CREAT | O_RDONLY, 0700);
	OPEN("loop", O_RDONLY);
	OPEN("loop", O_RDONLY | O_NOFOLLOW);
	OPEN("loop/x", O_RDONLY);
	fd = open("file", O_RDWR | O_TRUNC);
	SHOW(write(fd, "abc", 3));
	SHOW(lseek(fd, 0, SEEK_END));
	close(fd);
	fd = open("file", O_RDONLY | O_TRUNC);
	SHOW(lseek(fd, 0, SEEK_END));
	close(fd);
	fd = open("file", O_ACCMODE);
	SHOW(fd >= 0);
	SHOW(read(fd, &fd + 1, 0));
	close(fd);
}

static void only_paths(void)
{
	struct stat st;
	char text[8];
	int fd = open("file", O_PATH), dir = open("dir", O_PATH | O_DIRECTORY);
	int link = open("to-file", O_PATH | O_NOFOLLOW);

	SHOW(fcntl(fd, F_GETFL) == O_PATH);
	SHOW(fcntl(dir, F_GETFL) == (O_PATH | O_DIRECTORY));
	SHOW(read(fd, text, 1));
	SHOW(write(fd, text, 1));
	SHOW(pread(fd, text, 1, 0));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(ftruncate(fd, 0));
	SHOW(fchmod(fd, 0600));
	SHOW(fchown(fd, 0, 0));
	SHOW(fsync(fd));
	SHOW(ioctl(fd, FIONREAD, text));
	SHOW(fcntl(fd, F_SETFL, O_APPEND));
	SHOW(fstat(fd, &st));
	SHOW((long)mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0));
	SHOW(RAW(getdents64, dir, text, sizeof(text)));
	SHOW(fchdir(dir));
	SHOW(fchdir(fd));
	SHOW(chdir(".."));
	OPENAT(dir, "inner", O_CREAT | O_RDWR, 0600);
	SHOW(unlinkat(dir, "inner", 0));
	SHOW(fstat(link, &st));
	printf("a link: %d\n", S_ISLNK(st.st_mode));
	SHOW(readlinkat(link, "", text, sizeof(text)));
	SHOW(readlinkat(fd, "", text, sizeof(text)));
	OPENAT(fd, "x", O_RDONLY);
	OPENAT(99, "x", O_RDONLY);
	OPENAT(99, scratch, O_RDONLY);
	close(fd);
	close(dir);
	close(link);
}

static void nameless(void)
{
	struct stat st;
	char path[64], text[8] = "";
	int fd = open(".", O_TMPFILE | O_RDWR, 0640), other;

	SHOW(fd >= 0);
	fstat(fd, &st);
	printf("links %d mode %o\n", (int)st.st_nlink, st.st_mode);
	SHOW(write(fd, "hidden", 6));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW(linkat(AT_FDCWD, path, AT_FDCWD, "shown", AT_SYMLINK_FOLLOW));
	fstat(fd, &st);
	printf("links %d\n", (int)st.st_nlink);
	other = open("shown", O_RDONLY);
	SHOW(read(other, text, sizeof(text)));
	close(other);
	SHOW(unlink("shown"));
	SHOW(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0640);
	SHOW(linkat(fd, "", AT_FDCWD, "again", AT_EMPTY_PATH));
	close(fd);
	OPEN(".", O_TMPFILE | O_RDONLY, 0600);
	OPEN("file", O_TMPFILE | O_RDWR, 0600);
	OPEN("missing", O_TMPFILE | O_RDWR, 0600);
}

static void restricted(void)
{
	struct open_how how = { .flags = O_RDONLY };
	char longer[64] = { 0 };
	int dir = open("dir", O_RDONLY | O_DIRECTORY);

	touch("dir/in");
	SHOW(symlink("../file", "dir/out"));
	SHOW(symlink("in", "dir/link"));
	SHOW(symlink("/in", "dir/absolute"));
	OPEN2(dir, "in", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "out", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "../file", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "../dir/in", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "/etc", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "absolute", O_RDONLY, 0, RESOLVE_BENEATH);
	OPEN2(dir, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT);
	OPEN2(dir, "/in", O_RDONLY, 0, RESOLVE_IN_ROOT);
	OPEN2(dir, "../../in", O_RDONLY, 0, RESOLVE_IN_ROOT);
	OPEN2(dir, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
	OPEN2(dir, "in", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
	OPEN2(dir, "link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
	OPEN2(dir, "link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
	OPEN2(dir, "/proc/self/fd/0", O_PATH, 0, RESOLVE_NO_MAGICLINKS);
	OPEN2(dir, "/proc/self/fd/0", O_PATH, 0, RESOLVE_NO_SYMLINKS);
	OPEN2(dir, "in", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
	OPEN2(dir, "in", O_RDONLY, 0600, 0);
	OPEN2(dir, "in", O_RDWR | O_CREAT, 010600, 0);
	OPEN2(dir, "in", O_RDONLY, 0, 0x1000);
	OPEN2(dir, "in", 1ull << 40, 0, 0);
	OPEN2(dir, "in", O_PATH | O_RDWR, 0, 0);
	OPEN2(dir, "made", O_RDWR | O_CREAT | O_EXCL, 0640, RESOLVE_BENEATH);
	OPEN2(dir, "made", O_RDWR | O_CREAT, 0640, RESOLVE_CACHED);
	SHOW(RAW(openat2, dir, "in", &how, 8));
	SHOW(RAW(openat2, dir, "in", 8, sizeof(how)));
	memcpy(longer, &how, sizeof(how));
	SHOW(fresh(RAW(openat2, dir, "in", longer, sizeof(longer))));
	longer[63] = 1;
	SHOW(RAW(openat2, dir, "in", longer, sizeof(longer)));
	SHOW(RAW(openat2, dir, "in", longer, 8192));
	close(dir);
}

static void names(void)
{
	int fd = open("to-file", O_RDONLY), dir;
	char text[256];
	struct stat st;

	link_of(fd);
	SHOW(rename("file", "moved"));
	link_of(fd);
	SHOW(rename("moved", "dir/file"));
	link_of(fd);
	SHOW(rename("dir", "other"));
	link_of(fd);
	SHOW(unlink("other/file"));
	link_of(fd);
	snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	SHOW(stat(text, &st));
	SHOW(st.st_nlink);
	SHOW(lstat(text, &st));
	SHOW(S_ISLNK(st.st_mode));
	OPEN(text, O_RDWR);
	OPEN(text, O_RDONLY | O_NOFOLLOW);
	SHOW(unlink(text));
	close(fd);
	fd = open("one", O_CREAT | O_RDWR, 0600);
	touch("two");
	SHOW(rename("two", "one"));
	link_of(fd);
	close(fd);
	/* a directory that is gone */
	SHOW(mkdir("gone", 0755));
	dir = open("gone", O_RDONLY);
	SHOW(chdir("gone"));
	SHOW(rmdir("../gone"));
	SHOW(!getcwd(text, sizeof(text)));
	OPEN("x", O_CREAT | O_RDWR, 0600);
	OPEN(".", O_RDONLY);
	OPEN("..", O_RDONLY);
	SHOW(mkdir("x", 0700));
	SHOW(symlink("x", "y"));
	SHOW(RAW(getdents64, dir, text, sizeof(text)));
	fstat(dir, &st);
	SHOW(st.st_nlink);
	SHOW(chdir(".."));
	close(dir);
}

static void special(void)
{
	struct stat st;

	SHOW(mknod("plain", 0644, 0));
	SHOW(RAW(mknod, "plain", S_IFREG | 0644, 0));
	SHOW(mkfifo("fifo", 0666));
	SHOW(mknod("socket", S_IFSOCK | 0600, 0));
	SHOW(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	SHOW(mknod("disk", S_IFBLK | 0600, makedev(259, 70000)));
	SHOW(mknod("dir", S_IFDIR | 0600, 0));
	SHOW(mknod("link", S_IFLNK | 0600, 0));
	SHOW(mknod("x/", S_IFREG | 0600, 0));
	SHOW(mkdir("y/", 0700));
	SHOW(symlink("a", "z/"));
	SHOW(symlink("", "z"));
	SHOW(mkdir(".", 0700));
	SHOW(mkdir("..", 0700));
	SHOW(mkdir("/", 0700));
	SHOW(stat("fifo", &st));
	printf("%o\n", st.st_mode);
	stat("null", &st);
	printf("%o %d %d\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	stat("disk", &st);
	printf("%o %d %d\n", st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	OPEN("socket", O_RDWR);
	OPEN("fifo", O_WRONLY | O_NONBLOCK);
	OPEN("fifo", O_RDONLY | O_NONBLOCK);
	SHOW(chmod("fifo", 0600));
	SHOW(unlink("fifo"));
	SHOW(unlink("socket"));
}

static void root(void)
{
	char text[300];
	int outside = open(".", O_RDONLY);

	SHOW(mkdir("jail", 0755));
	SHOW(mkdir("jail/in", 0755));
	touch("jail/etc");
	SHOW(chroot("missing"));
	SHOW(chroot("jail/etc"));
	SHOW(chroot("jail"));
	OPEN("/in", O_RDONLY);
	OPEN("/../in", O_RDONLY);
	OPEN("/dev", O_RDONLY);
	SHOW(RAW(getcwd, text, sizeof(text)) > 0);
	printf("%.13s\n", text);
	SHOW(chdir("/in"));
	SHOW(RAW(getcwd, text, sizeof(text)));
	printf("%s\n", text);
	OPEN("../../..", O_RDONLY);
	SHOW(fchdir(outside));
	for (int i = 0; i < 8; i++)
		if (chdir(".."))
			break;
	SHOW(chroot("."));
	SHOW(chdir(scratch));
	close(outside);
}

int main(void)
{
	scratch_enter();
	touch("file");
	mkdir("dir", 0755);
	if (symlink("file", "to-file") || symlink("dir", "to-dir") ||
	    symlink("dir/", "to-slash") || symlink("file/", "to-file-slash") ||
	    symlink("missing-target", "to-missing") ||
	    symlink("/", "to-root") || symlink("..", "dir/up") ||
	    symlink("dir/up", "to-up") || symlink("pool", "loop") ||
	    symlink("loop", "pool"))
		return 1;
	paths();
	modes();
	only_paths();
	nameless();
	restricted();
	special();
	names();
	root();
	return 0;
}
