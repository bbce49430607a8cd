#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "build.h"
#include "cache.h"
#include "crc32c.h"
#include "delta.h"
#include "file.h"
#include "host.h"
#include "image.h"
#include "image_find.h"
#include "protocol.h"
#include "snapshot.h"
#include "template.h"

#define CHUNK (256u << 10) /* stays in a CPU's cache */

struct load {
	const struct load_options *options;
	struct template template;
	char *buffer; /* TEMPLATE_BLOCK bytes */
	struct image_id id;
	bool plain;    /* the image needs no unpacking */
	bool in_place; /* it is not copied */
	struct err *e;
};

static int fail(struct load *l, int r, const char *what)
{
	return err_set(l->e, r, "%s: %s%s", l->options->name, what,
		       strerror(-r));
}

/* ---- load ---- */

static int copy_memory(struct load *l)
{
	const struct template_head *h = &l->template.head;
	uint64_t first = h->parts[TEMPLATE_MEMORY].offset;
	uint32_t sum = 0;

	for (uint64_t at = 0, size; at < h->file_size; at += size) {
		uint64_t stop = at < first ? first : h->file_size;
		int r;

		size = stop - at < CHUNK ? stop - at : CHUNK;
		r = file_read_at(l->options->file, l->buffer, size, at);
		if (r)
			return fail(l, r, "");
		if (at >= first)
			sum = crc32c(sum, l->buffer, size);
		r = file_write_at(l->options->memory, l->buffer, size, at);
		if (r)
			return fail(l, r, "memory: ");
	}
	if (sum == h->parts[TEMPLATE_MEMORY].checksum)
		return 0;
	return err_set(l->e, -EILSEQ,
		       "%s: damaged: wrong checksum of its memory",
		       l->options->name);
}

static int open_image(struct load *l)
{
	const struct load_options *o = l->options;
	int r = image_identify(o->source, o->image, &l->id, &l->plain, l->e);

	l->in_place = o->copy < 0;
	if (r == 0 && l->in_place && !l->plain)
		return err_set(l->e, -ENOSPC, "%s: no room to unpack it",
			       o->image);
	return r;
}

static bool is_unpacked(const struct load *l)
{
	return lseek(l->options->copy, 0, SEEK_END) == (off_t)l->id.size;
}

/* Where its contents are to be read; the copy is filled already when it is there. */
static int fill_copy(struct load *l, bool *filled)
{
	const struct load_options *o = l->options;
	uint64_t offset, size;
	int r;

	*filled = false;
	if (l->plain) {
		*filled = !l->in_place &&
			  ioctl(o->copy, FICLONE, o->source) == 0;
		return 0;
	}
	*filled = true;
	if (is_unpacked(l))
		return 0;
	r = box_locate(o->source, o->image, true, &offset, &size, l->e);
	if (r == 0)
		r = image_unpack(o->source, offset, size, o->copy, o->image,
				 l->e);
	return r ? r : file_fill_holes(o->copy, o->image, l->e);
}

/* Block by block: a copy that has all of its size is right. */
static int copy_image(struct load *l)
{
	const uint32_t *sums = template_data(&l->template, TEMPLATE_SUMS);
	const struct load_options *o = l->options;
	uint64_t end = l->template.head.image.size;
	bool filled;
	int r = fill_copy(l, &filled);

	for (uint64_t at = 0, size; r == 0 && at < end; at += size) {
		size = end - at < TEMPLATE_BLOCK ? end - at : TEMPLATE_BLOCK;
		r = file_read_at(l->plain ? o->source : o->copy, l->buffer,
				 size, at);
		if (r)
			return err_set(l->e, r, "%s: %s", o->image,
				       strerror(-r));
		/* Its tables are the same: no other image, as that would have to
		 * have the same times. */
		if (crc32c(0, l->buffer, size) != sums[at / TEMPLATE_BLOCK])
			return err_set(l->e, -EIO,
				       "%s: damaged: not what %s was made of",
				       o->image, o->name);
		if (filled || l->in_place)
			continue;
		if ((r = file_write_at(o->copy, l->buffer, size, at)))
			err_set(l->e, r, "%s: used where it is: %s", o->image,
				strerror(-r));
		l->in_place = r != 0;
		r = 0;
	}
	if (r == 0 && l->in_place)
		r = file_fill_holes(o->source, o->image, l->e);
	return r;
}

static int load(struct load *l)
{
	const struct load_options *o = l->options;
	struct cpu_features here;
	int r = host_features(&here, o->host, l->e);

	if (r == 0)
		r = template_read(&l->template, o->file, o->name, l->e);
	if (r == 0)
		r = cpu_features_check(&l->template.head.features, &here,
				       o->name, l->e);
	if (r == 0)
		r = copy_memory(l);
	if (r == 0)
		r = open_image(l);
	return r ? r : copy_image(l);
}

static int load_status(struct load *l, int r)
{
	if (r == 0)
		return l->in_place ? LOAD_IN_PLACE : 0;
	return template_is_useless(r) ? LOAD_USELESS : 1;
}

/* ---- build ---- */

/* One that is packed becomes the copy that workers get. */
static int map_image(struct load *l, struct image *image)
{
	const struct load_options *o = l->options;
	bool filled;
	int r = open_image(l);

	if (r || l->plain)
		return r ? r :
			   image_open_fd(image, o->source, o->image, 0, 0,
					 l->e);
	r = fill_copy(l, &filled);
	return r ? r : image_open_fd(image, o->copy, o->image, 0, 0, l->e);
}

/* As the one before, as far as that can be read. */
static int build(struct load *l)
{
	const struct load_options *o = l->options;
	struct build_options b = { .name = o->name, .image_name = o->image };
	struct vmm vmm = { .fd = -1 };
	struct image image;
	int r;

	if (o->file >= 0 &&
	    template_read(&l->template, o->file, o->name, NULL) == 0) {
		b.memory_mb = l->template.head.memory_size >> 20;
		b.program = template_program(&l->template);
	}
	r = map_image(l, &image);
	if (r == 0)
		r = vmm_open(&vmm, l->e);
	if (r == 0)
		r = host_set(&vmm, o->host, l->e);
	b.image = &image;
	return r ? r : build_template(&b, &vmm, o->memory, l->e);
}

/* ---- keep ---- */

static int keep(struct load *l)
{
	const struct load_options *o = l->options;
	int r;

	if (o->copy >= 0)
		cache_keep(o->image, o->copy);
	if (o->memory < 0)
		return 0;
	r = template_keep(o->name, o->memory, l->e);
	return r == -ENOTDIR ? 0 : r; /* a box: nobody keeps one in it */
}

/* ---- store ---- */

/* Of files that are there: that they are. */
static int sync_names(struct load *l)
{
	char path[PATH_MAX];
	int fd, r;

	snprintf(path, sizeof(path), "%s", l->options->name);
	fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : file_sync_directory(fd);
	if (fd >= 0)
		close(fd);
	return r ? fail(l, r, "") : 0;
}

/* The image first: a template that is there has one. */
static int store(struct load *l)
{
	const struct load_options *o = l->options;
	struct stat st;
	struct template_head *head = &l->template.head;
	int image, r = file_read_at(o->memory, head, sizeof(*head), 0);

	if (r)
		return fail(l, r, "");
	umask(077);
	/* One that is still being copied is shorter. */
	l->id = head->image;
	image = o->copy >= 0 && is_unpacked(l) ? o->copy : o->source;
	if (stat(o->image, &st) < 0)
		r = template_keep(o->image, image, l->e);
	if (r == 0)
		r = template_keep(o->name, o->memory, l->e);
	return r ? r : sync_names(l);
}

/* ---- derive ---- */

/* All that comes. 0 or -errno. */
static int read_state(struct load *l, uint8_t **data, size_t *size)
{
	const size_t most = PROTOCOL_STATE_MAX;
	ssize_t n = 1;

	*size = 0;
	*data = malloc(most); /* its pages come as they are used */
	if (!*data)
		return fail(l, -ENOMEM, "");
	while (n && *size < most) {
		n = read(l->options->copy, *data + *size, most - *size);
		if (n < 0)
			return fail(l, -errno, "the session: ");
		*size += (size_t)n;
	}
	return 0;
}

static int derive_of(struct load *l, const struct snapshot *s,
		     const uint8_t *state, size_t size)
{
	const struct load_options *o = l->options;
	struct delta d = { .data = NULL };
	int r = delta_open(&d, s, PROTOCOL_PAGES_MAX, l->e);

	if (r == 0)
		r = delta_add(&d, state, size, l->e);
	if (r == 0 && !d.size)
		r = err_set(l->e, -EINVAL, "%s: no session", o->name);
	if (r == 0)
		r = snapshot_derive(o->memory, s, &d, l->e);
	delta_close(&d);
	return r;
}

static int derive(struct load *l)
{
	const struct load_options *o = l->options;
	const struct image none = { .data = NULL };
	uint8_t *state = NULL;
	struct snapshot s;
	size_t size;
	int r = read_state(l, &state, &size);

	if (r == 0)
		r = snapshot_borrow(&s, o->file, &none, o->name, NULL, l->e);
	if (r == 0) {
		r = derive_of(l, &s, state, size);
		snapshot_close(&s);
	}
	free(state);
	return r;
}

/* With the front end, which has signals blocked. One that writes a file takes that away
 * at its end. */
static void end_with_parent(const struct load_options *o)
{
	bool writes = o->job == LOAD_KEEP || o->job == LOAD_STORE;
	sigset_t none;

	sigemptyset(&none);
	if (writes)
		sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, writes ? SIGTERM : SIGKILL, 0, 0, 0);
}

int load_main(const struct load_options *o)
{
	struct err e = { "" };
	struct load l = { .options = o, .e = &e };
	int r, status;

	end_with_parent(o);
	/* Workers that start have more of a hurry; for a template they wait. */
	if (o->job != LOAD_BUILD && o->job != LOAD_DERIVE)
		(void)!nice(10);
	l.buffer = malloc(TEMPLATE_BLOCK);
	if (!l.buffer)
		r = fail(&l, -ENOMEM, "");
	else
		r = o->job == LOAD_LOAD   ? load(&l) :
		    o->job == LOAD_BUILD  ? build(&l) :
		    o->job == LOAD_STORE  ? store(&l) :
		    o->job == LOAD_DERIVE ? derive(&l) :
					    keep(&l);
	status = o->job == LOAD_LOAD ? load_status(&l, r) : r != 0;
	(void)!write(o->pipe, e.text, strlen(e.text));
	free(l.buffer);
	return status;
}
