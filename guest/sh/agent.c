/*
 * agent.c: the agent of bash, a library that is preloaded into `bash /app/main.sh`.
 * It stands where bash opens its script: there it waits for the request (the
 * snapshot is taken in its read), writes the script, and bash reads it as it would
 * have anyway. So $0, names and lines in messages, and what a script finds of
 * itself are as natively, and nothing of the agent is in the shell.
 *
 * In a session the script is empty. bash waits for its first line in a `read` that
 * the library answers as well: it never returns, and gives bash one exec after the
 * other to parse and execute, as bash does with what comes after -c.
 *
 * What remains visible: the library in /proc/self/maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../abi.h"

#define SCRIPT "/app/main.sh"
#define STACK (128ul << 10)          /* what is left ready for scripts */
#define STRINGS (ZB_STRINGS_MAX + 1) /* of a request, and a NUL behind them */
#define PAGES(size) ((size) & ~0xffful)
#define PRELOAD "LD_PRELOAD="
#define COMMAND "/usr/bin/bash\0" SCRIPT

/* Of bash, since 5.1. */
struct word {
	char *text;
	int flags;
};
struct word_list {
	struct word_list *next;
	struct word *word;
};
extern struct word *make_word(const char *text) __attribute__((weak));
extern struct word_list *make_word_list(struct word *word,
					struct word_list *next)
	__attribute__((weak));
extern void remember_args(struct word_list *list, int all)
	__attribute__((weak));
extern void *bind_variable(const char *name, const char *value, int flags)
	__attribute__((weak));
extern void set_var_attribute(char *name, int attribute, int undo)
	__attribute__((weak));
extern void stupidly_hack_special_variables(char *name) __attribute__((weak));
#define ATT_EXPORTED 1
extern void sbrand(unsigned long seed) __attribute__((weak));
extern struct timeval shellstart __attribute__((weak));
extern time_t shell_start_time __attribute__((weak));

/* For sessions. */
extern sigjmp_buf top_level __attribute__((weak));
extern int last_command_exit_value __attribute__((weak));
extern int shell_initialized __attribute__((weak));
extern int parse_and_execute(char *text, const char *name, int flags)
	__attribute__((weak));
extern void exit_shell(int status) __attribute__((weak, noreturn));
extern void reset_parser(void) __attribute__((weak));
extern void sigint_sighandler(int signo) __attribute__((weak));
extern void termsig_sighandler(int signo) __attribute__((weak));
extern void restore_sigmask(void) __attribute__((weak));
extern int indirection_level __attribute__((weak)); /* what `set -x` shows */
#define FORCE_EOF 1 /* why bash has jumped to top_level */
#define DISCARD 2
#define SEVAL_NOHIST 0x004
#define SEVAL_RESETLINE 0x010
#define SAMPLE 80 /* bytes by which bash tells that a file is no script */
#define EX_BINARY_FILE 126

extern char **environ;

static int script, request;
static int in_session, once; /* once: a run of what the session has become */

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
	if (!sbrand || !&shellstart || !&shell_start_time || !make_word ||
	    !make_word_list || !remember_args || !bind_variable ||
	    !&top_level || !&last_command_exit_value || !&shell_initialized ||
	    !parse_and_execute || !exit_shell || !reset_parser ||
	    !sigint_sighandler || !termsig_sighandler || !restore_sigmask ||
	    !set_var_attribute || !stupidly_hack_special_variables ||
	    !&indirection_level)
		die("made for bash 5.1 and later");
	script = creat(SCRIPT, 0644);
	request = open("/dev/zeroboot", O_RDWR);
	if (script < 0 || request < 0)
		die("no " SCRIPT " or /dev/zeroboot");
	if (write(request, COMMAND, sizeof(COMMAND)) != sizeof(COMMAND))
		die("/dev/zeroboot takes no command line");
	map_files();
}

/* Strings with a NUL behind each, up to a read of nothing; how many bytes. */
static size_t read_strings(char *to, size_t room)
{
	size_t size = 0;
	ssize_t n;

	while ((n = read(request, to + size, room - size)) > 0)
		size += (size_t)n;
	if (size == room)
		die("more strings than a request has");
	return size;
}

/* $1 and what follows. bash binds those of its command line when it has opened the
 * script: there are none, so these stay. */
static void set_arguments(const char *strings, size_t size)
{
	struct word_list *first = NULL, **link = &first;

	for (size_t at = 0; at < size; at += strlen(strings + at) + 1) {
		*link = make_word_list(make_word(strings + at), NULL);
		link = &(*link)->next;
	}
	if (first)
		remember_args(first, 1);
}

static void set_environment(char *strings, size_t size)
{
	size_t length;

	for (size_t at = 0; at < size; at += length + 1) {
		char *name = strings + at, *value = strchr(name, '=');

		length = strlen(name);
		*value++ = 0;
		bind_variable(name, value, 0);
		set_var_attribute(name, ATT_EXPORTED, 0);
		stupidly_hack_special_variables(name);
	}
}

/* As if the script had been started with them. */
static void set_strings(void)
{
	static char strings[STRINGS];

	set_arguments(strings, read_strings(strings, sizeof(strings)));
	set_environment(strings, read_strings(strings, sizeof(strings)));
}

/* For a session, where scripts do not look: beyond the limit of descriptors. */
static void keep_request(void)
{
	struct rlimit limit, more;
	int fd = request;

	getrlimit(RLIMIT_NOFILE, &limit);
	more = limit;
	if (more.rlim_cur < more.rlim_max)
		more.rlim_cur++;
	setrlimit(RLIMIT_NOFILE, &more);
	request = fcntl(fd, F_DUPFD_CLOEXEC, more.rlim_cur - 1);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (request < 0)
		die("no descriptor for /dev/zeroboot");
	close(fd);
}

/* The code comes by the page; the first read is where the template is taken. It
 * fails where there is more than code. */
static void receive(void)
{
	char code[1 << 14];
	ssize_t n = read(request, code, sizeof(code));

	if (n < 0 && errno == EISCONN) {
		in_session = 1;
		keep_request();
		close(script);
		return;
	}
	if (n < 0) {
		set_strings();
		n = read(request, code, sizeof(code));
	}
	for (; n > 0; n = read(request, code, sizeof(code))) {
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

/* ---- sessions ---- */

static volatile sig_atomic_t interrupted;

/* As an interactive shell's: it ends what runs, not the shell. */
static void on_sigint(int signo)
{
	interrupted = 1;
	sigint_sighandler(signo);
}

/* Unless the program has a trap for it, or ignores it: bash would end. */
static void watch_interrupts(void)
{
	struct sigaction action;

	sigaction(SIGINT, NULL, &action);
	if (action.sa_handler != termsig_sighandler &&
	    action.sa_handler != SIG_DFL)
		return;
	action.sa_handler = on_sigint;
	sigaction(SIGINT, &action, NULL);
}

/* As of a script: in its first line, or the beginning of that. */
static int is_binary(const char *code, size_t size)
{
	size_t sample = size < SAMPLE ? size : SAMPLE;
	const char *nul = memchr(code, 0, sample);

	return nul && !memchr(code, '\n', (size_t)(nul - code));
}

/* bash reads over those of a script. The size without. */
static size_t drop_nuls(char *code, size_t size)
{
	const char *first = memchr(code, 0, size);
	size_t kept = first ? (size_t)(first - code) : size;

	for (size_t at = kept; at < size; at++)
		if (code[at])
			code[kept++] = code[at];
	return kept;
}

/* Stops for the next exec: its code, for bash to free; NULL: that is no program. */
static char *next_exec(void)
{
	size_t size = 0, room = 1 << 14;
	char *code = malloc(room);
	ssize_t n;
	int why;

	do {
		if (write(request, "", 0) < 0 || read(request, NULL, 0) >= 0)
			die("no exec");
		why = errno;
	} while (why == EINPROGRESS);
	interrupted = 0;
	once = why == ESHUTDOWN || why == ESTRPIPE || why == EMSGSIZE;
	if (once || why == ENOTUNIQ)
		renew();
	if (why != ESHUTDOWN)
		set_strings();
	while (code && (n = read(request, code + size, room - 1 - size)) > 0) {
		size += (size_t)n;
		if (size == room - 1)
			code = realloc(code, room *= 2);
	}
	if (!code)
		die("no memory for the code");
	if (is_binary(code, size)) {
		free(code);
		return NULL;
	}
	code[drop_nuls(code, size)] = 0;
	return code;
}

static void report(void)
{
	uint32_t says[2] = { (uint32_t)last_command_exit_value, 0 };

	fflush(stdout);
	fflush(stderr);
	if (once)
		exit_shell(last_command_exit_value);
	if (write(request, says, sizeof(says)) >= 0)
		return;
	/* A child that has given up what it did, which is all that it was for. */
	if (errno == EPERM)
		exit_shell(last_command_exit_value);
	die("the end of an exec cannot be told");
}

/* bash has given up what it did. What ends a shell ends the session, what ends only
 * a command of an interactive one ends the exec. */
static void stand_up(int why)
{
	int goes_on = interrupted || why == DISCARD || why == FORCE_EOF;

	if (!goes_on)
		exit_shell(last_command_exit_value);
	if (last_command_exit_value == 0)
		last_command_exit_value = 1;
	restore_sigmask();
}

static int run_exec(const char *name)
{
	char *code = next_exec();

	if (!code) {
		dprintf(STDERR_FILENO,
			SCRIPT ": %s: cannot execute binary file\n", name);
		return EX_BINARY_FILE;
	}
	return parse_and_execute(code, name, SEVAL_NOHIST | SEVAL_RESETLINE);
}

static _Noreturn void run_session(void)
{
	static unsigned count;
	char name[32];
	int why;

	for (;;) {
		watch_interrupts();
		reset_parser();
		indirection_level = 0; /* as where a script begins */
		snprintf(name, sizeof(name), "exec %u", ++count);
		why = sigsetjmp(top_level, 0);
		if (why)
			stand_up(why);
		else
			last_command_exit_value = run_exec(name);
		report();
	}
}

/* bash's own calls, again: the first one that it makes as a shell is for its script.
 */
ssize_t read(int fd, void *to, size_t size)
{
	if (in_session == 1 && shell_initialized) {
		in_session = 2;
		run_session();
	}
	return syscall(SYS_read, fd, to, size);
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
