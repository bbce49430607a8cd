/*
 * fail.c: linked into a sanitized zeroboot, with --wrap for what it names: the
 * Nth allocation from now on fails, or all from the Nth on. A test writes into
 * the file that ZEROBOOT_FAIL names, while the program runs or before.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct {
	int64_t countdown; /* allocations until one fails; 0: none does */
	int64_t failed;    /* how many have */
	int32_t lasting;   /* all that follow fail too */
	int32_t children;  /* 0: in the process that was started, 1: in others */
} *control;

static int32_t is_child;

__attribute__((constructor)) static void start(int argc, char **argv)
{
	const char *path = getenv("ZEROBOOT_FAIL");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	control = map;
	is_child = argc > 1 && !strcmp(argv[1], "worker");
}

static bool fails(void)
{
	if (!control || control->children != is_child ||
	    control->countdown <= 0)
		return false;
	if (control->countdown > 1) {
		control->countdown--;
		return false;
	}
	if (!control->lasting)
		control->countdown = 0;
	control->failed++;
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
