#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"

/* Memory as the template has it, with these rights and flags for its runs. */
static void *compose(const struct snapshot *s, int rights, int flags,
		     struct err *e)
{
	const struct template *t = &s->template;
	off_t base = (off_t)t->head.parts[TEMPLATE_MEMORY].offset;
	char *memory = mmap(NULL, s->memory_size, rights,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		goto fail;
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

static int map_image(struct snapshot *s, int file, uint64_t offset,
		     struct err *e)
{
	void *image;

	if (s->image_size == 0)
		return 0;
	image = mmap(NULL, s->image_size, PROT_READ, MAP_SHARED, file,
		     (off_t)offset);
	if (image == MAP_FAILED)
		return err_set(e, -errno, "image: %s", strerror(errno));
	s->image = image;
	return 0;
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
	s->image_size = t->head.parts[TEMPLATE_IMAGE].size;
	s->used = template_data(t, TEMPLATE_USED);
	s->mono_ns = t->head.mono_ns;
	s->training = template_data(t, TEMPLATE_TRAINING);
	s->training_size = t->head.parts[TEMPLATE_TRAINING].size;
	if (find_runs(s))
		return err_set(e, -ENOMEM, "%s: no memory", name);
	s->memory = compose(s, PROT_READ, MAP_SHARED, e);
	return s->memory ? 0 : -ENOMEM;
}

int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = template_open(&s->template, path, e);
	if (r)
		return r;
	r = prepare(s, path, vmm, e);
	if (r == 0)
		r = map_image(s, s->template.fd,
			      s->template.head.parts[TEMPLATE_IMAGE].offset, e);
	if (r)
		snapshot_close(s);
	return r;
}

bool snapshot_is_loaded(const struct snapshot_files *files)
{
	int seals = fcntl(files->memory, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_WRITE);
}

static int read_template(struct snapshot *s, int fd, const char *name,
			 struct err *e)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return err_set(e, -errno, "%s: %s", name, strerror(errno));
	return template_read(&s->template, fd, (uint64_t)size, name, e);
}

static int map_any_image(struct snapshot *s, const struct snapshot_files *files,
			 struct err *e)
{
	uint64_t offset = s->template.head.parts[TEMPLATE_IMAGE].offset;

	if (files->image >= 0 &&
	    lseek(files->image, 0, SEEK_END) == (off_t)s->image_size)
		return map_image(s, files->image, 0, e);
	return map_image(s, files->file, offset, e);
}

int snapshot_attach(struct snapshot *s, const struct snapshot_files *files,
		    const char *name, const struct vmm *vmm, struct err *e)
{
	bool loaded = snapshot_is_loaded(files);
	int r;

	memset(s, 0, sizeof(*s));
	r = read_template(s, loaded ? files->memory : files->file, name, e);
	if (r)
		return r;
	r = prepare(s, name, vmm, e);
	if (r == 0)
		r = map_any_image(s, files, e);
	if (r)
		snapshot_close(s);
	return r;
}

void snapshot_close(struct snapshot *s)
{
	if (s->memory)
		munmap((void *)(uintptr_t)s->memory, s->memory_size);
	if (s->image)
		munmap((void *)(uintptr_t)s->image, s->image_size);
	if (s->template.small)
		template_close(&s->template);
	free(s->runs);
	memset(s, 0, sizeof(*s));
}

void *snapshot_map(const struct snapshot *s, struct err *e)
{
	return compose(s, PROT_READ | PROT_WRITE, MAP_PRIVATE, e);
}

void snapshot_unmap(const struct snapshot *s, void *memory)
{
	if (memory)
		munmap(memory, s->memory_size);
}

int snapshot_save(const char *path, struct vm *vm, const struct vmm *vmm,
		  const struct snapshot_source *source, struct err *e)
{
	struct template_content c = { .training = source->training,
				      .training_size = source->training_size,
				      .program = source->program,
				      .memory = vm->memory,
				      .memory_size = vm->memory_size,
				      .image = source->image,
				      .image_size = source->image_size,
				      .build_ns = source->build_ns,
				      .state_size = sizeof(struct vm_state) };
	struct vm_state *state = calloc(1, sizeof(*state));
	int r = state ? vm_save(vm, state, e) :
			err_set(e, -ENOMEM, "%s: no memory", path);

	c.state = state;
	c.mono_ns = clock_mono() + (uint64_t)vm->mono_offset;
	c.wall_ns = clock_wall();
	c.features = vmm->features;
	if (r == 0)
		r = template_write(path, &c, e);
	free(state);
	return r;
}
