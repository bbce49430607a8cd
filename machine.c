#include "machine.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "control.h"

#define TRAINING_NS 5000000000ull

int machine_open(struct machine *m, const struct vmm *vmm,
		 const struct snapshot *s, struct err *e)
{
	memset(m, 0, sizeof(*m));
	vm_init(&m->vm);
	m->vmm = vmm;
	m->snapshot = s;
#ifdef ZEROBOOT_DEBUG
	m->verify = true;
#endif
	return recycle_open(&m->recycle, s, e);
}

void machine_close(struct machine *m)
{
	if (!m->snapshot)
		return;
	machine_drop(m);
	recycle_close(&m->recycle);
	m->snapshot = NULL;
}

int machine_make(struct machine *m, struct err *e)
{
	const struct snapshot *s = m->snapshot;
	struct vm_source source = { .state = s->state,
				    .memory_size = s->memory_size,
				    .locked = s->memory,
				    .image = s->image,
				    .image_size = s->image_size };
	int r;

	m->used = false;
	m->memory = snapshot_map(s, e);
	if (!m->memory)
		return -ENOMEM;
	source.memory = m->memory;
	r = vm_fork(&m->vm, m->vmm, &source, e);
	if (r)
		machine_drop(m);
	else
		m->vm.orders = m->orders;
	return r;
}

void machine_drop(struct machine *m)
{
	vm_destroy(&m->vm);
	snapshot_unmap(m->snapshot, m->memory);
	m->memory = NULL;
	recycle_renew(&m->recycle);
}

/* Monotonic time stood still meanwhile: programs take it for the time since they
 * started. */
static int prepare(struct machine *m, int r, uint32_t output_limit)
{
	if (r == 0)
		control_prepare(&m->vm, m->snapshot->mono_ns, output_limit);
	return r;
}

int machine_request(struct machine *m, const char *parts, size_t size,
		    uint32_t output_limit)
{
	return prepare(m, control_request(&m->vm, parts, size), output_limit);
}

int machine_code(struct machine *m, const void *code, size_t size,
		 uint32_t output_limit)
{
	return prepare(m, control_code(&m->vm, code, size), output_limit);
}

enum vm_event machine_run(struct machine *m, uint64_t deadline, struct err *e)
{
	return vm_run(&m->vm, deadline, e);
}

int machine_renew(struct machine *m, bool keep, bool learn,
		  enum recycle_result *result, struct err *e)
{
	*result = RECYCLE_UNFINISHED;
	if (learn)
		control_learn(&m->vm);
	if (keep)
		*result = recycle_vm(&m->recycle, &m->vm);
	if (*result != RECYCLE_DONE) {
		machine_drop(m);
		return machine_make(m, e);
	}
	if (m->verify && recycle_verify(&m->recycle, &m->vm, e))
		return -EILSEQ;
	if (learn)
		recycle_learn(&m->recycle);
	m->used = true;
	control_seed(&m->vm);
	return 0;
}

int machine_train(struct machine *m, enum recycle_result *result, struct err *e)
{
	const struct snapshot *s = m->snapshot;
	enum vm_event event;

	if (machine_code(m, s->training, s->training_size, ZB_OUTPUT_SIZE))
		return err_set(e, -E2BIG, "the training does not fit");
	event = machine_run(m, clock_mono() + TRAINING_NS, e);
	return machine_renew(m, event == VM_EXIT, true, result, e);
}

bool machine_can_train(const struct machine *m)
{
	return m->snapshot->training_size > 0;
}
