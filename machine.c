#include "machine.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "delta_registers.h"
#include "tables.h"

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
				    .large_gpa = s->large_gpa,
				    .locked = s->memory,
				    .image = s->image,
				    .image_size = s->image_size };
	int r;

	m->used = false;
	m->mono_ns = s->mono_ns;
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
 * started, and nobody can tell how long a session was asleep. */
static int prepare(struct machine *m, int r, uint32_t output_limit)
{
	if (r == 0)
		control_prepare(&m->vm, m->mono_ns, output_limit);
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

static enum vm_event run(struct machine *m, uint64_t deadline, struct err *e)
{
	enum vm_event event = vm_run(&m->vm, deadline, e);

	m->mono_ns = clock_mono() + (uint64_t)m->vm.mono_offset;
	return event;
}

enum vm_event machine_run(struct machine *m, uint64_t deadline, struct err *e)
{
	m->vm.exits = 0;
	return run(m, deadline, e);
}

enum vm_event machine_interrupt(struct machine *m, int signal,
				uint64_t deadline, struct err *e)
{
	uint64_t ran_ns = m->vm.ran_ns;
	enum vm_event event;

	control_open(&m->vm)->signal = (uint32_t)signal;
	event = run(m, deadline, e);
	m->vm.ran_ns += ran_ns;
	return event;
}

int machine_look(struct machine *m, const struct delta *d, uint64_t *most,
		 struct err *e)
{
	struct recycle *r = &m->recycle;

	*most = UINT64_MAX;
	/* The last `out` is finished first: only then is it seen what it leaves. */
	if (vm_complete(&m->vm))
		return err_set(e, -EIO, "KVM_RUN: %s", strerror(errno));
	if (!recycle_is_ordinary(r, &m->vm) ||
	    !delta_registers_may_be(&m->vm.run->s.regs.regs,
				    &m->vm.run->s.regs.sregs))
		return err_set(e, -EPERM, "registers that no program can have");
	if (recycle_find(r, &m->vm))
		return err_set(e, -EIO, "it cannot be told what has changed");
	*most = delta_foresee(d, r->log, m->vm.memory);
	return 0;
}

int machine_keep(struct machine *m, struct delta *d, struct err *e)
{
	struct recycle *r = &m->recycle;
	struct vm_state now;
	int result = vm_peek(&m->vm, &now, e);

	if (result)
		return result;
	recycle_put_back(r, &m->vm, d->apart);
	result = delta_begin(d, &now, m->mono_ns, e);
	if (result)
		return result;
	result = delta_put_all(d, r->log, m->vm.memory, e);
	if (result == 0)
		result = delta_end(d, e);
	if (result)
		delta_undo(d);
	return result;
}

int machine_save(struct machine *m, struct delta *d, struct err *e)
{
	uint64_t most;
	int r = machine_look(m, d, &most, e);

	return r ? r : machine_keep(m, d, e);
}

int machine_rest(struct machine *m, const struct delta *d, struct err *e)
{
	return recycle_age(&m->recycle, &m->vm, d->changed) ?
		       err_set(e, -EIO, "its log cannot be kept") :
		       0;
}

int machine_go_on(struct machine *m, const struct delta *d, struct err *e)
{
	struct vm_state state;

	m->mono_ns = delta_state(d, &state);
	return vm_reset(&m->vm, &state, false, e);
}

int machine_resume(struct machine *m, const struct delta *d, struct err *e)
{
	uint64_t page = 0;
	int r = 0;

	/* What KVM has made of the tables that were there, it goes on to use. */
	if (m->used && delta_has_tables(d)) {
		machine_drop(m);
		r = machine_make(m, e);
	}
	if (r)
		return r;
	/* Of a request, and random bytes. */
	m->vm.seeded = false;
	if (recycle_undo_writes(&m->recycle, &m->vm))
		return err_set(e, -EIO, "its VM cannot be made as new");
	m->vm.keeps = true;
	while (delta_next(d, &page)) {
		if ((page - 1) * ZB_PAGE_SIZE >= m->vm.large_gpa &&
		    vm_give_large(&m->vm))
			return err_set(e, -ENOMEM, "its VM has no memory");
		recycle_bring(&m->recycle, page - 1);
		delta_write(d, page - 1,
			    m->vm.memory + (page - 1) * PAGE_BYTES);
	}
	/* It may have it, and nothing there. */
	if (control_page(&m->vm)->large == ZB_LARGE_GIVEN &&
	    vm_give_large(&m->vm))
		return err_set(e, -ENOMEM, "its VM has no memory");
	return machine_go_on(m, d, e);
}

/* To what recycle.h has been told of, or another one. */
static int put_back(struct machine *m, bool keep, uint64_t mono_ns,
		    enum recycle_result *result, struct err *e)
{
	*result = keep ? recycle_vm(&m->recycle, &m->vm) : RECYCLE_UNFINISHED;
	if (*result != RECYCLE_DONE) {
		machine_drop(m);
		return machine_make(m, e);
	}
	if (m->verify && recycle_verify(&m->recycle, &m->vm, e))
		return -EILSEQ;
	m->used = true;
	m->vm.keeps = m->vm.asks = false;
	m->mono_ns = mono_ns;
	control_seed(&m->vm);
	return 0;
}

int machine_renew(struct machine *m, bool keep, bool learn,
		  enum recycle_result *result, struct err *e)
{
	int r;

	if (learn)
		control_learn(&m->vm);
	recycle_rebase(&m->recycle, NULL);
	r = put_back(m, keep, m->snapshot->mono_ns, result, e);
	if (r == 0 && learn && *result == RECYCLE_DONE)
		recycle_learn(&m->recycle);
	return r;
}

int machine_rewind(struct machine *m, const struct base *b,
		   enum recycle_result *result, struct err *e)
{
	recycle_rebase(&m->recycle, b);
	return put_back(m, true, b->mono_ns, result, e);
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
