/* command_tables.c: what the tables of options.h can be turned into: `zeroboot
 * completion`, `zeroboot manual`. */
#include <string.h>

#include "command.h"
#include "completion.h"
#include "manual.h"

static int run_completion(int count, char **operands)
{
	(void)count;
	if (!strcmp(operands[0], "bash"))
		completion_bash(stdout, &command_top);
	else if (!strcmp(operands[0], "zsh"))
		completion_zsh(stdout, &command_top);
	else
		return usage_error(operands[0], "wants bash or zsh");
	return 0;
}

const struct command command_completion = {
	.name = "completion",
	.operands = "bash|zsh",
	.summary = "Write the script by which a shell completes this command "
		   "line.",
	.run = run_completion,
	.least = 1,
	.most = 1,
};

static int run_manual(int count, char **operands)
{
	(void)count;
	(void)operands;
	manual_print(stdout, &command_top);
	return 0;
}

const struct command command_manual = {
	.name = "manual",
	.summary = "Write the manual page: zeroboot manual | man -l -",
	.run = run_manual,
};
