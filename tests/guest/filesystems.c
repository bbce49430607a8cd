/* Which file system a file is of: statfs, statx, and what does not lead across. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "check.h"
#include "scratch.h"

#define VALID 0x20    /* ST_VALID: f_flags are told */
#define MASK 0x203000 /* what each file system tells of attributes */

static void of_path(const char *path)
{
	struct statfs s = { 0 };
	struct statx x = { 0 };
	struct stat st = { 0 };

	printf("%s: ", path);
	SHOW(statfs(path, &s));
	SHOW(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &x));
	stat(path, &st);
	printf("%lx, %d, %ld, flags %d, root %llx of %llx, device %d\n",
	       (long)s.f_type, s.f_blocks != 0, (long)s.f_namelen,
	       (s.f_flags & VALID) != 0,
	       (long long)x.stx_attributes & STATX_ATTR_MOUNT_ROOT,
	       (long long)x.stx_attributes_mask & MASK,
	       st.st_dev == makedev(x.stx_dev_major, x.stx_dev_minor));
}

static void of_descriptor(const char *what, int fd)
{
	struct statfs s = { 0 };
	struct statx x = { 0 };

	printf("%s: ", what);
	SHOW(fstatfs(fd, &s));
	SHOW(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &x));
	printf("%lx, %ld, flags %lx, mask %x, %llx\n", (long)s.f_type,
	       (long)s.f_blocks, (long)s.f_flags, x.stx_mask,
	       (long long)x.stx_attributes_mask & MASK);
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(lseek(fd, 5, SEEK_CUR));
	SHOW(lseek(fd, 0, 77));
	close(fd);
}

static void without_a_path(void)
{
	sigset_t set;
	int p[2], s[2];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SHOW(pipe(p));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	of_descriptor("pipe", p[0]);
	of_descriptor("socket", s[0]);
	of_descriptor("eventfd", eventfd(0, 0));
	of_descriptor("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	of_descriptor("signalfd", signalfd(-1, &set, 0));
	of_descriptor("inotify", inotify_init());
	of_descriptor("epoll", epoll_create1(0));
}

/* How much of what was not asked for is told. */
static void asked(void)
{
	static const unsigned masks[] = { 0,
					  STATX_SIZE,
					  STATX_MTIME,
					  STATX_CTIME,
					  STATX_BTIME,
					  STATX_BASIC_STATS,
					  STATX_BASIC_STATS | STATX_BTIME };
	struct statx x;

	for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
		statx(AT_FDCWD, "f", 0, masks[i], &x);
		printf("asked %x: %x, size %d, btime %d\n", masks[i],
		       x.stx_mask, (int)x.stx_size, x.stx_btime.tv_sec != 0);
	}
}

static long open_within(const char *path, unsigned long long resolve)
{
	struct open_how how = { .resolve = resolve };
	long fd = RAW(openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd >= 0)
		close((int)fd);
	return fd < 0 ? fd : 0;
}

static void across(void)
{
	char name[32];
	int p[2], proc = open("/proc", O_RDONLY), f = open("f", O_RDWR);
	struct open_how how = { .resolve = RESOLVE_NO_XDEV };

	SHOW(open_within("f", RESOLVE_NO_XDEV));
	SHOW(open_within("/proc/self/status", RESOLVE_NO_XDEV));
	SHOW(open_within("/proc", RESOLVE_NO_XDEV));
	SHOW(symlink("/proc/version", "link"));
	SHOW(open_within("link", RESOLVE_NO_XDEV));
	SHOW(RAW(openat2, proc, "version", &how, sizeof(how)) >= 0);
	SHOW(RAW(openat2, proc, "self/status", &how, sizeof(how)) >= 0);
	SHOW(RAW(openat2, proc, "..", &how, sizeof(how)));
	SHOW(RAW(openat2, proc, "self/exe", &how, sizeof(how)));
	SHOW(pipe(p));
	snprintf(name, sizeof(name), "self/fd/%d", p[0]);
	SHOW(RAW(openat2, proc, name, &how, sizeof(how)));
	SHOW(rename("f", "/proc/x"));
	SHOW(rename("/proc/self/status", "x"));
	SHOW(rename("/proc/none", "x"));
	SHOW(rename("/", "/proc/x"));
	SHOW(rename("/proc", "/proc/x"));
	SHOW(rename("/proc/.", "/proc/x"));
	SHOW(rename("/proc/self", "/proc/1"));
	SHOW(link("/proc/version", "x"));
	SHOW(rmdir("/proc"));
	SHOW(unlink("/proc"));
	SHOW(rmdir("/proc/self"));
	SHOW(rmdir("/proc/version"));
	SHOW(rmdir("/proc/1"));
	SHOW(rmdir("/proc/self/status"));
	SHOW(unlink("/proc/version"));
	SHOW(unlink("/proc/self"));
	SHOW(open("/proc", O_TMPFILE | O_RDWR, 0600));
	close(proc);
	close(f);
}

/* From files that are made when they are read. */
static void sent(void)
{
	static const char *const names[] = {
		"/proc/self/status", "/proc/self/cmdline",
		"/proc/self/maps",   "/proc/net/unix",
		"/proc/mounts",      "/proc/self/mountstats",
		"/proc/version",     "/proc/meminfo",
		"/dev/zero",         "/dev/null",
		"/proc/self/mem",    "/proc"
	};
	int to = open("f", O_RDWR), from = open("f", O_RDONLY), p[2];
	int version = open("/proc/version", O_RDONLY);
	int comm = open("/proc/self/comm", O_RDWR);

	SHOW(pipe(p));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = open(names[i], O_RDONLY);

		printf("%s: ", names[i]);
		SHOW(sendfile(to, fd, NULL, 5));
		SHOW(splice(fd, NULL, p[1], NULL, 5, 0));
		if (i < 8)
			SHOW(copy_file_range(fd, NULL, to, NULL, 5, 0));
		close(fd);
	}
	/* What is refused first. */
	SHOW(copy_file_range(version, NULL, from, NULL, 5, 0));
	SHOW(copy_file_range(from, NULL, version, NULL, 5, 0));
	SHOW(copy_file_range(from, NULL, comm, NULL, 5, 0));
	SHOW(copy_file_range(version, NULL, comm, NULL, 5, 0));
	close(comm);
	close(version);
	close(from);
	close(to);
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	SHOW(write(open("f", O_RDWR | O_CREAT, 0600), "hello", 5));
	of_path("f");
	of_path("/proc");
	of_path("/proc/self/status");
	of_path("/proc/self/fd");
	of_path("/sys");
	of_path("/sys/devices/system/cpu/online");
	of_path("/dev/pts");
	of_path("/dev/null");
	without_a_path();
	asked();
	across();
	sent();
	return 0;
}
