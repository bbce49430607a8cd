/*
 * Mappings that replace, split and outlive each other: what they show, what
 * they refuse, and where an access ends with a signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "touch.h"

#define PAGE 4096ul
#define MIB (1ul << 20)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *map(size_t size, int prot)
{
	return mmap(NULL, size, prot, ANON, -1, 0);
}

static int file(const char *content, size_t size)
{
	char name[] = "/dev/shm/zeroboot-mapping-XXXXXX";
	int fd = mkstemp(name);

	unlink(name);
	if (write(fd, content, size) != (ssize_t)size)
		printf("cannot write\n");
	return fd;
}

static void replaced(void)
{
	char *p = map(4 * PAGE, RW), *q;

	memset(p, 1, 4 * PAGE);
	mprotect(p, 4 * PAGE, PROT_READ);
	q = mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	printf("read-only replaced %d sum %d write %d\n", q == p,
	       sum(p, 4 * PAGE), touch(p, 1));
	memset(p, 1, 4 * PAGE);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	q = mmap(p, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	printf("none replaced %d sum %d\n", q == p, sum(p, 4 * PAGE));
	munmap(p, 4 * PAGE);
	/* over two mappings side by side, that differ */
	p = map(8 * PAGE, RW);
	mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0);
	memset(p, 1, 4 * PAGE);
	q = mmap(p + 2 * PAGE, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	printf("over two %d sum %d write %d behind %d\n", q == p + 2 * PAGE,
	       sum(p, 8 * PAGE), touch(p + 5 * PAGE, 1),
	       touch(p + 6 * PAGE, 1));
	munmap(p, 8 * PAGE);
}

static void file_over_memory(void)
{
	char *p = map(4 * PAGE, RW), *q, buf[8] = "";
	int fd = file("file content", 12);

	memset(p, 1, 4 * PAGE);
	q = mmap(p + PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0);
	printf("file over memory %d: %.4s beside %d %d\n", q == p + PAGE, q,
	       p[PAGE - 1], p[2 * PAGE]);
	memcpy(q, "FILE", 4);
	pread(fd, buf, 4, 0);
	printf("written through: %s\n", buf);
	munmap(p + PAGE, PAGE);
	q = mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
	printf("again memory %d sum %d\n", q == p + PAGE, sum(q, PAGE));
	munmap(p, 4 * PAGE);
	close(fd);
}

static void ends(void)
{
	int fd = file("0123456789", 10);
	char *p = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0), buf[PAGE];
	struct iovec v = { p + PAGE, 16 };
	int ends[2];

	printf("end of file: %d, behind it %d\n", touch(p + PAGE - 1, 0),
	       touch(p + PAGE, 0));
	pipe2(ends, O_NONBLOCK);
	printf("write from behind it %zd %d\n", write(ends[1], p + PAGE, 16),
	       errno);
	printf("writev from behind it %zd %d\n", writev(ends[1], &v, 1), errno);
	munmap(p, 3 * PAGE);
	p = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0);
	write(ends[1], "abc", 3);
	printf("read to behind it %zd %d\n", read(ends[0], p + PAGE, 3), errno);
	printf("stat to behind it %d %d\n",
	       fstat(fd, (struct stat *)(p + PAGE)), errno);
	printf("open of what is behind it %d %d\n", open(p + PAGE, O_RDONLY),
	       errno);
	/* the file is cut, and grows again */
	ftruncate(fd, 3 * PAGE);
	memset(p, 'x', 3 * PAGE);
	ftruncate(fd, 100);
	printf("cut: %d, behind it %d\n", touch(p, 0), touch(p + PAGE, 0));
	ftruncate(fd, 3 * PAGE);
	printf("grown: %d %d %d\n", p[99], p[100], p[2 * PAGE]);
	p[2 * PAGE] = 'y';
	pread(fd, buf, 1, 2 * PAGE);
	printf("shared still: %c\n", buf[0]);
	munmap(p, 3 * PAGE);
	close(fd);
}

/* A hole that nobody touches stays one. */
static void holes(void)
{
	int fd = file("", 0);
	struct stat st;
	char *p;

	ftruncate(fd, 64 * PAGE);
	p = mmap(NULL, 64 * PAGE, RW, MAP_SHARED, fd, 0);
	p[3 * PAGE] = 1;
	p[40 * PAGE] = 1;
	fstat(fd, &st);
	printf("blocks of two pages %ld\n", (long)st.st_blocks);
	munmap(p, 64 * PAGE);
	close(fd);
}

/* A private copy is its own from the first write on. */
static void copies(void)
{
	int fd = file("private and shared", 18);
	char *shared = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0);
	char buf[8] = "";

	private[0] = 'P';
	shared[8] = 'A';
	pread(fd, buf, 1, 0);
	pread(fd, buf + 1, 1, 8);
	printf("copies %c %s\n", private[0], buf);
	pwrite(fd, "S", 1, 12);
	printf("write is seen %c\n", shared[12]);
	printf("private unmapped %d\n", munmap(private, PAGE));
	munmap(shared, PAGE);
	close(fd);
}

static void moves(void)
{
	char *p = map(4 * PAGE, RW), *q;

	p[0] = 7;
	mprotect(p, 4 * PAGE, PROT_NONE);
	q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	mprotect(q, 64 * PAGE, PROT_READ);
	printf("moved with its data %d, grown %d\n", q[0], q[63 * PAGE]);
	munmap(q, 64 * PAGE);
	p = map(8 * PAGE, RW);
	q = map(8 * PAGE, RW);
	memset(p, 3, 8 * PAGE);
	printf("fixed %d", mremap(p + PAGE, 2 * PAGE, 2 * PAGE,
				  MREMAP_MAYMOVE | MREMAP_FIXED,
				  q + 4 * PAGE) == q + 4 * PAGE);
	printf(" there %d beside %d\n", sum(q, 8 * PAGE) == (int)(2 * PAGE * 3),
	       p[0]);
	printf("overlap %d\n",
	       mremap(q, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      q + PAGE) == MAP_FAILED &&
		       errno == EINVAL);
	printf("unmapped %d\n",
	       mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED &&
		       errno == EFAULT);
	munmap(p, 8 * PAGE);
	munmap(q, 8 * PAGE);
	p = mmap(NULL, MIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	mprotect(p, PAGE, RW);
	p[5] = 5;
	mprotect(p, MIB, PROT_READ);
	q = mremap(p, MIB, 4 * MIB, MREMAP_MAYMOVE);
	printf("a reservation moved %d write %d end %d\n", q[5], touch(q, 1),
	       touch(q + 4 * MIB - 1, 0));
	munmap(q, 4 * MIB);
}

static void advice(void)
{
	char *p = map(300 * PAGE, RW);

	memset(p, 1, 300 * PAGE);
	mprotect(p, 2 * PAGE, PROT_READ);
	printf("dontneed read-only %d sum %d\n",
	       madvise(p, 2 * PAGE, MADV_DONTNEED), sum(p, 2 * PAGE));
	printf("dontneed many %d sum %d\n",
	       madvise(p, 300 * PAGE, MADV_DONTNEED), sum(p, 300 * PAGE));
	printf("hole %d\n", munmap(p + PAGE, PAGE) == 0 &&
				    madvise(p, 3 * PAGE, MADV_DONTNEED) == -1 &&
				    errno == ENOMEM);
	printf("unaligned %d\n",
	       madvise(p + 1, PAGE, MADV_DONTNEED) == -1 && errno == EINVAL);
	printf("unknown %d\n",
	       madvise(p, PAGE, 12345) == -1 && errno == EINVAL);
	munmap(p, 300 * PAGE);
	p = map(PAGE, PROT_NONE);
	printf("populate none %d %d\n", madvise(p, PAGE, MADV_POPULATE_READ),
	       errno);
	munmap(p, PAGE);
}

static void refusals(void)
{
	char *p;

	errno = 0;
	p = mmap((void *)0x7ffffffff000, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	printf("above the top %d\n", p == MAP_FAILED && errno == ENOMEM);
	printf("wrap %d\n",
	       munmap((void *)-PAGE, PAGE) == -1 && errno == EINVAL);
	printf("protect wrap %d\n",
	       mprotect((void *)-PAGE, 2 * PAGE, RW) == -1 && errno == ENOMEM);
	p = mmap((void *)(uintptr_t)0xfffffffffffff000, PAGE, RW,
		 ANON | MAP_FIXED, -1, 0);
	printf("last page %d\n", p == MAP_FAILED && errno == ENOMEM);
	printf("odd offset %d\n",
	       mmap(NULL, PAGE, RW, MAP_PRIVATE, 0, 1) == MAP_FAILED &&
		       errno == EINVAL);
	printf("offset wrap %d\n", mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE,
					file("x", 1), -PAGE) == MAP_FAILED &&
					   errno == EOVERFLOW);
	printf("no type %d\n",
	       mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
		       errno == EINVAL);
	int fd = open("/dev/null", O_WRONLY);
	printf("write-only %d\n",
	       mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED &&
		       errno == EACCES);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY);
	printf("shared of read-only %d\n",
	       mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0) == MAP_FAILED &&
		       errno == EACCES);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	printf("and by mprotect %d\n",
	       mprotect(p, PAGE, RW) == -1 && errno == EACCES);
	munmap(p, PAGE);
	close(fd);
	fd = open("/dev/zero", O_RDWR);
	p = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE, fd, 0);
	printf("zero device %d\n", p != MAP_FAILED && sum(p, 2 * PAGE) == 0);
	printf("write %d\n", touch(p, 1));
	munmap(p, 2 * PAGE);
	p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	printf("shared %d\n", p != MAP_FAILED && sum(p, 2 * PAGE) == 0);
	printf("write %d\n", touch(p, 1));
	munmap(p, 2 * PAGE);
	close(fd);
	printf("32 bits %d\n", (uintptr_t)mmap(NULL, PAGE, RW, ANON | MAP_32BIT,
					       -1, 0) < 1ul << 31);
	/* AddressSanitizer's shadow, and Go's first choice */
	p = mmap((void *)0x7fff8000, 0x10007fff8000ul - 0x7fff8000, PROT_NONE,
		 ANON | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
	printf("a shadow %d\n",
	       p == (char *)0x7fff8000 || (p == MAP_FAILED && errno == EEXIST));
	if (p != MAP_FAILED) {
		mprotect(p + (1ul << 40), PAGE, RW);
		printf("in it %d beside %d\n", touch(p + (1ul << 40), 1),
		       touch(p + (1ul << 40) + PAGE, 1));
		munmap(p, 0x10007fff8000ul - 0x7fff8000);
	} else {
		printf("in it 0 beside 1102\n");
	}
	p = mmap(NULL, 1ul << 40, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	printf("a terabyte %d\n",
	       p != MAP_FAILED && mprotect(p + (1ul << 39), PAGE, RW) == 0 &&
		       touch(p + (1ul << 39), 1) == 0);
	munmap(p, 1ul << 40);
}

static void residence(void)
{
	unsigned char there[4];
	char *p = mmap(NULL, 4 * PAGE, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	printf("mincore of a hole %d\n",
	       mincore(p + 2 * MIB * 1024, PAGE, there) == -1);
	printf("mincore %d: %d\n", mincore(p, 4 * PAGE, there),
	       (there[0] & 1) + (there[3] & 1));
	munmap(p, 4 * PAGE);
}

static void limits(void)
{
	struct rlimit old, l;
	char *p, *q;

	getrlimit(RLIMIT_AS, &old);
	l = old;
	l.rlim_cur = 64 * MIB;
	setrlimit(RLIMIT_AS, &l);
	p = mmap(NULL, 256 * MIB, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
	printf("address space limit %d\n", p == MAP_FAILED && errno == ENOMEM);
	printf("malloc too %d\n", malloc(100 * MIB) == NULL);
	p = map(8 * MIB, RW);
	q = mremap(p, 8 * MIB, 128 * MIB, MREMAP_MAYMOVE);
	printf("mremap too %d\n", q == MAP_FAILED && errno == ENOMEM);
	setrlimit(RLIMIT_AS, &old);
	getrlimit(RLIMIT_DATA, &old);
	l = old;
	l.rlim_cur = 64 * MIB;
	setrlimit(RLIMIT_DATA, &l);
	q = map(100 * MIB, RW);
	printf("data limit %d\n", q == MAP_FAILED && errno == ENOMEM);
	q = map(100 * MIB, PROT_READ);
	printf("not of what is read-only %d, mprotect %d\n", q != MAP_FAILED,
	       mprotect(q, 100 * MIB, RW) == -1 && errno == ENOMEM);
	munmap(q, 100 * MIB);
	printf("brk too %d\n", sbrk(100 * MIB) == (void *)-1);
	setrlimit(RLIMIT_DATA, &old);
	munmap(p, 8 * MIB);
}

int main(void)
{
	touch_catch();
	replaced();
	file_over_memory();
	ends();
	holes();
	copies();
	moves();
	advice();
	refusals();
	residence();
	limits();
	return 0;
}
