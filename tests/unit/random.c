/* The kernel's random bytes, with a kernel that gives few at a time. */
#include "unit.h"

#include <errno.h>
#include <sys/random.h>

#include "random.h"

/* ---- in the place of the kernel ---- */

static int calls, interrupted; /* every so many of them; 0: none */
static int failure;

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
	size_t n = size < 256 ? size : 256;

	(void)flags;
	calls++;
	errno = failure ? failure : EINTR;
	if (failure || (interrupted && calls % interrupted == 0))
		return -1;
	memset(to, 0xa5, n);
	return (ssize_t)n;
}

static void fill(uint8_t *bytes, size_t size)
{
	uint8_t expected[4097];

	memset(expected, 0xa5, size);
	expected[size] = 0;
	memset(bytes, 0, size + 1);
	EQUAL(random_fill(bytes, size), 0);
	SAME(bytes, size + 1, expected, size + 1);
}

static void test_parts(void)
{
	uint8_t bytes[4097];

	for (size_t size = 0; size <= 4096; size += 64)
		fill(bytes, size);
}

static void test_signals(void)
{
	uint8_t bytes[4097];

	interrupted = 2;
	fill(bytes, 4096);
	EQUAL(errno, EINTR);
	interrupted = 0;
}

static void test_failure(void)
{
	uint8_t bytes[16];

	failure = ENOSYS;
	EQUAL(random_fill(bytes, sizeof(bytes)), -ENOSYS);
	failure = 0;
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "all come, in parts", test_parts },
		{ "signals that come meanwhile are nothing", test_signals },
		{ "an error is one", test_failure },
	};

	return UNIT_RUN("random", tests);
}
