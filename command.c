#include "command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "box.h"
#include "cache.h"
#include "image_find.h"
#include "language.h"

#define CODE_MAX (4u << 20)

int command_failed(const struct err *e)
{
	fprintf(stderr, "zeroboot: %s%s\n", e->text, err_hint());
	return 1;
}

/* There is a template, or an image that one can be made of. The cache has names
 * only of images that the box has. */
static bool is_language(const char *template)
{
	char image[PATH_MAX], name[NAME_MAX + 1];

	return access(template, F_OK) == 0 || cache_name(name, template) ||
	       (image_beside(image, template) == 0 && box_has_image(image));
}

struct names {
	char text[200]; /* with commas */
};

static int add_name(const char *name, size_t size, void *context)
{
	struct names *n = context;
	size_t length = strlen(n->text);
	char one[NAME_MAX + 1];

	snprintf(one, sizeof(one), "%.*s", (int)size, name);
	for (const char *at = n->text; (at = strstr(at, one)); at += size)
		if ((at == n->text || at[-1] == ' ') &&
		    (at[size] == ',' || !at[size]))
			return 0;
	if (length + size + 3 < sizeof(n->text))
		snprintf(n->text + length, sizeof(n->text) - length, "%s%s",
			 length ? ", " : "", one);
	return 0;
}

/* Which there are, instead. */
static int no_language(const char *directory, const char *language,
		       struct err *e)
{
	struct names n = { "" };
	int r = image_each(directory, add_name, &n, e);

	if (r)
		return r;
	return err_set(e, -ENOENT, "%.100s: no such language: %s has %s",
		       language, directory, n.text[0] ? n.text : "none");
}

int template_path(char path[PATH_MAX], const char *directory,
		  const char *language, struct err *e)
{
	const char *other = language_of_alias(language, strlen(language));
	int r;

	directory = image_directory(directory);
	r = strchr(language, '/') ?
		    -EINVAL :
		    image_template(path, directory, language, strlen(language));
	if (r == 0 && other && !is_language(path))
		r = image_template(path, directory, other, strlen(other));
	return r || !is_language(path) ? no_language(directory, language, e) :
					 0;
}

int read_code(const char *path, char **code, size_t *size, struct err *e)
{
	bool standard = !path || !strcmp(path, "-");
	FILE *f = standard ? stdin : fopen(path, "r");
	int r = 0;

	*code = NULL;
	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	*code = malloc(CODE_MAX + 2);
	if (!*code) {
		r = err_set(e, -ENOMEM, "no memory");
		goto out;
	}
	*size = fread(*code, 1, CODE_MAX + 1, f);
	(*code)[*size] = 0;
	if (ferror(f))
		r = err_set(e, -EIO, "%s: %s", standard ? "stdin" : path,
			    strerror(errno));
	else if (*size > CODE_MAX)
		r = err_set(e, -E2BIG, "%s: longer than 4 MiB",
			    standard ? "stdin" : path);
out:
	if (!standard)
		fclose(f);
	return r;
}
