/* IF, as a program sees it: always set, and not the program's to change. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define IF (1ul << 9)

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
	       (((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] & IF) != 0,
	       (own_flags() & IF) != 0);
}

static void *in_thread(void *arg)
{
	printf("IF in a thread: %d\n", (own_flags() & IF) != 0);
	return arg;
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO };
	struct timespec soon = { 0, 1000 };
	long call = SYS_getppid;
	unsigned long seen;
	pthread_t t;

	printf("IF: %d\n", (own_flags() & IF) != 0);
	__asm__ volatile("syscall\n\tmov %%r11, %1"
			 : "+a"(call), "=r"(seen)
			 :
			 : "rcx", "r11", "memory");
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
	return 0;
}
