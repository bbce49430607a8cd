/* command_pack.c: `zeroboot pack`. */
#include <errno.h>

#include "command.h"
#include "pack.h"

static const char *output;
static const char *defaults[PACK_DEFAULTS + 1];

static int take_default(const char *text, struct err *e)
{
	for (int i = 0; i < PACK_DEFAULTS; i++)
		if (!defaults[i]) {
			defaults[i] = text;
			return 0;
		}
	return err_set(e, -E2BIG, "more than %d", PACK_DEFAULTS);
}

static const struct option options[] = { { .letter = "-o",
					   .name = "--output",
					   .value = "FILE",
					   .required = true,
					   .text = &output,
					   .help = "the program with all in "
						   "it, which is replaced when "
						   "the new "
						   "one is whole" },
					 { .name = "--default",
					   .value = "WORDS",
					   .take = take_default,
					   .help = "options that a command has "
						   "in it unless they are "
						   "given, as "
						   "'serve --listen :80'; of "
						   "serve and exec; the first "
						   "one is run without any" },
					 { 0 } };

static int run(int count, char **operands)
{
	const struct pack_options o = { .output = output,
					.images = operands,
					.defaults = defaults };
	struct err e = { "" };

	(void)count;
	return pack(&o, &e) < 0 ? command_failed(&e) : 0;
}

const struct command command_pack = {
	.name = "pack",
	.operands = "IMAGE...",
	.summary = "Make one file of this program and images, each NAME.img or "
		   "NAME.img.gz a language NAME.",
	.options = options,
	.run = run,
	.least = 1,
	.most = 1000,
};
