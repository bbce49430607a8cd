/* What the calls about memory refuse, and how: mmap, munmap, mprotect, mremap,
 * madvise, mincore, msync; and the ends of mapped files. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "touch.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t size)
{
	return mmap(NULL, size, RW, ANON, -1, 0);
}

/* An address is not to be printed. */
static long mapped(void *p)
{
	return p == MAP_FAILED ? -1 : 0;
}
#define MMAP(...) mapped(mmap(__VA_ARGS__))
#define MREMAP(...) mapped(mremap(__VA_ARGS__))

static int file_of(size_t size)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	if (ftruncate(fd, size))
		perror("ftruncate");
	return fd;
}

static void mmap_errors(void)
{
	int fd = file_of(PAGE), read_only, write_only, p[2], directory;
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	read_only = open(name, O_RDONLY);
	write_only = open(name, O_WRONLY);
	directory = open("/tmp", O_RDONLY);
	printf("-- mmap\n");
	SHOW(MMAP(NULL, 0, RW, ANON, -1, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_PRIVATE | MAP_SHARED, fd, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_PRIVATE, fd, 1));
	SHOW(MMAP(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_PRIVATE, directory, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_SHARED, read_only, 0));
	SHOW(MMAP(NULL, PAGE, PROT_READ, MAP_SHARED, read_only, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_PRIVATE, read_only, 0));
	SHOW(MMAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0));
	SHOW(MMAP(NULL, PAGE, PROT_WRITE, MAP_SHARED, write_only, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x200000, fd, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
	SHOW(MMAP(NULL, PAGE, RW, MAP_SHARED, fd, 1ul << 62));
	SHOW(MMAP((void *)1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW(MMAP((void *)-PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW(MMAP((void *)0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW(MMAP(NULL, SIZE_MAX, RW, ANON, -1, 0));
	SHOW(MMAP(NULL, 2 << 20, RW, ANON | MAP_HUGETLB, -1, 0));
	SHOW(MMAP(NULL, 1ul << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0));
	SHOW(pipe(p));
	SHOW(MMAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0));
	SHOW(close_range(fd, ~0u, 0));
}

static void unmapping(void)
{
	char *p = map(6 * PAGE);

	printf("-- munmap\n");
	memset(p, 1, 6 * PAGE);
	SHOW(munmap(p, 0));
	SHOW(munmap(p + 1, PAGE));
	SHOW(munmap((void *)-PAGE, 2 * PAGE));
	SHOW(munmap(p + PAGE, PAGE));
	SHOW(munmap(p + PAGE, PAGE));
	SHOW(munmap(p + 2 * PAGE, 1));
	SHOW(touch(p, 0));
	SHOW(touch(p + 3 * PAGE, 0));
	SHOW(munmap(p, 6 * PAGE));
}

static void protecting(void)
{
	char *p = map(6 * PAGE), *text;
	int fd;

	printf("-- mprotect\n");
	SHOW(mprotect(p + 1, PAGE, PROT_READ));
	SHOW(mprotect(p, 0, PROT_READ));
	SHOW(mprotect((void *)-PAGE, 2 * PAGE, PROT_READ));
	SHOW(mprotect(p, PAGE, 0x100));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	munmap(p + 2 * PAGE, PAGE);
	SHOW(mprotect(p, 4 * PAGE, PROT_READ));
	/* what is before the gap has changed */
	SHOW(touch(p + PAGE, 1));
	SHOW(touch(p + 3 * PAGE, 1));
	SHOW(mprotect(p + 3 * PAGE, 3 * PAGE, PROT_NONE));
	SHOW(touch(p + 4 * PAGE, 0));
	SHOW(mprotect(p + 3 * PAGE, 3 * PAGE, RW));
	SHOW(touch(p + 4 * PAGE, 1));
	munmap(p, 6 * PAGE);
	fd = open("/proc/self/exe", O_RDONLY);
	text = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	SHOW(mapped(text));
	SHOW(mprotect(text, PAGE, RW));
	SHOW(munmap(text, PAGE));
	close(fd);
}

static void moving(void)
{
	char *p = map(4 * PAGE), *q, *r;

	printf("-- mremap\n");
	memset(p, 3, 4 * PAGE);
	SHOW(MREMAP(p + 1, PAGE, PAGE, 0));
	SHOW(MREMAP(p, PAGE, 0, 0));
	SHOW(MREMAP(p, PAGE, PAGE, 0x100));
	SHOW(MREMAP(p, PAGE, PAGE, MREMAP_FIXED, p));
	SHOW(MREMAP(p, 4 * PAGE, 4 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE,
		    p + PAGE));
	SHOW(MREMAP(p, 4 * PAGE, 4 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE,
		    p + 8 * PAGE + 1));
	SHOW(MREMAP(p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE));
	SHOW(MREMAP(p, SIZE_MAX - PAGE, PAGE, MREMAP_MAYMOVE));
	SHOW(MREMAP(p, PAGE, SIZE_MAX / 2, MREMAP_MAYMOVE));
	SHOW(MREMAP(p, 0, PAGE, MREMAP_MAYMOVE));
	SHOW(mremap(p, 4 * PAGE, 4 * PAGE, 0) == p);
	SHOW(mremap(p, 4 * PAGE, 3 * PAGE, 0) == p);
	SHOW(touch(p + 2 * PAGE, 0));
	/* into a place, which replaces what is there */
	q = map(8 * PAGE);
	memset(q, 4, 8 * PAGE);
	SHOW(mremap(p, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		    q + PAGE) == q + PAGE);
	printf("%d %d %d %d\n", q[0], q[PAGE], q[3 * PAGE], q[4 * PAGE]);
	/* a part of a mapping that cannot grow where it is */
	SHOW(MREMAP(q, PAGE, 2 * PAGE, 0));
	r = mremap(q + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	SHOW(mapped(r));
	printf("%d %d %d %d\n", r[0], r[PAGE], q[0], q[2 * PAGE]);
	SHOW(munmap(r, 2 * PAGE));
	SHOW(munmap(q, 8 * PAGE));
}

static void advising(void)
{
	char *p = map(4 * PAGE);

	printf("-- madvise\n");
	memset(p, 1, 4 * PAGE);
	SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
	SHOW(madvise(p, PAGE, 9999));
	SHOW(madvise(p, 0, MADV_DONTNEED));
	SHOW(madvise(p, SIZE_MAX, MADV_DONTNEED));
	SHOW(madvise(p, 1, MADV_DONTNEED));
	printf("%d %d\n", p[0], p[PAGE]);
	mprotect(p + PAGE, PAGE, PROT_READ);
	SHOW(madvise(p + PAGE, PAGE, MADV_DONTNEED));
	printf("%d\n", p[PAGE]);
	SHOW(madvise(p + PAGE, PAGE, MADV_POPULATE_WRITE));
	SHOW(madvise(p + PAGE, PAGE, MADV_POPULATE_READ));
	munmap(p + 2 * PAGE, PAGE);
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
	printf("%d\n", p[3 * PAGE]);
	SHOW(madvise(p, 4 * PAGE, MADV_WILLNEED));
	SHOW(madvise(p, 4 * PAGE, MADV_POPULATE_WRITE));
	SHOW(munmap(p, 4 * PAGE));
}

static void residence(void)
{
	unsigned char there[4] = { 9, 9, 9, 9 };
	char *p = map(4 * PAGE);

	printf("-- mincore\n");
	memset(p, 1, 4 * PAGE);
	SHOW(mincore(p, 4 * PAGE, there));
	printf("%d %d %d %d\n", there[0] & 1, there[1] & 1, there[2] & 1,
	       there[3] & 1);
	SHOW(mincore(p + 1, PAGE, there));
	SHOW(mincore(p, 0, there));
	SHOW(mincore(p, PAGE, (void *)8));
	SHOW(mincore((void *)-PAGE, PAGE, there));
	munmap(p + PAGE, PAGE);
	SHOW(mincore(p, 4 * PAGE, there));
	SHOW(mincore(p + 2 * PAGE, 1, there));
	SHOW(munmap(p, 4 * PAGE));
}

#define MANY 512

static long nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static long populate_time(char *p, int advice)
{
	long before = nanoseconds();

	if (madvise(p, MANY * PAGE, advice))
		perror("madvise");
	return nanoseconds() - before;
}

static long look_time(char *p)
{
	unsigned char there[MANY];
	long before = nanoseconds();

	if (mincore(p, MANY * PAGE, there))
		perror("mincore");
	return nanoseconds() - before;
}

#define LEAST(best, time) ((time) < (best) ? (time) : (best))

/* Pages that are there are looked at, as mincore does: a flush for each takes
 * hundreds of times as long. */
static void populating_again(void)
{
	long reading = 1l << 40, writing = reading, looking = reading;
	char *p = map(MANY * PAGE);

	printf("-- populating what is there\n");
	memset(p, 1, MANY * PAGE);
	for (int i = 0; i < 20; i++) {
		looking = LEAST(looking, look_time(p));
		reading = LEAST(reading, populate_time(p, MADV_POPULATE_READ));
		writing = LEAST(writing, populate_time(p, MADV_POPULATE_WRITE));
	}
	SHOW(reading < 50 * looking);
	SHOW(writing < 50 * looking);
	SHOW(munmap(p, MANY * PAGE));
}

static void syncing(void)
{
	char *p = map(3 * PAGE);

	printf("-- msync\n");
	SHOW(msync(p, PAGE, MS_SYNC));
	SHOW(msync(p, PAGE, MS_ASYNC | MS_INVALIDATE));
	SHOW(msync(p, PAGE, 0));
	SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(p, PAGE, 0x100));
	SHOW(msync(p + 1, PAGE, MS_SYNC));
	SHOW(mlock(p, PAGE));
	SHOW(msync(p, PAGE, MS_INVALIDATE));
	SHOW(msync(p, PAGE, MS_SYNC));
	SHOW(munlock(p, PAGE));
	SHOW(msync(p, PAGE, MS_INVALIDATE));
	SHOW(msync(p, 0, MS_SYNC));
	munmap(p + PAGE, PAGE);
	SHOW(msync(p, 3 * PAGE, MS_SYNC));
	SHOW(munmap(p, 3 * PAGE));
}

/* Behind the end of a mapped file there is nothing, within its last page zero. */
static void ends(void)
{
	int fd = file_of(PAGE + 10);
	char *p = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0), c = 1, *r;
	char *q = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);

	printf("-- ends\n");
	SHOW(touch(p + PAGE, 1));
	SHOW(touch(p + PAGE + 4000, 1));
	SHOW(touch(p + 2 * PAGE, 0));
	SHOW(touch(q + 2 * PAGE, 1));
	SHOW(read(fd, p + 2 * PAGE, 10));
	SHOW(write(fd, p + 2 * PAGE, 10));
	SHOW(pread(fd, p + 2 * PAGE - 5, 10, 0));
	SHOW(ftruncate(fd, 3 * PAGE));
	SHOW(touch(p + 2 * PAGE, 0));
	SHOW(pread(fd, &c, 1, PAGE + 4000));
	printf("%d\n", c);
	/* the same pages once more */
	r = mremap(p, 0, PAGE, MREMAP_MAYMOVE);
	SHOW(mapped(r));
	*p = 77;
	SHOW(*r);
	SHOW(munmap(r, PAGE));
	SHOW(close(fd));
	/* a mapping outlives its descriptor */
	SHOW(touch(p + PAGE, 1));
	SHOW(munmap(p, 4 * PAGE));
	SHOW(munmap(q, 4 * PAGE));
}

int main(void)
{
	touch_catch();
	mmap_errors();
	unmapping();
	protecting();
	moving();
	advising();
	residence();
	populating_again();
	syncing();
	ends();
	return 0;
}
