#include "pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "crc32c.h"
#include "file.h"
#include "image.h"

#define CHUNK (256u << 10)

struct packing {
	struct file_draft draft;
	const char *output; /* what that becomes */
	struct box_part parts[BOX_PARTS];
	uint32_t count;
	uint64_t end; /* of what is written */
	char *chunk;
	struct err *e;
};

static int fail(const struct packing *p, int r, const char *path)
{
	return err_set(p->e, r, "%s: %s", path, strerror(-r));
}

/* A part that begins on the next page. NULL with a message. */
static struct box_part *add_part(struct packing *p, enum box_kind kind,
				 const char *name, size_t size,
				 const char *what)
{
	struct box_part *part = &p->parts[p->count];

	if (p->count == BOX_PARTS) {
		err_set(p->e, -E2BIG, "%s: more than %d parts", what,
			BOX_PARTS);
		return NULL;
	}
	if (size == 0 || size >= sizeof(part->name)) {
		err_set(p->e, -EINVAL, "%s: not to be used as a name", what);
		return NULL;
	}
	*part = (struct box_part){ .kind = kind };
	memcpy(part->name, name, size);
	for (uint32_t i = 0; i < p->count; i++)
		if (p->parts[i].kind == kind &&
		    !strcmp(p->parts[i].name, part->name)) {
			err_set(p->e, -EEXIST, "%s: there is %s already", what,
				part->name);
			return NULL;
		}
	p->end = (p->end + BOX_PAGE - 1) / BOX_PAGE * BOX_PAGE;
	part->offset = p->end;
	p->count++;
	return part;
}

static int put(struct packing *p, const void *data, size_t size)
{
	int r = file_write_at(p->draft.fd, data, size, p->end);

	p->end += size;
	return r ? fail(p, r, p->output) : 0;
}

static int put_file(struct packing *p, struct box_part *part, int fd,
		    uint64_t size, const char *path)
{
	for (uint64_t at = 0, n; at < size; at += n) {
		int r;

		n = size - at < CHUNK ? size - at : CHUNK;
		r = file_read_at(fd, p->chunk, n, at);
		if (r)
			return fail(p, r, path);
		part->checksum = crc32c(part->checksum, p->chunk, n);
		r = put(p, p->chunk, n);
		if (r)
			return r;
	}
	part->size = size;
	return 0;
}

/* ---- what is packed ---- */

/* Without what another program has been packed with. */
static int put_program(struct packing *p)
{
	char path[PATH_MAX];
	uint64_t size;
	struct stat st;
	struct box_part *part;
	int r = box_own_path(path, p->e), fd;

	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(p, -errno, path);
	part = add_part(p, BOX_PROGRAM, "zeroboot", 8, path);
	r = !part                       ? -EINVAL :
	    box_program_size(fd, &size) ? fail(p, -ENOEXEC, path) :
	    fchmod(p->draft.fd, st.st_mode & 0777) ?
					  fail(p, -errno, path) :
					  put_file(p, part, fd, size, path);
	close(fd);
	return r;
}

static bool ends_in(const char *name, size_t size, const char *ending)
{
	size_t n = strlen(ending);

	return size > n && !memcmp(name + size - n, ending, n);
}

/* NAME of DIR/NAME.img.gz, of which NAME.img stays. */
static int put_image(struct packing *p, const char *path)
{
	const char *slash = strrchr(path, '/'), *base;
	char name[sizeof(p->parts[0].name)];
	struct image image;
	struct box_part *part;
	struct stat st;
	size_t size;
	int fd, r;

	base = slash ? slash + 1 : path;
	size = strlen(base);
	size -= ends_in(base, size, ".gz") ? 3 : 0;
	size -= ends_in(base, size, ".img") ? 4 : 0;
	if (size > sizeof(name) - 5 || strspn(base, "abcdefghijklmnopqrstuvwxyz"
						    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						    "0123456789_.+-") < size)
		return err_set(p->e, -EINVAL,
			       "%s: its name would be a language's, and has "
			       "other characters than A-Z a-z 0-9 _ . + -",
			       path);
	snprintf(name, sizeof(name), "%.*s.img", (int)size, base);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(p, -errno, path);
	/* All of it: that gzip's checksum is right, too. */
	r = image_open_fd(&image, fd, path, 0, 0, p->e);
	image_close(&image);
	part = r ? NULL : add_part(p, BOX_IMAGE, name, strlen(name), path);
	if (r == 0)
		r = part ? put_file(p, part, fd, (uint64_t)st.st_size, path) :
			   -EINVAL;
	close(fd);
	return r;
}

/* `serve --listen :80`: words with blanks in between. */
static int put_options(struct packing *p, const char *text)
{
	char words[BOX_OPTIONS_MAX];
	size_t size = strlen(text), n = 0, command;
	struct box_part *part;

	if (size >= sizeof(words))
		return err_set(p->e, -E2BIG, "--default: too long");
	for (const char *w = text; *w; w += strcspn(w, " ")) {
		w += strspn(w, " ");
		size = strcspn(w, " ");
		if (!size)
			break;
		memcpy(words + n, w, size);
		words[n + size] = 0;
		n += size + 1;
	}
	command = n ? strlen(words) : 0;
	if (!n || (strcmp(words, "serve") && strcmp(words, "exec")))
		return err_set(p->e, -EINVAL,
			       "--default: %.100s: wants serve or exec and its "
			       "options",
			       text);
	part = add_part(p, BOX_OPTIONS, words, command, "--default");
	if (!part)
		return -EINVAL;
	part->size = n;
	part->checksum = crc32c(0, words, n);
	return put(p, words, n);
}

static int put_trailer(struct packing *p)
{
	size_t size = p->count * sizeof(p->parts[0]);
	struct box_trailer t = { .version = BOX_VERSION,
				 .count = p->count,
				 .index = p->end,
				 .size = p->end + size + sizeof(t),
				 .index_checksum = crc32c(0, p->parts, size) };
	int r = put(p, p->parts, size);

	memcpy(t.magic, BOX_MAGIC, sizeof(t.magic));
	t.checksum = crc32c(0, &t, sizeof(t));
	return r ? r : put(p, &t, sizeof(t));
}

static int put_all(struct packing *p, const struct pack_options *o)
{
	int r = put_program(p);

	for (char *const *image = o->images; *image && r == 0; image++)
		r = put_image(p, *image);
	for (const char *const *text = o->defaults; *text && r == 0; text++)
		r = put_options(p, *text);
	return r ? r : put_trailer(p);
}

int pack(const struct pack_options *o, struct err *e)
{
	struct packing *p = calloc(1, sizeof(*p));
	int r = -ENOMEM;

	if (p)
		p->chunk = malloc(CHUNK);
	if (!p || !p->chunk) {
		err_set(e, r, "pack: no memory");
		goto out;
	}
	p->e = e;
	p->output = o->output;
	r = file_draft(&p->draft, o->output, e);
	if (r == 0)
		r = file_replace(&p->draft, o->output, put_all(p, o), e);
out:
	if (p)
		free(p->chunk);
	free(p);
	return r;
}
