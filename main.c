/* main.c: the commands, and the three streams that all but the inner ones have. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "box.h"
#include "command.h"
#include "defaults.h"
#include "maker.h"

#ifndef ZEROBOOT_VERSION
#define ZEROBOOT_VERSION "unknown"
#endif

static bool version;

static const struct option options[] = { { .letter = "-V",
					   .name = "--version",
					   .flag = &version,
					   .help = "say which version this "
						   "is" },
					 { 0 } };

static int run(int count, char **operands)
{
	(void)count;
	(void)operands;
	if (!version)
		return usage_error("--", "wants a command in front of it");
	puts("zeroboot " ZEROBOOT_VERSION);
	return 0;
}

static void print_more(FILE *to)
{
	fputs("zeroboot COMMAND --help has a command's options.\n", to);
}

static const struct command *const commands[] = {
	&command_serve,    &command_exec,       &command_image,
	&command_template, &command_run,        &command_bench,
	&command_doctor,   &command_completion, &command_manual,
	&command_pack,     &command_mcp,        &command_worker,
	&command_load,     &command_keep,       NULL
};

const struct command command_top = {
	.name = "zeroboot",
	.summary = "Untrusted code in virtual machines that are forked in less "
		   "than a millisecond.",
	.more = print_more,
	.options = options,
	.commands = commands,
	.run = run,
};

/* Reads as empty and takes nothing, as /dev/null where there is none. */
static int open_nothing(void)
{
	int fd = memfd_create("nothing", MFD_ALLOW_SEALING);

	if (fd >= 0)
		fcntl(fd, F_ADD_SEALS,
		      F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	return fd;
}

/* Without these three, the first sockets would be taken for them. What is written to
 * stdout is wanted: where that is closed, it still fails. */
static int open_streams(void)
{
	for (int want = 0; want <= STDERR_FILENO; want++) {
		int fd;

		if (fcntl(want, F_GETFD) >= 0)
			continue;
		fd = open("/dev/null",
			  want == STDOUT_FILENO ? O_RDONLY : O_RDWR);
		if (fd < 0)
			fd = open_nothing();
		if (fd < 0)
			return -errno;
	}
	return 0;
}

static bool is_inner(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i]->inner;
	return false;
}

/* The options that are packed in this program's own file, when it is a box. 0, or a
 * message is out. */
static int look_into_box(int *count, char ***words)
{
	struct err e = { "" };
	int r = box_begin(&e);

	if (r == -ENOENT)
		fprintf(stderr, "zeroboot: warning: %s\n", e.text);
	if (r == 0)
		r = defaults_of_box(box_own(), count, words, &e);
	return r && r != -ENOENT && r != -ENOEXEC ? command_failed(&e) : 0;
}

int main(int argc, char **argv)
{
	int count = argc ? argc - 1 : 0;
	char **words = argv + (argc != 0);

	if (count == 0 || !is_inner(words[0])) {
		if (open_streams() || look_into_box(&count, &words))
			return 1;
	}
	maker_set();
	return command_line(&command_top, count, words);
}
