#include "load.h"

#include <errno.h>
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

#include "clock.h"
#include "crc32c.h"
#include "file.h"
#include "host.h"
#include "run.h"
#include "template.h"

#define CHUNK (256u << 10) /* stays in a CPU's cache */
#define FRESH 3            /* seconds since a file was written */
#define MEMORY_MB 256      /* of a template that does not say */

struct load {
	const struct load_options *options;
	struct template template;
	char *buffer;  /* TEMPLATE_BLOCK bytes */
	bool in_place; /* the image is not copied */
	bool readable; /* its head and small parts are right */
	struct err *e;
};

static int fail(struct load *l, int r, const char *what)
{
	return err_set(l->e, r, "%s: %s%s", l->options->name, what,
		       strerror(-r));
}

static int damaged(struct load *l, const char *what)
{
	return err_set(l->e, -EILSEQ, "%s: damaged: wrong checksum of its %s",
		       l->options->name, what);
}

/* The template up to its image. */
static int copy_memory(struct load *l)
{
	const struct template_head *h = &l->template.head;
	uint64_t first = h->parts[TEMPLATE_MEMORY].offset;
	uint64_t end = h->parts[TEMPLATE_IMAGE].offset;
	uint32_t sum = 0;

	for (uint64_t at = 0, size; at < end; at += size) {
		uint64_t stop = at < first ? first : end;
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
	return sum == h->parts[TEMPLATE_MEMORY].checksum ? 0 :
							   damaged(l, "memory");
}

/* One copy on the disk for both, where the file system can. */
static bool share_image(const struct load *l)
{
	struct file_clone_range range = {
		.src_fd = l->options->file,
		.src_offset = l->template.head.parts[TEMPLATE_IMAGE].offset,
		.src_length = l->template.head.parts[TEMPLATE_IMAGE].size
	};

	return ioctl(l->options->image, FICLONERANGE, &range) == 0;
}

/* Block by block: a copy that has all of its size is right. */
static int copy_image(struct load *l, bool shared)
{
	const uint32_t *sums = template_data(&l->template, TEMPLATE_SUMS);
	uint64_t offset = l->template.head.parts[TEMPLATE_IMAGE].offset;
	uint64_t end = l->template.head.parts[TEMPLATE_IMAGE].size;

	for (uint64_t at = 0, size; at < end; at += size) {
		int r;

		size = end - at < TEMPLATE_BLOCK ? end - at : TEMPLATE_BLOCK;
		r = file_read_at(l->options->file, l->buffer, size,
				 offset + at);
		if (r)
			return fail(l, r, "");
		if (crc32c(0, l->buffer, size) != sums[at / TEMPLATE_BLOCK])
			return damaged(l, "image");
		if (shared || l->in_place)
			continue;
		r = file_write_at(l->options->image, l->buffer, size, at);
		if (r)
			fail(l, r, "its image is used where it is: ");
		l->in_place = r != 0;
	}
	return 0;
}

static int load(struct load *l)
{
	const struct load_options *o = l->options;
	struct cpu_features here;
	struct stat st;
	bool shared;
	int r;

	if (fstat(o->file, &st) < 0)
		return fail(l, -errno, "");
	r = host_features(&here, o->host, l->e);
	if (r == 0)
		r = template_read(&l->template, o->file, (uint64_t)st.st_size,
				  o->name, l->e);
	if (r)
		return r;
	l->readable = true;
	r = cpu_features_check(&l->template.head.features, &here, o->name,
			       l->e);
	if (r)
		return r;
	l->in_place = o->image < 0;
	shared = !l->in_place && share_image(l);
	r = copy_memory(l);
	return r ? r : copy_image(l, shared);
}

/* ---- one that is of no use here ---- */

/* Who is copying it has not come to the end. */
static bool is_fresh(const struct load *l)
{
	struct stat st;

	return fstat(l->options->file, &st) < 0 ||
	       clock_wall() / 1000000000 < (uint64_t)st.st_mtim.tv_sec + FRESH;
}

/* The image that is in it, if it is right, else the one beside it. */
static void choose_image(struct load *l, struct template_options *o,
			 char *beside, size_t size)
{
	const struct template_head *h = &l->template.head;
	size_t n = strlen(l->options->name);

	l->in_place = true;
	if (l->readable && h->parts[TEMPLATE_IMAGE].size &&
	    copy_image(l, false) == 0) {
		o->image = l->options->name;
		o->image_offset = h->parts[TEMPLATE_IMAGE].offset;
		o->image_size = h->parts[TEMPLATE_IMAGE].size;
		return;
	}
	snprintf(beside, size, "%.*s.img", (int)(n > 4 ? n - 4 : n),
		 l->options->name);
	o->image = beside;
}

/* why: what is wrong with it. */
static int make_anew(struct load *l, const struct err *why)
{
	struct template_options o = { .output = l->options->name,
				      .memory_mb = MEMORY_MB };
	const struct template_head *h = &l->template.head;
	struct err e = { "" };
	char beside[PATH_MAX];
	int r;

	if (l->readable) {
		uint64_t size = h->parts[TEMPLATE_PROGRAM].size;
		const char *program =
			template_data(&l->template, TEMPLATE_PROGRAM);

		o.memory_mb = h->memory_size >> 20;
		o.program = size && program[size - 1] == 0 ? program : NULL;
	}
	/* What the guest says goes to the log. */
	dup2(STDERR_FILENO, STDOUT_FILENO);
	l->e = &e;
	choose_image(l, &o, beside, sizeof(beside));
	e.text[0] = 0;
	r = run_template_build(&o, &e);
	if (r == 0)
		dprintf(l->options->pipe, "%s: made anew", why->text);
	else
		dprintf(l->options->pipe, "%s; cannot be made anew: %s",
			why->text, e.text);
	return r;
}

int load_main(const struct load_options *o)
{
	struct err e = { "" };
	struct load l = { .options = o, .e = &e };
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* Workers that start have more of a hurry. */
	(void)!nice(10);
	l.buffer = malloc(TEMPLATE_BLOCK);
	r = l.buffer ? load(&l) : fail(&l, -ENOMEM, "");
	if (o->anew && !is_fresh(&l) &&
	    (r == -EINVAL || r == -EILSEQ || r == -ENOTSUP))
		return make_anew(&l, &e) ? 1 : LOAD_ANEW;
	(void)!write(o->pipe, e.text, strlen(e.text));
	return r ? 1 : l.in_place ? LOAD_IN_PLACE : 0;
}
