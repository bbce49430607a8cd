/*
 * agent.c: the agent of bash, a library that is preloaded into `bash /app/main.sh`.
 * It stands where bash opens its script: there it waits for the request (the
 * snapshot is taken in its read), writes the script, and bash reads it as it would
 * have anyway. So $0, names and lines in messages, and what a script finds of
 * itself are as natively, and nothing of the agent is in the shell.
 *
 * What remains visible: the library in /proc/self/maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define SCRIPT "/app/main.sh"
#define STACK (128ul << 10) /* what is left ready for scripts */
#define PAGES(size) ((size) & ~0xffful)
#define PRELOAD "LD_PRELOAD="
#define COMMAND "/usr/bin/bash\0" SCRIPT

/* Of bash, since 5.1. */
extern void sbrand(unsigned long seed) __attribute__((weak));
extern struct timeval shellstart __attribute__((weak));
extern time_t shell_start_time __attribute__((weak));

extern char **environ;

static int script, request;

static _Noreturn void die(const char *what)
{
	dprintf(STDERR_FILENO, "zeroboot: sh agent: %s\n", what);
	_exit(70);
}

/* Before bash looks at its environment and its working directory. unsetenv is of
 * bash here, and does nothing yet. */
__attribute__((constructor)) static void start(void)
{
	char **to = environ;

	for (char **from = environ; *from; from++)
		if (strncmp(*from, PRELOAD, strlen(PRELOAD)))
			*to++ = *from;
	*to = NULL;
	mkdir("/app", 0755);
	if (chdir("/app"))
		die("no /app");
}

static unsigned long take_hex(const char **at)
{
	unsigned long value = 0;

	for (; **at && strchr("0123456789abcdef", **at); ++*at)
		value = value * 16 + (unsigned long)(**at - '0') -
			(**at >= 'a' ? 'a' - '0' - 10 : 0);
	return value;
}

/* A line of proc(5), maps: first-last rights offset device inode [path]. end: of
 * the mapping of a file before it. */
static void map_line(const char *line, unsigned long *end)
{
	unsigned long first = take_hex(&line), last;
	const char *path = strpbrk(line, "/[");

	line++;
	last = take_hex(&line);
	if (first < (unsigned long)&last && (unsigned long)&last < last)
		madvise((void *)first,
			PAGES((unsigned long)&last - first - STACK),
			MADV_DONTNEED);
	if (path ? *path != '/' : first != *end)
		return;
	*end = last;
	madvise((void *)first, last - first,
		line[2] == 'w' ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

/*
 * Enters all pages of what is mapped from files into the page tables, and the pages
 * that follow such a mapping at once, a library's data without content. Gives back
 * most of the stack, which each fork would copy.
 */
static void map_files(void)
{
	char text[1 << 14];
	unsigned long end = 0;
	int fd = open("/proc/self/maps", O_RDONLY);
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		die("no /proc/self/maps");
	close(fd);
	for (char *line = text, *stop; (stop = strchr(line, '\n'));
	     line = stop + 1) {
		*stop = 0;
		map_line(line, &end);
	}
}

/* Opened ahead, so that a run need not. */
static void prepare(void)
{
	if (!sbrand || !&shellstart || !&shell_start_time)
		die("made for bash 5.1 and later");
	script = creat(SCRIPT, 0644);
	request = open("/dev/zeroboot", O_RDWR);
	if (script < 0 || request < 0)
		die("no " SCRIPT " or /dev/zeroboot");
	if (write(request, COMMAND, sizeof(COMMAND)) != sizeof(COMMAND))
		die("/dev/zeroboot takes no command line");
	map_files();
}

/* The code comes by the page; the first read is where the template is taken. */
static void receive(void)
{
	char code[1 << 14];
	ssize_t n;

	while ((n = read(request, code, sizeof(code))) > 0) {
		if (write(script, code, (size_t)n) != n)
			die("the script does not fit");
		if ((size_t)n < sizeof(code))
			break;
	}
	close(script);
	close(request);
}

/* No two forks may draw the same numbers, and none is older than its run. */
static void renew(void)
{
	unsigned int seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		die("getrandom");
	sbrand(seed);
	gettimeofday(&shellstart, NULL);
	shell_start_time = shellstart.tv_sec;
}

/* bash's own calls: the first one of the script is what it waits in. */
int open(const char *path, int flags, ...)
{
	static int received;
	mode_t mode = 0;
	va_list arguments;

	va_start(arguments, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	if (!received && !strcmp(path, SCRIPT)) {
		received = 1;
		prepare();
		receive();
		renew();
	}
	return openat(AT_FDCWD, path, flags, mode);
}
