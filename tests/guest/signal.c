/* Handlers, masks, restarts, alternate stacks, waiting, faults. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t seen, last_code, woken;
static volatile long fault_address;
static sigjmp_buf out;
static int fds[2];

static void note(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = seen * 100 + signo;
	last_code = info->si_code;
}

static void spoil(int signo)
{
	double x[8];

	(void)signo;
	for (int i = 0; i < 8; i++)
		x[i] = i * 3.5;
	__asm__ volatile("xorps %%xmm7, %%xmm7\n\txorps %%xmm8, %%xmm8" ::"m"(x)
			 : "xmm7", "xmm8");
	seen++;
}

static void fault(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo;
	fault_address = (long)info->si_addr;
	siglongjmp(out, 1);
}

static void feed(int signo)
{
	(void)signo;
	if (write(fds[1], "x", 1) != 1)
		_exit(9);
}

/* Until it has been woken: the first may come before it waits. */
static void *send_usr1(void *arg)
{
	while (!woken) {
		usleep(20000);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	return NULL;
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	sigaction(signo, &a, NULL);
}

int main(void)
{
	struct sigaction a = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	/* again and again: the first may come before the call that it is to
	 * interrupt */
	struct itimerval timer = { { 0, 20000 }, { 0, 20000 } }, off = { 0 };
	struct timespec soon = { 0, 20000000 };
	struct signalfd_siginfo info;
	sigset_t set, old;
	siginfo_t si;
	pthread_t main_thread = pthread_self(), t;
	double before = 1.25, after;
	char c, stack_memory[65536];
	stack_t stack = { .ss_sp = stack_memory,
			  .ss_size = sizeof(stack_memory) };
	int fd, n;

	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &a, NULL);
	raise(SIGUSR1);
	printf("raise %d code %d\n", seen, last_code == SI_TKILL);
	seen = 0;
	kill(getpid(), SIGUSR2);
	printf("kill %d code %d\n", seen, last_code == SI_USER);
	seen = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR2);
	raise(SIGUSR1);
	sigpending(&set);
	printf("blocked %d pending %d %d\n", seen, sigismember(&set, SIGUSR1),
	       sigismember(&set, SIGUSR2));
	printf("timedwait %d\n", sigtimedwait(&set, &si, &soon));
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("unblocked %d\n", seen);

	handle(SIGALRM, feed, SA_RESTART);
	if (pipe(fds))
		return 1;
	setitimer(ITIMER_REAL, &timer, NULL);
	printf("restarted read %d\n", (int)read(fds[0], &c, 1));
	setitimer(ITIMER_REAL, &off, NULL);
	close(fds[0]);
	close(fds[1]);
	if (pipe(fds))
		return 1;
	handle(SIGALRM, spoil, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
	n = (int)read(fds[0], &c, 1);
	printf("interrupted read %d %d\n", n, errno == EINTR);
	printf("interrupted sleep %d\n", sleep(100) > 0);
	setitimer(ITIMER_REAL, &off, NULL);

	seen = 0;
	handle(SIGUSR1, spoil, 0);
	__asm__ volatile("movsd %1, %%xmm8\n\tmov %2, %%eax\n\tmov %%eax, "
			 "%%edi\n\tmov %3, %%esi\n\tmov $200, "
			 "%%eax\n\tsyscall\n\tmovsd %%xmm8, %0"
			 : "=m"(after)
			 : "m"(before), "r"(gettid()), "r"(SIGUSR1)
			 : "rax", "rdi", "rsi", "rcx", "r11", "xmm8", "memory");
	printf("handler ran %d, xmm8 kept %d\n", seen, after == before);

	sigaltstack(&stack, NULL);
	a.sa_sigaction = fault;
	a.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGFPE, &a, NULL);
	sigaction(SIGILL, &a, NULL);
	if (!sigsetjmp(out, 1))
		*(volatile int *)0x1234 = 1;
	printf("fault %d at %lx\n", seen, fault_address);
	volatile int zero = 0;
	if (!sigsetjmp(out, 1))
		zero = 7 / zero; /* for 1 the compiler makes a comparison */
	printf("divide %d\n", seen);
	if (!sigsetjmp(out, 1))
		__asm__ volatile("ud2");
	printf("illegal %d\n", seen);

	a.sa_sigaction = note;
	a.sa_flags = SA_SIGINFO;
	seen = 0;
	sigaction(SIGUSR1, &a, NULL);
	pthread_create(&t, NULL, send_usr1, &main_thread);
	printf("pause %d", pause());
	woken = 1;
	pthread_join(t, NULL);
	printf(" %d\n", seen % 100);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, 0);
	kill(getpid(), SIGUSR2);
	n = (int)read(fd, &info, sizeof(info));
	printf("signalfd %d %d\n", n == sizeof(info), (int)info.ssi_signo);
	printf("ignored %d\n", signal(SIGUSR2, SIG_IGN) != SIG_ERR &&
				       kill(getpid(), SIGUSR2) == 0);
	printf("refused %d %d\n",
	       signal(SIGKILL, SIG_IGN) == SIG_ERR && errno == EINVAL,
	       kill(1 << 22, 0) < 0 && errno == ESRCH);
	fflush(stdout);
	raise(SIGTERM);
	return 0;
}
