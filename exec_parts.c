#include "exec_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define PIECE 65536

static int add(struct parts *p, enum part_kind kind, const char *name,
	       size_t name_size, const void *data, size_t size, struct err *e)
{
	if (p->size + size > PROTOCOL_REQUEST_MAX)
		return err_set(e, -E2BIG, "more than %u MiB",
			       PROTOCOL_REQUEST_MAX >> 20);
	return parts_add(p, kind, name, name_size, data, size) ?
		       err_set(e, -ENOMEM, "no memory") :
		       0;
}

int exec_add_code(struct parts *p, const char *code, size_t size, struct err *e)
{
	return add(p, PART_CODE, NULL, 0, code, size, e);
}

/* An argument or a variable, beside those that are there. */
static int add_string(struct parts *p, enum part_kind kind, const char *text,
		      struct err *e)
{
	const char *at = p->data, *end = at + p->size;
	struct parts_strings strings = { 0 };
	struct part_view other;

	while (part_take(&at, end, FROM_FRONT_END, &other) == 1)
		if (other.kind == PART_ARGUMENT ||
		    other.kind == PART_ENVIRONMENT)
			parts_strings_problem(&strings, other.size);
	if (parts_strings_problem(&strings, strlen(text)))
		return err_set(e, -E2BIG,
			       "more than %d arguments and variables, or "
			       "than %d KiB of them",
			       PARTS_STRINGS_COUNT, PARTS_STRINGS_MAX >> 10);
	return add(p, kind, NULL, 0, text, strlen(text), e);
}

int exec_add_argument(struct parts *p, const char *text, struct err *e)
{
	return add_string(p, PART_ARGUMENT, text, e);
}

int exec_add_variable(struct parts *p, const char *text, struct err *e)
{
	const char *value = strchr(text, '=');

	if (!value || value == text)
		return err_set(e, -EINVAL, "%s: not NAME=VALUE", text);
	return add_string(p, PART_ENVIRONMENT, text, e);
}

/* Reads to the end. 0 or -errno. */
static int read_all(int fd, char **data, size_t *size)
{
	char *bigger;
	ssize_t n;

	*data = NULL;
	*size = 0;
	do {
		bigger = realloc(*data, *size + PIECE);
		if (!bigger)
			return -ENOMEM;
		*data = bigger;
		do
			n = read(fd, *data + *size, PIECE);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		*size += (size_t)n;
	} while (n && *size <= PROTOCOL_REQUEST_MAX);
	return 0;
}

static int add_file(struct parts *p, const char *host, const char *guest,
		    struct err *e)
{
	const char *problem = parts_path_problem(guest, strlen(guest));
	int fd = open(host, O_RDONLY | O_CLOEXEC), r;
	char *data = NULL;
	size_t size = 0;

	if (fd < 0)
		return err_set(e, -errno, "%s: %s", host, strerror(errno));
	r = problem ? err_set(e, -EINVAL, "%s: %s", guest, problem) : 0;
	if (r == 0) {
		r = read_all(fd, &data, &size);
		if (r)
			err_set(e, r, "%s: %s", host, strerror(-r));
	}
	close(fd);
	if (r == 0)
		r = add(p, PART_FILE, guest, strlen(guest), data, size, e);
	free(data);
	return r;
}

int exec_add_file(struct parts *p, const char *text, struct err *e)
{
	const char *guest = strrchr(text, '=');
	char host[PATH_MAX];

	if (!guest || guest == text || (size_t)(guest - text) >= sizeof(host))
		return err_set(e, -EINVAL, "%s: not HOST=GUEST", text);
	memcpy(host, text, (size_t)(guest - text));
	host[guest - text] = 0;
	return add_file(p, host, guest + 1, e);
}

int exec_add_output(struct parts *p, const char *pattern, struct err *e)
{
	const char *problem = parts_path_problem(pattern, strlen(pattern));

	if (problem)
		return err_set(e, -EINVAL, "%s: %s", pattern, problem);
	return add(p, PART_OUTPUT, pattern, strlen(pattern), NULL, 0, e);
}

int exec_add_input(struct parts *p, struct err *e)
{
	char *data = NULL;
	size_t size = 0;
	int r = 0;

	if (isatty(STDIN_FILENO))
		return 0;
	/* What cannot be read (a directory, a descriptor to write to) has no
	 * bytes. */
	if (read_all(STDIN_FILENO, &data, &size) == 0 && size)
		r = add(p, PART_STDIN, NULL, 0, data, size, e);
	free(data);
	return r;
}

/* ---- files that come back ---- */

struct span {
	const char *at;
	size_t size;
};

/* The next name of a path, as the guest takes it: "." and empty ones are none. */
static bool next_name(struct span *path, struct span *name)
{
	do {
		const char *slash = memchr(path->at, '/', path->size);
		size_t n = slash ? (size_t)(slash - path->at) : path->size;

		*name = (struct span){ path->at, n };
		n += slash != NULL;
		path->at += n;
		path->size -= n;
	} while (path->size &&
		 (name->size == 0 || (name->size == 1 && name->at[0] == '.')));
	return name->size && !(name->size == 1 && name->at[0] == '.');
}

/* "*" is any bytes, "?" one character. */
static bool means_name(struct span p, struct span n)
{
	if (!p.size)
		return !n.size;
	if (p.at[0] == '*')
		return means_name((struct span){ p.at + 1, p.size - 1 }, n) ||
		       (n.size &&
			means_name(p, (struct span){ n.at + 1, n.size - 1 }));
	if (!n.size || (p.at[0] != '?' && p.at[0] != n.at[0]))
		return false;
	do {
		n.at++;
		n.size--;
	} while (p.at[0] == '?' && n.size && (n.at[0] & 0xc0) == 0x80);
	return means_name((struct span){ p.at + 1, p.size - 1 }, n);
}

/* guest/kernel/fs/outputs.c has the same; "**" is any directories, or none. */
static bool means(struct span pattern, struct span path)
{
	struct span p, n;

	if (!next_name(&pattern, &p))
		return !next_name(&path, &n);
	if (p.size == 2 && memcmp(p.at, "**", 2) == 0) {
		do
			if (means(pattern, path))
				return true;
		while (next_name(&path, &n));
		return false;
	}
	return next_name(&path, &n) && means_name(p, n) && means(pattern, path);
}

static bool is_wanted(const struct parts *parts, const struct part_view *f)
{
	const char *at = parts->data, *end = at + parts->size;
	struct span path = { f->name, f->name_size };
	struct part_view p;

	while (part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind == PART_OUTPUT &&
		    means((struct span){ p.name, p.name_size }, path))
			return true;
	return false;
}

bool exec_wants_outputs(const struct parts *parts)
{
	const char *at = parts->data, *end = at + parts->size;
	struct part_view p;

	while (part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind == PART_OUTPUT)
			return true;
	return false;
}

/* Makes the directories of path on the way, and opens the file. A descriptor or
 * -errno. */
static int open_beneath(char *path)
{
	int dir = AT_FDCWD, fd;
	char *name = path, *slash;

	for (; (slash = strchr(name, '/')); name = slash + 1) {
		*slash = 0;
		if (*name && mkdirat(dir, name, 0777) && errno != EEXIST)
			fd = -errno;
		else
			fd = openat(dir, *name ? name : ".",
				    O_PATH | O_DIRECTORY | O_NOFOLLOW |
					    O_CLOEXEC);
		if (fd == -1)
			fd = -errno;
		if (dir >= 0)
			close(dir);
		if (fd < 0)
			return fd;
		dir = fd;
		*slash = '/';
	}
	fd = openat(dir, name,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0666);
	if (fd < 0)
		fd = -errno;
	if (dir >= 0)
		close(dir);
	return fd;
}

static int save(const struct part_view *f, struct err *e)
{
	char path[PARTS_PATH_MAX + 1];
	const char *at = f->name;
	size_t size = f->name_size;
	int fd, r;

	if (parts_path_problem(at, size))
		return err_set(e, -EINVAL, "the guest names a file badly");
	for (; size && *at == '/'; at++)
		size--;
	memcpy(path, at, size);
	path[size] = 0;
	fd = open_beneath(path);
	if (fd < 0)
		return err_set(e, fd, "%s: %s", path, strerror(-fd));
	r = file_write_at(fd, f->data, f->size, 0);
	if (close(fd) && r == 0)
		r = -errno;
	return r ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

int exec_save(const struct parts *parts, const char *files, size_t size,
	      struct err *e)
{
	const char *at = files, *end = files + size;
	struct part_view f;
	int r = 0;

	while (r == 0 && part_take(&at, end, FROM_WORKER, &f) == 1)
		if (f.kind == PART_LEFT_OUT)
			fprintf(stderr, "zeroboot: %.*s: left out\n",
				(int)f.name_size, f.name);
		else if (!is_wanted(parts, &f))
			r = err_set(e, -EINVAL,
				    "the guest returns a file that was not "
				    "asked for");
		else
			r = save(&f, e);
	return r;
}
