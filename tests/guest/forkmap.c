/* forkmap.c: mappings changed by chance before and after forks: what every
 * process sees of an arena, page by page, is the same natively. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <sys/mman.h>

#include "child.h"

#define PAGES 48
#define PAGE 4096
#define FILE_PAGES 28
#define DEPTH 3 /* of forks */
#define AT ((char *)0x30000000)

static unsigned long long state;
static int file;
static sigjmp_buf fault;

static unsigned chance(unsigned below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 20) % below;
}

static void on_fault(int signo)
{
	siglongjmp(fault, signo);
}

/* What is there, or which signal says that nothing is. */
static unsigned look(void)
{
	volatile unsigned hash = 1;

	for (volatile int i = 0; i < PAGES; i++) {
		volatile unsigned char *p = (unsigned char *)AT + i * PAGE;
		int signo = sigsetjmp(fault, 1);

		hash = hash * 31 +
		       (signo ? 1000u + (unsigned)signo :
				p[0] * 3u + p[100] * 5u + p[PAGE - 1] * 7u);
	}
	return hash;
}

static void touch(char *p, int pages)
{
	unsigned value = chance(256);

	for (volatile int i = 0; i < pages; i++)
		if (!sigsetjmp(fault, 1))
			p[i * PAGE] = p[i * PAGE + 100] = (char)(value + i);
}

static long map(char *p, size_t size, int prot, int flags)
{
	off_t at = flags & MAP_ANONYMOUS ? 0 : chance(20) * PAGE;

	return mmap(p, size, prot, flags | MAP_FIXED,
		    flags & MAP_ANONYMOUS ? -1 : file, at) == MAP_FAILED ?
		       -1 :
		       0;
}

static long advise(char *p, size_t size)
{
	static const int advice[] = { MADV_DONTNEED,   MADV_DONTFORK,
				      MADV_DOFORK,     MADV_WIPEONFORK,
				      MADV_KEEPONFORK, MADV_REMOVE };

	return madvise(p, size, advice[chance(6)]);
}

static long move(char *p, int pages)
{
	char *to = AT + chance(PAGES - (unsigned)pages + 1) * PAGE;

	return mremap(p, (size_t)pages * PAGE, (size_t)pages * PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED ?
		       -1 :
		       0;
}

static void write_file(void)
{
	char page[PAGE];

	memset(page, (int)chance(256), sizeof(page));
	if (pwrite(file, page, sizeof(page), chance(20) * PAGE) < 0)
		perror("pwrite");
}

static long change(void)
{
	static const int rights[] = { PROT_READ, PROT_READ | PROT_WRITE,
				      PROT_READ | PROT_WRITE, PROT_NONE };
	int at = (int)chance(PAGES - 8), pages = 1 + (int)chance(8);
	char *p = AT + at * PAGE;
	size_t size = (size_t)pages * PAGE;
	int prot = rights[chance(4)];

	switch (chance(12)) {
	case 0:
		return map(p, size, prot, MAP_PRIVATE | MAP_ANONYMOUS);
	case 1:
		return map(p, size, prot, MAP_SHARED | MAP_ANONYMOUS);
	case 2:
		return map(p, size, prot, MAP_SHARED);
	case 3:
		return munmap(p, size);
	case 4:
	case 5:
		return mprotect(p, size, prot);
	case 6:
	case 7:
		return advise(p, size);
	case 8:
		return move(p, pages);
	case 9:
		write_file();
		return 0;
	default:
		touch(p, pages);
		return 0;
	}
}

static void go_on(int steps, int depth)
{
	for (int i = 0; i < steps; i++) {
		long r = change();
		pid_t child;

		printf("%d %d: %s %x\n", depth, i,
		       r ? strerrorname_np(errno) : "0", look());
		if (depth == DEPTH || chance(12))
			continue;
		fflush(stdout);
		child = fork();
		if (child == 0) {
			printf("child: %x\n", look());
			go_on(10, depth + 1);
			fflush(stdout);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

static void start(unsigned long long seed)
{
	char page[PAGE];

	state = seed * 0x9e3779b97f4a7c15ull;
	for (int i = 0; i < FILE_PAGES; i++) {
		memset(page, i + 1, sizeof(page));
		if (pwrite(file, page, sizeof(page), i * PAGE) < 0)
			perror("pwrite");
	}
	map(AT, PAGES * PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS);
	go_on(60, 0);
}

int main(void)
{
	const struct sigaction a = { .sa_handler = on_fault,
				     .sa_flags = SA_NODEFER };
	char name[] = "/tmp/forkmapXXXXXX";

	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	file = mkstemp(name);
	unlink(name);
	for (unsigned long long seed = 1; seed <= 8; seed++)
		start(seed);
	return 0;
}
