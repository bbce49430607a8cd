/*
 * Places of templates that are no language's: one that was left is taken again when its
 * workers have ended, and nobody waits for that.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "crew.h"
#include "jail.h"
#include "language.h"
#include "waiting.h"

#define TEMPLATE                                                               \
	"0123456789abcdef0123456789abcdef"                                     \
	"0123456789abcdef0123456789abcdef"

/* ---- in the place of other nouns ---- */

const char *language_of_alias(const char *name, size_t size)
{
	(void)name, (void)size;
	return NULL;
}

static unsigned waited; /* for processes */

void jail_end(pid_t pid, int signal)
{
	kill(pid, signal);
	waited++;
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	(void)argv, (void)files, (void)count;
	return -EAGAIN;
}

const char *jail_user(void)
{
	return NULL;
}

/* ---- a catalog ---- */

static char directory[] = "/tmp/catalog-XXXXXX";

static void open_catalog(void)
{
	char file[64];
	struct err e;

	snprintf(file, sizeof(file), "%s/sh.img", directory);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	waiting_open(10);
	EQUAL(catalog_open(directory, 1, 2, &e), 0);
	unlink(file);
}

static int adopt(void)
{
	return catalog_adopt("/nowhere", "sh", TEMPLATE);
}

/* A process that was told to end, and takes its time. */
static pid_t begin_worker(int place)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	catalog_crew(place)->members[0].pid = pid;
	return pid;
}

static void end_worker(int place, pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGKILL);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	crew_reap(catalog_crew(place), false);
}

/* ---- tests ---- */

static void test_again(void)
{
	int place;

	place = adopt();
	EQUAL(place, 1);
	catalog_release(place);
	EQUAL(adopt(), place);
	catalog_release(place);
}

static void test_workers(void)
{
	int place, other;
	pid_t pid;

	place = adopt();
	pid = begin_worker(place);
	catalog_release(place);
	alarm(120); /* who waits is ended */
	other = adopt();
	alarm(0);
	EQUAL(other, place + 1);
	catalog_release(other);
	end_worker(place, pid);
	EQUAL(adopt(), place);
	catalog_release(place);
}

/* A loader that hangs at its disk: its signal comes to nothing. */
static pid_t begin_loader(int place)
{
	struct stock *s = &catalog_crew(place)->stock;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
	s->pid = pid;
	s->work = STOCK_KEEPING;
	s->pipe = open("/dev/null", O_RDONLY);
	return pid;
}

static void test_loader(void)
{
	int place, other;
	pid_t pid;

	place = adopt();
	pid = begin_loader(place);
	catalog_release(place);
	EQUAL(waited, 0);
	other = adopt();
	CHECK(other != place);
	catalog_release(other);
	end_worker(place, pid);
	EQUAL(adopt(), place);
	catalog_release(place);
	EQUAL(waitpid(-1, NULL, WNOHANG), -1); /* none is forgotten */
}

/* All places are taken, or were left by somebody whose workers have not ended. */
static void test_full(void)
{
	static pid_t pids[CATALOG_PLACES];

	for (int i = 0; i < CATALOG_PLACES; i++) {
		int place = adopt();

		EQUAL(place, 1 + i);
		pids[i] = begin_worker(place);
		catalog_release(place);
	}
	EQUAL(adopt(), -ENOSPC);
	EQUAL(catalog_count(), 1 + CATALOG_PLACES);
	end_worker(7, pids[6]);
	EQUAL(adopt(), 7);
	EQUAL(adopt(), -ENOSPC);
	for (int i = 0; i < CATALOG_PLACES; i++)
		kill(pids[i], SIGKILL);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a place that was left is taken again", test_again },
		{ "not before its workers have ended, which is not waited for",
		  test_workers },
		{ "nor before what loads its template has, which may hang",
		  test_loader },
		{ "there is none while all have workers that are ending",
		  test_full },
	};
	int status;

	if (!mkdtemp(directory))
		return 2;
	open_catalog();
	status = UNIT_RUN("catalog", tests);
	catalog_close();
	rmdir(directory);
	return status;
}
