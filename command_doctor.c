/* command_doctor.c: `zeroboot doctor`. */
#include "command.h"
#include "doctor.h"

static struct server_options would_be;

static const struct option options[] = { { .name = "--templates",
					   .value = "DIR",
					   .text = &would_be.templates,
					   .help = "where the "
						   "languages would be" },
					 { .name = "--user",
					   .value = "NAME|UID[:GID]",
					   .text = &would_be.user,
					   .help = "whom its workers "
						   "would run as" },
					 { 0 } };

static int run(int count, char **operands)
{
	(void)count;
	(void)operands;
	return doctor_run(&would_be);
}

static void print_lines(FILE *to)
{
	fputs("A line each: ok; less, where it works, but not as well as it "
	      "could; BAD.\nExits with 0 when zeroboot serve would work, "
	      "else with 1.\n",
	      to);
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "Say what this machine can and cannot do, and what to do "
		   "about it.",
	.more = print_lines,
	.options = options,
	.run = run,
};
