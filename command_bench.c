/* command_bench.c: `zeroboot bench`. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "command.h"
#include "language.h"

static const char *language, *directory;
static unsigned long runs;

static const struct option options[] = { { .letter = "-l",
					   .name = "--language",
					   .value = "LANGUAGE",
					   .text = &language,
					   .help = "whose template is measured "
						   "(by FILE's name, else "
						   "python)" },
					 { .letter = "-n",
					   .name = "--number",
					   .value = "N",
					   .number = { &runs, 1, 1000000, 200 },
					   .help = "runs of each sort" },
					 { .name = "--templates",
					   .value = "DIR",
					   .text = &directory,
					   .help = "where the languages' "
						   "NAME.img and NAME.zbt are "
						   "(templates, "
						   "else "
						   "/var/lib/zeroboot/"
						   "templates)" },
					 { 0 } };

static int run(int count, char **operands)
{
	const char *name = language_choose(language, count ? *operands : NULL);
	const struct language *known = language_find(name, strlen(name));
	char path[PATH_MAX], *code = NULL;
	const char *own[] = { NULL, NULL };
	struct err e = { "" };
	size_t size = 0;
	int r = 0;

	if (template_path(path, directory, name, &e))
		return command_failed(&e);
	if (!known && !count)
		return usage_error(name, "wants a FILE of code");
	if (count)
		r = read_code(operands[0], &code, &size, &e);
	own[0] = code;
	if (r == 0)
		r = bench_run(path, code ? own : known->examples, runs, &e);
	free(code);
	return r < 0 ? command_failed(&e) : 0;
}

const struct command command_bench = {
	.name = "bench",
	.operands = "[FILE|-]",
	.summary = "Measure forks and runs, of the usual snippets or a file's.",
	.options = options,
	.run = run,
	.most = 1,
};
