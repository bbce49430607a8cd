/* What inotify tells of files and directories. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "check.h"
#include "scratch.h"

static int in;

static const struct {
	unsigned int bit;
	const char *name;
} bits[] = {
	{ IN_ACCESS, "access" },
	{ IN_MODIFY, "modify" },
	{ IN_ATTRIB, "attrib" },
	{ IN_CLOSE_WRITE, "close-write" },
	{ IN_CLOSE_NOWRITE, "close" },
	{ IN_OPEN, "open" },
	{ IN_MOVED_FROM, "from" },
	{ IN_MOVED_TO, "to" },
	{ IN_CREATE, "create" },
	{ IN_DELETE, "delete" },
	{ IN_DELETE_SELF, "delete-self" },
	{ IN_MOVE_SELF, "move-self" },
	{ IN_Q_OVERFLOW, "overflow" },
	{ IN_IGNORED, "ignored" },
	{ IN_ISDIR, "dir" },
};

static void events(const char *what)
{
	char buf[8192] __attribute__((aligned(8)));
	long n = read(in, buf, sizeof(buf));
	unsigned int cookie = 0;

	printf("%s:", what);
	if (n < 0)
		printf(" %s", strerrorname_np(errno));
	for (char *p = buf; n > 0 && p < buf + n;) {
		struct inotify_event *e = (struct inotify_event *)p;

		printf(" [%d", e->wd);
		for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++)
			if (e->mask & bits[i].bit)
				printf(" %s", bits[i].name);
		if (e->len)
			printf(" %s/%u", e->name, e->len);
		if (e->cookie)
			printf(" %s",
			       e->cookie == cookie ? "the same" : "cookie");
		cookie = e->cookie;
		printf("]");
		p += sizeof(*e) + e->len;
	}
	printf("\n");
}
#define EVENTS(call)                                                           \
	do {                                                                   \
		if ((long)(call) < 0)                                          \
			printf("%s ", strerrorname_np(errno));                 \
		events(#call);                                                 \
	} while (0)

static void files(void)
{
	struct timespec t[2] = { { 1, 0 }, { 0, UTIME_OMIT } };
	char c;
	int fd;

	SHOW(inotify_add_watch(in, ".", IN_ALL_EVENTS));
	EVENTS(0);
	EVENTS(fd = open("f", O_CREAT | O_RDWR, 0600));
	SHOW(inotify_add_watch(in, "f", IN_ALL_EVENTS));
	EVENTS(write(fd, "abc", 3));
	EVENTS(write(fd, "", 0));
	EVENTS((write(fd, "abc", 3), write(fd, "abc", 3)));
	EVENTS(pread(fd, &c, 1, 0));
	EVENTS(pread(fd, &c, 1, 100));
	EVENTS(ftruncate(fd, 2));
	EVENTS(fchmod(fd, 0640));
	EVENTS(chown("f", 1, 1));
	EVENTS(utimensat(AT_FDCWD, "f", NULL, 0));
	EVENTS(futimens(fd, t));
	EVENTS(setxattr("f", "user.a", "1", 1, 0));
	EVENTS(link("f", "g"));
	EVENTS(unlink("g"));
	EVENTS(close(fd));
	EVENTS(close(open("f", O_RDONLY)));
	EVENTS(close(open("f", O_WRONLY | O_TRUNC)));
	EVENTS(close(open("f", O_PATH)));
	EVENTS(rename("f", "h"));
	EVENTS(close(open("other", O_CREAT | O_WRONLY, 0600)));
	EVENTS(rename("other", "h"));
	EVENTS(symlink("h", "s"));
	fd = open("h", O_RDONLY);
	SHOW(inotify_add_watch(in, "s", IN_ALL_EVENTS));
	events("opened");
	EVENTS(unlink("h"));
	EVENTS(close(fd));
	EVENTS(unlink("s"));
}

static void directories(void)
{
	EVENTS(mkdir("d", 0700));
	SHOW(inotify_add_watch(in, "d", IN_ALL_EVENTS | IN_ONLYDIR));
	EVENTS(mkdir("d/e", 0700));
	EVENTS(mknod("d/n", S_IFIFO | 0600, 0));
	EVENTS(rename("d/n", "n"));
	EVENTS(rename("d", "D"));
	EVENTS(renameat2(AT_FDCWD, "D/e", AT_FDCWD, "n", RENAME_EXCHANGE));
	EVENTS(unlink("D/e"));
	EVENTS(rmdir("n"));
	EVENTS(rmdir("D"));
	EVENTS(mkdir("", 0700));
}

static void watches(void)
{
	char small[16];
	int wd;

	SHOW(close(open("w", O_CREAT | O_WRONLY, 0600)));
	events("made");
	SHOW(wd = inotify_add_watch(in, "w", IN_OPEN));
	SHOW(inotify_add_watch(in, "w", IN_CLOSE) == wd);
	EVENTS(close(open("w", O_RDONLY)));
	SHOW(inotify_add_watch(in, "w", IN_OPEN | IN_MASK_ADD) == wd);
	EVENTS(close(open("w", O_RDONLY)));
	SHOW(inotify_add_watch(in, "w", IN_OPEN | IN_MASK_CREATE));
	SHOW(inotify_add_watch(in, "w", IN_OPEN | IN_ONESHOT) == wd);
	EVENTS(close(open("w", O_RDONLY)));
	EVENTS(close(open("w", O_RDONLY)));
	SHOW(wd = inotify_add_watch(in, "w", IN_OPEN));
	EVENTS(inotify_rm_watch(in, wd));
	SHOW(inotify_rm_watch(in, wd));
	SHOW(inotify_rm_watch(1, 1));
	SHOW(inotify_rm_watch(99, 1));
	SHOW(inotify_add_watch(in, "missing", IN_OPEN));
	SHOW(inotify_add_watch(in, "w", IN_OPEN | IN_ONLYDIR));
	SHOW(inotify_add_watch(in, "w", 0));
	SHOW(inotify_add_watch(in, "w", 0x800000));
	SHOW(inotify_add_watch(in, "w",
			       IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE));
	SHOW(inotify_add_watch(1, "w", IN_OPEN));
	SHOW(inotify_add_watch(99, "w", IN_OPEN));
	SHOW(inotify_init1(1));
	SHOW(close((int)RAW(inotify_init)));
	SHOW(close(open("w", O_RDONLY)));
	SHOW(read(in, small, sizeof(small)));
	events("after too short a buffer");
}

static void *later(void *unused)
{
	(void)unused;
	usleep(20000);
	close(open("late", O_CREAT | O_WRONLY, 0600));
	return NULL;
}

/* One event, or a read that waits could see only the first of them. */
static void *once_later(void *unused)
{
	(void)unused;
	usleep(20000);
	mkdir("late-one", 0700);
	return NULL;
}

static void waiting(void)
{
	struct pollfd p = { in, POLLIN, 0 };
	pthread_t thread;
	int bytes;

	SHOW(poll(&p, 1, 0));
	pthread_create(&thread, NULL, later, NULL);
	SHOW(poll(&p, 1, 5000));
	pthread_join(thread, NULL);
	SHOW(ioctl(in, FIONREAD, &bytes));
	printf("%d bytes\n", bytes);
	events("polled");
	fcntl(in, F_SETFL, 0);
	pthread_create(&thread, NULL, once_later, NULL);
	events("waited");
	pthread_join(thread, NULL);
	fcntl(in, F_SETFL, O_NONBLOCK);
	while (read(in, (char[4096]){ 0 }, 4096) > 0)
		;
}

static void overflow(void)
{
	char buf[65536];
	long n, total = 0, overflowed = 0;

	for (int i = 0; i < 9000; i++)
		close(open("w", O_RDONLY));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			total++;
			overflowed += e->mask == IN_Q_OVERFLOW && e->wd == -1;
			p += sizeof(*e) + e->len;
		}
	printf("%ld events, %ld overflow\n", total, overflowed);
}

int main(void)
{
	scratch_enter();
	in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	files();
	directories();
	watches();
	waiting();
	overflow();
	close(in);
	return 0;
}
