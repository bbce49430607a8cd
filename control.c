#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"

/* Random bytes beyond what the training used. */
#define RANDOM_SPARE 128

/* ---- guest memory ---- */

static bool fits(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	return gpa <= vm->memory_size && size <= vm->memory_size - gpa;
}

const void *control_at(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	return fits(vm, gpa, size) ? vm->memory + gpa : NULL;
}

/* What does not fit is counted all the same: then nobody knows what to put
 * back. */
static void note_write(struct vm *vm, gpa_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vm->write_count && i < VM_WRITES; i++) {
		struct vm_write *w = &vm->writes[i];

		if (w->gpa != gpa)
			continue;
		if (w->size < size)
			w->size = size;
		return;
	}
	if (vm->write_count < VM_WRITES)
		vm->writes[vm->write_count] = (struct vm_write){ gpa, size };
	if (vm->write_count <= VM_WRITES)
		vm->write_count++;
}

/* Of the areas that abi.h names: every guest has them. */
static void *write_area(struct vm *vm, gpa_t gpa, uint64_t size)
{
	note_write(vm, gpa, size);
	return vm->memory + gpa;
}

void *control_write(struct vm *vm, gpa_t gpa, uint64_t size)
{
	return fits(vm, gpa, size) ? write_area(vm, gpa, size) : NULL;
}

volatile struct zb_control *control_open(struct vm *vm)
{
	return write_area(vm, ZB_CONTROL_GPA, sizeof(struct zb_control));
}

/* ---- a run ---- */

static void fill_random(volatile void *to, size_t size)
{
	/* No entropy: two runs would draw the same numbers. */
	if (getrandom((void *)(uintptr_t)to, size, 0) != (ssize_t)size)
		abort();
}

void control_seed(struct vm *vm)
{
	volatile struct zb_control *c = control_open(vm);

	fill_random(c->seed, ZB_SEED_SIZE);
	fill_random(write_area(vm, ZB_RANDOM_GPA, vm->random_size),
		    vm->random_size);
	c->random_size = vm->random_size;
	vm->seeded = true;
}

void control_learn(struct vm *vm)
{
	uint32_t used = control_page(vm)->random_used;

	if (used < ZB_RANDOM_SIZE - RANDOM_SPARE)
		vm->random_size = used + RANDOM_SPARE;
}

void control_prepare(struct vm *vm, uint64_t mono_ns, uint32_t output_limit)
{
	volatile struct zb_control *c = control_open(vm);

	if (!vm->seeded)
		control_seed(vm);
	c->output_limit = output_limit < ZB_OUTPUT_SIZE ? output_limit :
							  ZB_OUTPUT_SIZE;
	c->stdout_size = c->stderr_size = 0;
	c->preempt = 0;
	c->signal = 0;
	c->processes = 0;
	c->flags = (c->flags & ~(uint32_t)ZB_FLAG_NESTED) |
		   (vm->needs_flush ? ZB_FLAG_NESTED : 0);
	c->wall_ns = clock_wall();
	c->mono_ns = mono_ns;
	vm->mono_offset = (int64_t)(mono_ns - clock_mono());
}

int control_request(struct vm *vm, const void *code, size_t size)
{
	if (size > ZB_REQUEST_SIZE)
		return -E2BIG;
	memcpy(write_area(vm, ZB_REQUEST_GPA, size), code, size);
	control_open(vm)->request_size = (uint32_t)size;
	return 0;
}

void control_trace(struct vm *vm)
{
	control_open(vm)->flags |= ZB_FLAG_TRACE;
}

/* ---- after it ---- */

int control_exit_code(const struct vm *vm)
{
	return (int)(control_page(vm)->exit_code & 0xff);
}

const void *control_output(const struct vm *vm, int stream, uint32_t limit,
			   size_t *size, uint64_t *total)
{
	const volatile struct zb_control *c = control_page(vm);

	*total = stream == 1 ? c->stdout_size : c->stderr_size;
	if (limit > ZB_OUTPUT_SIZE)
		limit = ZB_OUTPUT_SIZE;
	*size = *total < limit ? (size_t)*total : limit;
	return vm->memory + (stream == 1 ? ZB_STDOUT_GPA : ZB_STDERR_GPA);
}

size_t control_log(const struct vm *vm, char *line, size_t size)
{
	const volatile struct zb_control *c = control_page(vm);
	size_t n = c->log_size;

	if (n > ZB_LOG_SIZE)
		n = ZB_LOG_SIZE;
	if (n > size - 1)
		n = size - 1;
	for (size_t i = 0; i < n; i++) {
		line[i] = c->log[i];
		if (line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n] = 0;
	return n;
}
