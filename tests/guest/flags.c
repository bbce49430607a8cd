/* Flags that a program has set when it calls the kernel: AC, TF, NT, DF; and IF,
 * which it cannot change. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define TF (1ul << 8)
#define IF (1ul << 9)
#define DF (1ul << 10)
#define NT (1ul << 14)
#define AC (1ul << 18)

static void on_trap(int signo)
{
	(void)signo;
}

/* A call with these flags set; whether they still are after it. */
static long call(unsigned long flags, unsigned long *after, long number, long a, long b, long c)
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
		sum += call(flags, &after, SYS_write, pair[1], (long)text + 1, 61);
		sum += call(flags, &after, SYS_read, pair[0], (long)text + 3, 61);
		sum += call(flags, &after, SYS_stat, (long)path + 1, (long)&st, 0);
		sum += call(flags, &after, SYS_nanosleep, (long)&soon, 0, 0);
	}
	printf("%s: %ld, %s\n", name, sum, flags == TF || after ? "kept" : "gone");
	close(pair[0]);
	close(pair[1]);
}

static unsigned long own_flags(void)
{
	unsigned long flags;

	__asm__ volatile("pushfq\n\tpop %0" : "=r"(flags));
	return flags;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)info;
	printf("IF in the frame of signal %d: %d, in its handler: %d\n", signo,
	       (((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] & IF) != 0, (own_flags() & IF) != 0);
}

static void *in_thread(void *arg)
{
	printf("IF in a thread: %d\n", (own_flags() & IF) != 0);
	return arg;
}

static void show_interrupts(void)
{
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct timespec soon = { 0, 1000 };
	long call = SYS_getppid;
	unsigned long seen;
	pthread_t t;

	printf("IF: %d\n", (own_flags() & IF) != 0);
	__asm__ volatile("syscall\n\tmov %%r11, %1" : "+a"(call), "=r"(seen) : : "rcx", "r11", "memory");
	printf("IF in r11 after a call: %d\n", (seen & IF) != 0);
	nanosleep(&soon, NULL);
	printf("IF after a wait: %d\n", (own_flags() & IF) != 0);
	__asm__ volatile("pushq $2\n\tpopfq" : : : "cc", "memory");
	printf("IF after it was cleared: %d\n", (own_flags() & IF) != 0);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGTRAP, &a, NULL);
	raise(SIGUSR1);
	__asm__ volatile("int3");
	printf("IF after both: %d\n", (own_flags() & IF) != 0);
	if (!pthread_create(&t, NULL, in_thread, NULL))
		pthread_join(t, NULL);
}

int main(void)
{
	show_interrupts();
	signal(SIGTRAP, on_trap);
	try("none", 0);
	try("direction", DF);
	try("alignment", AC);
	try("nested", NT);
	try("all of them", DF | AC | NT);
	try("single step", TF);
	return 0;
}
