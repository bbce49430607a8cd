#include "unit.h"

#include <signal.h>
#include <unistd.h>

#include "side.h"

struct gate {
	int pipe[2];
	char got;
};

static void wait_for_it(void *context)
{
	struct gate *g = context;

	EQUAL(read(g->pipe[0], &g->got, 1), 1);
}

static void both_go_on(void)
{
	struct gate g = { .got = 0 };
	struct side side;

	EQUAL(pipe(g.pipe), 0);
	side_begin(&side, wait_for_it, &g);
	EQUAL(write(g.pipe[1], "x", 1), 1);
	side_end(&side);
	EQUAL(g.got, 'x');
	close(g.pipe[0]);
	close(g.pipe[1]);
}

static volatile sig_atomic_t taken;

static void take(int signal)
{
	(void)signal;
	taken++;
}

static void signals_are_for_the_first(void)
{
	struct sigaction action = { .sa_handler = take };
	struct gate g = { .got = 0 };
	sigset_t alarm, pending;
	struct side side;

	EQUAL(pipe(g.pipe), 0);
	EQUAL(sigaction(SIGALRM, &action, NULL), 0);
	side_begin(&side, wait_for_it, &g);
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm, NULL);
	EQUAL(kill(getpid(), SIGALRM), 0);
	EQUAL(write(g.pipe[1], "x", 1), 1);
	side_end(&side);
	EQUAL(taken, 0);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGALRM));
	sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	EQUAL(taken, 1);
	close(g.pipe[0]);
	close(g.pipe[1]);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "two works go on at the same time", both_go_on },
		{ "signals are for the thread that began it",
		  signals_are_for_the_first },
	};

	return UNIT_RUN("side", tests);
}
