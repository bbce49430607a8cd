/* command_exec.c: `zeroboot exec`, one snippet without a server. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "exec_parts.h"
#include "language.h"
#include "run.h"

static struct exec_options exec;
static const char *language, *directory, *given;
static unsigned long seconds;
static const char **files; /* of --file */
static size_t file_count;
static struct parts parts;

static int take_variable(const char *value, struct err *e)
{
	return exec_add_variable(&parts, value, e);
}

/* They are read when all of the command line is right. */
static int take_file(const char *value, struct err *e)
{
	const char **more = realloc(files, (file_count + 1) * sizeof(*files));

	if (!more)
		return err_set(e, -ENOMEM, "no memory");
	files = more;
	files[file_count++] = value;
	return exec_check_file(value, e);
}

static int take_output(const char *value, struct err *e)
{
	return exec_add_output(&parts, value, e);
}

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
					 { .name = "--env",
					   .value = "NAME=VALUE",
					   .take = take_variable,
					   .help = "a variable of its "
						   "environment" },
					 { .name = "--file",
					   .value = "HOST=GUEST",
					   .take = take_file,
					   .help = "a file of this machine "
						   "that "
						   "it finds there" },
					 { .name = "--output",
					   .value = "PATTERN",
					   .take = take_output,
					   .help = "files of it to write here, "
						   "under the working "
						   "directory" },
					 { .name = "--session",
					   .value = "FILE",
					   .text = &exec.session,
					   .help = "keep it there: variables, "
						   "imports and files stay for "
						   "the next one" },
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

static void print_more(FILE *to)
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
	fprintf(to,
		"\nAt most 4 MiB of code, %u MiB with standard input and "
		"files; "
		"%d arguments\nand variables, %u KiB of them; %d files come "
		"back, "
		"%u MiB. The exit code is\nthe program's, 124 after a timeout, "
		"1 "
		"when it could not be run, 2 when the\ncommand line is "
		"wrong.\n",
		PROTOCOL_REQUEST_MAX >> 20, PARTS_STRINGS_COUNT,
		PARTS_STRINGS_MAX >> 10, PROTOCOL_FILES,
		PROTOCOL_FILES_MAX >> 20);
}

/* The code is a part, and what of standard input is not code. */
static int add_code(const char *file, struct err *e)
{
	char *code = NULL;
	size_t size = 0;
	int r;

	if (given)
		r = exec_add_code(&parts, given, strlen(given), e);
	else {
		r = read_code(file, &code, &size, e);
		if (r == 0)
			r = exec_add_code(&parts, code, size, e);
		free(code);
	}
	if (r == 0 && (given || (file && strcmp(file, "-"))))
		r = exec_add_input(&parts, e);
	return r;
}

/* [FILE|-] [ARGUMENT...], without the first when there is code by -c. */
static int run(int count, char **operands)
{
	const char *file = count && !given ? *operands : NULL;
	static char path[PATH_MAX];
	struct err e = { "" };
	int r;

	if (template_path(path, directory, language_choose(language, file), &e))
		return command_failed(&e);
	exec.template = path;
	exec.timeout_ms = seconds * 1000;
	r = add_code(file, &e);
	for (size_t i = 0; r == 0 && i < file_count; i++)
		r = exec_add_file(&parts, files[i], &e);
	for (int i = file ? 1 : 0; r == 0 && i < count; i++)
		r = exec_add_argument(&parts, operands[i], &e);
	if (r == 0)
		r = run_exec(&exec, &parts, &e);
	parts_drop(&parts);
	free(files);
	return r < 0 ? command_failed(&e) : r;
}

const struct command command_exec = {
	.name = "exec",
	.operands = "[FILE|-] [ARGUMENT...]",
	.summary = "Run a file's code, or that of standard input, in a VM.",
	.more = print_more,
	.options = options,
	.run = run,
	.most = OPERANDS_MANY,
};
