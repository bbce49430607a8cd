#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 79
#define HELP_COLUMN 26

/* The command that runs, as it is called. */
static char called[64];

const struct option help_option = { .letter = "-h",
				    .name = "--help",
				    .help = "say this" };

struct words {
	int count;
	char **list;
};

static void step(struct words *w)
{
	w->count--;
	w->list++;
}

int usage_error(const char *what, const char *why)
{
	fprintf(stderr, "zeroboot: %s: %s (see %s --help)\n", what, why,
		called);
	return EXIT_USAGE;
}

/* r, unless what was to go to stdout has not gone there, which it says. */
static int with_output(int r)
{
	int error = fflush(stdout) ? errno : 0;

	if (!error && !ferror(stdout))
		return r;
	/* It was an earlier write: why it has failed is known if all do. */
	if (!error && write(STDOUT_FILENO, "", 0) < 0)
		error = errno;
	fprintf(stderr, "zeroboot: stdout: %s\n",
		error ? strerror(error) : "not all of it could be written");
	return r ? r : 1;
}

/* ---- help ---- */

/* From the column on, in lines of WIDTH at most; it is in column at now. */
static void print_wrapped(FILE *to, const char *text, int at, int column)
{
	while (*text) {
		int n = (int)strcspn(text, " ");

		if (at > column && at + 1 + n > WIDTH) {
			fputc('\n', to);
			at = 0;
		}
		if (at > column) {
			fputc(' ', to);
			at++;
		} else {
			fprintf(to, "%*s", column - at, "");
			at = column;
		}
		fprintf(to, "%.*s", n, text);
		at += n;
		text += n + strspn(text + n, " ");
	}
	fputc('\n', to);
}

/* What it does, behind its name. */
static void print_row(FILE *to, const char *name, const char *help)
{
	int at = fprintf(to, "  %s", name);

	if (at > HELP_COLUMN - 2) {
		fputc('\n', to);
		at = 0;
	}
	print_wrapped(to, help, at, HELP_COLUMN);
}

void option_text(const struct option *o, char *text, size_t size)
{
	const struct option_number *n = &o->number;
	char range[96] = "";

	if (n->to && n->standard < n->low)
		snprintf(range, sizeof(range), " (%lu to %lu)", n->low,
			 n->high);
	else if (n->to)
		snprintf(range, sizeof(range), " (%lu to %lu; %lu)", n->low,
			 n->high, n->standard);
	snprintf(text, size, "%s%s", o->help, range);
}

static void print_option(FILE *to, const struct option *o)
{
	char name[128], help[512];

	snprintf(name, sizeof(name), "%s%s%s%s%s", o->letter ? o->letter : "",
		 o->letter && o->name ? ", " : "", o->name ? o->name : "",
		 o->value ? " " : "", o->value ? o->value : "");
	option_text(o, help, sizeof(help));
	print_row(to, name, help);
}

static bool has_optional(const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		if (!o->required)
			return true;
	return false;
}

static void print_usage(FILE *to, const struct command *c)
{
	fprintf(to, "%s%s", called, c->commands ? " COMMAND" : "");
	if (c->commands || has_optional(c))
		fputs(" [OPTION]...", to);
	for (const struct option *o = c->options; o && o->help; o++)
		if (o->required)
			fprintf(to, " %s %s", o->letter ? o->letter : o->name,
				o->value);
	if (c->operands)
		fprintf(to, " %s", c->operands);
	fputc('\n', to);
}

/* ---- all commands ---- */

static void each_of(const struct command *group, FILE *to,
		    command_visitor *visit)
{
	for (size_t i = 0; group->commands[i]; i++) {
		const struct command *c = group->commands[i];
		char name[64];

		snprintf(name, sizeof(name), "%s %s", group->name, c->name);
		visit(to, name, c);
	}
}

void command_each(const struct command *top, FILE *to, command_visitor *visit)
{
	for (size_t i = 0; top->commands[i]; i++) {
		const struct command *c = top->commands[i];

		if (c->inner)
			continue;
		visit(to, c->name, c);
		if (c->commands)
			each_of(c, to, visit);
	}
}

/* Those that do something. */
static void print_command(FILE *to, const char *name, const struct command *c)
{
	if (!c->commands)
		print_row(to, name, c->summary);
}

static int no_command(const struct command *c)
{
	fputs("zeroboot: a command is missing: ", stderr);
	print_usage(stderr, c);
	command_each(c, stderr, print_command);
	return EXIT_USAGE;
}

static int print_help(const struct command *c)
{
	fputs("usage: ", stdout);
	print_usage(stdout, c);
	print_wrapped(stdout, c->summary, 0, 0);
	fputc('\n', stdout);
	if (c->commands)
		command_each(c, stdout, print_command);
	if (c->commands)
		fputc('\n', stdout);
	for (const struct option *o = c->options; o && o->help; o++)
		print_option(stdout, o);
	print_option(stdout, &help_option);
	if (c->more) {
		fputc('\n', stdout);
		c->more(stdout);
	}
	return 0;
}

/* ---- parsing ---- */

static bool is(const char *name, const char *word, size_t size)
{
	return name && strlen(name) == size && !strncmp(name, word, size);
}

/* The option that a word names: -l, -lVALUE, --language, --language=VALUE. value:
 * what the word itself has of it, or NULL. */
static const struct option *find_option(const struct command *c,
					const char *word, const char **value)
{
	size_t size = word[1] == '-' ? strcspn(word, "=") : 2;

	*value = word[size] ? word + size + (word[size] == '=') : NULL;
	for (const struct option *o = c->options; o && o->help; o++)
		if (is(o->letter, word, size) || is(o->name, word, size))
			return o;
	if (is(help_option.letter, word, size) ||
	    is(help_option.name, word, size))
		return &help_option;
	return NULL;
}

static int take_number(const struct option_number *n, const char *name,
		       const char *text)
{
	char why[160], *end;

	errno = 0;
	*n->to = strtoul(text, &end, 10);
	if (!errno && !*end && text[0] >= '0' && text[0] <= '9' &&
	    *n->to >= n->low && *n->to <= n->high)
		return 0;
	snprintf(why, sizeof(why),
		 "%.60s is not a whole number from %lu to %lu", text, n->low,
		 n->high);
	return usage_error(name, why);
}

/* Takes the option in front of w. 0 or EXIT_USAGE. */
static int take_option(const struct option *o, const char *value,
		       struct words *w)
{
	const char *name = o->letter && w->list[0][1] != '-' ? o->letter :
							       o->name;
	struct err e = { "" };

	step(w);
	if (!o->value) {
		if (value)
			return usage_error(name, "takes no value");
		*o->flag = true;
		return 0;
	}
	if (!value) {
		if (w->count == 0)
			return usage_error(name, "needs a value");
		value = w->list[0];
		step(w);
	}
	if (o->number.to)
		return take_number(&o->number, name, value);
	if (o->take)
		return o->take(value, &e) ? usage_error(name, e.text) : 0;
	*o->text = value;
	return 0;
}

static void set_standards(const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		if (o->number.to)
			*o->number.to = o->number.standard;
}

static bool is_missing(const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		if (o->required && !*o->text)
			return true;
	return false;
}

/* Its operands move to the front of list. */
static int run_command(const struct command *c, struct words w)
{
	char **operands = w.list;
	bool options = true;
	int count = 0;

	set_standards(c);
	while (w.count) {
		const struct option *o;
		const char *value;

		if (!options || w.list[0][0] != '-' || !w.list[0][1]) {
			options = options && c->most != OPERANDS_MANY;
			operands[count++] = w.list[0];
			step(&w);
			continue;
		}
		if (!strcmp(w.list[0], "--")) {
			options = false;
			step(&w);
			continue;
		}
		o = find_option(c, w.list[0], &value);
		if (!o)
			return usage_error(w.list[0], "unknown option");
		if (o == &help_option)
			return print_help(c);
		if (take_option(o, value, &w))
			return EXIT_USAGE;
	}
	if (c->most != OPERANDS_MANY && count > c->most)
		return usage_error(operands[c->most], "is one too many");
	if (count < c->least || is_missing(c)) {
		fputs("zeroboot: something is missing: ", stderr);
		print_usage(stderr, c);
		return EXIT_USAGE;
	}
	operands[count] = NULL;
	return c->commands && !c->run ? no_command(c) : c->run(count, operands);
}

static const struct command *find_command(const struct command *c,
					  const char *name)
{
	for (size_t i = 0; c->commands[i]; i++)
		if (!strcmp(c->commands[i]->name, name))
			return c->commands[i];
	return NULL;
}

static void call(const struct command *c)
{
	size_t n = strlen(called);

	snprintf(called + n, sizeof(called) - n, "%s%s", n ? " " : "", c->name);
}

static int command_words(const struct command *top, int count, char **words)
{
	const struct command *c = top;
	struct words w = { count, words };
	bool help = count && !strcmp(words[0], "help");

	call(c);
	if (help)
		step(&w);
	while (c->commands && w.count && w.list[0][0] != '-') {
		c = find_command(c, w.list[0]);
		if (!c)
			return usage_error(w.list[0], "unknown command");
		call(c);
		step(&w);
	}
	if (help)
		return print_help(c);
	return c->commands && !w.count ? no_command(c) : run_command(c, w);
}

int command_line(const struct command *top, int count, char **words)
{
	return with_output(command_words(top, count, words));
}
