/* platform.c: what the machine under a guest costs: a line for each, the median
 * in ns. Run by bench/platform.sh, natively and in the guest. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define ROUNDS 301
#define PAGE 4096

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Of so many at a time: what one costs. */
static void measure(const char *what, void (*one)(int round), int times)
{
	static double ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = now();

		for (int k = 0; k < times; k++)
			one(i * times + k);
		ns[i] = (double)(now() - start) / times;
	}
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	printf("%-52s %9.0f\n", what, ns[ROUNDS / 2]);
}

static void call(int round)
{
	(void)round;
	syscall(SYS_getppid);
}

/* `mov $SYS_getppid, %eax; syscall; ret` where nobody patches it. */
static void (*trapping)(void);

static void trap(int round)
{
	(void)round;
	trapping();
}

static char *reservation;

/* The kernel fills 16 pages at a fault. */
static void fault(int round)
{
	reservation[(size_t)round * 16 * PAGE] = 1;
}

static char *page;

/* Rights taken away and given back: an entry changed twice, and a flush. */
static void protect(int round)
{
	(void)round;
	mprotect(page, PAGE, PROT_READ);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)signo, (void)info;
	c->uc_mcontext.gregs[REG_RIP] += 2; /* past the ud2 */
}

/* An exception through the CPL0 stub, a signal, and back. */
static void undefined(int round)
{
	(void)round;
	__asm__ volatile("ud2");
}

static void cpuid(int round)
{
	uint32_t a = 0, c = 0;

	(void)round;
	__asm__ volatile("cpuid" : "+a"(a), "+c"(c) : : "rbx", "rdx");
}

static void tsc(int round)
{
	(void)round;
	__asm__ volatile("rdtsc" : : : "rax", "rdx");
}

/* To the host and back, with nothing else to run. */
static void nap(int round)
{
	struct timespec t = { 0, 100000 };

	(void)round;
	nanosleep(&t, NULL);
}

int main(void)
{
	static const unsigned char code[] = { 0xb8, SYS_getppid, 0,    0,
					      0,    0x0f,        0x05, 0xc3 };
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO };
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t size = (size_t)(ROUNDS + 1) * 16 * PAGE;

	memcpy(p, code, sizeof(code));
	trapping = (void (*)(void))p;
	sigaction(SIGILL, &action, NULL);
	reservation = mmap(NULL, size, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	reservation = mmap(
		reservation, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = 1;
	measure("system call at a call site of the C library", call, 100);
	measure("system call by an instruction that traps", trap, 100);
	measure("page fault (16 pages in the guest, 1 natively)", fault, 1);
	measure("two mprotect of a page, one flush", protect, 10);
	measure("ud2, a signal handler, and back", undefined, 10);
	measure("cpuid", cpuid, 10);
	measure("rdtsc", tsc, 100);
	measure("nanosleep of 100 us", nap, 1);
	return 0;
}
