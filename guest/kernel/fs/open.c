/* open.c: from a path or a node to an open file. */
#include "fs/open.h"

#include <linux/memfd.h>

#include "fs/descriptor.h"
#include "fs/dev.h"
#include "fs/path.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

/* A file of /proc: its content is made at open, and is a file like others. */
static struct node *generated(struct node *n)
{
	const size_t size = 65536;
	struct node *copy = node_new(n->mode);
	char *buf = kmalloc(size);
	size_t length;

	if (!copy || !buf) {
		kfree(copy);
		kfree(buf);
		return NULL;
	}
	length = MIN(n->generate(buf, size), size);
	data_write(copy, buf, length, 0);
	copy->ino = n->ino;
	kfree(buf);
	return copy;
}

static const struct file_ops *served[16]; /* by type of node */

void node_serve(u32 type, const struct file_ops *ops)
{
	served[type >> 12] = ops;
}

struct file *node_open(struct node *n, u32 flags, const char *path,
		       long *error)
{
	const struct file_ops *ops = &regular_ops;
	struct file *f;

	*error = -ENXIO;
	switch (n->mode & S_IFMT) {
	case S_IFREG:
		break;
	case S_IFDIR:
		ops = &directory_ops;
		break;
	case S_IFCHR:
		ops = dev_ops(n->rdev);
		if (!ops)
			return NULL;
		break;
	case S_IFIFO:
		ops = served[S_IFIFO >> 12];
		break;
	case S_IFLNK:
		if (!(flags & O_PATH))
			return NULL;
		break;
	default:
		return NULL;
	}
	*error = -ENOMEM;
	if (n->generate && ops == &regular_ops && !(flags & O_PATH)) {
		n = generated(n);
		if (!n)
			return NULL;
	}
	f = file_new(ops, n, flags);
	if (!f)
		return NULL;
	node_ref(n);
	f->path = kstrdup(path);
	*error = ops->open && !(flags & O_PATH) ? ops->open(f) : 0;
	if (*error) {
		file_unref(f);
		return NULL;
	}
	return f;
}

/* What /proc/self/maps and fd show: made absolute, not cleaned. */
static char *absolute(const char *path, s32 fd)
{
	char *buf, *at;
	size_t size = strlen(path) + 1;
	struct node *start;

	if (path[0] == '/' || path_start(fd, &start))
		return kstrdup(path);
	buf = kmalloc(2ul * PATH_MAX);
	if (!buf)
		return NULL;
	at = node_path(start, buf, PATH_MAX);
	if (at) {
		size_t n = strlen(at);

		memmove(buf, at, n);
		if (n == 1)
			n = 0;
		buf[n] = '/';
		memcpy(buf + n + 1, path, size);
	}
	return buf;
}

/* Behind /proc/self/fd/N: the file itself, or a new opening of its node. */
static struct file *open_magic(struct file *f, u32 flags, long *error)
{
	struct node *n = file_node(f);

	if (n)
		return node_open(n, flags, f->path ? f->path : "", error);
	file_ref(f);
	*error = 0;
	return f;
}

static long create(struct walk *w, u32 mode)
{
	struct node *n;
	long r;

	if (w->directory)
		return -EISDIR;
	if (!w->parent || !w->parent->nlink)
		return -ENOENT;
	n = node_new(S_IFREG | (mode & 07777 & ~current->process->umask));
	if (!n)
		return -ENOSPC;
	r = dir_add(w->parent, w->name, w->name_size, n);
	if (r)
		kfree(n);
	else
		w->node = n;
	return r;
}

static long check_open(const struct walk *w, u32 flags)
{
	const struct node *n = w->node;
	u32 type = n->mode & S_IFMT;

	if (type == S_IFLNK && !(flags & O_PATH))
		return -ELOOP;
	if ((flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type == S_IFDIR && !(flags & O_PATH) &&
	    ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT)))
		return -EISDIR;
	return 0;
}

static struct file *do_open(s32 fd, const char *path, u32 flags, u32 mode,
			    long *error)
{
	struct node *start = NULL;
	struct file *f = NULL;
	struct walk w;
	char *name;
	bool created = false;

	*error = path[0] == '/' ? 0 : path_start(fd, &start);
	if (*error)
		return NULL;
	*error = vfs_walk(start, path,
			  !(flags & O_NOFOLLOW) &&
				  (flags & (O_CREAT | O_EXCL)) !=
					  (O_CREAT | O_EXCL),
			  &w);
	if (*error)
		return NULL;
	if (w.magic)
		return open_magic(w.magic, flags, error);
	if ((flags & __O_TMPFILE) && w.node) {
		if (!is_dir(w.node)) {
			*error = -ENOTDIR;
			return NULL;
		}
		w.node = node_new(S_IFREG | (mode & 07777 & ~current->process->umask));
		flags &= ~(u32)(__O_TMPFILE | O_DIRECTORY);
		*error = w.node ? 0 : -ENOSPC;
	} else if (!w.node && (flags & O_CREAT)) {
		*error = create(&w, mode);
		created = true;
	} else if (!w.node) {
		*error = -ENOENT;
	} else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		*error = -EEXIST;
	}
	if (*error == 0 && !created)
		*error = check_open(&w, flags);
	if (*error == 0 && (flags & O_TRUNC) &&
	    (w.node->mode & S_IFMT) == S_IFREG && !created)
		*error = data_truncate(w.node, 0);
	if (*error)
		return NULL;
	name = absolute(path, fd);
	if (!name)
		*error = -ENOMEM;
	else
		f = node_open(w.node, flags & ~(u32)(O_CREAT | O_EXCL |
						    O_TRUNC | O_NOCTTY |
						    O_CLOEXEC),
			      name, error);
	kfree(name);
	return f;
}

struct file *file_open_kernel(const char *path, long *error)
{
	return do_open(AT_FDCWD, path, O_RDONLY, 0, error);
}

long file_make(const char *path, const void *data, size_t size, u32 mode)
{
	struct node *n = vfs_make(path, S_IFREG | mode);
	long r;

	if (!n)
		return -ENOSPC;
	r = data_write(n, data, size, 0);
	return r < 0 ? r : 0;
}

long sys_openat(u64 fd, u64 path, u64 flags, u64 mode)
{
	struct file *f;
	char *text;
	long r;

	text = path_read(path, &r);
	if (!text)
		return r;
	f = do_open((s32)fd, text, (u32)flags, (u32)mode, &r);
	kfree(text);
	return f ? fd_install(f, (flags & O_CLOEXEC) != 0) : r;
}

long sys_open(u64 path, u64 flags, u64 mode)
{
	return sys_openat(AT_CWD, path, flags, mode);
}

long sys_creat(u64 path, u64 mode)
{
	return sys_openat(AT_CWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

long sys_openat2(u64 fd, u64 path, u64 how, u64 size)
{
	(void)fd, (void)path, (void)how, (void)size;
	return -ENOSYS;
}

long sys_memfd_create(u64 name, u64 flags)
{
	char text[256], path[272];
	struct node *n;
	struct file *f;
	long r = copy_string_from_user(text, name, 250);

	if (r < 0)
		return r == -ENAMETOOLONG ? -EINVAL : r;
	if (flags & ~3ull) /* MFD_CLOEXEC, MFD_ALLOW_SEALING */
		return -EINVAL;
	n = node_new(S_IFREG | 0777);
	if (!n)
		return -ENOMEM;
	n->seals = flags & 2 ? 0 : 1; /* F_SEAL_SEAL */
	ksnprintf(path, sizeof(path), "/memfd:%s (deleted)", text);
	f = node_open(n, O_RDWR, path, &r);
	if (!f) {
		kfree(n);
		return r;
	}
	return fd_install(f, flags & 1);
}
