#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

static int map_image(struct snapshot *s, struct err *e)
{
	const struct template *t = &s->template;
	void *image;

	s->image_size = t->head.parts[TEMPLATE_IMAGE].size;
	if (s->image_size == 0)
		return 0;
	image = mmap(NULL, s->image_size, PROT_READ, MAP_PRIVATE, t->fd,
		     (off_t)t->head.parts[TEMPLATE_IMAGE].offset);
	if (image == MAP_FAILED)
		return err_set(e, -errno, "image: %s", strerror(errno));
	s->image = image;
	return 0;
}

/* A template that is open: what machines need of it. */
static int prepare(struct snapshot *s, const char *path, struct err *e)
{
	const struct template *t = &s->template;

	s->state = template_data(t, TEMPLATE_STATE);
	if (t->head.parts[TEMPLATE_STATE].size != sizeof(*s->state) ||
	    s->state->msr_count > VMM_MAX_MSRS)
		return err_set(e, -EINVAL, "%s: damaged: bad state", path);
	s->memory_size = t->head.memory_size;
	s->used = template_data(t, TEMPLATE_USED);
	s->mono_ns = t->head.mono_ns;
	s->training = template_data(t, TEMPLATE_TRAINING);
	s->training_size = t->head.parts[TEMPLATE_TRAINING].size;
	if (find_runs(s))
		return err_set(e, -ENOMEM, "%s: no memory", path);
	s->memory = compose(s, PROT_READ, MAP_SHARED, e);
	return s->memory ? map_image(s, e) : -ENOMEM;
}

int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = template_open(&s->template, path, e);
	if (r)
		return r;
	if (vmm)
		r = cpu_features_check(&s->template.head.features,
				       s->template.head.xcr0, vmm, path, e);
	if (r == 0)
		r = prepare(s, path, e);
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
				      .memory = vm->memory,
				      .memory_size = vm->memory_size,
				      .image = source->image,
				      .image_size = source->image_size,
				      .build_ns = source->build_ns,
				      .xcr0 = vmm->xcr0,
				      .state_size = sizeof(struct vm_state) };
	struct vm_state *state = calloc(1, sizeof(*state));
	int r = state ? vm_save(vm, state, e) :
			err_set(e, -ENOMEM, "%s: no memory", path);

	c.state = state;
	c.mono_ns = clock_mono() + (uint64_t)vm->mono_offset;
	c.wall_ns = clock_wall();
	cpu_features_read(&c.features, vmm);
	if (r == 0)
		r = template_write(path, &c, e);
	free(state);
	return r;
}
