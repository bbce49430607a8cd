/* command_run.c: `zeroboot run`, a program of an image. */
#include "command.h"
#include "run.h"

static struct program_options program;
static unsigned long memory, seconds;

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
