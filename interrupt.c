#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void only_interrupts(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
}

static int look(void *context)
{
	struct interrupt_source *s = context;
	struct signalfd_siginfo info;

	if (read(s->orders.fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (s->sent)
		return VM_ORDER_END;
	s->sent = true;
	return SIGINT;
}

int interrupt_open(struct interrupt_source *s, struct err *e)
{
	struct sigaction action;
	sigset_t set;

	*s = (struct interrupt_source){
		.orders = { .fd = -1, .look = look, .context = s }
	};
	if (sigaction(SIGINT, NULL, &action) < 0)
		return err_set(e, -errno, "SIGINT: %s", strerror(errno));
	if (action.sa_handler == SIG_IGN)
		return 0;
	only_interrupts(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->orders.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s->orders.fd < 0 ?
		       err_set(e, -errno, "signalfd: %s", strerror(errno)) :
		       0;
}

void interrupt_close(struct interrupt_source *s)
{
	sigset_t set;

	if (s->orders.fd < 0)
		return;
	close(s->orders.fd);
	s->orders.fd = -1;
	only_interrupts(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
