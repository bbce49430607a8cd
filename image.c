#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "guest/abi.h"

#define MAX_DEPTH 128
#define MAX_INODES (1u << 24)
#define MAX_NAMES (1u << 30)
#define MAX_DATA (1ull << 40) /* bytes of all files */
#define MAX_LINKS 40
#define COPY_SIZE (1u << 20)

/* ---- a growing array ---- */

struct buffer {
	char *data;
	size_t size, room;
};

static void *buffer_add(struct buffer *b, size_t size)
{
	if (size > b->room - b->size || !b->data) {
		size_t want = b->room ? b->room * 2 : 4096;
		char *bigger;

		while (want < b->size + size)
			want *= 2;
		bigger = realloc(b->data, want);
		if (!bigger)
			return NULL;
		b->data = bigger;
		b->room = want;
	}
	b->size += size;
	return memset(b->data + b->size - size, 0, size);
}

/* ---- building ---- */

/* A file with more than one name, met before. */
struct hard_link {
	dev_t dev;
	ino_t ino;
	uint32_t inode;
};

struct builder {
	struct buffer inodes, dirents, names, paths, links;
	uint64_t *path_at; /* per inode: offset in paths of its source, plus 1 */
	size_t path_room;
	uint64_t data; /* offset of the next file's data, from the data's start */
	char path[PATH_MAX];
	struct err *e;
};

static uint32_t inode_count(const struct builder *b)
{
	return (uint32_t)(b->inodes.size / sizeof(struct zb_image_inode));
}

static struct zb_image_inode *inode_at(struct builder *b, uint32_t n)
{
	return (struct zb_image_inode *)b->inodes.data + n;
}

static int no_memory(struct builder *b)
{
	return err_set(b->e, -ENOMEM, "image: no memory");
}

static int add_name(struct builder *b, const char *text, size_t size,
		    uint64_t *offset)
{
	char *to;

	if (b->names.size + size > MAX_NAMES)
		return err_set(b->e, -E2BIG, "image: too many names");
	*offset = b->names.size;
	to = buffer_add(&b->names, size);
	if (!to)
		return no_memory(b);
	memcpy(to, text, size);
	return 0;
}

static int remember_path(struct builder *b, uint32_t inode)
{
	size_t size = strlen(b->path) + 1;
	char *to;

	if (inode >= b->path_room) {
		size_t want = b->path_room ? b->path_room * 2 : 1024;
		uint64_t *bigger;

		while (want <= inode)
			want *= 2;
		bigger = realloc(b->path_at, want * sizeof(*bigger));
		if (!bigger)
			return no_memory(b);
		memset(bigger + b->path_room, 0,
		       (want - b->path_room) * sizeof(*bigger));
		b->path_at = bigger;
		b->path_room = want;
	}
	b->path_at[inode] = b->paths.size + 1;
	to = buffer_add(&b->paths, size);
	if (!to)
		return no_memory(b);
	memcpy(to, b->path, size);
	return 0;
}

/* The inode of a file that was met under another name, or -1. */
static int64_t find_link(const struct builder *b, const struct stat *st)
{
	const struct hard_link *l = (const void *)b->links.data;

	for (size_t i = 0; i < b->links.size / sizeof(*l); i++)
		if (l[i].dev == st->st_dev && l[i].ino == st->st_ino)
			return l[i].inode;
	return -1;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in b->path, sorted; each to be freed. */
static int list_directory(struct builder *b, char ***names, size_t *count)
{
	DIR *d = opendir(b->path);
	struct dirent *entry;
	size_t room = 0;
	int r = 0;

	*names = NULL;
	*count = 0;
	if (!d)
		return err_set(b->e, -errno, "%s: %s", b->path,
			       strerror(errno));
	while (errno = 0, (entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (*count == room) {
			char **bigger;

			room = room ? room * 2 : 32;
			bigger = realloc(*names, room * sizeof(**names));
			if (!bigger) {
				r = no_memory(b);
				break;
			}
			*names = bigger;
		}
		(*names)[*count] = strdup(entry->d_name);
		if (!(*names)[*count]) {
			r = no_memory(b);
			break;
		}
		++*count;
	}
	if (!entry && errno)
		r = err_set(b->e, -errno, "%s: %s", b->path, strerror(errno));
	closedir(d);
	if (*count)
		qsort(*names, *count, sizeof(**names), compare_names);
	return r;
}

static int add_tree(struct builder *b, uint32_t parent, int depth,
		    uint32_t *number);

/* Fills a directory's entries: all of its own first, so that they are
 * adjacent, then what is below. */
/* NOLINTNEXTLINE(misc-no-recursion): MAX_DEPTH deep */
static int add_children(struct builder *b, uint32_t directory, int depth)
{
	size_t length = strlen(b->path), count, first;
	struct zb_image_dirent *d;
	char **names;
	int r = list_directory(b, &names, &count);

	if (r)
		goto out;
	first = b->dirents.size / sizeof(*d);
	if (!buffer_add(&b->dirents, count * sizeof(*d))) {
		r = no_memory(b);
		goto out;
	}
	inode_at(b, directory)->data = first;
	inode_at(b, directory)->size = count;
	for (size_t i = 0; i < count && r == 0; i++) {
		size_t size = strlen(names[i]);
		uint64_t name;
		uint32_t child = 0;

		if (length + 1 + size >= sizeof(b->path)) {
			r = err_set(b->e, -ENAMETOOLONG, "%s/%s: path too long",
				    b->path, names[i]);
			break;
		}
		r = add_name(b, names[i], size, &name);
		if (r)
			break;
		b->path[length] = '/';
		memcpy(b->path + length + 1, names[i], size + 1);
		r = add_tree(b, directory, depth + 1, &child);
		b->path[length] = 0;
		d = (struct zb_image_dirent *)b->dirents.data + first + i;
		d->inode = child;
		d->name = (uint32_t)name;
		d->name_size = (uint16_t)size;
	}
out:
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return r;
}

static int add_symlink(struct builder *b, uint32_t inode)
{
	char target[PATH_MAX];
	ssize_t n = readlink(b->path, target, sizeof(target));
	uint64_t offset = 0;
	int r;

	if (n < 0)
		return err_set(b->e, -errno, "%s: %s", b->path,
			       strerror(errno));
	r = add_name(b, target, (size_t)n, &offset);
	if (r)
		return r;
	inode_at(b, inode)->data = offset;
	inode_at(b, inode)->size = (uint64_t)n;
	return 0;
}

static int add_link(struct builder *b, const struct stat *st, uint32_t inode)
{
	struct hard_link *l = buffer_add(&b->links, sizeof(*l));

	if (!l)
		return no_memory(b);
	*l = (struct hard_link){ st->st_dev, st->st_ino, inode };
	return 0;
}

/* NOLINTNEXTLINE(misc-no-recursion): MAX_DEPTH deep */
static int add_tree(struct builder *b, uint32_t parent, int depth,
		    uint32_t *number)
{
	struct zb_image_inode *inode;
	struct stat st;
	int64_t same;

	if (lstat(b->path, &st) < 0)
		return err_set(b->e, -errno, "%s: %s", b->path,
			       strerror(errno));
	if (depth > MAX_DEPTH || inode_count(b) >= MAX_INODES)
		return err_set(b->e, -E2BIG, "%s: too deep or too many files",
			       b->path);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		same = find_link(b, &st);
		if (same >= 0) {
			*number = (uint32_t)same;
			inode_at(b, *number)->nlink++;
			return 0;
		}
	}
	*number = inode_count(b);
	inode = buffer_add(&b->inodes, sizeof(*inode));
	if (!inode)
		return no_memory(b);
	*inode = (struct zb_image_inode){
		.mode = st.st_mode,
		.uid = st.st_uid,
		.gid = st.st_gid,
		.nlink = S_ISDIR(st.st_mode) ? (uint32_t)st.st_nlink : 1,
		.mtime_sec = st.st_mtim.tv_sec,
		.mtime_nsec = (uint32_t)st.st_mtim.tv_nsec,
		.parent = parent,
	};
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
		int r = add_link(b, &st, *number);

		if (r)
			return r;
		inode = inode_at(b, *number);
	}
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		inode->size = (uint64_t)st.st_size;
		if (inode->size > MAX_DATA - b->data)
			return err_set(b->e, -EFBIG, "%s: too large", b->path);
		inode->data = b->data;
		b->data += (inode->size + 4095) & ~4095ull;
		return remember_path(b, *number);
	case S_IFDIR:
		return add_children(b, *number, depth);
	case S_IFLNK:
		return add_symlink(b, *number);
	case S_IFCHR:
	case S_IFBLK:
		inode->data = (uint64_t)major(st.st_rdev) << 8 |
			      minor(st.st_rdev);
		return 0;
	default:
		return 0; /* sockets and FIFOs keep their name */
	}
}

/* ---- writing ---- */

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

static uint64_t checksum(const struct zb_image_header *h, const void *inodes,
			 const void *dirents, const void *names)
{
	struct zb_image_header copy = *h;
	uint64_t hash = 0xcbf29ce484222325ull;

	copy.checksum = 0;
	hash = hash_bytes(hash, &copy, sizeof(copy));
	hash = hash_bytes(hash, inodes,
			  h->inode_count * sizeof(struct zb_image_inode));
	hash = hash_bytes(hash, dirents,
			  h->dirent_count * sizeof(struct zb_image_dirent));
	return hash_bytes(hash, names, h->names_size);
}

static int copy_file(struct builder *b, int out, uint32_t number, char *chunk)
{
	const struct zb_image_inode *inode = inode_at(b, number);
	const char *path = b->paths.data + b->path_at[number] - 1;
	uint64_t left = inode->size, at = inode->data;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;

	if (fd < 0)
		return err_set(b->e, -errno, "%s: %s", path, strerror(errno));
	while (left && r == 0) {
		ssize_t n =
			read(fd, chunk, left < COPY_SIZE ? left : COPY_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = err_set(b->e, n < 0 ? -errno : -EIO, "%s: %s", path,
				    n < 0 ? strerror(errno) :
					    "changed while it was packed");
			break;
		}
		r = file_write_at(out, chunk, (size_t)n, at);
		if (r)
			err_set(b->e, r, "image: %s", strerror(-r));
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	close(fd);
	return r;
}

static int write_image(struct builder *b, int fd)
{
	struct zb_image_header h = { .version = ZB_IMAGE_VERSION,
				     .inode_count = inode_count(b) };
	char *chunk = malloc(COPY_SIZE);
	uint64_t data;
	int r = 0;

	if (!chunk)
		return no_memory(b);
	memcpy(h.magic, ZB_IMAGE_MAGIC, sizeof(h.magic));
	h.inodes = 4096;
	h.dirents = h.inodes + b->inodes.size;
	h.dirent_count = b->dirents.size / sizeof(struct zb_image_dirent);
	h.names = h.dirents + b->dirents.size;
	h.names_size = b->names.size;
	data = (h.names + h.names_size + 4095) & ~4095ull;
	h.size = data + b->data;
	for (uint32_t i = 0; i < h.inode_count; i++)
		if (S_ISREG(inode_at(b, i)->mode))
			inode_at(b, i)->data += data;
	h.checksum =
		checksum(&h, b->inodes.data, b->dirents.data, b->names.data);
	r = ftruncate(fd, (off_t)h.size) < 0 ? -errno : 0;
	if (r == 0)
		r = file_write_at(fd, &h, sizeof(h), 0);
	if (r == 0)
		r = file_write_at(fd, b->inodes.data, b->inodes.size, h.inodes);
	if (r == 0)
		r = file_write_at(fd, b->dirents.data, b->dirents.size,
				  h.dirents);
	if (r == 0)
		r = file_write_at(fd, b->names.data, b->names.size, h.names);
	if (r)
		err_set(b->e, r, "image: %s", strerror(-r));
	for (uint32_t i = 0; i < h.inode_count && r == 0; i++)
		if (S_ISREG(inode_at(b, i)->mode))
			r = copy_file(b, fd, i, chunk);
	free(chunk);
	return r;
}

static int pack_directory(const char *output, const char *source, struct err *e)
{
	struct builder *b = calloc(1, sizeof(*b));
	struct file_draft d;
	uint32_t root;
	int r, n;

	if (!b)
		return err_set(e, -ENOMEM, "image: no memory");
	b->e = e;
	n = snprintf(b->path, sizeof(b->path), "%s", source);
	if (n < 0 || (size_t)n >= sizeof(b->path)) {
		r = err_set(e, -ENAMETOOLONG, "%s: path too long", source);
		goto out;
	}
	r = add_tree(b, 0, 0, &root);
	if (r)
		goto out;
	r = file_draft(&d, output, e);
	if (r == 0)
		r = file_replace(&d, output, write_image(b, d.fd), e);
out:
	free(b->inodes.data);
	free(b->dirents.data);
	free(b->names.data);
	free(b->paths.data);
	free(b->links.data);
	free(b->path_at);
	free(b);
	return r;
}

/* ---- a tar, unpacked by tar(1) beside the output ---- */

/* Runs a program to its end; 0, or -EIO when it failed. */
static int run_tool(const char *const *argv)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

static int pack_tar(const char *output, const char *source, struct err *e)
{
	char directory[PATH_MAX];
	/* tar itself refuses members that lead outside of -C. */
	const char *const unpack[] = { "tar",
				       "--force-local", /* a:b is no host */
				       "-xf",
				       source,
				       "-C",
				       directory,
				       "--delay-directory-restore",
				       NULL };
	const char *const clean[] = { "rm", "-rf", "--", directory, NULL };
	int r, n = snprintf(directory, sizeof(directory), "%s.XXXXXX", output);

	if (n < 0 || (size_t)n >= sizeof(directory))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", output);
	if (!mkdtemp(directory))
		return err_set(e, -errno, "%s: %s", directory, strerror(errno));
	if (chmod(directory, 0755) < 0 || run_tool(unpack) < 0)
		r = err_set(e, -EINVAL, "%s: cannot be unpacked as a tar",
			    source);
	else
		r = pack_directory(output, directory, e);
	(void)run_tool(clean);
	return r;
}

int image_build(const char *output, const char *source, struct err *e)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return err_set(e, -errno, "%s: %s", source, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return pack_directory(output, source, e);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: neither a directory nor a tar",
			       source);
	return pack_tar(output, source, e);
}

/* ---- checking and looking up ---- */

static bool fits(uint64_t offset, uint64_t count, size_t each, size_t size)
{
	return offset <= size && count <= (size - offset) / each;
}

static bool inode_ok(const struct zb_image_header *h,
		     const struct zb_image_inode *i)
{
	switch (i->mode & S_IFMT) {
	case S_IFREG:
		return (i->data & 4095) == 0 && i->size <= h->size &&
		       fits(i->data, (i->size + 4095) / 4096, 4096, h->size);
	case S_IFDIR:
		return i->parent < h->inode_count &&
		       fits(i->data, i->size, 1, h->dirent_count);
	case S_IFLNK:
		return i->size < PATH_MAX &&
		       fits(i->data, i->size, 1, h->names_size);
	default:
		return true;
	}
}

int image_check(const void *data, size_t size, struct err *e)
{
	const struct zb_image_header *h = data;
	const struct zb_image_inode *inodes;
	const struct zb_image_dirent *dirents;
	const char *base = data;

	if (size < 4096 || memcmp(h->magic, ZB_IMAGE_MAGIC, sizeof(h->magic)))
		return err_set(e, -EINVAL, "not a zeroboot image");
	if (h->version != ZB_IMAGE_VERSION)
		return err_set(e, -EINVAL,
			       "image version %u, this zeroboot reads %u",
			       h->version, ZB_IMAGE_VERSION);
	if (h->size != size || (h->inodes & 7) || (h->dirents & 3) ||
	    h->inode_count == 0 ||
	    !fits(h->inodes, h->inode_count, sizeof(*inodes), size) ||
	    !fits(h->dirents, h->dirent_count, sizeof(*dirents), size) ||
	    !fits(h->names, h->names_size, 1, size))
		return err_set(e, -EINVAL, "image damaged: bad sizes");
	inodes = (const void *)(base + h->inodes);
	dirents = (const void *)(base + h->dirents);
	if (h->checksum != checksum(h, inodes, dirents, base + h->names))
		return err_set(e, -EINVAL, "image damaged: wrong checksum");
	for (uint32_t i = 0; i < h->inode_count; i++)
		if (!inode_ok(h, &inodes[i]))
			return err_set(e, -EINVAL, "image damaged: inode %u",
				       i);
	for (uint64_t i = 0; i < h->dirent_count; i++)
		if (dirents[i].inode >= h->inode_count ||
		    dirents[i].name_size == 0 || dirents[i].name_size > 255 ||
		    !fits(dirents[i].name, dirents[i].name_size, 1,
			  h->names_size))
			return err_set(e, -EINVAL, "image damaged: entry %llu",
				       (unsigned long long)i);
	if (!S_ISDIR(inodes[0].mode))
		return err_set(e, -EINVAL, "image damaged: no root directory");
	return 0;
}

static int64_t find_entry(const void *data, uint32_t directory,
			  const char *name, size_t size)
{
	const struct zb_image_header *h = data;
	const char *base = data;
	const struct zb_image_inode *i =
		(const struct zb_image_inode *)(base + h->inodes) + directory;
	const struct zb_image_dirent *d =
		(const struct zb_image_dirent *)(base + h->dirents) + i->data;

	for (uint64_t n = 0; n < i->size; n++)
		if (d[n].name_size == size &&
		    !memcmp(base + h->names + d[n].name, name, size))
			return d[n].inode;
	return -ENOENT;
}

/* Follows at most *links symbolic links in all. */
/* NOLINTNEXTLINE(misc-no-recursion): MAX_LINKS deep */
static int64_t lookup(const void *data, uint32_t at, const char *path,
		      int *links)
{
	const struct zb_image_header *h = data;
	const char *base = data;

	while (*path) {
		const struct zb_image_inode *i;
		char target[PATH_MAX];
		size_t size;
		int64_t next;

		while (*path == '/')
			path++;
		size = strcspn(path, "/");
		if (size == 0)
			break;
		i = (const struct zb_image_inode *)(base + h->inodes) + at;
		/* Only of a directory parent, data and size are checked to be
		 * what is meant here. */
		if (!S_ISDIR(i->mode))
			return -ENOTDIR;
		if (size == 1 && path[0] == '.')
			next = at;
		else if (size == 2 && !memcmp(path, "..", 2))
			next = i->parent;
		else
			next = find_entry(data, at, path, size);
		if (next < 0)
			return next;
		path += size;
		i = (const struct zb_image_inode *)(base + h->inodes) + next;
		if (!S_ISLNK(i->mode)) {
			at = (uint32_t)next;
			continue;
		}
		if (--*links < 0)
			return -ELOOP;
		memcpy(target, base + h->names + i->data, i->size);
		target[i->size] = 0;
		next = lookup(data, target[0] == '/' ? 0 : at, target, links);
		if (next < 0)
			return next;
		at = (uint32_t)next;
	}
	return at;
}

int64_t image_lookup(const void *data, const char *path)
{
	int links = MAX_LINKS;

	return lookup(data, 0, path, &links);
}
