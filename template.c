#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crc32c.h"
#include "file.h"
#include "guest/abi.h"

#define MAGIC "ZBTMPL\r\n" /* CR LF: shows a transfer in text mode */
#define HEAD_SIZE 4096
#define GAP 16 /* pages between two runs that are stored, too */
#define COPY_CHUNK (256u << 10)

_Static_assert(sizeof(struct template_head) == HEAD_SIZE, "head");

uint32_t template_maker;
bool template_any_maker;

void template_name(const struct template_head *h, char name[SHA256_HEX + 1])
{
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, h, sizeof(*h));
	sha256_end(&s, name);
}

bool template_is_useless(int r)
{
	return r == -EINVAL || r == -EILSEQ || r == -ENOTSUP || r == -ESTALE;
}

static uint32_t checksum(const struct template_head *h)
{
	struct template_head copy = *h;

	copy.checksum = 0;
	return crc32c(0, &copy, sizeof(copy));
}

static uint64_t used_size(uint64_t memory_size)
{
	return (memory_size / TEMPLATE_PAGE + 63) / 64 * 8;
}

size_t template_sum_count(uint64_t image_size)
{
	return (size_t)((image_size + TEMPLATE_BLOCK - 1) / TEMPLATE_BLOCK);
}

void template_sum(const void *image, uint64_t image_size, uint32_t *sums)
{
	const uint8_t *data = image;

	for (uint64_t at = 0; at < image_size; at += TEMPLATE_BLOCK)
		*sums++ = crc32c(0, data + at,
				 image_size - at < TEMPLATE_BLOCK ?
					 image_size - at :
					 TEMPLATE_BLOCK);
}

static uint64_t sums_size(uint64_t image_size)
{
	return template_sum_count(image_size) * sizeof(uint32_t);
}

/* The next page that is used, from page on; pages: none. */
static uint64_t next_used(const uint64_t *used, uint64_t page, uint64_t pages)
{
	while (page < pages) {
		uint64_t rest = used[page / 64] >> (page % 64);

		if (rest) {
			page += (uint64_t)__builtin_ctzll(rest);
			break;
		}
		page = (page / 64 + 1) * 64;
	}
	return page < pages ? page : pages;
}

size_t template_runs(const uint64_t *used, uint64_t pages,
		     struct template_run *runs)
{
	uint64_t page = next_used(used, 0, pages), at = 0;
	size_t count = 0;

	while (page < pages) {
		uint64_t first = page, last;

		do {
			last = page;
			page = next_used(used, page + 1, pages);
		} while (page < pages && page - last - 1 <= GAP);
		if (runs)
			runs[count] = (struct template_run){ first,
							     last + 1 - first,
							     at };
		count++;
		at += (last + 1 - first) * TEMPLATE_PAGE;
	}
	return count;
}

/* ---- writing ---- */

struct writer {
	const struct template_content *content;
	struct template_head head;
	uint64_t *used;
	struct template_run *runs;
	size_t run_count;
	int fd;
};

/* By words: musl's memcmp goes by bytes, and most of memory is zero. */
static bool is_zero(const uint8_t *page)
{
	const uint64_t *words = (const void *)page;
	uint64_t any = 0;

	for (size_t i = 0; i < TEMPLATE_PAGE / 8 && !any; i += 8)
		any = words[i] | words[i + 1] | words[i + 2] | words[i + 3] |
		      words[i + 4] | words[i + 5] | words[i + 6] | words[i + 7];
	return !any;
}

static int find_used(struct writer *w)
{
	const struct template_content *c = w->content;
	uint64_t pages = c->memory_size / TEMPLATE_PAGE;

	w->used = calloc(1, used_size(c->memory_size));
	if (!w->used)
		return -ENOMEM;
	for (uint64_t page = 0; page < pages; page++) {
		if (c->some && !(c->some[page / 64] >> (page % 64) & 1))
			continue;
		if (is_zero(c->memory + page * TEMPLATE_PAGE))
			continue;
		w->used[page / 64] |= 1ull << (page % 64);
		w->head.used_pages++;
	}
	w->run_count = template_runs(w->used, pages, NULL);
	w->runs = calloc(w->run_count + 1, sizeof(*w->runs));
	if (!w->runs)
		return -ENOMEM;
	template_runs(w->used, pages, w->runs);
	return 0;
}

static int put_part(struct writer *w, enum template_part part, const void *data,
		    uint64_t size, uint64_t *at)
{
	w->head.parts[part].offset = *at;
	w->head.parts[part].size = size;
	w->head.parts[part].checksum = crc32c(0, data, size);
	*at = (*at + size + 7) & ~7ull;
	return file_write_at(w->fd, data, size, w->head.parts[part].offset);
}

static int put_memory(struct writer *w, uint64_t *at)
{
	uint64_t offset = *at, size = 0;
	uint32_t sum = 0;
	int r = 0;

	for (size_t i = 0; i < w->run_count && r == 0; i++) {
		const struct template_run *run = &w->runs[i];
		const uint8_t *from =
			w->content->memory + run->page * TEMPLATE_PAGE;

		size = run->count * TEMPLATE_PAGE;
		sum = crc32c(sum, from, size);
		r = file_write_at(w->fd, from, size, offset + run->at);
		size += run->at;
	}
	w->head.parts[TEMPLATE_MEMORY].offset = offset;
	w->head.parts[TEMPLATE_MEMORY].size = size;
	w->head.parts[TEMPLATE_MEMORY].checksum = sum;
	*at = offset + size;
	return r;
}

static int put_all(struct writer *w)
{
	const struct template_content *c = w->content;
	struct template_head *h = &w->head;
	uint64_t at = HEAD_SIZE;
	const void *sums = c->like ? template_data(c->like, TEMPLATE_SUMS) :
				     c->sums;
	int r = find_used(w);

	if (r)
		return r;
	r = put_part(w, TEMPLATE_STATE, c->state, c->state_size, &at);
	if (r == 0)
		r = put_part(w, TEMPLATE_TRAINING, c->training,
			     c->training_size, &at);
	if (r == 0)
		r = put_part(w, TEMPLATE_PROGRAM, c->program,
			     c->program ? strlen(c->program) + 1 : 0, &at);
	if (r == 0)
		r = put_part(w, TEMPLATE_USED, w->used,
			     used_size(c->memory_size), &at);
	if (r == 0)
		r = put_part(w, TEMPLATE_SUMS, sums, sums_size(c->image_size),
			     &at);
	at = (at + TEMPLATE_PAGE - 1) & ~(TEMPLATE_PAGE - 1);
	if (r == 0)
		r = put_memory(w, &at);
	h->file_size = at;
	h->checksum = checksum(h);
	return r ? r : file_write_at(w->fd, h, sizeof(*h), 0);
}

int template_write(int fd, const struct template_content *c)
{
	struct writer w = { .content = c,
			    .fd = fd,
			    .head = { .magic = MAGIC,
				      .version = TEMPLATE_VERSION,
				      .abi_version = ZB_ABI_VERSION,
				      .maker = template_maker,
				      .memory_size = c->memory_size,
				      .mono_ns = c->mono_ns,
				      .wall_ns = c->wall_ns,
				      .build_ns = c->build_ns,
				      .features = c->features } };
	int r;

	if (c->like) {
		w.head.maker = c->like->head.maker;
		w.head.image = c->like->head.image;
	} else {
		w.head.image = image_id(c->image, c->image_size);
	}

	if (c->training_size > TEMPLATE_TRAINING_MAX)
		return -E2BIG;
	r = put_all(&w);
	free(w.used);
	free(w.runs);
	return r;
}

static int copy(int to, int from)
{
	char *buffer;
	struct stat st;
	int r;

	/* The same blocks of the disk, where that can be. */
	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	buffer = malloc(COPY_CHUNK);
	r = buffer ? 0 : -ENOMEM;
	if (r == 0 && fstat(from, &st) < 0)
		r = -errno;
	for (uint64_t at = 0, size; r == 0 && at < (uint64_t)st.st_size;
	     at += size) {
		size = (uint64_t)st.st_size - at;
		if (size > COPY_CHUNK)
			size = COPY_CHUNK;
		r = file_read_at(from, buffer, size, at);
		if (r == 0)
			r = file_write_at(to, buffer, size, at);
	}
	free(buffer);
	return r;
}

int template_keep(const char *path, int fd, struct err *e)
{
	struct file_draft d = { .fd = -1 };
	int r = file_draft(&d, path, e);

	if (r)
		return r;
	r = copy(d.fd, fd);
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
	return file_replace_spare(&d, path, r, e);
}

bool template_is_copy(const char *path, int fd)
{
	int other = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct template_head there, own;
	bool same = other >= 0 &&
		    file_read_at(other, &there, sizeof(there), 0) == 0 &&
		    file_read_at(fd, &own, sizeof(own), 0) == 0 &&
		    memcmp(&there, &own, sizeof(own)) == 0;

	if (other >= 0)
		close(other);
	return same;
}

/* ---- reading ---- */

static int check_versions(const struct template_head *h, const char *name,
			  struct err *e)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return err_set(e, -EINVAL, "%s: not a zeroboot template", name);
	if (h->version != TEMPLATE_VERSION)
		return err_set(e, -ESTALE,
			       "%s: template version %u, this zeroboot reads "
			       "%u",
			       name, h->version, TEMPLATE_VERSION);
	if (h->abi_version != ZB_ABI_VERSION)
		return err_set(e, -ESTALE,
			       "%s: guest ABI version %u, this zeroboot has "
			       "%u",
			       name, h->abi_version, ZB_ABI_VERSION);
	if (h->maker != template_maker && !template_any_maker)
		return err_set(e, -ESTALE,
			       "%s: made by another zeroboot, with a kernel or "
			       "agent of its own",
			       name);
	return 0;
}

/* The parts follow each other, as they are numbered. */
static bool fit(const struct template_head *h)
{
	uint64_t end = HEAD_SIZE;

	if (h->memory_size < ZB_MIN_MEMORY || h->memory_size > ZB_MAX_MEMORY ||
	    (h->memory_size & (TEMPLATE_PAGE - 1)))
		return false;
	for (int i = 0; i < TEMPLATE_PARTS; i++) {
		uint64_t offset = h->parts[i].offset, size = h->parts[i].size;

		if (offset < end || offset > h->file_size ||
		    size > h->file_size - offset || (offset & 7))
			return false;
		end = offset + size;
	}
	if (((h->parts[TEMPLATE_MEMORY].offset | end) & (TEMPLATE_PAGE - 1)) ||
	    h->image.size & (TEMPLATE_PAGE - 1))
		return false;
	return h->parts[TEMPLATE_TRAINING].size <= TEMPLATE_TRAINING_MAX &&
	       h->parts[TEMPLATE_USED].size == used_size(h->memory_size) &&
	       h->parts[TEMPLATE_SUMS].size == sums_size(h->image.size);
}

/* What USED says is what MEMORY has. 0, -EILSEQ or -ENOMEM. */
static int check_runs(const struct template *t)
{
	const uint64_t *used = template_data(t, TEMPLATE_USED);
	uint64_t pages = t->head.memory_size / TEMPLATE_PAGE, size = 0;
	size_t count = template_runs(used, pages, NULL);
	struct template_run *runs = calloc(count + 1, sizeof(*runs));

	if (!runs)
		return -ENOMEM;
	template_runs(used, pages, runs);
	if (count)
		size = runs[count - 1].at +
		       runs[count - 1].count * TEMPLATE_PAGE;
	free(runs);
	return size == t->head.parts[TEMPLATE_MEMORY].size ? 0 : -EILSEQ;
}

static int read_small(struct template *t)
{
	const struct template_head *h = &t->head;
	uint64_t size = h->parts[TEMPLATE_MEMORY].offset - HEAD_SIZE;
	int r;

	t->small = malloc(size + 1);
	if (!t->small)
		return -ENOMEM;
	r = file_read_at(t->fd, t->small, size, HEAD_SIZE);
	for (int i = 0; i < TEMPLATE_MEMORY && r == 0; i++)
		if (crc32c(0, template_data(t, (enum template_part)i),
			   h->parts[i].size) != h->parts[i].checksum)
			r = -EILSEQ;
	return r ? r : check_runs(t);
}

int template_read(struct template *t, int fd, const char *name, struct err *e)
{
	struct template_head *h = &t->head;
	off_t size = lseek(fd, 0, SEEK_END);
	int r;

	memset(t, 0, sizeof(*t));
	t->fd = fd;
	r = size < HEAD_SIZE ? -EILSEQ : file_read_at(fd, h, sizeof(*h), 0);
	r = r == -EILSEQ ?
		    err_set(e, -EINVAL, "%s: not a zeroboot template", name) :
	    r ? err_set(e, r, "%s: %s", name, strerror(-r)) :
		check_versions(h, name, e);
	if (r)
		goto fail;
	r = -EINVAL;
	if (h->checksum != checksum(h))
		err_set(e, r, "%s: damaged: wrong checksum", name);
	else if (h->file_size != (uint64_t)size)
		err_set(e, r, "%s: damaged: %llu bytes instead of %llu", name,
			(unsigned long long)size,
			(unsigned long long)h->file_size);
	else if (!fit(h))
		err_set(e, r, "%s: damaged: bad sizes", name);
	else
		r = 0;
	if (r)
		goto fail;
	r = read_small(t);
	if (r == 0)
		return 0;
	err_set(e, r, "%s: %s", name,
		r == -EILSEQ ? "damaged: wrong checksum" : strerror(-r));
fail:
	template_close(t);
	return r;
}

int template_open(struct template *t, const char *path, struct err *e)
{
	/* Not blocking: it may be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	t->fd = -1;
	if (fd < 0 && errno == ENOTDIR) /* a box has images only */
		errno = ENOENT;
	if (fd < 0)
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
	else
		r = template_read(t, fd, path, e);
	t->owned = r == 0;
	if (r && fd >= 0)
		close(fd);
	return r;
}

void template_close(struct template *t)
{
	free(t->small);
	t->small = NULL;
	if (t->owned)
		close(t->fd);
	t->owned = false;
	t->fd = -1;
}

const void *template_data(const struct template *t, enum template_part part)
{
	return t->small + t->head.parts[part].offset - HEAD_SIZE;
}

const char *template_program(const struct template *t)
{
	uint64_t size = t->head.parts[TEMPLATE_PROGRAM].size;
	const char *program = template_data(t, TEMPLATE_PROGRAM);

	return size && program[size - 1] == 0 ? program : NULL;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

int template_info(const char *path, struct err *e)
{
	struct template t;
	const struct template_head *h = &t.head;
	char date[32];
	struct tm tm;
	time_t when;
	struct err why;
	int r = template_open(&t, path, &why);

	if (r)
		return err_set(e, r, "%.400s%s", why.text,
			       r == -ESTALE ? ": zeroboot template build makes "
					      "it "
					      "anew" :
					      "");
	when = (time_t)(h->wall_ns / 1000000000);
	if (!gmtime_r(&when, &tm) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		r = err_set(e, -EIO, "%s: cannot say when it was made", path);
		goto out;
	}
	printf("version      %u, guest ABI %u\n", h->version, h->abi_version);
	printf("made         %s, in %.3f s\n", date, (double)h->build_ns / 1e9);
	printf("memory       %llu MiB, %llu pages in use (%.1f MiB)\n",
	       (unsigned long long)(h->memory_size >> 20),
	       (unsigned long long)h->used_pages,
	       mib(h->used_pages * TEMPLATE_PAGE));
	printf("image        %016llx, %.1f MiB\n",
	       (unsigned long long)h->image.checksum, mib(h->image.size));
	printf("file         %.1f MiB\n", mib(h->file_size));
	printf("cpu          ");
	cpu_features_print(&h->features);
	printf("registers    xcr0 %#llx\n",
	       (unsigned long long)h->features.xcr0);
out:
	template_close(&t);
	return r;
}
