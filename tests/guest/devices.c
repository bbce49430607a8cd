/* devices.c: the devices of memory and of random numbers, and standard input. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "check.h"

static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full",
				     "/dev/random", "/dev/urandom" };

static long zeroes(const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i])
			return 0;
	return 1;
}

static void device(const char *name)
{
	char buf[32], more[32];
	struct iovec v[2] = { { buf, 5 }, { more, 7 } };
	struct pollfd w;
	struct stat st;
	int f;

	puts(name);
	SHOW(stat(name, &st));
	printf("mode %o major %u minor %u size %ld\n", st.st_mode,
	       major(st.st_rdev), minor(st.st_rdev), (long)st.st_size);
	SHOW((f = open(name, O_RDWR)) >= 0);
	memset(buf, 7, sizeof(buf));
	SHOW(read(f, buf, 16));
	SHOW(zeroes(buf, 16));
	SHOW(write(f, "abc", 3));
	SHOW(write(f, "", 0));
	SHOW(lseek(f, 0, SEEK_CUR));
	SHOW(lseek(f, 100, SEEK_SET));
	SHOW(lseek(f, -1, SEEK_END));
	SHOW(lseek(f, 0, 9));
	SHOW(pread(f, buf, 8, 1000));
	SHOW(pread(f, buf, 8, -1));
	SHOW(pwrite(f, buf, 8, 1000));
	SHOW(readv(f, v, 2));
	SHOW(preadv(f, v, 2, 5));
	SHOW(writev(f, v, 2));
	SHOW(read(f, buf, 0));
	w = (struct pollfd){ f, POLLIN | POLLOUT, 0 };
	SHOW(poll(&w, 1, 0));
	printf("events %x\n", w.revents);
	SHOW(fsync(f));
	SHOW(ftruncate(f, 0));
	SHOW(fcntl(f, F_GETFL) & O_ACCMODE);
	close(f);
	f = open(name, O_RDONLY);
	SHOW(write(f, "abc", 3));
	close(f);
	SHOW((f = open(name, O_WRONLY | O_TRUNC | O_CREAT, 0600)) >= 0);
	SHOW(read(f, buf, 3));
	close(f);
}

static void map_zero(void)
{
	int f = open("/dev/zero", O_RDWR), r = open("/dev/zero", O_RDONLY);
	char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	char *b = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	char *c = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, r, 0);

	close(f);
	SHOW(a != MAP_FAILED && b != MAP_FAILED && c != MAP_FAILED);
	SHOW(zeroes(a, 8192) && zeroes(b, 8192) && zeroes(c, 4096));
	a[5000] = b[5000] = c[5] = 1;
	SHOW(a[5000] + b[5000] + c[5]);
	SHOW(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0) ==
	     MAP_FAILED);
	SHOW(munmap(a, 8192));
	SHOW(munmap(b, 8192));
	close(r);
}

/* Of the three that a program finds open, the kind and what follows from it. */
static void standard(void)
{
	struct stat st[3];
	char buf[8];

	for (int fd = 0; fd < 3; fd++) {
		fstat(fd, &st[fd]);
		printf("%d: fifo %d size %ld\n", fd, S_ISFIFO(st[fd].st_mode),
		       (long)st[fd].st_size);
		SHOW(lseek(fd, 0, SEEK_CUR));
		SHOW(isatty(fd));
		SHOW(fcntl(fd, F_GETFL));
	}
	SHOW(st[0].st_ino != st[1].st_ino);
	SHOW(read(0, buf, sizeof(buf)));
	SHOW(write(0, buf, 1));
	SHOW(read(1, buf, 1));
	SHOW(fcntl(0, F_GETPIPE_SZ));
	SHOW(fcntl(1, F_GETPIPE_SZ));
	SHOW(readlink("/proc/self/fd/0", buf, 6));
	printf("%.5s\n", buf);
}

int main(void)
{
	for (size_t i = 0; i < 5; i++)
		device(names[i]);
	map_zero();
	SHOW(open("/dev/tty", O_RDWR));
	standard();
	return 0;
}
