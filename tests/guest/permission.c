/* permission.c: what a process that is not root may do with files, and what a
 * change takes away from them: path_resolution(7), chown(2), inode(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

/* Without the number that it gets. */
#define OPEN(...) SHOW(closed(open(__VA_ARGS__)))

static int closed(int fd)
{
	return fd < 0 ? -1 : close(fd);
}

static void mode_of(const char *path)
{
	struct stat st = { 0 };

	if (lstat(path, &st))
		printf("%s: %s\n", path, strerrorname_np(errno));
	else
		printf("%s: %o %u:%u\n", path, st.st_mode & 07777, st.st_uid,
		       st.st_gid);
}

static void make(const char *path, int mode, int uid, int gid)
{
	close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
	chown(path, (uid_t)uid, (gid_t)gid);
	chmod(path, (mode_t)mode);
}

static void make_dir(const char *path, int mode, int uid, int gid)
{
	mkdir(path, 0700);
	chown(path, (uid_t)uid, (gid_t)gid);
	chmod(path, (mode_t)mode);
}

static void prepare(void)
{
	make("mine", 0640, 1000, 1000);
	make("none", 0077, 1000,
	     1000); /* the owner's bits count, not others' */
	make("group", 0660, 0, 50);
	make("others", 0604, 0, 0);
	make("roots", 0600, 0, 0);
	make("program", 0711, 0, 0);
	make_dir("closed", 0700, 0, 0);
	make_dir("search", 0711, 0, 0);
	make_dir("list", 0744, 0, 0);
	make_dir("open", 0777, 0, 0);
	make_dir("sticky", 01777, 0, 0);
	make_dir("handed", 02777, 0, 77);
	make("closed/file", 0666, 0, 0);
	make("search/file", 0666, 0, 0);
	make("list/file", 0666, 0, 0);
	make("open/file", 0600, 0, 0);
	make("sticky/roots", 0666, 0, 0);
	make("sticky/mine", 0666, 1000, 1000);
}

static void opening(void)
{
	OPEN("mine", O_RDWR);
	OPEN("none", O_RDONLY);
	OPEN("group", O_RDWR);
	OPEN("others", O_RDONLY);
	OPEN("others", O_WRONLY);
	OPEN("roots", O_RDONLY);
	OPEN("roots", O_PATH);
	OPEN("others", O_RDONLY | O_TRUNC);
	OPEN("others", O_RDONLY | O_NOATIME);
	OPEN("mine", O_RDONLY | O_NOATIME);
	OPEN("closed/file", O_RDONLY);
	OPEN("search/file", O_RDWR);
	OPEN("list/file", O_RDONLY);
	OPEN("closed", O_RDONLY | O_DIRECTORY);
	OPEN("search", O_RDONLY | O_DIRECTORY);
	OPEN("list", O_RDONLY | O_DIRECTORY);
	OPEN("search/new", O_CREAT | O_WRONLY, 0600);
	OPEN("open/new", O_CREAT | O_WRONLY, 0600);
	mode_of("open/new");
	SHOW(access("mine", R_OK | W_OK));
	SHOW(access("program", X_OK));
	SHOW(access("program", R_OK));
	SHOW(access("roots", F_OK));
	SHOW(access("closed/file", F_OK));
	SHOW(truncate("others", 0));
	SHOW(chdir("closed"));
	SHOW(chdir("search"));
	SHOW(access("file", F_OK));
	SHOW(chdir(".."));
}

static void names(void)
{
	SHOW(mkdir("search/new", 0700));
	SHOW(symlink("x", "search/link"));
	SHOW(link("mine", "search/mine"));
	SHOW(unlink("search/file"));
	SHOW(rename("search/file", "open/renamed"));
	SHOW(unlink("open/file"));
	SHOW(unlink("sticky/roots"));
	SHOW(rename("sticky/roots", "open/roots"));
	SHOW(rename("sticky/mine", "sticky/roots"));
	SHOW(rename("sticky/mine", "open/mine"));
	SHOW(mknod("open/device", S_IFCHR | 0600, 0x103));
	SHOW(mknod("open/fifo", S_IFIFO | 0600, 0));
	SHOW(chroot("open"));
}

static void attributes(void)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timespec then[2] = { { 5, 0 }, { 5, 0 } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	SHOW(chmod("roots", 0666));
	SHOW(chmod("mine", 04751));
	SHOW(chmod("mine", 02770));
	mode_of("mine");
	SHOW(chown("mine", 1000, 1000));
	SHOW(chown("mine", -1, 50));
	mode_of("mine");
	SHOW(chown("mine", -1, 51));
	SHOW(chown("mine", 1001, -1));
	SHOW(chown("roots", -1, -1));
	SHOW(chown("roots", 0, -1));
	SHOW(utimensat(AT_FDCWD, "roots", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "group", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "group", now, 0));
	SHOW(utimensat(AT_FDCWD, "group", then, 0));
	SHOW(utimensat(AT_FDCWD, "mine", then, 0));
	SHOW(utimensat(AT_FDCWD, "roots", omit, 0));
}

static void set_ids(void)
{
	int fd;

	OPEN("handed/file", O_CREAT | O_WRONLY, 0600);
	mode_of("handed/file");
	SHOW(mkdir("handed/dir", 0700));
	mode_of("handed/dir");
	OPEN("handed/strange", O_CREAT | O_WRONLY, 02770);
	mode_of("handed/strange");
	OPEN("open/set", O_CREAT | O_WRONLY, 06777);
	SHOW(chmod("open/set", 06755));
	mode_of("open/set");
	fd = open("open/set", O_WRONLY);
	SHOW(write(fd, "x", 1));
	mode_of("open/set");
	SHOW(fchmod(fd, 06745));
	SHOW(write(fd, "x", 1));
	mode_of("open/set");
	SHOW(fchmod(fd, 06755));
	SHOW(ftruncate(fd, 0));
	mode_of("open/set");
	close(fd);
}

static void *user(void *unused)
{
	gid_t groups[] = { 50 };

	RAW(setgroups, 1, groups);
	RAW(setresgid, 1000, 1000, 1000);
	SHOW(RAW(setresuid, 1000, 1000, 1000));
	opening();
	names();
	attributes();
	set_ids();
	return unused;
}

/* access asks for who started the program, all else for whom it acts. */
static void *acting(void *unused)
{
	SHOW(RAW(setresuid, 1000, 0, 0));
	SHOW(access("roots", R_OK));
	SHOW(faccessat(AT_FDCWD, "roots", R_OK, AT_EACCESS));
	OPEN("roots", O_RDONLY);
	SHOW(RAW(setresuid, 0, 1000, 0));
	SHOW(access("roots", R_OK));
	OPEN("roots", O_RDONLY);
	SHOW(RAW(setresuid, -1, 0, -1));
	SHOW(RAW(setfsuid, 1000));
	OPEN("roots", O_RDONLY);
	OPEN("closed/file", O_RDONLY);
	SHOW(RAW(setfsuid, 0));
	OPEN("roots", O_RDONLY);
	return unused;
}

static void in_thread(void *(*part)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, part, NULL);
	pthread_join(t, NULL);
}

static void roots(void)
{
	int fd;

	make("set", 06755, 0, 0);
	SHOW(access("roots", X_OK));
	SHOW(access("program", X_OK));
	SHOW(access("none", R_OK | W_OK));
	fd = open("set", O_WRONLY);
	SHOW(write(fd, "x", 1));
	mode_of("set");
	SHOW(fchown(fd, 5, -1));
	mode_of("set");
	SHOW(fchmod(fd, 02745));
	SHOW(fchown(fd, -1, 6));
	mode_of("set");
	close(fd);
}

int main(void)
{
	char dir[] = "/tmp/zeroboot-permission-XXXXXX", command[80];

	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(0);
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	chmod(dir, 0755);
	prepare();
	roots();
	in_thread(acting);
	in_thread(user);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) < -1;
}
