#include "box.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "file.h"

#define CHUNK (256u << 10)
#define HEADERS 256 /* of a program, at most */

/* ---- the program ---- */

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int box_program_size(int fd, uint64_t *size)
{
	Elf64_Phdr segments[HEADERS];
	Elf64_Ehdr h;

	if (file_read_at(fd, &h, sizeof(h), 0) ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phnum > HEADERS ||
	    h.e_phentsize != sizeof(segments[0]) || h.e_shoff > INT64_MAX ||
	    file_read_at(fd, segments, h.e_phnum * sizeof(segments[0]),
			 h.e_phoff))
		return -ENOEXEC;
	*size = h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize;
	for (int i = 0; i < h.e_phnum; i++) {
		if (segments[i].p_offset > INT64_MAX ||
		    segments[i].p_filesz > INT64_MAX)
			return -ENOEXEC;
		*size = larger(*size,
			       segments[i].p_offset + segments[i].p_filesz);
	}
	return 0;
}

int box_own_path(char path[PATH_MAX], struct err *e)
{
	const char *name = (const char *)getauxval(AT_EXECFN);
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n > 0) {
		path[n] = 0;
		if (access(path, R_OK) == 0)
			return 0;
	}
	/* Without /proc, by the name that it was started by. */
	if (name && realpath(name, path) && access(path, R_OK) == 0)
		return 0;
	return err_set(e, -ENOENT,
		       "cannot read its own file, as which it was started "
		       "(%.200s): what is packed in it is not found",
		       name ? name : "/proc/self/exe");
}

/* ---- trailer and index ---- */

static int damaged(const struct box *b, const char *what, struct err *e)
{
	return err_set(e, -EINVAL, "%s: damaged: %s: copy it anew", b->path,
		       what);
}

/* Its characters are those of a language's name, or a dot. */
static bool name_ok(const char name[64])
{
	size_t size = strnlen(name, 64);

	if (size == 0 || size == 64 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_.+-") != size)
		return false;
	for (; size < 64; size++)
		if (name[size])
			return false;
	return true;
}

static bool index_ok(const struct box *b, uint64_t program, uint64_t end)
{
	uint64_t at = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct box_part *p = &b->parts[i];

		if ((p->kind == BOX_PROGRAM) != (i == 0) ||
		    p->kind >= BOX_KINDS || !name_ok(p->name) ||
		    p->offset < at || p->offset > end ||
		    p->size > end - p->offset || p->offset % BOX_PAGE)
			return false;
		if (p->kind == BOX_OPTIONS &&
		    (!p->size || p->size > BOX_OPTIONS_MAX))
			return false;
		at = p->offset + p->size;
	}
	return b->parts[0].offset == 0 && b->parts[0].size == program;
}

static int read_index(struct box *b, uint64_t program, uint64_t file_size,
		      struct err *e)
{
	uint64_t at = file_size - sizeof(struct box_trailer);
	struct box_trailer t;
	uint32_t sum;
	size_t size;

	if (file_size < program + sizeof(t) ||
	    file_read_at(b->fd, &t, sizeof(t), at) ||
	    memcmp(t.magic, BOX_MAGIC, sizeof(t.magic)))
		return damaged(b, "its end is missing", e);
	if (t.version != BOX_VERSION)
		return err_set(e, -EINVAL,
			       "%s: box version %u, this zeroboot reads %u",
			       b->path, t.version, BOX_VERSION);
	sum = t.checksum;
	t.checksum = 0;
	if (sum != crc32c(0, &t, sizeof(t)) || t.size != file_size)
		return damaged(b, "wrong checksum of its trailer", e);
	size = t.count * sizeof(b->parts[0]);
	if (t.count == 0 || t.count > BOX_PARTS || t.index > at ||
	    size != at - t.index)
		return damaged(b, "bad sizes", e);
	b->count = t.count;
	if (file_read_at(b->fd, b->parts, size, t.index) ||
	    crc32c(0, b->parts, size) != t.index_checksum)
		return damaged(b, "wrong checksum of its index", e);
	return index_ok(b, program, t.index) ?
		       0 :
		       damaged(b, "bad entry of its index", e);
}

int box_read(struct box *b, int fd, const char *path, struct err *e)
{
	struct stat st;
	uint64_t program;

	b->fd = fd;
	b->count = 0;
	snprintf(b->path, sizeof(b->path), "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    box_program_size(fd, &program))
		return -ENOEXEC;
	if ((uint64_t)st.st_size < program)
		return damaged(b, "its program is cut", e);
	if ((uint64_t)st.st_size == program)
		return -ENOEXEC;
	return read_index(b, program, (uint64_t)st.st_size, e);
}

int box_open(struct box *b, const char *path, struct err *e)
{
	/* Not blocking: it may be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int r = fd < 0 ? -errno : box_read(b, fd, path, e);

	if (fd < 0)
		return err_set(e, r, "%s: %s", path, strerror(-r));
	if (r)
		box_close(b);
	return r;
}

void box_close(struct box *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

/* ---- parts ---- */

const struct box_part *box_find(const struct box *b, enum box_kind kind,
				const char *name)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->parts[i].kind == kind && !strcmp(b->parts[i].name, name))
			return &b->parts[i];
	return NULL;
}

int box_check(const struct box *b, const struct box_part *part, struct err *e)
{
	char *chunk = malloc(CHUNK);
	uint32_t sum = 0;
	int r = chunk ? 0 : -ENOMEM;

	for (uint64_t at = 0, n; at < part->size && r == 0; at += n) {
		n = part->size - at < CHUNK ? part->size - at : CHUNK;
		r = file_read_at(b->fd, chunk, n, part->offset + at);
		if (r == 0)
			sum = crc32c(sum, chunk, n);
	}
	free(chunk);
	if (r)
		return err_set(e, r, "%s: %s: %s", b->path, part->name,
			       strerror(-r));
	return sum == part->checksum ? 0 :
				       err_set(e, -EINVAL,
					       "%s: damaged: wrong checksum of "
					       "%s: copy it "
					       "anew",
					       b->path, part->name);
}

int box_open_image(const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
	const char *name = strrchr(path, '/');
	char directory[PATH_MAX];
	int fd = open(path, flags), code = errno;
	struct stat st;

	if (fd >= 0 || code != ENOTDIR || !name || name == path ||
	    (size_t)(name - path) >= sizeof(directory))
		return fd < 0 ? -code : fd;
	memcpy(directory, path, (size_t)(name - path));
	directory[name - path] = 0;
	fd = open(directory, flags);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -code;
}

/* All of a file that is no program. */
static int locate_in_box(int fd, const char *path, bool check, uint64_t *offset,
			 uint64_t *size, struct err *e)
{
	const char *name = strrchr(path, '/');
	const struct box_part *part;
	struct box *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return err_set(e, -ENOMEM, "%s: no memory", path);
	r = box_read(b, fd, path, e);
	if (r == -ENOEXEC)
		err_set(e, r = -ENOENT, "%s: no image", path);
	part = r ? NULL : box_find(b, BOX_IMAGE, name ? name + 1 : path);
	if (r == 0 && !part)
		r = err_set(e, -ENOENT, "%s: no such image in the box", path);
	if (r == 0 && check)
		r = box_check(b, part, e);
	if (r == 0) {
		*offset = part->offset;
		*size = part->size;
	}
	free(b);
	return r;
}

int box_locate(int fd, const char *path, bool check, uint64_t *offset,
	       uint64_t *size, struct err *e)
{
	char magic[SELFMAG];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) &&
	    file_read_at(fd, magic, sizeof(magic), 0) == 0 &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		return locate_in_box(fd, path, check, offset, size, e);
	*offset = 0;
	*size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

bool box_has_image(const char *path)
{
	int fd = box_open_image(path), r;
	uint64_t offset, size;

	if (fd < 0)
		return false;
	r = box_locate(fd, path, false, &offset, &size, NULL);
	close(fd);
	return r == 0;
}

/* ---- this process's own ---- */

static struct box own = { .fd = -1 };

int box_begin(struct err *e)
{
	char path[PATH_MAX];
	int r = box_own_path(path, e);

	return r ? r : box_open(&own, path, e);
}

const struct box *box_own(void)
{
	return own.fd >= 0 ? &own : NULL;
}

const char *box_own_images(void)
{
	for (uint32_t i = 0; own.fd >= 0 && i < own.count; i++)
		if (own.parts[i].kind == BOX_IMAGE)
			return own.path;
	return NULL;
}
