/* Alternate stacks: what fits and what does not, nesting, what sigaltstack
 * refuses, SS_AUTODISARM, and frames whose stack is no memory. Each case that
 * ends the program runs as a program of its own: altstack CASE. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

static char *area; /* a page that is not touched, the stack, another */
static volatile int depth, seen;
static sigjmp_buf out;

static int on_it(void)
{
	char here;

	return &here >= area && &here < area + (1 << 20);
}

static void show_stack(const char *what)
{
	stack_t s;
	int r = sigaltstack(NULL, &s);

	printf("%s: %d flags %x size %ld sp %d\n", what, r, s.ss_flags,
	       (long)s.ss_size, s.ss_sp != NULL);
}

static void nested(int signo)
{
	printf("handler of %s at depth %d, on the stack %d\n",
	       sigabbrev_np(signo), depth, on_it());
	show_stack("inside");
	depth++;
	if (signo == SIGUSR1)
		raise(SIGUSR2);
	depth--;
}

static void set(const char *what, void *sp, size_t size, int flags)
{
	stack_t s = { .ss_sp = sp, .ss_size = size, .ss_flags = flags };
	int r = sigaltstack(&s, NULL);

	printf("%s: %d %s\n", what, r, r ? strerrorname_np(errno) : "");
}

static void changes(int signo)
{
	(void)signo;
	set("change while on it", area, 65536, 0);
	set("off while on it", area, 0, SS_DISABLE);
}

static void least_frame(int signo)
{
	(void)signo;
	printf("on the least stack %d\n", on_it());
}

static void disarmed(int signo)
{
	(void)signo;
	printf("autodisarm: on it %d\n", on_it());
	show_stack("disarmed inside");
	set("may be changed", area + 131072, 65536, 0);
}

static void *zero_in_thread(void *arg)
{
	set("zero in a new thread", NULL, 0, 0);
	return arg;
}

static void context(int signo, siginfo_t *info, void *context)
{
	const stack_t *s = &((const ucontext_t *)context)->uc_stack;

	(void)signo, (void)info;
	printf("in the frame: flags %x size %ld sp %d\n", s->ss_flags,
	       (long)s->ss_size, s->ss_sp != NULL);
}

/* What a frame keeps of the stack are the flags as they were set. */
static void frames(const char *self)
{
	struct sigaction a = { .sa_sigaction = context };
	static const int flags[] = { 0, SS_ONSTACK, (int)SS_AUTODISARM,
				     SS_DISABLE };
	pthread_t t;

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		set("for a frame", area, 65536, flags[i]);
		a.sa_flags = SA_SIGINFO;
		sigaction(SIGUSR1, &a, NULL);
		raise(SIGUSR1);
		a.sa_flags |= SA_ONSTACK;
		sigaction(SIGUSR1, &a, NULL);
		raise(SIGUSR1);
		show_stack("after it");
	}
	set("zero", NULL, 0, 0);
	pthread_create(&t, NULL, zero_in_thread, NULL);
	pthread_join(t, NULL);
	/* They stay when the program becomes another one. */
	fflush(stdout);
	execl(self, self, "exec", NULL);
}

static void after_exec(void)
{
	show_stack("after exec");
	set("zero after exec", NULL, 0, 0);
}

static void leave(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen = signo * 1000 + info->si_code;
	siglongjmp(out, 1);
}

static void handle(int signo, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	sigaction(signo, &a, NULL);
}

static void *thread(void *arg)
{
	(void)arg;
	show_stack("a new thread");
	return NULL;
}

static int recurse(int n)
{
	volatile char big[4096];

	big[n % 4096] = (char)n;
	return n < 0 ? 0 : recurse(n + 1) + big[(n + 1) % 4096];
}

/* The frame does not fit: nothing beneath the stack may be written. */
static void too_small(void)
{
	memset(area, 0x5a, 65536);
	printf("%d\n",
	       sigaltstack(&(stack_t){ .ss_sp = area + 32768, .ss_size = 2048 },
			   NULL));
	handle(SIGUSR1, nested, SA_ONSTACK);
	fflush(stdout);
	raise(SIGUSR1);
	printf("not reached\n");
}

/* The same with a handler for SIGSEGV on the ordinary stack. */
static void too_small_caught(void)
{
	struct sigaction a = { .sa_sigaction = leave, .sa_flags = SA_SIGINFO };
	int touched = 0;

	memset(area, 0x5a, 65536);
	printf("%d\n",
	       sigaltstack(&(stack_t){ .ss_sp = area + 32768, .ss_size = 2048 },
			   NULL));
	sigaction(SIGSEGV, &a, NULL);
	handle(SIGUSR1, nested, SA_ONSTACK);
	if (!sigsetjmp(out, 1))
		raise(SIGUSR1);
	for (int i = 0; i < 32768; i++)
		touched += area[i] != 0x5a;
	printf("caught %d, beneath touched %d\n", seen, touched);
}

static void no_stack(void)
{
	handle(SIGUSR1, nested, 0);
	__asm__ volatile("mov $8, %%rsp\n\tmov $39, %%eax\n\tsyscall\n\tmov "
			 "%%eax, %%edi\n\tmov %0, %%esi\n\tmov $62, "
			 "%%eax\n\tsyscall\n\tud2" ::"i"(SIGUSR1)
			 : "memory");
}

static void overflow(void)
{
	struct sigaction a = { .sa_sigaction = leave,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK };

	set("for an overflow", area, 65536, 0);
	sigaction(SIGSEGV, &a, NULL);
	if (!sigsetjmp(out, 1))
		recurse(0);
	printf("stack overflow caught %d\n", seen / 1000);
	signal(SIGSEGV, SIG_DFL);
	recurse(0);
}

static void bad_handler(void)
{
	handle(SIGUSR1, (void (*)(int))0x4141414141414141, 0);
	raise(SIGUSR1);
}

static void bad_return(void)
{
	ucontext_t uc;

	/* a frame that is no memory */
	(void)uc;
	__asm__ volatile("mov $16, %%rsp\n\tmov $15, %%eax\n\tsyscall\n\tud2" ::
				 : "memory");
}

static void spoil_rip(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	uc->uc_mcontext.gregs[REG_RIP] = 0x4141414141414141;
}

static void return_nowhere(void)
{
	struct sigaction a = { .sa_sigaction = spoil_rip,
			       .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
}

static void no_restorer(void)
{
	struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		unsigned long mask;
	} a = { nested, 0, NULL, 0 };

	printf("%ld\n", syscall(SYS_rt_sigaction, SIGUSR1, &a, NULL, 8));
	fflush(stdout);
	raise(SIGUSR1);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "small", too_small },        { "caught", too_small_caught },
	{ "nostack", no_stack },       { "overflow", overflow },
	{ "handler", bad_handler },    { "return", bad_return },
	{ "nowhere", return_nowhere }, { "restorer", no_restorer },
	{ "exec", after_exec },
};

int main(int argc, char **argv)
{
	unsigned long least = getauxval(AT_MINSIGSTKSZ);
	pthread_t t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	area = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]);
	     i++)
		if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run();
			return 0;
		}
	show_stack("none");
	set("too small", area, 2047, 0);
	set("bad flags", area, 65536, 0x40);
	set("both", area, 65536, SS_DISABLE | SS_ONSTACK);
	printf("bad address %d", (int)syscall(SYS_sigaltstack, 8, NULL));
	printf(" %s\n", strerrorname_np(errno));
	set("smallest", area, 2048, 0);
	show_stack("smallest");
	set("ONSTACK is taken", area, 65536, SS_ONSTACK);
	show_stack("set");
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	handle(SIGUSR1, nested, SA_ONSTACK);
	handle(SIGUSR2, nested, SA_ONSTACK);
	raise(SIGUSR1);
	handle(SIGUSR2, nested, 0);
	raise(SIGUSR1);
	raise(SIGUSR2);
	show_stack("outside");
	handle(SIGUSR1, changes, SA_ONSTACK);
	raise(SIGUSR1);
	set("autodisarm", area, 65536, (int)SS_AUTODISARM);
	show_stack("autodisarm");
	handle(SIGUSR1, disarmed, SA_ONSTACK);
	raise(SIGUSR1);
	show_stack("armed again");
	raise(SIGUSR1);
	set("once more", area, 65536, (int)SS_AUTODISARM);
	set("off", NULL, 0, SS_DISABLE);
	set("off, and ON", NULL, 0, 0);
	show_stack("off");
	/* A frame, and room for the handler itself. */
	printf("least size known %d\n", least >= 1024 && least < 65536);
	set("least", area, least + 8192, 0);
	handle(SIGUSR1, least_frame, SA_ONSTACK);
	raise(SIGUSR1);
	frames("/proc/self/exe");
	return 1;
}
