/*
 * fail.c: linked into a sanitized zeroboot and into unit tests, with --wrap for
 * what it names: the Nth allocation from now on fails, or all from the Nth on. The
 * plan is the content of the file that ZEROBOOT_FAIL names, which a test writes
 * while the program runs or before, or what a unit test sets itself.
 */
#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fail_plan own;
struct fail_plan *fail_plan = &own;

static int32_t is_child;

__attribute__((constructor)) static void start(int argc, char **argv)
{
	const char *path = getenv("ZEROBOOT_FAIL");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*fail_plan), PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	fail_plan = map;
	is_child = argc > 1 && !strcmp(argv[1], "worker");
}

static bool fails(void)
{
	if (fail_plan->children != is_child || fail_plan->countdown <= 0)
		return false;
	if (fail_plan->countdown > 1) {
		fail_plan->countdown--;
		return false;
	}
	if (!fail_plan->lasting)
		fail_plan->countdown = 0;
	fail_plan->failed++;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}
