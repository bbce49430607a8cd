/*
 * Memory that is promised and not touched costs nothing: three times as much as
 * the guest's memory has (256 MiB) is mapped, and as much of it used as there is.
 * What was written stays, what was not is zero, whoever else needed the frames.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define MIB (1ul << 20)
#define BIG (150 * MIB)
#define RW (PROT_READ | PROT_WRITE)

static char *map(size_t size)
{
	return mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Every 16th page says where it is. */
static void mark(char *p, size_t size, unsigned long seed)
{
	for (size_t at = 0; at < size; at += 16 * PAGE)
		*(unsigned long *)(p + at) = seed + at;
}

/* Pages that are not as they should be. */
static int wrong(const char *p, size_t size, unsigned long seed)
{
	int n = 0;

	for (size_t at = 0; at < size; at += PAGE) {
		unsigned long word = *(const unsigned long *)(p + at);

		n += word != (at % (16 * PAGE) ? 0 : seed + at);
	}
	return n;
}

static void turn(int i)
{
	char *a = map(BIG), *b = map(BIG), *c = map(BIG);

	printf("%d: mapped %d %d %d\n", i, a != MAP_FAILED, b != MAP_FAILED,
	       c != MAP_FAILED);
	mark(a, BIG, 1);
	memset(b, 'b', 100 * MIB);
	mark(c, BIG, 3);
	/* Some of what a has left alone is needed by now. */
	memset(c + 40 * MIB, 0, 8 * MIB);
	mark(c + 40 * MIB, 8 * MIB, 3 + 40 * MIB);
	printf("b %d\n",
	       b[0] == 'b' && b[100 * MIB - 1] == 'b' && b[100 * MIB] == 0);
	munmap(b, BIG);
	printf("wrong %d %d\n", wrong(a, BIG, 1), wrong(c, BIG, 3));
	/* What was taken back works like any memory. */
	memset(a + PAGE, 'a', 10 * PAGE);
	mprotect(a + 2 * PAGE, PAGE, PROT_READ);
	printf("kept %c%c%c\n", a[PAGE], a[2 * PAGE], a[11 * PAGE - 1]);
	mprotect(a, BIG, PROT_NONE);
	a = mremap(a, BIG, BIG + 2 * MIB, MREMAP_MAYMOVE);
	if (a == MAP_FAILED) {
		printf("cannot be moved\n");
		return;
	}
	mprotect(a, BIG, RW);
	printf("moved %c%c%c\n", a[PAGE], a[2 * PAGE], a[11 * PAGE - 1]);
	madvise(a, BIG, MADV_DONTNEED);
	printf("given up %d\n", wrong(a + PAGE, 15 * PAGE, 0));
	b = mmap(a, 4 * MIB, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0);
	mark(b, 4 * MIB, 7);
	printf("mapped over %d\n", wrong(b, 4 * MIB, 7));
	munmap(a, BIG + 2 * MIB);
	munmap(c, BIG);
}

int main(void)
{
	for (int i = 0; i < 4; i++)
		turn(i);
	return 0;
}
