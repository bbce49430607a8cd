#include "manual.h"

#include <stdlib.h>
#include <string.h>

#define WIDTH 72 /* of running text */

/* blobs.S */
extern const char manual[], manual_end[];

/* Running text, in lines, of which none looks like one of roff's own; a sentence that
 * follows another one begins a line. */
static void put_text(FILE *to, const char *text)
{
	bool ended = false;
	size_t at = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (at && (ended || at + 1 + n > WIDTH)) {
			fputc('\n', to);
			at = 0;
		} else if (at) {
			fputc(' ', to);
			at++;
		}
		if (at == 0 && strchr(".'", *text))
			fputs("\\&", to);
		for (size_t i = 0; i < n; i++)
			fputs(text[i] == '\\' ? "\\e" : (char[]){ text[i], 0 },
			      to);
		at += n;
		ended = n && text[n - 1] == '.';
		text += n + strspn(text + n, " ");
	}
}

static void put_option(FILE *to, const struct option *o)
{
	if (o->letter)
		fprintf(to, " Fl %s", o->letter + 1);
	if (o->letter && o->name)
		fputs(" ,", to);
	if (o->name)
		fprintf(to, " Fl %s", o->name + 1);
	if (o->value)
		fprintf(to, " Ar %s", o->value);
}

static bool has_optional(const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		if (!o->required)
			return true;
	return false;
}

static void put_required(FILE *to, const struct command *c)
{
	for (const struct option *o = c->options; o && o->help; o++)
		if (o->required)
			fprintf(to, " Fl %s Ar %s",
				o->letter ? o->letter + 1 : o->name + 1,
				o->value);
}

static void put_call(FILE *to, const char *name, const struct command *c)
{
	if (c->commands)
		return;
	fprintf(to, ".Nm\n.Cm %s", name);
	put_required(to, c);
	fputc('\n', to);
	if (has_optional(c))
		fputs(".Op Ar option ...\n", to);
	if (c->operands)
		fprintf(to, ".Ar %s\n", c->operands);
}

/* A text of lines: those that begin with blanks are set off and stay lines. */
static void put_lines(FILE *to, char *text)
{
	char *rest = text;

	while (*rest) {
		char *line = rest;
		size_t n = strcspn(line, "\n");

		rest += n + (line[n] != 0);
		line[n] = 0;
		if (!n)
			fputs(".Pp", to);
		else if (line[0] == ' ')
			fputs(".Dl ", to);
		put_text(to, line + strspn(line, " "));
		fputc('\n', to);
	}
}

/* What help says at its end. */
static void put_notes(FILE *to, const struct command *c)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	c->more(f);
	fclose(f);
	if (text) {
		fputs(".Pp\n", to);
		put_lines(to, text);
	}
	free(text);
}

static void put_command(FILE *to, const char *name, const struct command *c)
{
	char text[512];

	if (c->commands)
		return;
	fprintf(to, ".Ss zeroboot %s\n", name);
	put_text(to, c->summary);
	fputc('\n', to);
	if (c->options)
		fputs(".Bl -tag -width Ds\n", to);
	for (const struct option *o = c->options; o && o->help; o++) {
		fputs(".It", to);
		put_option(to, o);
		fputc('\n', to);
		option_text(o, text, sizeof(text));
		put_text(to, text);
		fputs(".\n", to);
	}
	if (c->options)
		fputs(".El\n", to);
	if (c->more)
		put_notes(to, c);
}

/* What stands for lines of the manual. */
static const struct part {
	const char *line;
	command_visitor *visit;
} parts[] = { { ".\\\" calls", put_call },
	      { ".\\\" commands", put_command },
	      { 0 } };

/* The visitor of a line that stands for a part. */
static command_visitor *find_part(const char *line, size_t size)
{
	for (const struct part *p = parts; p->line; p++)
		if (strlen(p->line) == size && !memcmp(line, p->line, size))
			return p->visit;
	return NULL;
}

void manual_print(FILE *to, const struct command *top)
{
	for (const char *line = manual; line < manual_end;) {
		const char *end =
			memchr(line, '\n', (size_t)(manual_end - line));
		size_t size = (size_t)((end ? end : manual_end) - line);
		command_visitor *visit = find_part(line, size);

		if (visit)
			command_each(top, to, visit);
		else
			fprintf(to, "%.*s\n", (int)size, line);
		line += size + 1;
	}
}
