/*
 * options.h: the command line as tables. A command is a row with its options,
 * each a row that says where its value goes. Parsing, messages, --help and the
 * shells' completion (completion.h) are made of these rows and of nothing else.
 */
#ifndef ZEROBOOT_OPTIONS_H
#define ZEROBOOT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "err.h"

#define EXIT_USAGE 2

struct option_number {
	unsigned long *to, low, high;
	unsigned long standard; /* without the option; below low: none */
};

struct option {             /* a list of them ends in one without a help text */
	const char *letter; /* "-l"; may be NULL */
	const char *name;   /* "--language"; may be NULL */
	/* What follows, as people read it; NULL: nothing. FILE, IMAGE and TAR are
	 * files, DIR a directory, LANGUAGE a language, lower case with | in between
	 * the words that there are. */
	const char *value;
	const char *help;
	bool required;
	/* Where the value goes: one of them. */
	bool *flag;
	const char **text;
	struct option_number number;
	int (*take)(const char *value, struct err *e); /* 0 or -errno */
};

#define OPERANDS_MANY                                                          \
	(-1) /* the first one ends the options: a program's own follow */

struct command {
	const char *name;
	const char *operands;   /* as people read them; may be NULL */
	const char *summary;    /* what it does: a line */
	void (*more)(FILE *to); /* what help says at its end; may be NULL */
	const struct option *options;           /* may be NULL */
	const struct command *const *commands;  /* two floors at most */
	int (*run)(int count, char **operands); /* its exit status */
	int least, most;                        /* operands */
	bool inner; /* of processes that zeroboot starts itself: not shown */
};

/* Runs the command that the words name, with what its options say. words end in
 * NULL. Its exit status; when what it has printed cannot be written to stdout, that
 * is said, and 0 becomes 1. */
int command_line(const struct command *top, int count, char **words);

/* What help says of an option: its help, with the bounds of its number. */
void option_text(const struct option *o, char *text, size_t size);
/* The option that each command has. */
extern const struct option help_option;

/* Visits the commands beneath, those of groups after their group, with their names
 * as they are called; not inner ones. */
typedef void command_visitor(FILE *to, const char *name,
			     const struct command *c);
void command_each(const struct command *top, FILE *to, command_visitor *visit);

/* Says what is wrong with the command that runs. EXIT_USAGE. */
int usage_error(const char *what, const char *why);

#endif
