/* What a command has printed and is lost is said, with the reason if that is known. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <sys/mman.h>
#include <unistd.h>

#include "options.h"

/* ---- a command ---- */

static bool later; /* what comes then can be written again */

/* Its stdout is full. */
static int print(int count, char **operands)
{
	int own = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);

	(void)count, (void)operands;
	dup2(full, STDOUT_FILENO);
	close(full);
	fputs("lost", stdout);
	if (later) {
		EQUAL(fflush(stdout), EOF);
		__fpurge(stdout); /* a C library may keep it */
		dup2(own, STDOUT_FILENO);
	}
	close(own);
	errno = ENOTTY; /* which has nothing to do with it */
	return 0;
}

static const struct command command = { .name = "print",
					.summary = "prints",
					.run = print };

/* ---- tests ---- */

/* What it says to stderr, and its exit status. */
static int run(char *said, size_t size)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO),
	    heard = memfd_create("unit", MFD_CLOEXEC), status;
	char *words[] = { NULL };
	ssize_t n;

	fflush(stdout);
	dup2(heard, STDERR_FILENO);
	status = command_line(&command, 0, words);
	dup2(err, STDERR_FILENO);
	__fpurge(stdout);
	clearerr(stdout);
	dup2(out, STDOUT_FILENO);
	n = pread(heard, said, size - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(out);
	close(err);
	close(heard);
	return status;
}

static void test_lost(void)
{
	char said[200];

	later = false;
	EQUAL(run(said, sizeof(said)), 1);
	CHECK(!strcmp(said, "zeroboot: stdout: No space left on device\n"));
	later = true;
	EQUAL(run(said, sizeof(said)), 1);
	CHECK(!strcmp(said, "zeroboot: stdout: not all of it could be "
			    "written\n"));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a write that fails is said, with no other error's reason",
		  test_lost },
	};

	return UNIT_RUN("options", tests);
}
