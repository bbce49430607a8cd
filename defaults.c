#include "defaults.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

/* --name, --name=value: the same name. */
static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && !strncmp(a, b, n);
}

static bool given(const char *option, int count, char **words)
{
	for (int i = 0; i < count; i++)
		if (is_option(words[i]) && same_name(option, words[i]))
			return true;
	return false;
}

char **defaults_apply(const char *const *options, int option_count, int *count,
		      char **words)
{
	size_t room = (size_t)option_count + (size_t)*count + 1;
	char **to = calloc(room, sizeof(*to));
	bool skip = false;
	int n = 0;

	if (!to)
		return NULL;
	if (*count)
		to[n++] = words[0];
	else
		to[n++] = (char *)(uintptr_t)options[0];
	for (int i = 1; i < option_count; i++) {
		if (is_option(options[i]))
			skip = given(options[i], *count, words);
		if (!skip)
			to[n++] = (char *)(uintptr_t)options[i];
	}
	for (int i = 1; i < *count; i++)
		to[n++] = words[i];
	*count = n;
	return to;
}

static int read_options(const struct box *b, const struct box_part *part,
			char **text, struct err *e)
{
	int r = box_check(b, part, e);

	if (r)
		return r;
	*text = malloc(part->size + 1);
	if (!*text)
		return err_set(e, -ENOMEM, "no memory");
	r = file_read_at(b->fd, *text, part->size, part->offset);
	(*text)[part->size] = 0;
	return r ? err_set(e, r, "%s: %s", b->path, strerror(-r)) : 0;
}

int defaults_of_box(const struct box *b, int *count, char ***words,
		    struct err *e)
{
	const char *options[BOX_OPTIONS_MAX / 2];
	const struct box_part *part = NULL;
	char *text;
	int n = 0, r;

	for (uint32_t i = 0; i < b->count && !part; i++)
		if (b->parts[i].kind == BOX_OPTIONS &&
		    (*count == 0 || !strcmp(b->parts[i].name, (*words)[0])))
			part = &b->parts[i];
	if (!part)
		return 0;
	r = read_options(b, part, &text, e);
	if (r)
		return r;
	for (const char *p = text; p < text + part->size; p += strlen(p) + 1)
		if (n < (int)(sizeof(options) / sizeof(options[0])))
			options[n++] = p;
	*words = defaults_apply(options, n, count, *words);
	return *words ? 0 : err_set(e, -ENOMEM, "no memory");
}
