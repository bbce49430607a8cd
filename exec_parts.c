#include "exec_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int exec_add_argument(struct parts *p, const char *text, struct err *e)
{
	return add(p, PART_ARGUMENT, NULL, 0, text, strlen(text), e);
}

int exec_add_variable(struct parts *p, const char *text, struct err *e)
{
	const char *value = strchr(text, '=');

	if (!value || value == text)
		return err_set(e, -EINVAL, "%s: not NAME=VALUE", text);
	return add(p, PART_ENVIRONMENT, NULL, 0, text, strlen(text), e);
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

static int make_directories(char *path)
{
	for (char *end = path; (end = strchr(end + 1, '/'));) {
		*end = 0;
		if (mkdir(path, 0777) && errno != EEXIST)
			return -errno;
		*end = '/';
	}
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
	}
	return 0;
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
	r = make_directories(path);
	if (r)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0666);
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	r = write_all(fd, f->data, f->size);
	if (close(fd) && r == 0)
		r = -errno;
	return r ? err_set(e, r, "%s: %s", path, strerror(-r)) : 0;
}

int exec_save(const char *files, size_t size, struct err *e)
{
	const char *at = files, *end = files + size;
	struct part_view f;
	int r = 0;

	while (r == 0 && part_take(&at, end, FROM_WORKER, &f) == 1)
		if (f.kind == PART_LEFT_OUT)
			fprintf(stderr, "zeroboot: %.*s: left out\n",
				(int)f.name_size, f.name);
		else
			r = save(&f, e);
	return r;
}
