/* signals.c: signals, their handlers and stacks, timers, limits. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "crowd.h"

static void on_usr(int signo, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint64_t at = below(40);

	(void)signo;
	(void)info;
	if (at < NGREG)
		u->uc_mcontext.gregs[at] = (greg_t)argument();
	else if (at == 30 && u->uc_mcontext.fpregs)
		((uint32_t *)u->uc_mcontext.fpregs)[below(200)] =
			(uint32_t)draw();
	else if (at == 31)
		u->uc_mcontext.fpregs = (void *)argument();
	else if (at == 32)
		u->uc_stack.ss_sp = (void *)argument();
	else if (at == 33)
		memset(&u->uc_sigmask, (int)draw(), 8);
	else if (at == 34)
		u->uc_flags = draw();
}

void do_signal(void)
{
	struct itimerval t = { { 0, (long)below(9000) },
			       { 0, (long)below(9000) } };
	struct sigaction a = { .sa_sigaction = on_usr,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigevent event = { .sigev_notify = (int)below(5),
				  .sigev_signo = (int)below(66) };
	stack_t stack = { some_page(), (int)below(3), PAGE * below(6) };
	timer_t timer;
	sigset_t set;

	switch (below(8)) {
	case 0:
		sigaction(SIGUSR1, &a, NULL);
		syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1);
		break;
	case 1:
		setitimer((int)below(3), &t, NULL);
		break;
	case 2:
		sigaltstack(&stack, NULL);
		break;
	case 3:
		signal((int)below(65), below(2) ? SIG_IGN : SIG_DFL);
		break;
	case 4:
		memset(&set, (int)draw(), sizeof(set));
		syscall(SYS_rt_sigprocmask, below(3), &set, NULL, 8);
		break;
	case 5:
		if (syscall(SYS_timer_create, below(10), &event, &timer) == 0)
			syscall(SYS_timer_settime, timer, 0,
				&(struct itimerspec){ { 0, 900000 },
						      { 0, 900000 } },
				NULL);
		break;
	case 6:
		prctl((int)below(70), argument(), argument(), argument(),
		      argument());
		break;
	case 7:
		syscall(SYS_prlimit64, some_pid(), below(16),
			below(2) ? (void *)argument() : NULL, some_page());
		break;
	}
}
