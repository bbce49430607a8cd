/* Files, directories and links, in a directory of its own under /tmp. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *name_of(int e)
{
	return e == 0 ? "0" : strerrorname_np(e);
}

#define SHOW(call)                                                             \
	do {                                                                   \
		errno = 0;                                                     \
		long r = (long)(call);                                         \
		printf("%s = %ld %s\n", #call, r, name_of(r < 0 ? errno : 0)); \
	} while (0)

static void list(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort);

	for (int i = 0; i < n; i++)
		printf(" %s:%d", names[i]->d_name, names[i]->d_type);
	printf("\n");
}

int main(void)
{
	char dir[] = "/tmp/zeroboot-XXXXXX", buf[64] = "";
	struct stat st, st2;
	int fd, fd2;

	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	umask(022);
	SHOW(fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
	SHOW(write(fd, "0123456789", 10));
	SHOW(lseek(fd, -4, SEEK_END));
	SHOW(read(fd, buf, 10));
	SHOW(pwrite(fd, "XY", 2, 5000));
	SHOW(fstat(fd, &st));
	printf("size %ld mode %o links %d\n", (long)st.st_size, st.st_mode,
	       (int)st.st_nlink);
	SHOW(pread(fd, buf, 4, 4998));
	printf("%d %d %c%c\n", buf[0], buf[1], buf[2], buf[3]);
	SHOW(ftruncate(fd, 5));
	SHOW(ftruncate(fd, 8));
	memset(buf, 1, sizeof(buf));
	SHOW(pread(fd, buf, 20, 0));
	printf("%.5s %d%d%d\n", buf, buf[5], buf[6], buf[7]);
	SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
	SHOW(open("b", O_RDONLY));
	SHOW(open("a/b", O_RDONLY));
	SHOW(open("a/", O_RDONLY));
	SHOW(open(".", O_WRONLY));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("x/y", 0755));
	SHOW(symlink("a", "link"));
	SHOW(symlink("loop2", "loop1"));
	SHOW(symlink("loop1", "loop2"));
	SHOW(open("loop1", O_RDONLY));
	SHOW(open("link", O_RDONLY | O_NOFOLLOW));
	SHOW(readlink("link", buf, sizeof(buf)));
	SHOW(readlink("a", buf, sizeof(buf)));
	SHOW(link("a", "hard"));
	stat("hard", &st);
	stat("a", &st2);
	printf("same %d links %d\n", st.st_ino == st2.st_ino, (int)st.st_nlink);
	SHOW(rename("hard", "d/moved"));
	SHOW(rename("d", "d/inside"));
	SHOW(rmdir("d"));
	SHOW(rmdir("a"));
	SHOW(unlink("d"));
	SHOW(unlink("none"));
	list(".");
	list("d");
	SHOW(rename("d", "e"));
	SHOW(chdir("e"));
	printf("%s\n", strcmp(getcwd(buf, sizeof(buf)) + strlen(dir), "/e") ?
			       "?" :
			       "in e");
	SHOW(chdir(".."));
	SHOW(unlink("e/moved"));
	SHOW(rmdir("e"));
	SHOW(unlink("a"));
	fstat(fd, &st);
	printf("unlinked, links %d\n", (int)st.st_nlink);
	SHOW(pread(fd, buf, 5, 0));
	SHOW(fd2 = dup(fd));
	SHOW(lseek(fd, 3, SEEK_SET));
	SHOW(lseek(fd2, 0, SEEK_CUR));
	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(read(fd, buf, 1));
	SHOW(fcntl(fd2, F_GETFL) & O_ACCMODE);
	SHOW(fcntl(fd2, F_DUPFD, 50));
	SHOW(fcntl(50, F_GETFD));
	fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0600);
	struct iovec v[2] = { { "one ", 4 }, { "two", 3 } };
	SHOW(writev(fd, v, 2));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "!", 1));
	SHOW(read(fd, buf, 1));
	stat("log", &st);
	printf("log size %ld mode %o\n", (long)st.st_size, st.st_mode & 0777);
	SHOW(chmod("log", 0640));
	SHOW(access("log", X_OK));
	SHOW(access("log", R_OK | W_OK));
	SHOW(unlink("log"));
	SHOW(unlink("link"));
	SHOW(unlink("loop1"));
	SHOW(unlink("loop2"));
	list(".");
	SHOW(rmdir(dir));
	fd = open("/dev/full", O_WRONLY);
	SHOW(write(fd, "x", 1));
	fd = open("/dev/zero", O_RDONLY);
	SHOW(read(fd, buf, 8));
	fd = open("/dev/null", O_RDWR);
	SHOW(write(fd, "x", 1));
	SHOW(read(fd, buf, 8));
	SHOW(open("/dev/none", O_RDONLY));
	char *volatile nowhere = (char *)8;
	SHOW(write(1, nowhere, 4));
	return 0;
}
