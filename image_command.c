#include "image_command.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LINE_MAX_SIZE 256 /* of a script's first line, as on Linux */
#define SCRIPT_EXTRA 2 /* arguments that it adds: interpreter, its argument */

static const struct zb_image_inode *inode_at(const struct image *image,
					     int64_t number)
{
	const struct zb_image_header *h = image->data;

	return (const struct zb_image_inode *)((const char *)image->data +
					       h->inodes) +
	       number;
}

/* A program: a regular file that somebody may execute. */
static const struct zb_image_inode *find_program(const struct image *image,
						 const char *path)
{
	int64_t number = image_lookup(image->data, path);
	const struct zb_image_inode *i = number < 0 ? NULL :
						      inode_at(image, number);

	return i && S_ISREG(i->mode) && (i->mode & 0111) ? i : NULL;
}

static bool is_directory(const struct image *image, const char *path)
{
	int64_t number = image_lookup(image->data, path);

	return path[0] == '/' && number >= 0 &&
	       S_ISDIR(inode_at(image, number)->mode);
}

/* ---- the environment ---- */

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && !strncmp(a, b, n);
}

static void set_variable(const char **envp, const char *variable)
{
	while (*envp && !same_name(*envp, variable))
		envp++;
	*envp = variable;
}

static const char *get_variable(const char *const *envp, const char *name)
{
	for (; *envp; envp++)
		if (same_name(*envp, name) && strchr(*envp, '='))
			return strchr(*envp, '=') + 1;
	return "";
}

/* ---- the program ---- */

static const char *get_setting(const struct image *image, char letter)
{
	for (const char *s = NULL; (s = image_setting(image->data, s));)
		if (*s == letter)
			return s + 1;
	return "";
}

/* A name without a slash, in the directories of PATH; one with, in the working
 * directory. */
static const char *search(struct image_command *c, const struct image *image,
			  const char *directory, const char *name)
{
	const char *p = get_variable(c->envp, "PATH");

	if (name[0] == '/')
		return name;
	c->program = malloc(PATH_MAX);
	if (c->program && strchr(name, '/')) {
		snprintf(c->program, PATH_MAX, "%s/%s", directory, name);
		return c->program;
	}
	while (c->program && *p) {
		size_t n = strcspn(p, ":");
		int size = snprintf(c->program, PATH_MAX, "%.*s/%s", (int)n, p,
				    name);

		if (size > 0 && size < PATH_MAX &&
		    find_program(image, c->program))
			return c->program;
		p += n + (p[n] == ':');
	}
	return name;
}

/* Puts the interpreter of a script, and its argument, before argv[0]. */
static int expand_script(struct image_command *c, const struct image *image,
			 const struct zb_image_inode *script, size_t count)
{
	const char *text = (const char *)image->data + script->data;
	size_t size = script->size < LINE_MAX_SIZE ? (size_t)script->size :
						     LINE_MAX_SIZE;
	const char *end = size > 2 && !memcmp(text, "#!", 2) ?
				  memchr(text, '\n', size) :
				  NULL;
	char *argument, *p;
	size_t extra;

	if (!end)
		return 0;
	c->line = strndup(text + 2, (size_t)(end - text) - 2);
	if (!c->line)
		return -ENOMEM;
	p = c->line + strspn(c->line, " \t");
	for (size_t n = strlen(p); n && strchr(" \t\r", p[n - 1]); n--)
		p[n - 1] = 0;
	argument = p + strcspn(p, " \t");
	if (*argument)
		*argument++ = 0;
	argument += strspn(argument, " \t");
	if (!*p)
		return 0;
	extra = *argument ? 2 : 1;
	memmove(c->argv + extra, c->argv, (count + 1) * sizeof(*c->argv));
	c->argv[0] = p;
	if (*argument)
		c->argv[1] = argument;
	return 0;
}

/* ---- the whole ---- */

static size_t count_settings(const struct image *image)
{
	size_t n = 0;

	for (const char *s = NULL; (s = image_setting(image->data, s));)
		n++;
	return n;
}

static size_t add_settings(const char **list, const struct image *image,
			   char letter)
{
	size_t n = 0;

	for (const char *s = NULL; (s = image_setting(image->data, s));)
		if (*s == letter)
			list[n++] = s + 1;
	return n;
}

static size_t count_strings(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static int set_environment(struct image_command *c, const struct image *image,
			   const struct image_command_given *given)
{
	size_t count = count_strings(given->environment);
	size_t more = given->variables ? count_strings(given->variables) : 0;

	c->envp = calloc(count + count_settings(image) + more + 1,
			 sizeof(char *));
	if (!c->envp)
		return -ENOMEM;
	memcpy(c->envp, given->environment, count * sizeof(*c->envp));
	for (const char *s = NULL; (s = image_setting(image->data, s));)
		if (*s == ZB_SETTING_ENVIRONMENT)
			set_variable(c->envp, s + 1);
	for (size_t i = 0; i < more; i++)
		set_variable(c->envp, given->variables[i]);
	return 0;
}

/* Why the program that argv[0] names cannot be started, or 0. */
static int check_program(struct image_command *c, const struct image *image,
			 const struct zb_image_inode *program, size_t count,
			 const char *image_name, struct err *e)
{
	const char *name = c->argv[0];

	if (!program)
		return image_lookup(image->data, name) < 0 ?
			       err_set(e, -ENOENT,
				       "%s: no program %.100s in it",
				       image_name, name) :
			       err_set(e, -EACCES, "%s: %.100s is no program",
				       image_name, name);
	if (expand_script(c, image, program, count))
		return err_set(e, -ENOMEM, "%s: no memory", image_name);
	if (c->argv[0] != name && !find_program(image, c->argv[0]))
		return err_set(e, -EACCES,
			       "%s: %.100s asks for %.100s, which is no "
			       "program",
			       image_name, name, c->argv[0]);
	if (c->argv[0] == name &&
	    (program->size < 4 ||
	     memcmp((const char *)image->data + program->data, "\177ELF", 4) !=
		     0))
		return err_set(e, -EACCES,
			       "%s: %.100s is neither ELF nor a script",
			       image_name, name);
	return 0;
}

int image_command(struct image_command *c, const struct image *image,
		  const struct image_command_given *given, struct err *e)
{
	size_t settings = count_settings(image);
	size_t count = count_strings(given->argv);
	const char *directory = given->directory;

	*c = (struct image_command){ 0 };
	c->argv = calloc(count + settings + SCRIPT_EXTRA + 1, sizeof(char *));
	if (!c->argv || set_environment(c, image, given))
		return err_set(e, -ENOMEM, "%s: no memory", given->image);
	memcpy(c->argv, given->argv, count * sizeof(*c->argv));
	if (count == 0) {
		count = add_settings(c->argv, image, ZB_SETTING_ENTRY);
		count += add_settings(c->argv + count, image,
				      ZB_SETTING_COMMAND);
	}
	if (count == 0)
		return err_set(e, -EINVAL,
			       "%s: it does not say what to start: name a "
			       "program",
			       given->image);
	if (directory && !is_directory(image, directory))
		return err_set(e, -ENOTDIR, "%s: no directory %.100s in it",
			       given->image, directory);
	c->argv[0] = search(c, image,
			    directory ?
				    directory :
				    get_setting(image, ZB_SETTING_DIRECTORY),
			    c->argv[0]);
	return check_program(c, image, find_program(image, c->argv[0]), count,
			     given->image, e);
}

void image_command_close(struct image_command *c)
{
	free(c->argv);
	free(c->envp);
	free(c->program);
	free(c->line);
	*c = (struct image_command){ 0 };
}
