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

/* what: whose bytes they are, for who reads the message. */
static int add(struct parts *p, enum part_kind kind, const char *name,
	       size_t name_size, const void *data, size_t size,
	       const char *what, struct err *e)
{
	if (p->size + size > PROTOCOL_REQUEST_MAX)
		return err_set(e, -E2BIG,
			       "%s: more than %u MiB of code, standard input "
			       "and files",
			       what, PROTOCOL_REQUEST_MAX >> 20);
	return parts_add(p, kind, name, name_size, data, size) ?
		       err_set(e, -ENOMEM, "no memory") :
		       0;
}

int exec_add_code(struct parts *p, const char *code, size_t size, struct err *e)
{
	return add(p, PART_CODE, NULL, 0, code, size, "code", e);
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
	return add(p, kind, NULL, 0, text, strlen(text),
		   kind == PART_ARGUMENT ? "arguments" : "variables", e);
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

int exec_check_file(const char *text, struct err *e)
{
	const char *guest = strrchr(text, '='), *problem;

	if (!guest || guest == text || guest - text >= PATH_MAX)
		return err_set(e, -EINVAL, "%s: not HOST=GUEST", text);
	problem = parts_path_problem(guest + 1, strlen(guest + 1));
	return problem ? err_set(e, -EINVAL, "%s: %s", guest + 1, problem) : 0;
}

int exec_add_file(struct parts *p, const char *text, struct err *e)
{
	const char *guest = strrchr(text, '=') + 1;
	size_t length = (size_t)(guest - 1 - text), size = 0;
	char host[PATH_MAX], *data = NULL;
	int fd, r;

	memcpy(host, text, length);
	host[length] = 0;
	fd = open(host, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", host, strerror(errno));
	r = read_all(fd, &data, &size);
	if (r)
		err_set(e, r, "%s: %s", host, strerror(-r));
	close(fd);
	if (r == 0)
		r = add(p, PART_FILE, guest, strlen(guest), data, size, host,
			e);
	free(data);
	return r;
}

int exec_add_output(struct parts *p, const char *pattern, struct err *e)
{
	const char *problem = parts_path_problem(pattern, strlen(pattern));

	if (problem)
		return err_set(e, -EINVAL, "%s: %s", pattern, problem);
	return add(p, PART_OUTPUT, pattern, strlen(pattern), NULL, 0, pattern,
		   e);
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
		r = add(p, PART_STDIN, NULL, 0, data, size, "stdin", e);
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

/* The first so many bytes are not there any more. */
static struct span behind(struct span s, size_t n)
{
	return (struct span){ s.at + n, s.size - n };
}

/* How many bytes of a name "?" stands for: one character. */
static size_t one_character(struct span n)
{
	size_t size = 1;

	while (size < n.size && (n.at[size] & 0xc0) == 0x80)
		size++;
	return size;
}

/* "*" is any bytes: as few as will do, and one more where that fails. */
static bool means_name(struct span p, struct span n)
{
	struct span star = { NULL, 0 }, from = n;

	while (n.size) {
		if (p.size && p.at[0] == '*') {
			star = p = behind(p, 1);
			from = n;
		} else if (p.size && p.at[0] == '?') {
			p = behind(p, 1);
			n = behind(n, one_character(n));
		} else if (p.size && p.at[0] == n.at[0]) {
			p = behind(p, 1);
			n = behind(n, 1);
		} else if (star.at) {
			p = star;
			n = from = behind(from, 1);
		} else {
			return false;
		}
	}
	while (p.size && p.at[0] == '*')
		p = behind(p, 1);
	return p.size == 0;
}

/* guest/kernel/fs/outputs.c has the same; "**" is any directories, or none. */
static bool means(struct span pattern, struct span path)
{
	struct span again = { NULL, 0 }, from = path, p, n;

	for (;;) {
		bool wanted = next_name(&pattern, &p);

		if (wanted && p.size == 2 && memcmp(p.at, "**", 2) == 0) {
			again = pattern;
			from = path;
			continue;
		}
		if (!next_name(&path, &n))
			return !wanted;
		if (wanted && means_name(p, n))
			continue;
		if (!again.at)
			return false;
		next_name(&from, &n);
		path = from;
		pattern = again;
	}
}

#define HOME "/app/" /* where programs start */

/* From there on, where it is there. */
static struct span from_home(const char *name, size_t size)
{
	struct span s = { name, size };

	if (size > strlen(HOME) && !memcmp(name, HOME, strlen(HOME)))
		s = (struct span){ name + strlen(HOME), size - strlen(HOME) };
	while (s.size > 2 && s.at[0] == '.' && s.at[1] == '/')
		s = (struct span){ s.at + 2, s.size - 2 };
	return s;
}

/* A returned file is where that part went. */
static bool is_place(const struct part_view *p, const struct part_view *f)
{
	static const char script[] = "main.";
	struct span is = from_home(f->name, f->name_size);
	struct span was = from_home(p->name, p->name_size);

	if (p->kind == PART_CODE)
		return is.size > strlen(script) &&
		       !memcmp(is.at, script, strlen(script));
	return is.size == was.size && !memcmp(is.at, was.at, is.size);
}

/* Whether it is what was sent: the code, in the script that it runs from, or a
 * file. */
static bool was_sent(const struct parts *parts, const struct part_view *f)
{
	const char *at = parts->data, *end = at + parts->size;
	struct part_view p;

	while (part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if ((p.kind == PART_CODE || p.kind == PART_FILE) &&
		    p.size == f->size &&
		    (!p.size || !memcmp(p.data, f->data, p.size)) &&
		    is_place(&p, f))
			return true;
	return false;
}

enum wish { NOT_ASKED, BY_PATTERN, BY_PATH };

static enum wish wish_of(const struct parts *parts, const struct part_view *f)
{
	const char *at = parts->data, *end = at + parts->size;
	struct span path = { f->name, f->name_size };
	enum wish wish = NOT_ASKED;
	struct part_view p;

	while (part_take(&at, end, FROM_FRONT_END, &p) == 1) {
		if (p.kind != PART_OUTPUT ||
		    !means((struct span){ p.name, p.name_size }, path))
			continue;
		if (!memchr(p.name, '*', p.name_size) &&
		    !memchr(p.name, '?', p.name_size))
			return BY_PATH;
		wish = BY_PATTERN;
	}
	return wish;
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

/* Makes the directories of path on the way. The descriptor of the last one, with
 * the file's name in it; or -errno. */
static int open_parent(char *path, char **last)
{
	int dir = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), next = 0;
	char *name = path, *slash;

	if (dir < 0)
		return -errno;
	for (; (slash = strchr(name, '/')); name = slash + 1) {
		*slash = 0;
		if (*name && mkdirat(dir, name, 0777) && errno != EEXIST)
			next = -errno;
		else
			next = openat(dir, *name ? name : ".",
				      O_PATH | O_DIRECTORY | O_NOFOLLOW |
					      O_CLOEXEC);
		if (next == -1)
			next = -errno;
		*slash = '/';
		close(dir);
		if (next < 0)
			return next;
		dir = next;
	}
	*last = name;
	return dir;
}

/* Under another name first, which takes the place of name when it is whole. */
static int write_beside(int dir, const char *name, const struct part_view *f)
{
	struct stat old;
	char draft[32];
	bool is_there = fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
	int r, fd;

	if (is_there && !S_ISREG(old.st_mode))
		return S_ISLNK(old.st_mode) ? -ELOOP : -EEXIST;
	if (is_there && faccessat(dir, name, W_OK, 0))
		return -errno;
	snprintf(draft, sizeof(draft), ".zeroboot-%d", (int)getpid());
	(void)unlinkat(dir, draft, 0);
	fd = openat(dir, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	r = file_write_at(fd, f->data, f->size, 0);
	if (r == 0 && is_there && fchmod(fd, old.st_mode & 0777))
		r = -errno;
	if (close(fd) && r == 0)
		r = -errno;
	if (r == 0 && renameat(dir, draft, dir, name))
		r = -errno;
	if (r)
		(void)unlinkat(dir, draft, 0);
	return r;
}

static int save(const struct part_view *f, struct err *e)
{
	char path[PARTS_PATH_MAX + 1], *name = path;
	const char *at = f->name;
	size_t size = f->name_size;
	int dir, r;

	if (parts_path_problem(at, size))
		return err_set(e, -EINVAL, "the guest names a file badly");
	for (; size && *at == '/'; at++)
		size--;
	memcpy(path, at, size);
	path[size] = 0;
	dir = open_parent(path, &name);
	r = dir < 0 ? dir : write_beside(dir, name, f);
	if (dir >= 0)
		close(dir);
	return r ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

/* A pattern does not mean what was sent and is as it was: "*" would put the script
 * in the place of a file of that name. */
static int save_wanted(const struct parts *parts, const struct part_view *f,
		       struct err *e)
{
	enum wish wish = wish_of(parts, f);

	if (wish == NOT_ASKED)
		return err_set(e, -EINVAL,
			       "the guest returns a file that was not asked "
			       "for");
	return wish == BY_PATTERN && was_sent(parts, f) ? 0 : save(f, e);
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
		else
			r = save_wanted(parts, &f, e);
	return r;
}
