#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "control.h"
#include "file.h"
#include "image_find.h"
#include "tables.h"

/* Room for memory at a multiple of 2 MiB, or KVM uses no larger pages. */
static char *reserve(size_t size)
{
	char *room = mmap(NULL, size + ZB_LARGE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (room == MAP_FAILED)
		return MAP_FAILED;
	before = -(uintptr_t)room % ZB_LARGE_PAGE;
	if (before)
		munmap(room, before);
	munmap(room + before + size, ZB_LARGE_PAGE - before);
	return room + before;
}

/* Memory as the template has it, with these rights and flags for its runs. */
static void *compose(const struct snapshot *s, int rights, int flags,
		     struct err *e)
{
	const struct template *t = &s->template;
	off_t base = (off_t)t->head.parts[TEMPLATE_MEMORY].offset;
	char *memory = reserve(s->memory_size);

	if (memory == MAP_FAILED)
		goto fail;
	/* Guests touch a page here and there: 2 MiB for each would be zeroed, and
	 * kept. */
	if (mprotect(memory, s->memory_size, rights) < 0)
		goto fail;
	madvise(memory, s->memory_size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < s->run_count; i++) {
		const struct template_run *run = &s->runs[i];

		if (mmap(memory + run->page * TEMPLATE_PAGE,
			 run->count * TEMPLATE_PAGE, rights, flags | MAP_FIXED,
			 t->fd, base + (off_t)run->at) == MAP_FAILED)
			goto fail;
	}
	return memory;
fail:
	err_set(e, -errno, "guest memory: %s", strerror(errno));
	if (memory != MAP_FAILED)
		munmap(memory, s->memory_size);
	return NULL;
}

static int find_runs(struct snapshot *s)
{
	uint64_t pages = s->memory_size / TEMPLATE_PAGE;

	s->run_count = template_runs(s->used, pages, NULL);
	s->runs = calloc(s->run_count + 1, sizeof(*s->runs));
	if (!s->runs)
		return -ENOMEM;
	template_runs(s->used, pages, s->runs);
	return 0;
}

static int map_image(struct snapshot *s, int file, struct err *e)
{
	void *image;

	if (s->image_size == 0)
		return 0;
	image = mmap(NULL, s->image_size, PROT_READ, MAP_SHARED, file, 0);
	if (image == MAP_FAILED)
		return err_set(e, -errno, "image: %s", strerror(errno));
	s->image = image;
	return 0;
}

/* Where the guest says that the large part begins, if nothing of the template is
 * there. The control page is the template's second page. */
static gpa_t find_large(const struct snapshot *s)
{
	const struct zb_control *c = (const void *)(s->memory + ZB_CONTROL_GPA);
	gpa_t at = c->large_gpa;

	if (at < ZB_FRAMES_GPA || at >= s->memory_size || at % ZB_LARGE_PAGE)
		return s->memory_size;
	for (size_t i = 0; i < s->run_count; i++)
		if ((s->runs[i].page + s->runs[i].count) * TEMPLATE_PAGE > at)
			return s->memory_size;
	return at;
}

/* A template that is open: what machines need of it, but its image. */
static int prepare(struct snapshot *s, const char *name, const struct vmm *vmm,
		   struct err *e)
{
	const struct template *t = &s->template;
	int r = vmm ? cpu_features_check(&t->head.features, &vmm->features,
					 name, e) :
		      0;

	if (r)
		return r;
	s->state = template_data(t, TEMPLATE_STATE);
	if (t->head.parts[TEMPLATE_STATE].size != sizeof(*s->state) ||
	    s->state->msr_count > VMM_MAX_MSRS)
		return err_set(e, -EINVAL, "%s: damaged: bad state", name);
	s->memory_size = t->head.memory_size;
	s->image_size = t->head.image.size;
	s->used = template_data(t, TEMPLATE_USED);
	s->mono_ns = t->head.mono_ns;
	s->training = template_data(t, TEMPLATE_TRAINING);
	s->training_size = t->head.parts[TEMPLATE_TRAINING].size;
	if (find_runs(s))
		return err_set(e, -ENOMEM, "%s: no memory", name);
	/* Not MAP_SHARED: of a sealed file that is open to be written, as where
	 * there is no /proc to open it anew, Linux before 6.7 refuses that. */
	s->memory = compose(s, PROT_READ, MAP_PRIVATE, e);
	if (!s->memory)
		return -ENOMEM;
	s->large_gpa = find_large(s);
	return 0;
}

/* The image beside it. One that has to be unpacked is, for this process. */
static int find_image(struct snapshot *s, const char *path, struct err *e)
{
	struct image_place place;
	struct image image;
	int r;

	if (s->image_size == 0)
		return 0;
	r = image_find(&place, path, &s->template.head.image, e);
	if (r)
		return r;
	if (place.plain) {
		off_t size = lseek(place.fd, 0, SEEK_END);

		r = size == (off_t)s->image_size ?
			    file_fill_holes(place.fd, place.path, e) :
			    err_set(e, -EINVAL, "%s: image damaged: bad sizes",
				    place.path);
		if (r == 0)
			r = map_image(s, place.fd, e);
	} else {
		r = image_open_kept(&image, place.path, e);
		if (r)
			image_close(&image);
		else
			s->image = image.data;
	}
	close(place.fd);
	return r;
}

int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = template_open(&s->template, path, e);
	if (r)
		return r;
	r = file_fill_holes(s->template.fd, path, e);
	if (r == 0)
		r = prepare(s, path, vmm, e);
	if (r == 0)
		r = find_image(s, path, e);
	if (r)
		snapshot_close(s);
	return r;
}

int snapshot_borrow(struct snapshot *s, int fd, const struct image *image,
		    const char *name, const struct vmm *vmm, struct err *e)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = template_read(&s->template, fd, name, e);
	if (r)
		return r;
	r = prepare(s, name, vmm, e);
	s->lent = true;
	s->image = image->data;
	if (r)
		snapshot_close(s);
	return r;
}

bool snapshot_is_loaded(const struct snapshot_files *files)
{
	int seals = fcntl(files->memory, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_WRITE);
}

static int map_any_image(struct snapshot *s, const struct snapshot_files *files,
			 const char *name, struct err *e)
{
	const off_t size = (off_t)s->image_size;

	if (files->image >= 0 && lseek(files->image, 0, SEEK_END) == size)
		return map_image(s, files->image, e);
	if (files->source >= 0 && lseek(files->source, 0, SEEK_END) == size)
		return map_image(s, files->source, e);
	return err_set(e, -ESTALE, "%s: its image is another one", name);
}

int snapshot_attach(struct snapshot *s, const struct snapshot_files *files,
		    const char *name, const struct vmm *vmm, struct err *e)
{
	bool loaded = snapshot_is_loaded(files);
	int r;

	memset(s, 0, sizeof(*s));
	r = template_read(&s->template, loaded ? files->memory : files->file,
			  name, e);
	if (r)
		return r;
	r = prepare(s, name, vmm, e);
	if (r == 0)
		r = map_any_image(s, files, name, e);
	if (r)
		snapshot_close(s);
	return r;
}

void snapshot_close(struct snapshot *s)
{
	if (s->memory)
		munmap((void *)(uintptr_t)s->memory, s->memory_size);
	if (s->image && !s->lent)
		munmap((void *)(uintptr_t)s->image, s->image_size);
	if (s->template.small)
		template_close(&s->template);
	free(s->runs);
	memset(s, 0, sizeof(*s));
}

void *snapshot_map(const struct snapshot *s, struct err *e)
{
	char *memory = compose(s, PROT_READ | PROT_WRITE, MAP_PRIVATE, e);
	size_t size = s->memory_size - s->large_gpa;

	if (!memory || size == 0)
		return memory;
	madvise(memory + s->large_gpa, size, MADV_HUGEPAGE);
	if (mprotect(memory + s->large_gpa, size, PROT_READ) == 0)
		return memory;
	err_set(e, -errno, "guest memory: %s", strerror(errno));
	munmap(memory, s->memory_size);
	return NULL;
}

void snapshot_unmap(const struct snapshot *s, void *memory)
{
	if (memory)
		munmap(memory, s->memory_size);
}

int snapshot_save(int fd, struct vm *vm, const struct vmm *vmm,
		  const struct snapshot_source *source, struct err *e)
{
	struct template_content c = { .training = source->training,
				      .training_size = source->training_size,
				      .program = source->program,
				      .memory = vm->memory,
				      .memory_size = vm->memory_size,
				      .image = source->image,
				      .image_size = source->image_size,
				      .sums = source->sums,
				      .build_ns = source->build_ns,
				      .state_size = sizeof(struct vm_state) };
	struct vm_state *state = calloc(1, sizeof(*state));
	int r = state ? vm_save(vm, state, e) :
			err_set(e, -ENOMEM, "no memory");

	c.state = state;
	c.mono_ns = clock_mono() + (uint64_t)vm->mono_offset;
	c.wall_ns = clock_wall();
	c.features = vmm->features;
	if (r == 0) {
		r = template_write(fd, &c);
		if (r)
			err_set(e, r, "template: %s", strerror(-r));
	}
	free(state);
	return r;
}

/* ---- of a session ---- */

/* Memory as it is by d; some: a bit for each page that may not be zero. */
static uint8_t *become(const struct snapshot *s, const struct delta *d,
		       uint64_t *some, struct err *e)
{
	uint8_t *memory = compose(s, PROT_READ | PROT_WRITE, MAP_PRIVATE, e);
	uint64_t page = 0;

	if (!memory)
		return NULL;
	memcpy(some, s->used, (s->memory_size / PAGE_BYTES + 63) / 64 * 8);
	while (delta_next(d, &page)) {
		bit_set(some, page - 1);
		delta_write(d, page - 1, memory + (page - 1) * PAGE_BYTES);
	}
	return memory;
}

/* Whether a page that is a table now, and was none, is one that no program can change:
 * the tables are about to be completed, and nobody else may do that for it. */
static bool has_taken(const struct delta *d, const uint64_t *tables)
{
	for (size_t i = 0; i < (d->pages + 63) / 64; i++)
		if (tables[i] & (d->fixed[i] | d->apart[i]) & ~d->tables[i])
			return true;
	return false;
}

/* 0 or -EINVAL. */
static int complete_tables(const struct snapshot *s, const struct delta *d,
			   uint8_t *memory, uint64_t *tables)
{
	struct snapshot other = *s;

	other.memory = memory;
	if (tables_mark(&other, tables) || has_taken(d, tables))
		return -EINVAL;
	tables_complete(s, memory, tables);
	return 0;
}

static int write_derived(int fd, const struct snapshot *s,
			 struct template_content *c, struct vm_state *state,
			 const struct delta *d, struct err *e)
{
	int r;

	c->mono_ns = base_state(d, state);
	c->state = state;
	c->wall_ns = clock_wall();
	c->like = &s->template;
	r = template_write(fd, c);
	return r ? err_set(e, r, "template: %s", strerror(-r)) : 0;
}

int snapshot_derive(int fd, const struct snapshot *s, const struct delta *d,
		    struct err *e)
{
	const struct template *t = &s->template;
	size_t words = (size_t)(s->memory_size / PAGE_BYTES + 63) / 64;
	struct template_content c = { .training = s->training,
				      .training_size = s->training_size,
				      .program = template_program(t),
				      .memory_size = s->memory_size,
				      .image_size = s->image_size,
				      .features = t->head.features,
				      .state_size = sizeof(struct vm_state) };
	struct vm_state *state = calloc(1, sizeof(*state));
	uint64_t *some = calloc(words, 8), *tables = calloc(words, 8);
	uint8_t *memory = NULL;
	int r = 0;

	if (!state || !some || !tables)
		r = err_set(e, -ENOMEM, "no memory");
	if (r == 0)
		memory = become(s, d, some, e);
	if (r == 0 && !memory)
		r = -ENOMEM;
	if (r == 0 && complete_tables(s, d, memory, tables))
		r = err_set(e, -EINVAL, "its page tables are damaged");
	c.memory = memory;
	c.some = some;
	if (r == 0)
		r = write_derived(fd, s, &c, state, d, e);
	snapshot_unmap(s, memory);
	free(state);
	free(some);
	free(tables);
	return r;
}
