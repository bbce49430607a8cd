/* Keepers that hang at their disk when they are left, as front ends see them. */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.h"
#include "jail.h"

#define ID "01234567-89ab-cdef-0123-456789abcdef"
#define ROUNDS 20
#define KEEPERS 10 /* that there are, at most */

/* ---- in the place of other nouns ---- */

static pid_t keepers[2 * ROUNDS];
static int keeper_count;

/* A keeper that says nothing and ends by a signal alone. */
pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	pid_t pid = fork();

	(void)argv, (void)count;
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 3; fd < 100; fd++)
			close(fd);
		for (;;)
			pause();
	}
	(void)files;
	keepers[keeper_count++] = pid;
	return pid;
}

static int result_count;

static void took(int r, char *payload, size_t size)
{
	(void)payload, (void)size;
	result_count++;
	CHECK(r < 0);
}

static void wrote(int r)
{
	(void)r;
}

/* ---- tests ---- */

static void test_hang(void)
{
	const struct archive_events events = { wrote, took };
	char directory[] = "/tmp/archive-XXXXXX";
	int refused = 0, before;
	struct err e;

	CHECK(mkdtemp(directory));
	EQUAL(archive_open(directory, epoll_create1(EPOLL_CLOEXEC), &events,
			   &e),
	      0);
	for (int i = 0; i < ROUNDS; i++) {
		int r = archive_read(ID, 100);

		while (archive_is_reading())
			archive_wait(1000);
		if (r)
			EQUAL(r, -EAGAIN);
		refused += r != 0;
	}
	CHECK(keeper_count <= KEEPERS && refused > 0);
	EQUAL(result_count + refused, ROUNDS);
	/* The disk answers. */
	before = keeper_count;
	for (int i = 0; i < before; i++)
		kill(keepers[i], SIGKILL);
	for (int i = 0; i < 120000 && archive_read(ID, 100); i++)
		usleep(1000);
	EQUAL(keeper_count, before + 1);
	kill(keepers[before], SIGKILL);
	archive_close(5000);
	EQUAL(waitpid(-1, NULL, WNOHANG), -1);
	EQUAL(errno, ECHILD);
	rmdir(directory);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "keepers that hang are so many at most, and none is "
		  "forgotten",
		  test_hang },
	};

	return UNIT_RUN("archive_leave", tests);
}
