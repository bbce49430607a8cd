#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

int file_write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int file_read_at(int fd, void *data, size_t size, uint64_t offset)
{
	char *p = data;

	while (size) {
		ssize_t n = pread(fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

/* Linux 5.14; before that they are taken when it comes to it. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

int file_fill_holes(int fd, const char *path, struct err *e)
{
	struct statfs fs;
	struct stat st;
	void *data;
	int r = 0;

	if (fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC || fs.f_blocks == 0 ||
	    fstat(fd, &st) || st.st_blocks >= st.st_size / 512)
		return 0;
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED)
		return 0;
	if (madvise(data, (size_t)st.st_size, MADV_POPULATE_READ) &&
	    errno == EFAULT)
		r = err_set(e, -ENOSPC,
			    "%s: its file system is full, and some of it is "
			    "holes, which take room when they are read",
			    path);
	munmap(data, (size_t)st.st_size);
	return r;
}

/* ---- drafts ---- */

#define DRAFT_TRIES 8

static const int endings[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM };

/* What a signal that ends this process removes, if it is that file still; empty:
 * nothing. */
static char unfinished[PATH_MAX];
static int unfinished_fd;

/* The descriptor is of the file that has this path. */
static bool has_path(int fd, const char *path)
{
	struct stat own, there;

	return fstat(fd, &own) == 0 && lstat(path, &there) == 0 &&
	       own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

static void end_by_signal(int number)
{
	sigset_t one;

	if (unfinished[0] && has_path(unfinished_fd, unfinished))
		unlink(unfinished);
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL); /* a handler has it blocked */
	raise(number);
	/* The first process of a namespace is not ended by that. */
	_exit(128 + number);
}

/* Not those that somebody has asked to ignore. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = end_by_signal };

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		struct sigaction now;

		if (sigaction(endings[i], NULL, &now) == 0 &&
		    now.sa_handler == SIG_DFL)
			sigaction(endings[i], &action, NULL);
	}
	/* A file beyond RLIMIT_FSIZE is an error like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
}

/* Around what changes together with `unfinished`. */
static void block_signals(sigset_t *old)
{
	sigset_t some;

	sigemptyset(&some);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		sigaddset(&some, endings[i]);
	sigprocmask(SIG_BLOCK, &some, old);
}

/*
 * Who makes a file has a lock of its draft, so that one whose maker was killed can
 * be told, and taken away: a process that is the first of its namespace has the
 * same number each time, and would find it for ever.
 */
static bool remove_stale(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool stale;

	if (fd < 0)
		return errno == ENOENT;
	stale = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
		(!has_path(fd, path) || unlink(path) == 0);
	close(fd);
	return stale;
}

/* A descriptor, or -1 and errno. */
static int create(const char *path)
{
	for (int tries = 0; tries < DRAFT_TRIES; tries++) {
		int fd =
			open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

		if (fd < 0 && errno != EEXIST)
			return -1;
		if (fd < 0 && !remove_stale(path))
			break;
		if (fd < 0)
			continue;
		/* Where nothing can be locked nothing is found to be stale. */
		(void)flock(fd, LOCK_EX | LOCK_NB);
		if (has_path(fd, path))
			return fd;
		close(fd); /* somebody was faster than the lock */
	}
	errno = EEXIST;
	return -1;
}

int file_draft(struct file_draft *d, const char *path, struct err *e)
{
	int n = snprintf(d->path, sizeof(d->path), "%s.%ld.tmp", path,
			 (long)getpid());
	struct stat st;
	sigset_t old;
	int code;

	if (n < 0 || (size_t)n >= sizeof(d->path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", path);
	/* A rename would replace a device as well. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: is there and no regular file",
			       path);
	watch_signals();
	block_signals(&old);
	d->fd = create(d->path);
	code = errno;
	unfinished_fd = d->fd;
	if (d->fd >= 0)
		memcpy(unfinished, d->path, (size_t)n + 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (d->fd < 0)
		return err_set(e, -code, "%s: %s", path, strerror(code));
	return 0;
}

void file_unname(struct file_draft *d)
{
	sigset_t old;

	block_signals(&old);
	unlink(d->path);
	unfinished[0] = 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* EROFS is an error: who has just changed a name there had a file system that has become
 * read-only since, as ext4 does when its journal has failed. */
int file_sync_directory(int fd)
{
	return fsync(fd) == 0 || errno == EINVAL ? 0 : -errno;
}

/* That a name in it is there, as far as it can be opened. */
static int sync_directory(const char *path, struct err *e)
{
	char directory[PATH_MAX];
	int fd, r;

	if (snprintf(directory, sizeof(directory), "%s", path) >= PATH_MAX)
		return 0;
	fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	r = file_sync_directory(fd);
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
	close(fd);
	return r;
}

int file_replace(struct file_draft *d, const char *path, int r, struct err *e)
{
	r = file_replace_spare(d, path, r, e);
	return r ? r : sync_directory(path, e);
}

int file_replace_spare(struct file_draft *d, const char *path, int r,
		       struct err *e)
{
	/* Somebody may have taken it for left over, and made one of that name. */
	bool own = has_path(d->fd, d->path);

	if (r == 0 && !own)
		r = err_set(e, -ESTALE, "%s: its draft was removed", path);
	if (r == 0 && (fsync(d->fd) < 0 || rename(d->path, path) < 0))
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (r && own)
		unlink(d->path);
	unfinished[0] = 0;
	close(d->fd);
	return r;
}

struct file_version file_look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct file_version){ 0 };
	return (struct file_version){ st.st_dev, st.st_ino, st.st_size,
				      st.st_mtim };
}

bool file_overwritten(const struct file_version *then,
		      const struct file_version *now)
{
	return then->device == now->device && then->inode == now->inode &&
	       (then->size != now->size ||
		then->written.tv_sec != now->written.tv_sec ||
		then->written.tv_nsec != now->written.tv_nsec);
}
