/* Flags that a program has set when it calls the kernel: AC, TF, NT, DF. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TF (1ul << 8)
#define DF (1ul << 10)
#define NT (1ul << 14)
#define AC (1ul << 18)

static void on_trap(int signo)
{
	(void)signo;
}

/* A call with these flags set; whether they still are after it. */
static long call(unsigned long flags, unsigned long *after, long number, long a,
		 long b, long c)
{
	unsigned long before;
	long r;

	__asm__ volatile("pushfq\n\t"
			 "mov (%%rsp), %1\n\t"
			 "or %3, (%%rsp)\n\t"
			 "popfq\n\t"
			 "syscall\n\t"
			 "pushfq\n\t"
			 "push %1\n\t"
			 "popfq\n\t"
			 "pop %1\n\t"
			 : "=&a"(r), "=&r"(before)
			 : "0"(number), "r"(flags), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory", "cc");
	*after = before & flags;
	return r;
}

static void try(const char *name, unsigned long flags)
{
	static char text[64], path[] = "x/dev/null"; /* at an odd address */
	unsigned long after = 0;
	struct timespec soon = { 0, 1000 };
	long sum = 0;
	struct stat st;
	int pair[2];

	if (pipe(pair))
		return;
	for (int i = 0; i < 100; i++) {
		sum += call(flags, &after, SYS_write, pair[1], (long)text + 1,
			    61);
		sum += call(flags, &after, SYS_read, pair[0], (long)text + 3,
			    61);
		sum += call(flags, &after, SYS_stat, (long)path + 1, (long)&st,
			    0);
		sum += call(flags, &after, SYS_nanosleep, (long)&soon, 0, 0);
	}
	/* A Linux that kvm-pvm runs does not have NT back. */
	printf("%s: %ld, %s\n", name, sum,
	       !(flags & ~(TF | NT)) || after & ~NT ? "kept" : "gone");
	close(pair[0]);
	close(pair[1]);
}

/* With an argument no single steps: not every emulator has them right. */
int main(int argc, char **argv)
{
	(void)argv;
	signal(SIGTRAP, on_trap);
	try("none", 0);
	try("direction", DF);
	try("alignment", AC);
	try("nested", NT);
	try("all of them", DF | AC | NT);
	if (argc == 1)
		try("single step", TF);
	return 0;
}
