/* Times, modes and owners of files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

#include "check.h"
#include "scratch.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static void show(const char *path)
{
	struct stat st;

	if (lstat(path, &st)) {
		printf("%s: %s\n", path, strerrorname_np(errno));
		return;
	}
	printf("%s: atime %lld.%09ld mtime %lld.%09ld\n", path,
	       (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static long long stamp(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

static struct stat before;

static void remember(const char *path)
{
	struct timespec t = { 0, 20000000 };

	stat(path, &before);
	nanosleep(&t, NULL); /* more than the clock's grain */
}

static void moved(const char *what, const char *path)
{
	struct stat st;

	stat(path, &st);
	printf("%s:%s%s%s\n", what,
	       stamp(&st.st_atim) != stamp(&before.st_atim) ? " atime" : "",
	       stamp(&st.st_mtim) != stamp(&before.st_mtim) ? " mtime" : "",
	       stamp(&st.st_ctim) != stamp(&before.st_ctim) ? " ctime" : "");
}
#define MOVES(path, call)                                                      \
	do {                                                                   \
		remember(path);                                                \
		if ((long)(call) < 0)                                          \
			printf("%s: %s\n", #call, strerrorname_np(errno));     \
		moved(#call, path);                                            \
	} while (0)

static void set(int fd)
{
	struct timespec t[2] = { { -5, 250 }, { -1, 999999999 } };
	struct timeval v[2] = { { -7, 3 }, { 8, 999999 } };
	struct utimbuf u = { -9, 1l << 33 };

	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	show("f");
	SHOW(futimens(fd, t));
	t[0].tv_sec = 1l << 40;
	t[0].tv_nsec = 1;
	t[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "l", t, 0));
	show("f");
	t[0].tv_nsec = UTIME_OMIT;
	t[1] = (struct timespec){ 17, 18 };
	SHOW(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	show("f");
	SHOW(utimes("f", v));
	show("f");
	SHOW(lutimes("l", v));
	show("l");
	SHOW(futimes(fd, v));
	SHOW(RAW(utime, "f", &u));
	show("f");
	SHOW(RAW(futimesat, AT_FDCWD, "f", v));
	SHOW(RAW(futimesat, fd, NULL, v));
	SHOW(RAW(utimensat, fd, NULL, t, 0));
	SHOW(RAW(utimensat, fd, NULL, t, AT_SYMLINK_NOFOLLOW));
	SHOW(RAW(utimensat, AT_FDCWD, NULL, t, 0));
	SHOW(RAW(utimensat, fd, "", t, AT_EMPTY_PATH));
	SHOW(utimensat(AT_FDCWD, "f", t, 0x8000));
	t[1].tv_nsec = 1000000000;
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	t[1].tv_nsec = -1;
	SHOW(utimensat(AT_FDCWD, "missing", t, 0));
	t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
	SHOW(utimensat(AT_FDCWD, "missing", t, 0));
	SHOW(utimensat(AT_FDCWD, "missing", NULL, 0));
	v[1].tv_usec = 1000000;
	SHOW(utimes("f", v));
	v[1].tv_usec = -1;
	SHOW(utimes("f", v));
	SHOW(RAW(utimes, "f", 8));
	SHOW(utimensat(99, "f", NULL, 0));
	SHOW(futimens(99, NULL));
	fd = open("f", O_PATH);
	SHOW(futimens(fd, NULL));
	close(fd);
}

static void follow(int fd)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };
	struct timespec late[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
	char c;

	MOVES("f", write(fd, "x", 1));
	MOVES("f", pread(fd, &c, 1, 0));
	MOVES("f", pread(fd, &c, 1, 0)); /* not twice */
	MOVES("f", pread(fd, &c, 0, 0));
	MOVES("f", ftruncate(fd, 3));
	MOVES("f", ftruncate(fd, 3));
	MOVES("f", truncate("f", 3));
	MOVES("f", chmod("f", 0600));
	MOVES("f", fchown(fd, 0, 0));
	MOVES("f", link("f", "g"));
	MOVES("f", rename("g", "h"));
	MOVES("f", unlink("h"));
	MOVES("f", utimensat(AT_FDCWD, "f", now, 0));
	MOVES("f", utimensat(AT_FDCWD, "f", late, 0));
	MOVES("f", close(open("f", O_RDWR | O_TRUNC)));
	MOVES("f", close(open("f", O_RDWR)));
	MOVES(".", close(open("new", O_CREAT | O_RDWR, 0600)));
	MOVES(".", close(open("new", O_CREAT | O_RDWR, 0600)));
	MOVES(".", rename("new", "newer"));
	MOVES(".", unlink("newer"));
	MOVES(".", mkdir("d", 0700));
	MOVES(".", rmdir("d"));
	MOVES(".", unlink("missing"));
}

static void extended(int fd)
{
	struct statx x;
	struct stat st;

	SHOW(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &x));
	stat("f", &st);
	printf("birth before change: %d, mask %x\n",
	       x.stx_btime.tv_sec * 1000000000ll + x.stx_btime.tv_nsec <
		       stamp(&st.st_ctim),
	       x.stx_mask & 0xfff);
	printf("%d %d %d\n", x.stx_size == (unsigned long)st.st_size,
	       x.stx_ino == st.st_ino, x.stx_mode == st.st_mode);
	SHOW(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, 0, &x));
	printf("%o\n", x.stx_mode);
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	SHOW(statx(fd, "", 0, STATX_SIZE, &x));
	SHOW(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC, STATX_ALL, &x));
	SHOW(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0,
		   &x));
	SHOW(statx(AT_FDCWD, "f", 0x8000, 0, &x));
	SHOW(statx(AT_FDCWD, "f", 0, STATX__RESERVED, &x));
	SHOW(statx(AT_FDCWD, "missing", 0, 0, &x));
	SHOW(statx(99, "f", 0, 0, &x));
	SHOW(RAW(newfstatat, AT_FDCWD, "f", &st, 1));
	SHOW(fstatat(fd, "", &st, AT_EMPTY_PATH));
	SHOW(RAW(fstat, fd, &st));
	SHOW(RAW(fstat, 99, &st));
	SHOW(RAW(lstat, "l", &st));
	SHOW(S_ISLNK(st.st_mode));
	SHOW(syncfs(fd));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	SHOW(posix_fadvise(fd, 0, 0, 9));
	sync();
	SHOW(fstatat(AT_FDCWD, "", &st, 0));
	SHOW(RAW(stat, "f", 8));
}

static void mode(const char *path)
{
	struct stat st;

	lstat(path, &st);
	printf(" %o %u %u\n", st.st_mode, st.st_uid, st.st_gid);
}

static void modes(int fd)
{
	SHOW(chmod("f", 07777));
	mode("f");
	SHOW(chmod("f", 0177777));
	mode("f");
	SHOW(write(fd, "x", 1)); /* root keeps set-id bits */
	mode("f");
	SHOW(chown("f", 1000, 1001));
	mode("f");
	SHOW(chmod("f", 06644));
	SHOW(chown("f", -1, 1002));
	mode("f");
	SHOW(lchown("l", 5, 6));
	mode("l");
	mode("f");
	SHOW(fchmod(fd, 0640));
	SHOW(fchmodat(AT_FDCWD, "l", 0600, 0));
	mode("f");
	SHOW(RAW(fchmodat2, AT_FDCWD, "l", 0600, AT_SYMLINK_NOFOLLOW));
	SHOW(RAW(fchmodat2, AT_FDCWD, "f", 0604, AT_SYMLINK_NOFOLLOW));
	SHOW(RAW(fchmodat2, fd, "", 0604, AT_EMPTY_PATH));
	SHOW(RAW(fchmodat2, fd, "", 0604, 0x8000));
	mode("f");
	SHOW(fchownat(fd, "", 3, 4, AT_EMPTY_PATH));
	SHOW(fchownat(AT_FDCWD, "l", 7, 8, AT_SYMLINK_NOFOLLOW));
	SHOW(fchownat(AT_FDCWD, "f", 7, 8, 0x8000));
	mode("f");
	SHOW(chmod("missing", 0600));
	SHOW(chown("f/", 0, 0));
	SHOW(mkdir("d", 0755));
	SHOW(chmod("d", 02777));
	SHOW(chown("d", 0, 44));
	SHOW(mkdir("d/e", 0700));
	mode("d/e");
	SHOW(close(open("d/f", O_CREAT | O_RDWR, 0666)));
	mode("d/f");
	SHOW(umask(077));
	SHOW(close(open("d/g", O_CREAT | O_RDWR, 0666)));
	mode("d/g");
	SHOW(umask(022));
}

static void others(void)
{
	struct timespec t[2] = { { 1, 0 }, { 1, 0 } };

	SHOW(chown("f", 0, 0));
	SHOW(chmod("f", 0644));
	SHOW(chmod(".", 0755));
	SHOW(seteuid(65534));
	SHOW(access("f", R_OK)); /* the real user asks */
	SHOW(RAW(faccessat2, AT_FDCWD, "f", W_OK, AT_EACCESS));
	SHOW(RAW(faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
	SHOW(RAW(faccessat2, AT_FDCWD, "f", 8, 0));
	SHOW(RAW(faccessat2, AT_FDCWD, "f", R_OK, 0x8000));
	SHOW(open("f", O_RDWR));
	SHOW(close(open("f", O_RDONLY)));
	SHOW(open("f", O_RDONLY | O_TRUNC));
	SHOW(open("f", O_RDONLY | O_NOATIME));
	SHOW(open("mine", O_CREAT | O_RDWR, 0600));
	SHOW(truncate("f", 0));
	SHOW(utimensat(AT_FDCWD, "f", t, 0));
	SHOW(utimensat(AT_FDCWD, "f", NULL, 0));
	SHOW(chmod("f", 0666));
	SHOW(chown("f", 65534, -1));
	SHOW(rename("f", "g"));
	SHOW(chroot("."));
	SHOW(mknod("dev", S_IFCHR | 0600, 0x103));
	SHOW(seteuid(0));
}

int main(void)
{
	struct statfs s;
	int fd;

	scratch_enter();
	fd = open("f", O_CREAT | O_RDWR, 0644);
	SHOW(symlink("f", "l"));
	set(fd);
	follow(fd);
	extended(fd);
	modes(fd);
	others();
	SHOW(statfs(".", &s));
	printf("%lx %ld %ld free %d\n", (long)s.f_type, (long)s.f_bsize,
	       (long)s.f_namelen, s.f_bfree > 0 && s.f_bfree <= s.f_blocks);
	SHOW(fstatfs(fd, &s));
	SHOW(statfs("missing", &s));
	SHOW(fstatfs(99, &s));
	return 0;
}
