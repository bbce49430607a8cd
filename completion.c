#include "completion.h"

#include <string.h>

#include "language.h"

enum kind { ANYTHING, WORDS, LANGUAGES, FILES, DIRECTORIES };

/* What a value or the operands may be, by what people are told: options.h. */
static enum kind kind_of(const char *value)
{
	if (!value)
		return ANYTHING;
	if (strspn(value, "abcdefghijklmnopqrstuvwxyz|") == strlen(value))
		return WORDS;
	if (strstr(value, "FILE") || strstr(value, "IMAGE") ||
	    strstr(value, "TAR"))
		return FILES;
	if (!strcmp(value, "LANGUAGE"))
		return LANGUAGES;
	return strcmp(value, "DIR") ? ANYTHING : DIRECTORIES;
}

/* The words of a value, in between blanks. */
static void put_words(FILE *to, const char *value)
{
	if (kind_of(value) == WORDS)
		for (; *value; value++)
			fputc(*value == '|' ? ' ' : *value, to);
	if (kind_of(value) != LANGUAGES)
		return;
	for (size_t n = 0; language_at(n); n++) {
		const struct language *l = language_at(n);

		fprintf(to, "%s%s", n ? " " : "", l->name);
		for (size_t i = 0; l->aliases[i]; i++)
			fprintf(to, " %s", l->aliases[i]);
	}
}

/* ---- bash ---- */

static void bash_path(FILE *to, const char *name, const struct command *c)
{
	(void)c;
	fprintf(to, "\t\t\" %s\") path+=\" ${COMP_WORDS[i]}\" ;;\n", name);
}

/* What follows an option. */
static void bash_values(FILE *to, const char *name, const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++) {
		if (!o->value)
			continue;
		fputs("\t", to);
		if (o->letter)
			fprintf(to, "\" %s %s\"", name, o->letter);
		fprintf(to, "%s", o->letter && o->name ? " | " : "");
		if (o->name)
			fprintf(to, "\" %s %s\"", name, o->name);
		switch (kind_of(o->value)) {
		case FILES:
			fputs(") kind=-f ;;\n", to);
			break;
		case DIRECTORIES:
			fputs(") kind=-d ;;\n", to);
			break;
		default:
			fputs(") words='", to);
			put_words(to, o->value);
			fputs("' ;;\n", to);
		}
	}
}

static void bash_options(FILE *to, const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		fprintf(to, " %s%s%s", o->letter ? o->letter : "",
			o->letter && o->name ? " " : "",
			o->name ? o->name : "");
	fprintf(to, " %s %s", help_option.letter, help_option.name);
}

/* What else a command takes. */
static void bash_words(FILE *to, const char *name, const struct command *c)
{
	enum kind kind = kind_of(c->operands);

	fprintf(to, "\t\t\" %s\") words='", name);
	for (size_t i = 0; c->commands && c->commands[i]; i++)
		fprintf(to, " %s", c->commands[i]->name);
	put_words(to, c->operands ? c->operands : "");
	bash_options(to, c);
	fprintf(to, "'%s ;;\n",
		kind == FILES       ? " kind=-f" :
		kind == DIRECTORIES ? " kind=-d" :
				      "");
}

void completion_bash(FILE *to, const struct command *top)
{
	fputs("# bash's completion of zeroboot: zeroboot completion bash\n"
	      "_zeroboot()\n"
	      "{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} path= words= kind= i\n"
	      "\tlocal prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\n"
	      "\t# --name=value is three words here\n"
	      "\tif [ \"$cur\" = = ]; then\n"
	      "\t\tcur=\n"
	      "\telif [ \"$prev\" = = ]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
	      "\tfi\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\tcase \"$path ${COMP_WORDS[i]}\" in\n",
	      to);
	command_each(top, to, bash_path);
	fputs("\t\tesac\n"
	      "\tdone\n"
	      "\tcase \"$path $prev\" in\n",
	      to);
	command_each(top, to, bash_values);
	fputs("\t*)\n"
	      "\t\tcase \"$path\" in\n"
	      "\t\t'') words='",
	      to);
	for (size_t i = 0; top->commands[i]; i++)
		if (!top->commands[i]->inner)
			fprintf(to, "%s ", top->commands[i]->name);
	fputs("help", to);
	bash_options(to, top);
	fputs("' ;;\n", to);
	command_each(top, to, bash_words);
	fputs("\t\tesac\n"
	      "\t\t[[ $cur != -* ]] || kind=\n"
	      "\t\t;;\n"
	      "\tesac\n"
	      "\tmapfile -t COMPREPLY < <(compgen ${kind:+\"$kind\"} -W "
	      "\"$words\" -- \"$cur\")\n"
	      "}\n"
	      "complete -o filenames -F _zeroboot zeroboot\n",
	      to);
}

/* ---- zsh ---- */

/* In a spec of _arguments, within ''. */
static void zsh_text(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", to);
		else if (strchr("[]:\\", *text))
			fputc('\\', to);
		fputc(*text, to);
	}
}

/* What completes a value. */
static void zsh_action(FILE *to, const char *value)
{
	fputc(':', to);
	zsh_text(to, value);
	fputc(':', to);
	switch (kind_of(value)) {
	case FILES:
		fputs("_files", to);
		break;
	case DIRECTORIES:
		fputs("_files -/", to);
		break;
	case ANYTHING:
		break;
	default:
		fputc('(', to);
		put_words(to, value);
		fputc(')', to);
	}
}

/* -l takes its value in the same word, too, and --language behind an =. */
static void zsh_option(FILE *to, const struct option *o)
{
	const char *names[] = { o->letter, o->name };
	char text[512];

	option_text(o, text, sizeof(text));
	for (int i = 0; i < 2; i++) {
		if (!names[i])
			continue;
		fprintf(to, " \\\n\t\t\t'*%s%s[", names[i],
			!o->value ? "" :
			i         ? "=" :
				    "+");
		zsh_text(to, text);
		fputc(']', to);
		if (o->value)
			zsh_action(to, o->value);
		fputc('\'', to);
	}
}

static void zsh_group(FILE *to, const struct command *c)
{
	fputs("\t\t_values command", to);
	for (size_t i = 0; c->commands[i]; i++) {
		if (c->commands[i]->inner)
			continue;
		fprintf(to, " \\\n\t\t\t'%s[", c->commands[i]->name);
		zsh_text(to, c->commands[i]->summary);
		fputs("]'", to);
	}
	fputs("\n\t\t;;\n", to);
}

static void zsh_command(FILE *to, const char *name, const struct command *c)
{
	fprintf(to, "\t'%s')\n", name);
	if (c->commands) {
		zsh_group(to, c);
		return;
	}
	fputs("\t\t_arguments -s", to);
	for (const struct option *o = c->options; o && o->help; o++)
		zsh_option(to, o);
	zsh_option(to, &help_option);
	if (c->operands) {
		fputs(" \\\n\t\t\t'*", to);
		zsh_action(to, c->operands);
		fputc('\'', to);
	}
	fputs("\n\t\t;;\n", to);
}

static void zsh_deeper(FILE *to, const char *name, const struct command *c)
{
	(void)c;
	fprintf(to, "%s'%s'", strcmp(name, "serve") ? " | " : "", name);
}

void completion_zsh(FILE *to, const struct command *top)
{
	fputs("#compdef zeroboot\n"
	      "# zsh's completion of zeroboot: zeroboot completion zsh\n"
	      "_zeroboot() {\n"
	      "\tlocal name=\n"
	      "\n"
	      "\t# the command's words go to name\n"
	      "\twhile ((CURRENT > 2)); do\n"
	      "\t\tcase \"${name:+$name }$words[2]\" in\n"
	      "\t\t",
	      to);
	command_each(top, to, zsh_deeper);
	fputs(") name=\"${name:+$name }$words[2]\" ;;\n"
	      "\t\t*) break ;;\n"
	      "\t\tesac\n"
	      "\t\tshift words\n"
	      "\t\t((CURRENT--))\n"
	      "\tdone\n"
	      "\tcase \"$name\" in\n"
	      "\t'')\n",
	      to);
	zsh_group(to, top);
	command_each(top, to, zsh_command);
	fputs("\tesac\n"
	      "}\n"
	      "if [[ $funcstack[1] == _zeroboot ]]; then\n"
	      "\t_zeroboot \"$@\"\n"
	      "else\n"
	      "\tcompdef _zeroboot zeroboot\n"
	      "fi\n",
	      to);
}
