#include "side.h"

#include <signal.h>

static void *main_of_side(void *argument)
{
	const struct side *s = argument;

	s->work(s->context);
	return NULL;
}

void side_begin(struct side *s, void (*work)(void *context), void *context)
{
	sigset_t all, before;

	s->work = work;
	s->context = context;
	/* Those of the process are for the other one: a tick must reach the vCPU. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	s->apart = pthread_create(&s->thread, NULL, main_of_side, s) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!s->apart)
		work(context);
}

void side_end(struct side *s)
{
	if (s->apart)
		pthread_join(s->thread, NULL);
	s->apart = false;
}
