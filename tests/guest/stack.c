/*
 * stack.c: the stack grows where it is used, as far as RLIMIT_STACK says at that
 * moment, and so does what is mapped to grow down.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define PAGE 4096ul
#define KIB 1024ul
#define MIB (1024 * KIB)

/* Uses so many bytes of stack, from its top down. */
static void use(long bytes)
{
	volatile char part[4096];

	part[0] = (char)bytes;
	if (bytes > 0)
		use(bytes - 4096);
	part[1] = part[0];
}

static void limit(int which, unsigned long bytes)
{
	struct rlimit l;

	getrlimit(which, &l);
	l.rlim_cur = bytes;
	setrlimit(which, &l);
}

/* The mapping that holds an address, or ends there first above it. */
static int find(unsigned long addr, unsigned long *start, unsigned long *end,
		char *name)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int found = 0;

	while (!found && fgets(line, sizeof(line), f)) {
		*name = 0;
		sscanf(line, "%lx-%lx %*s %*s %*s %*s %s", start, end, name);
		found = *end > addr;
	}
	fclose(f);
	return found;
}

static unsigned long stack_start(void)
{
	unsigned long start = 0, end = 0;
	char name[512];

	find((unsigned long)&start, &start, &end, name);
	return start;
}

/* kB of a line of /proc/self/status. */
static long status_of(const char *name)
{
	char line[256];
	long value = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = atol(line + strlen(name) + 1);
	fclose(f);
	return value;
}

static void in_child(const char *what, void (*run)(long), long argument)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		run(argument);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	printf("%s, %ld: %x\n", what, argument, status);
}

/* ---- the limit ---- */

static void unlimited(long mib)
{
	limit(RLIMIT_STACK, RLIM_INFINITY);
	use(mib * (long)MIB);
}

static void as_it_is(long kib)
{
	use(kib * (long)KIB);
}

static void lowered(long kib)
{
	limit(RLIMIT_STACK, 256 * KIB);
	use(kib * (long)KIB);
}

static void raised_again(long kib)
{
	limit(RLIMIT_STACK, 64 * KIB);
	use(30 * (long)KIB);
	limit(RLIMIT_STACK, 16 * MIB);
	use(kib * (long)KIB);
}

static void size_limited(long kib)
{
	limit(RLIMIT_AS, (unsigned long)(status_of("VmSize:") + 1024) * KIB);
	use(kib * (long)KIB);
}

static void in_thread_after(long kib)
{
	lowered(100);
	use(kib * (long)KIB);
}

static void *thread(void *unused)
{
	use(6 * (long)MIB);
	return unused;
}

static void in_thread(long unused)
{
	pthread_t t;

	limit(RLIMIT_STACK, 64 * KIB);
	pthread_create(&t, NULL, thread, NULL); /* 8 MiB since the start */
	pthread_join(t, NULL);
	(void)unused;
}

static void told(int signo, siginfo_t *info, void *context)
{
	char text[] = "SIGSEGV, code 0\n";

	text[14] = (char)('0' + info->si_code);
	write(1, text, sizeof(text) - 1);
	_exit(signo);
	(void)context;
}

static void beyond_with_handler(long kib)
{
	static char other[64 * 1024];
	stack_t s = { .ss_sp = other, .ss_size = sizeof(other) };
	struct sigaction a = { .sa_sigaction = told,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigaltstack(&s, NULL);
	sigaction(SIGSEGV, &a, NULL);
	lowered(kib);
}

/* ---- the kernel's own accesses ---- */

static int zero;

static void read_below(long kib)
{
	char *at = (char *)stack_start() - kib * (long)KIB;

	SHOW(read(zero, at, 1));
	SHOW(stack_start() == ((unsigned long)at & ~(PAGE - 1)));
	SHOW(*at);
}

static void write_below(long kib)
{
	char *at = (char *)stack_start() - kib * (long)KIB;
	int fds[2];

	pipe(fds);
	SHOW(write(fds[1], at, 1));
	SHOW(getcwd(at - 8192, 4096) == at - 8192);
	SHOW(stack_start() == ((unsigned long)(at - 8192) & ~(PAGE - 1)));
}

static volatile sig_atomic_t caught;

static void catch (int signo)
{
	caught = signo;
}

/* A signal's frame goes to where no stack was. */
static void frame_below(long kib)
{
	long r;

	signal(SIGUSR1, catch);
	__asm__ volatile("mov %%rsp, %%r12\n"
			 "sub %3, %%rsp\n"
			 "syscall\n"
			 "mov %%r12, %%rsp\n"
			 : "=a"(r)
			 : "0"(SYS_kill), "D"(getpid()), "r"(kib * (long)KIB),
			   "S"(SIGUSR1)
			 : "rcx", "r11", "r12", "memory");
	printf("kill: %ld, caught %d\n", r, caught);
}

/* ---- what is below ---- */

static char *map(unsigned long at, unsigned long size, int prot, int flags)
{
	return mmap((void *)at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags,
		    -1, 0);
}

/* A page of the program's, so far below the stack's start. */
static void page_below(int prot)
{
	unsigned long start = stack_start(), at = start - 4 * MIB;

	SHOW(map(at, PAGE, prot, MAP_FIXED) == (char *)at);
	SHOW(read(zero, (char *)start - MIB, 1));
	SHOW(read(zero, (char *)at + MIB + PAGE, 1));
	SHOW(read(zero, (char *)at + MIB, 1));
	SHOW(read(zero, (char *)at + PAGE, 1));
	SHOW((stack_start() - at) / PAGE);
}

static void near_accessible(long unused)
{
	page_below(PROT_READ);
	(void)unused;
}

static void near_inaccessible(long unused)
{
	page_below(PROT_NONE);
	(void)unused;
}

static void nothing_in_the_room(long count)
{
	unsigned long start = stack_start();
	int near = 0;

	for (long i = 0; i < count; i++) {
		unsigned long at =
			(unsigned long)map(0, 64 * MIB, PROT_NONE, 0);

		near += at < start && start - at - 64 * MIB < 100 * MIB;
		at = (unsigned long)map(0, PAGE, PROT_READ | PROT_WRITE, 0);
		near += at < start && start - at < 100 * MIB;
	}
	SHOW(near);
}

/* ---- MAP_GROWSDOWN ---- */

static void grows_down(long pages)
{
	const int both = PROT_READ | PROT_WRITE;
	char *area = map(0, 64 * MIB, PROT_NONE, MAP_NORESERVE), *top,
	     name[512];
	unsigned long start, end;

	munmap(area, 64 * MIB);
	top = area + 32 * MIB;
	SHOW(map((unsigned long)top, PAGE, both, MAP_FIXED | MAP_GROWSDOWN) ==
	     top);
	top[-1] = 1;
	SHOW(top[-1]);
	top[-pages * (long)PAGE] = 2;
	SHOW(top[-pages * (long)PAGE]);
	find((unsigned long)top, &start, &end, name);
	printf("%lu pages below, %lu in all, name '%s'\n",
	       ((unsigned long)top - start) / PAGE, (end - start) / PAGE, name);
	/* a half that may not be written to: it is what grows */
	SHOW(mprotect((void *)start, PAGE, PROT_READ));
	SHOW(read(zero, (char *)start - 1, 1));
	SHOW(*((volatile char *)start - 1));
	SHOW(mprotect((void *)start, PAGE, both | PROT_GROWSDOWN));
	SHOW(read(zero, (char *)start - 1, 1));
	limit(RLIMIT_STACK, (unsigned long)(pages + 4) * PAGE);
	SHOW(read(zero, (char *)start - 2 * PAGE, 1));
	SHOW(read(zero, (char *)start - 4 * PAGE, 1));
	SHOW(munmap(area, 64 * MIB));
	SHOW(read(zero, (char *)start, 1));
}

static void refused(long unused)
{
	SHOW((long)mmap(NULL, PAGE, PROT_READ,
			MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	SHOW((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_GROWSDOWN,
			zero, 0));
	(void)unused;
}

/* What is locked, as far as RLIMIT_MEMLOCK says. */
static void locked(long pages)
{
	char *area = map(0, 64 * MIB, PROT_NONE, MAP_NORESERVE), *top;

	munmap(area, 64 * MIB);
	top = area + 32 * MIB;
	map((unsigned long)top, PAGE, PROT_READ | PROT_WRITE,
	    MAP_FIXED | MAP_GROWSDOWN);
	limit(RLIMIT_MEMLOCK, (unsigned long)pages * PAGE);
	SHOW(mlock(top, PAGE));
	SHOW(read(zero, top - pages * (long)PAGE, 1)); /* root may */
	SHOW(setresuid(54321, 54321, 54321));
	SHOW(read(zero, top - (pages + 1) * (long)PAGE, 1));
	SHOW(munlock(top - pages * (long)PAGE, pages * PAGE));
	SHOW(read(zero, top - (pages + 1) * (long)PAGE, 1));
	SHOW(munmap(top - (pages + 1) * (long)PAGE, pages * PAGE));
	SHOW(mlock(top - PAGE, 2 * PAGE));
	SHOW(read(zero, top - (pages - 1) * (long)PAGE, 1));
	SHOW(read(zero, top - pages * (long)PAGE, 1));
}

/* Above the place that a guest's kernel has for itself: it may not grow there, or
 * it may, but what is there stays as it is. */
static void above_a_kernel(void)
{
	char *at = (char *)0x410000000000, first[4];
	int self;

	fflush(stdout);
	if (fork() == 0) {
		map((unsigned long)at, PAGE, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_GROWSDOWN);
		read(zero, at - 8, 1);
		*(volatile char *)(at - 8) = 1;
		_exit(0);
	}
	wait(NULL);
	self = open("/proc/self/exe", O_RDONLY);
	SHOW(pread(self, first, 4, 0));
	SHOW(memcmp(first, "\177ELF", 4));
	close(self);
}

/* ---- what is told ---- */

static void told_of(long unused)
{
	char name[512];
	unsigned long start, end;
	long before = status_of("VmStk:"), size = status_of("VmSize:");

	find((unsigned long)&start, &start, &end, name);
	SHOW(before >= 100 && before <= 160);
	SHOW((end - start) / KIB == (unsigned long)before);
	SHOW(strcmp(name, "[stack]"));
	use(3 * (long)MIB);
	SHOW(status_of("VmStk:") - before >= 2900);
	SHOW(status_of("VmStk:") - before == status_of("VmSize:") - size);
	SHOW(start - stack_start() > 2 * MIB);
	in_child("a child has what grew", as_it_is, 3000);
	(void)unused;
}

static void again(const char *self, const char *how)
{
	int status;

	fflush(stdout);
	if (fork() == 0) {
		limit(RLIMIT_STACK, 96 * KIB);
		execl(self, self, how, NULL);
		_exit(1);
	}
	wait(&status);
	printf("status %x\n", status);
}

int main(int argc, char **argv)
{
	/* The first process of a guest begins with more. */
	if (argc == 1)
		execl("/proc/self/exe", argv[0], "again", NULL);
	if (argc > 1 && !strcmp(argv[1], "small")) {
		SHOW(status_of("VmStk:") <= 96);
		return 0;
	}
	zero = open("/dev/zero", O_RDONLY);
	in_child("what is told", told_of, 0);
	in_child("as at the start, KiB", as_it_is, 7900);
	in_child("as at the start, KiB", as_it_is, 8300);
	in_child("unlimited later, MiB", unlimited, 16);
	in_child("unlimited later, MiB", unlimited, 32);
	in_child("unlimited later, MiB", unlimited, 60);
	in_child("lowered, KiB", lowered, 200);
	in_child("lowered, KiB", lowered, 400);
	in_child("lowered and raised, KiB", raised_again, 12000);
	in_child("lowered twice, KiB", in_thread_after, 400);
	in_child("RLIMIT_AS, KiB", size_limited, 800);
	in_child("RLIMIT_AS, KiB", size_limited, 2000);
	in_child("a thread", in_thread, 0);
	in_child("SIGSEGV's handler, KiB", beyond_with_handler, 400);
	in_child("a read to below, KiB", read_below, 1000);
	in_child("a read to below, KiB", read_below, 9000);
	in_child("a write from below, KiB", write_below, 1000);
	in_child("a write from below, KiB", write_below, 9000);
	in_child("a frame below, KiB", frame_below, 2000);
	in_child("a frame below, KiB", frame_below, 9000);
	in_child("an accessible page below", near_accessible, 0);
	in_child("an inaccessible page below", near_inaccessible, 0);
	in_child("mappings", nothing_in_the_room, 20);
	in_child("MAP_GROWSDOWN, pages", grows_down, 100);
	in_child("MAP_GROWSDOWN, pages", grows_down, 1500);
	in_child("MAP_GROWSDOWN refused", refused, 0);
	in_child("MAP_GROWSDOWN, locked, pages", locked, 16);
	above_a_kernel();
	again("/proc/self/exe", "small");
	return 0;
}
