/* command_run.c: `zeroboot run`, a program of an image. */
#include <errno.h>
#include <string.h>

#include "command.h"
#include "run.h"

#define VARIABLES_MAX 256

static struct program_options program;
static unsigned long memory, seconds;
static const char *variables[VARIABLES_MAX + 1];

static int take_variable(const char *value, struct err *e)
{
	const char *end = strchr(value, '=');
	size_t n = 0;

	if (!end || end == value)
		return err_set(e, -EINVAL, "%s: not NAME=VALUE", value);
	while (variables[n])
		n++;
	if (n == VARIABLES_MAX)
		return err_set(e, -E2BIG, "more than %d variables",
			       VARIABLES_MAX);
	variables[n] = value;
	return 0;
}

static const struct option options[] = {
	{ .name = "--memory",
	  .value = "MIB",
	  .number = { &memory, MEMORY_MB_LOW, MEMORY_MB_HIGH, MEMORY_MB },
	  .help = "memory of the VM" },
	{ .letter = "-t",
	  .name = "--timeout",
	  .value = "SECONDS",
	  .number = { &seconds, 1, 86400, 0 },
	  .help = "end it after so long, with 124" },
	{ .name = "--env",
	  .value = "NAME=VALUE",
	  .take = take_variable,
	  .help = "a variable of its environment" },
	{ .name = "--cwd",
	  .value = "DIR",
	  .text = &program.directory,
	  .help = "a directory of the image to start it in" },
	{ .name = "--trace",
	  .flag = &program.trace,
	  .help = "show its system calls on stderr" },
	{ .name = "--stats",
	  .flag = &program.stats,
	  .help = "show what it cost on stderr, and account for its memory" },
	{ 0 }
};

static int run(int count, char **operands)
{
	struct err e = { "" };
	int r;

	(void)count;
	program.image = operands[0];
	program.argv = (const char *const *)&operands[1];
	program.variables = variables;
	program.memory_mb = memory_of_mb(memory);
	program.timeout_ms = seconds * 1000;
	r = run_program(&program, &e);
	return r < 0 ? command_failed(&e) : r;
}

const struct command command_run = {
	.name = "run",
	.operands = "IMAGE [PROGRAM [ARGUMENT...]]",
	.summary = "Run a program of an image in a VM, or what the image says.",
	.options = options,
	.run = run,
	.least = 1,
	.most = OPERANDS_MANY,
};
