/* snippets.h: files of snippets, each under a line of `### name`. */
#ifndef SNIPPETS_H
#define SNIPPETS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct snippet {
	const char *name, *code;
	size_t size;
	bool any_end; /* its name ends with " !": it may end in any way */
};

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = malloc(8 << 20);
	size_t n;

	if (!f || !text) {
		perror(path);
		exit(2);
	}
	n = fread(text, 1, (8 << 20) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

/* Cuts the next snippet out of *text; false at the end. */
static bool next(char **text, struct snippet *s)
{
	char *line = *text, *end;
	size_t n;

	if (strncmp(line, "### ", 4))
		return false;
	s->name = line + 4;
	end = strchr(line, '\n');
	if (!end)
		return false;
	*end = 0;
	n = strlen(s->name);
	s->any_end = n > 2 && !strcmp(s->name + n - 2, " !");
	s->code = end + 1;
	end = strstr(end + 1, "\n### ");
	s->size = end ? (size_t)(end + 1 - s->code) : strlen(s->code);
	*text = (char *)(uintptr_t)s->code + s->size;
	return true;
}

#endif
