#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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

int file_draft(struct file_draft *d, const char *path, struct err *e)
{
	int n = snprintf(d->path, sizeof(d->path), "%s.%ld.tmp", path,
			 (long)getpid());

	if (n < 0 || (size_t)n >= sizeof(d->path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", path);
	d->fd = open(d->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (d->fd < 0)
		return err_set(e, -errno, "%s: %s", d->path, strerror(errno));
	return 0;
}

int file_replace(struct file_draft *d, const char *path, int r, struct err *e)
{
	if (r == 0 && (fsync(d->fd) < 0 || rename(d->path, path) < 0))
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	close(d->fd);
	if (r)
		unlink(d->path);
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
