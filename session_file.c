#include "session_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

/* A draft is made for everybody to read. */
static int begin(struct file_draft *draft, const char *path, struct err *e)
{
	mode_t mask = umask(077);
	int r = file_draft(draft, path, e);

	umask(mask);
	return r;
}

int session_file_find(const char *path, char place[PATH_MAX], struct err *e)
{
	struct file_draft draft = { .fd = -1 };
	struct stat st;
	int r;

	if (!realpath(path, place)) {
		if (errno != ENOENT)
			return err_set(e, -errno, "%s: %s", path,
				       strerror(errno));
		if (lstat(path, &st) == 0)
			return err_set(e, -ENOENT, "%s: a link to nothing",
				       path);
		if (strlen(path) >= PATH_MAX)
			return err_set(e, -ENAMETOOLONG, "%s: path too long",
				       path);
		memcpy(place, path, strlen(path) + 1);
	}
	r = begin(&draft, place, e);
	if (r)
		return r;
	file_unname(&draft);
	close(draft.fd);
	return 0;
}

/* What a file has may be hostile, and as large as its reader lets it be. */
static int read_all(int fd, const char *path, size_t most, struct delta *d,
		    struct err *e)
{
	struct err why = { "" };
	struct delta_segment head;
	struct stat st;
	uint8_t *bytes;
	int r;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: no regular file", path);
	/* Its head first: somebody's large file is none of ours. */
	if ((uint64_t)st.st_size < sizeof(head) ||
	    file_read_at(fd, &head, sizeof(head), 0))
		return err_set(e, -EINVAL, "%s: not a session's state", path);
	r = delta_look(&head, (uint64_t)st.st_size, &why);
	if (r == 0 && head.size != (uint64_t)st.st_size)
		r = err_set(&why, -EINVAL, "damaged");
	if (r)
		return err_set(e, r, "%s: %s", path, why.text);
	if ((uint64_t)st.st_size > most)
		return err_set(e, -ENOSPC, "%s: larger than a session may be",
			       path);
	bytes = malloc((size_t)st.st_size);
	if (!bytes)
		return err_set(e, -ENOMEM, "%s: no memory", path);
	r = file_read_at(fd, bytes, (size_t)st.st_size, 0);
	if (r)
		err_set(&why, r, "%s", strerror(-r));
	else
		r = delta_add(d, bytes, (size_t)st.st_size, &why);
	free(bytes);
	if (r == -ESTALE)
		return err_set(e, r,
			       "%s: %s: of another language (-l), or from "
			       "before that one was built anew",
			       path, why.text);
	return r ? err_set(e, r, "%s: %s", path, why.text) : 0;
}

/* The file that has the path once nobody else has it locked: it may have become
 * another one meanwhile. -1 and errno. */
static int open_locked(const char *path)
{
	struct stat own, there;
	int fd, r;

	for (;;) {
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return fd;
		do
			r = flock(fd, LOCK_EX);
		while (r < 0 && errno == EINTR);
		/* Where nothing can be locked the last one wins. */
		if (r < 0)
			return fd;
		if (fstat(fd, &own) == 0 && stat(path, &there) == 0 &&
		    own.st_dev == there.st_dev && own.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
}

int session_file_read(const char *path, struct delta *d, int *lock,
		      struct err *e)
{
	*lock = open_locked(path);
	if (*lock < 0 && errno == ENOENT)
		return 0;
	if (*lock < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return read_all(*lock, path, delta_most(d), d, e);
}

int session_file_write(const char *path, struct delta *d, struct err *e)
{
	struct file_draft draft = { .fd = -1 };
	int r = delta_compact(d, e);

	if (r == 0)
		r = begin(&draft, path, e);
	if (r)
		return r;
	r = file_write_at(draft.fd, d->data, d->size, 0);
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
	return file_replace(&draft, path, r, e);
}
