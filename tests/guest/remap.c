/* remap.c: mremap and madvise over several mappings, holes by MADV_REMOVE. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "scratch.h"

#define PAGE 4096l

static char *reserve(int pages)
{
	return mmap(NULL, pages * PAGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static void show(const char *what, const void *r, const void *wanted)
{
	printf("%s: %s\n", what,
	       r == MAP_FAILED ? strerrorname_np(errno) :
	       r == wanted     ? "as wished" :
				 "elsewhere");
}

/* Three pages with rights of their own, then three without any. */
static void fill(char *p)
{
	mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 3; i++)
		p[i * PAGE] = (char)('a' + i);
	mprotect(p + PAGE, PAGE, PROT_READ);
}

static void resize(void)
{
	char *p = reserve(16), *q = reserve(16);

	fill(q);
	show("several, grown", mremap(q, 6 * PAGE, 7 * PAGE, MREMAP_MAYMOVE),
	     q);
	show("several, as they are", mremap(q, 6 * PAGE, 6 * PAGE, 0), q);
	show("moved and cut, several left",
	     mremap(q, 6 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p),
	     p);
	show("several, cut to two", mremap(q, 6 * PAGE, 2 * PAGE, 0), q);
	show("moved and cut, one left",
	     mremap(q, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), p);
	printf("%c\n", p[0]);
}

static void remove_pages(void)
{
	int f = open("f", O_CREAT | O_RDWR, 0600);
	char *p = reserve(8), *s, text[3];
	struct stat st;

	ftruncate(f, 4 * PAGE);
	s = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	memset(s, 'x', 4 * PAGE);
	printf("file: %d", madvise(s + PAGE, 2 * PAGE, MADV_REMOVE));
	fstat(f, &st);
	pread(f, text, 1, 2 * PAGE);
	printf(", %ld blocks, %d %d %c\n", (long)st.st_blocks, text[0], s[PAGE],
	       s[3 * PAGE]);
	s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("f", O_RDONLY), 0);
	printf("read only: %s\n",
	       madvise(s, PAGE, MADV_REMOVE) ? strerrorname_np(errno) : "done");
	/* Longer than what is copied at once. */
	s = mmap(NULL, 512 * PAGE, PROT_READ, MAP_PRIVATE, f, 0);
	printf("private: %s",
	       madvise(s, PAGE, MADV_REMOVE) ? strerrorname_np(errno) : "done");
	printf(" free: %s\n",
	       madvise(s, PAGE, MADV_FREE) ? strerrorname_np(errno) : "done");
	printf("anonymous: %s\n",
	       madvise(p, PAGE, MADV_REMOVE) ? strerrorname_np(errno) : "done");
	s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(s, 'y', 2 * PAGE);
	printf("shared: %d", madvise(s, PAGE, MADV_REMOVE));
	printf(" %d %c\n", s[0], s[PAGE]);
}

/* A copy between memories goes as far as both are there. */
static void copies(void)
{
	char *p = reserve(4), *q = reserve(4);
	struct iovec to = { p + 100, 4000 }, from = { q + 3000, 4000 };

	mprotect(p, PAGE, PROT_READ | PROT_WRITE);
	mprotect(q, PAGE, PROT_READ | PROT_WRITE);
	printf("read %ld\n",
	       (long)process_vm_readv(getpid(), &to, 1, &from, 1, 0));
}

int main(void)
{
	scratch_enter();
	resize();
	remove_pages();
	copies();
	return 0;
}
