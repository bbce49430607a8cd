/* command_exec.c: `zeroboot exec`, one snippet without a server. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "language.h"
#include "run.h"

static struct exec_options exec;
static const char *language, *directory, *given;
static unsigned long seconds;

static const struct option options[] = { { .letter = "-l",
					   .name = "--language",
					   .value = "LANGUAGE",
					   .text = &language,
					   .help = "what the code is written "
						   "in (by FILE's name, else "
						   "python)" },
					 { .letter = "-c",
					   .name = "--code",
					   .value = "CODE",
					   .text = &given,
					   .help = "run this instead of a "
						   "FILE" },
					 { .letter = "-t",
					   .name = "--timeout",
					   .value = "SECONDS",
					   .number = { &seconds, 1, 300, 30 },
					   .help = "end it after so long, with "
						   "124" },
					 { .name = "--templates",
					   .value = "DIR",
					   .text = &directory,
					   .help = "where the languages' "
						   "NAME.img and NAME.zbt are "
						   "(templates, else "
						   "/var/lib/zeroboot/"
						   "templates)" },
					 { .name = "--trace",
					   .flag = &exec.trace,
					   .help = "show its system calls on "
						   "stderr" },
					 { .name = "--stats",
					   .flag = &exec.stats,
					   .help = "show what it cost on "
						   "stderr" },
					 { 0 } };

static void print_languages(FILE *to)
{
	const struct language *l;

	fputs("LANGUAGE is the name of a template, or:\n", to);
	for (size_t n = 0; (l = language_at(n)); n++) {
		fprintf(to, "  %s", l->name);
		for (size_t i = 0; l->aliases[i]; i++)
			fprintf(to, ", %s", l->aliases[i]);
		fputs(" (", to);
		for (size_t i = 0; l->endings[i]; i++)
			fprintf(to, "%s%s", i ? ", " : "", l->endings[i]);
		fputs(")\n", to);
	}
}

static const char *choose_language(const char *file)
{
	const char *name = language;

	if (!name && file)
		name = language_of_file(file);
	return name ? name : "python";
}

static int run(int count, char **operands)
{
	const char *file = count ? operands[0] : NULL;
	static char path[PATH_MAX];
	char *code = NULL;
	struct err e = { "" };
	size_t size = 0;
	int r;

	if (given && file)
		return usage_error(file, "there is code already, by -c");
	if (template_path(path, sizeof(path), directory, choose_language(file),
			  &e))
		return command_failed(&e);
	exec.template = path;
	exec.timeout_ms = seconds * 1000;
	r = given ? 0 : read_code(file, &code, &size, &e);
	if (r == 0)
		r = run_exec(&exec, given ? given : code,
			     given ? strlen(given) : size, &e);
	free(code);
	return r < 0 ? command_failed(&e) : r;
}

const struct command command_exec = {
	.name = "exec",
	.operands = "[FILE|-]",
	.summary = "Run a file's code, or that of standard input, in a VM.",
	.more = print_languages,
	.options = options,
	.run = run,
	.most = 1,
};
