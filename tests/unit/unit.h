/*
 * unit.h: checks of one noun of the host, as lines of TAP. A test is linked with
 * the host's other nouns but main.c; a function that it has itself takes the place
 * of theirs, for a clock that stands still or a process that is none. Allocations
 * fail when fail_plan (tests/oom/fail.h) says so.
 */
#ifndef ZEROBOOT_UNIT_H
#define ZEROBOOT_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/oom/fail.h"

#define UNIT_SHOWN 5 /* checks of a test that are told when they fail */

#ifdef __SANITIZE_ADDRESS__
#define UNIT_SUITE "unit, sanitized"
#else
#define UNIT_SUITE "unit"
#endif

struct unit_test {
	const char *name; /* a sentence */
	void (*run)(void);
};

static unsigned unit_failed; /* checks of this test */

#define CHECK(condition) unit_check(condition, #condition, __FILE__, __LINE__)
#define EQUAL(got, expected)                                                   \
	unit_equal((long long)(got), (long long)(expected), #got, __FILE__,    \
		   __LINE__)
/* The same bytes. */
#define SAME(got, got_size, expected, expected_size)                           \
	unit_same(got, got_size, expected, expected_size, #got, __FILE__,      \
		  __LINE__)
/* Calls fail in turn: for each N a block is run with the Nth allocation failing,
 * until all of it gets by without one. */
#define WITH_FAILING_ALLOCATIONS                                               \
	for (int64_t nth = 1, failed = 1;                                      \
	     failed &&                                                         \
	     ((fail_plan->countdown = nth), (fail_plan->failed = 0), true);    \
	     failed = fail_plan->failed, nth++, fail_plan->countdown = 0)

static inline bool unit_check(bool good, const char *what, const char *file,
			      int line)
{
	if (!good && unit_failed++ < UNIT_SHOWN)
		printf("# %s:%d: %s\n", file, line, what);
	return good;
}

static inline bool unit_equal(long long got, long long expected,
			      const char *what, const char *file, int line)
{
	if (got != expected && unit_failed++ < UNIT_SHOWN)
		printf("# %s:%d: %s is %lld, not %lld\n", file, line, what, got,
		       expected);
	return got == expected;
}

static inline bool unit_same(const void *got, size_t got_size,
			     const void *expected, size_t expected_size,
			     const char *what, const char *file, int line)
{
	size_t at = 0;
	const char *a = got, *b = expected;

	while (at < got_size && at < expected_size && a[at] == b[at])
		at++;
	if (at == got_size && at == expected_size)
		return true;
	if (unit_failed++ < UNIT_SHOWN)
		printf("# %s:%d: %s, %zu bytes, is not the %zu expected, "
		       "from byte %zu on\n",
		       file, line, what, got_size, expected_size, at);
	return false;
}

/* The same numbers in each run, below limit. */
static inline uint32_t unit_random(uint32_t limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16) % limit;
}

/* Runs the tests; the exit status of the process. */
static inline int unit_run(const char *noun, const struct unit_test *tests,
			   size_t count)
{
	int status = 0;

	for (size_t i = 0; i < count; i++) {
		unit_failed = 0;
		tests[i].run();
		printf("%s - %s: %s: %s\n", unit_failed ? "not ok" : "ok",
		       UNIT_SUITE, noun, tests[i].name);
		fflush(stdout);
		if (unit_failed)
			status = 1;
	}
	return status;
}

#define UNIT_RUN(noun, tests)                                                  \
	unit_run(noun, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
