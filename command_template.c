/* command_template.c: `zeroboot template`. */
#include "command.h"
#include "run.h"
#include "template.h"

static struct template_options options_of_build;
static unsigned long memory;

static const struct option build_options[] = {
	{ .letter = "-o",
	  .name = "--output",
	  .value = "FILE",
	  .required = true,
	  .text = &options_of_build.output,
	  .help = "the template, which is replaced when the new one is whole" },
	{ .name = "--memory",
	  .value = "MIB",
	  .number = { &memory, MEMORY_MB_LOW, MEMORY_MB_HIGH, 0 },
	  .help = "memory of its VMs (as the image wants, else 256)" },
	{ .name = "--program",
	  .value = "PATH",
	  .text = &options_of_build.program,
	  .help = "which of the image's interpreters (python3, node, bash: "
		  "with their agents), or a program of its own to start "
		  "instead" },
	{ .name = "--trace",
	  .flag = &options_of_build.trace,
	  .help = "show system calls on stderr" },
	{ 0 }
};

static int run_build(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	options_of_build.image = operands[0];
	options_of_build.memory_mb = memory_of_mb(memory);
	return run_template_build(&options_of_build, &e) < 0 ?
		       command_failed(&e) :
		       0;
}

static const struct command build = {
	.name = "build",
	.operands = "IMAGE",
	.summary = "Make a template of an image, and prove it.",
	.options = build_options,
	.run = run_build,
	.least = 1,
	.most = 1,
};

static int run_info(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	return template_info(operands[0], &e) < 0 ? command_failed(&e) : 0;
}

static const struct command info = {
	.name = "info",
	.operands = "FILE",
	.summary = "Show what is in a template.",
	.run = run_info,
	.least = 1,
	.most = 1,
};

const struct command command_template = {
	.name = "template",
	.summary = "Templates: started interpreters in a file.",
	.commands = (const struct command *const[]){ &build, &info, NULL },
};
