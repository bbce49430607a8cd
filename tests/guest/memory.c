/* mmap, mprotect, mremap, brk, madvise: what they give and refuse. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "touch.h"

int main(void)
{
	char *p, *q;
	int fd;

	touch_catch();
	p = mmap(NULL, 16384, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	printf("fresh %d\n", sum(p, 16384));
	memset(p, 1, 16384);
	printf("read-only %d\n", mprotect(p + 4096, 4096, PROT_READ));
	printf("read %d write %d beside %d\n", touch(p + 4096, 0),
	       touch(p + 4096, 1), touch(p + 8192, 1));
	printf("none %d read %d\n", mprotect(p + 4096, 4096, PROT_NONE),
	       touch(p + 4096, 0));
	printf("back %d write %d kept %d\n",
	       mprotect(p, 16384, PROT_READ | PROT_WRITE), touch(p + 4096, 1),
	       sum(p, 16384));
	printf("dontneed %d %d\n", madvise(p, 8192, MADV_DONTNEED),
	       sum(p, 16384));
	q = mremap(p, 16384, 1 << 20, MREMAP_MAYMOVE);
	printf("grown %d\n", sum(q, 1 << 20));
	q = mremap(q, 1 << 20, 4096, 0);
	printf("shrunk %d", sum(q, 4096));
	printf(" unmap %d\n", munmap(q, 4096));
	p = mmap(NULL, 1ul << 30, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	printf("reserve %d touch %d\n", p != MAP_FAILED, touch(p + 4096, 1));
	printf("commit %d write %d next %d\n",
	       mprotect(p + 65536, 65536, PROT_READ | PROT_WRITE),
	       touch(p + 65536, 1), touch(p + 131072, 1));
	q = mmap(p + 4096, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	printf("fixed %d write %d\n", q == p + 4096, touch(q, 1));
	q = mmap(p, 4096, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	printf("noreplace %d %d\n", q == MAP_FAILED, errno == EEXIST);
	printf("unmap %d after %d\n", munmap(p, 1ul << 30),
	       touch(p + 65536, 0));
	printf("too much %d\n",
	       mmap(NULL, 1ul << 45, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
		       errno == ENOMEM);
	printf("zero size %d\n",
	       mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED &&
		       errno == EINVAL);
	printf("bad fd %d\n",
	       mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED &&
		       errno == EBADF);
	fd = open("/tmp/zeroboot-memory", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unlink("/tmp/zeroboot-memory");
	printf("file %d\n", (int)write(fd, "hello world", 11));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("same %d\n", memcmp(p, "hello world", 12));
	q[1] = 'E'; /* its own copy from here on */
	p[0] = 'J';
	char buf[12] = "";
	printf("shared %d %s\n", (int)pread(fd, buf, 11, 0), buf);
	printf("private %c%c past the end %d\n", q[0], q[1],
	       touch(p + 4096, 0));
	printf("msync %d\n", msync(p, 4096, MS_SYNC));
	p = sbrk(0);
	q = sbrk(1 << 20);
	printf("brk %d fresh %d\n", p == q, sum(q, 1 << 20));
	memset(q, 2, 1 << 20);
	printf("back %d again %d\n", sbrk(-(1 << 20)) == q + (1 << 20),
	       sbrk(4096) == q && sum(q, 4096) == 0);
	return 0;
}
