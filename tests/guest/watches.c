/* watches.c: inotify: every kind of event, masks, one-shot, waiting, overflow. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static int in;
static unsigned first_cookie;

static void one(const struct inotify_event *e)
{
	static const char *const names[] = {
		"access",      "modify",        "attrib",
		"close_write", "close_nowrite", "open",
		"moved_from",  "moved_to",      "create",
		"delete",      "delete_self",   "move_self",
		NULL,          "unmount",       "overflow",
		"ignored",
	};

	printf("  %d", e->wd);
	for (int i = 0; i < 16; i++)
		if (e->mask & 1u << i)
			printf(" %s", names[i]);
	if (e->mask & IN_ISDIR)
		printf(" directory");
	if (e->mask & 0xbfff0000)
		printf(" %x", e->mask);
	if (e->cookie) {
		if (!first_cookie)
			first_cookie = e->cookie;
		printf(" cookie %u", e->cookie - first_cookie);
	}
	printf(" %u <%s>\n", e->len, e->len ? e->name : "");
}

/* All that waits. */
static void show(const char *what)
{
	char buf[8192] __attribute__((aligned(8)));
	ssize_t n;

	printf("%s\n", what);
	first_cookie = 0;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (void *)p;

			one(e);
			p += sizeof(*e) + e->len;
		}
	fflush(stdout);
}

static void touch(const char *path, const char *text)
{
	int f = open(path, O_CREAT | O_WRONLY, 0600);

	if (write(f, text, strlen(text)) < 0)
		puts("cannot write");
	close(f);
}

static void in_directory(void)
{
	struct timeval times[2] = { { 1, 0 }, { 2, 0 } };
	int f;

	SHOW(inotify_add_watch(in, "dir", IN_ALL_EVENTS));
	show("nothing");
	touch("dir/a", "text");
	show("created");
	f = open("dir/a", O_RDONLY);
	read(f, &(char[9]){ 0 }, 9);
	read(f, &(char[9]){ 0 }, 9);
	close(f);
	show("read");
	f = open("dir/a", O_RDWR | O_TRUNC);
	ftruncate(f, 10);
	pwrite(f, "x", 1, 3);
	pwrite(f, "x", 1, 3);
	fchmod(f, 0644);
	close(f);
	show("truncated, written");
	truncate("dir/a", 3);
	chmod("dir/a", 0600);
	utimes("dir/a", times);
	chown("dir/a", -1, 0);
	show("changed");
	mkdir("dir/sub", 0700);
	touch("dir/sub/below", "x");
	rmdir("dir/sub");
	unlink("dir/sub/below");
	rmdir("dir/sub");
	show("a directory");
	symlink("a", "dir/link");
	link("dir/a", "dir/b");
	mkfifo("dir/fifo", 0600);
	unlink("dir/fifo");
	unlink("dir/link");
	show("links");
	rename("dir/a", "dir/c");
	rename("dir/c", "dir/b"); /* the same file: nothing */
	show("renamed");
	rename("dir/c", "outside");
	rename("outside", "dir/longer-name-than-sixteen");
	show("out and in");
	unlink("dir/b");
	unlink("dir/c");
	unlink("dir/longer-name-than-sixteen");
	closedir(opendir("dir"));
	chmod("dir", 0755);
	show("removed");
}

static void itself(void)
{
	int w, f;

	touch("dir/file", "x");
	show("before");
	SHOW(inotify_rm_watch(in, 1));
	show("no longer");
	SHOW((w = inotify_add_watch(in, "dir/file", IN_ALL_EVENTS)));
	f = open("dir/file", O_RDWR);
	write(f, "y", 1);
	link("dir/file", "dir/other");
	rename("dir/file", "dir/moved");
	chmod("dir/moved", 0400);
	show("a file");
	unlink("dir/other");
	unlink("dir/moved");
	show("unlinked, open");
	write(f, "z", 1);
	close(f);
	show("closed");
	SHOW(inotify_rm_watch(in, w));
	touch("dir/file", "x");
	touch("dir/over", "y");
	inotify_add_watch(in, "dir/file", IN_ALL_EVENTS);
	inotify_add_watch(in, "dir/over", IN_ALL_EVENTS);
	rename("dir/over", "dir/file");
	show("replaced");
	unlink("dir/file");
	show("gone");
	mkdir("dir/sub", 0700);
	SHOW(inotify_add_watch(in, "dir/sub", IN_ALL_EVENTS));
	SHOW(inotify_add_watch(in, "dir", IN_DELETE | IN_CREATE | IN_MOVE));
	rename("dir/sub", "dir/sub2");
	rmdir("dir/sub2");
	show("a directory gone");
}

static void masks(void)
{
	int w, f;

	touch("dir/m", "x");
	show("before");
	SHOW((w = inotify_add_watch(in, "dir/m", IN_MODIFY)));
	SHOW(inotify_add_watch(in, "dir/m", IN_OPEN | IN_MASK_ADD) == w);
	touch("dir/m", "xx");
	show("both");
	SHOW(inotify_add_watch(in, "dir/m", IN_CLOSE) == w);
	touch("dir/m", "xx");
	show("replaced");
	SHOW(inotify_add_watch(in, "dir/m", IN_OPEN | IN_MASK_CREATE));
	SHOW(inotify_add_watch(in, "dir/m", IN_OPEN | IN_ONESHOT) == w);
	touch("dir/m", "xx");
	touch("dir/m", "xx");
	show("once");
	SHOW(inotify_rm_watch(in, w));
	SHOW(inotify_add_watch(in, "dir/m", IN_OPEN | IN_ONLYDIR));
	SHOW(inotify_add_watch(in, "dir", IN_ALL_EVENTS | IN_EXCL_UNLINK) > 0);
	f = open("dir/m", O_RDWR);
	unlink("dir/m");
	write(f, "x", 1);
	close(f);
	show("excluded");
	SHOW(inotify_add_watch(in, "dir", IN_ALL_EVENTS) > 0);
	f = open("dir/m", O_RDWR | O_CREAT, 0600);
	unlink("dir/m");
	write(f, "x", 1);
	close(f);
	show("not excluded");
	SHOW(inotify_add_watch(in, "dir", IN_DELETE) > 0);
	symlink("m", "dir/link");
	SHOW(inotify_add_watch(in, "dir/link", IN_ALL_EVENTS));
	SHOW((w = inotify_add_watch(in, "dir/link",
				    IN_ALL_EVENTS | IN_DONT_FOLLOW)) > 0);
	unlink("dir/link");
	show("a link");
}

static void errors(void)
{
	char small[20];
	int f = open("/dev/null", O_RDONLY), n = -1;

	SHOW(inotify_init1(1));
	SHOW(inotify_add_watch(in, "dir", 0));
	SHOW(inotify_add_watch(in, "dir", 0x00100000));
	SHOW(inotify_add_watch(in, "dir", IN_MASK_ADD | IN_MASK_CREATE | 1));
	SHOW(inotify_add_watch(99, "dir", 1));
	SHOW(inotify_add_watch(f, "dir", 1));
	SHOW(inotify_add_watch(in, "nowhere", 1));
	SHOW(inotify_add_watch(in, (char *)8, 1));
	SHOW(inotify_rm_watch(f, 1));
	SHOW(inotify_rm_watch(99, 1));
	SHOW(inotify_rm_watch(in, 9999));
	SHOW(read(in, small, sizeof(small)));
	touch("dir/e", "x");
	unlink("dir/e");
	SHOW(ioctl(in, FIONREAD, &n) ? -1 : n);
	SHOW(read(in, small, sizeof(small)));
	SHOW(read(in, small, 0));
	SHOW(write(in, small, 1));
	show("after");
	close(f);
}

static void *touch_later(void *arg)
{
	usleep(20000);
	touch("dir/later", "x");
	unlink("dir/later");
	return arg;
}

static void waiting(void)
{
	struct pollfd p = { in, POLLIN | POLLOUT, 0 };
	struct epoll_event e = { .events = EPOLLIN };
	int set = epoll_create1(0), other = inotify_init1(IN_CLOEXEC);
	pthread_t t;
	char buf[100];

	SHOW(fcntl(other, F_GETFD));
	SHOW(fcntl(other, F_GETFL));
	SHOW(poll(&p, 1, 0));
	epoll_ctl(set, EPOLL_CTL_ADD, in, &e);
	inotify_add_watch(other, "dir", IN_DELETE);
	pthread_create(&t, NULL, touch_later, NULL);
	SHOW(read(other, buf, sizeof(buf)));
	SHOW(epoll_wait(set, &e, 1, 1000));
	SHOW(poll(&p, 1, 0));
	printf("events %x\n", p.revents);
	pthread_join(t, NULL);
	show("both were told");
	close(other);
	close(set);
}

static void overflow(void)
{
	int n = 0, last = 0;
	struct inotify_event e;
	char name[32];
	int w = inotify_add_watch(in, "dir", IN_CREATE);

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "dir/%d", i);
		mknod(name, S_IFREG | 0600, 0);
		unlink(name);
	}
	for (;;) {
		char buf[sizeof(e) + 16];

		if (read(in, buf, sizeof(buf)) <= 0)
			break;
		memcpy(&e, buf, sizeof(e));
		n++;
		last = (int)e.mask;
	}
	printf("events %d, at last %x\n", n, last);
	SHOW(inotify_rm_watch(in, w));
	show("end");
}

int main(void)
{
	umask(022);
	SHOW(mkdir("/tmp/zeroboot-watches", 0755));
	SHOW(chdir("/tmp/zeroboot-watches"));
	mkdir("dir", 0755);
	SHOW((in = inotify_init1(IN_NONBLOCK)) >= 0);
	in_directory();
	itself();
	masks();
	errors();
	waiting();
	overflow();
	SHOW(rmdir("dir"));
	show("the last");
	SHOW(rmdir("/tmp/zeroboot-watches"));
	close(in);
	return 0;
}
