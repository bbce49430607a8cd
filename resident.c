#include "resident.h"

#include "control.h"
#include "delta_pages.h"

_Static_assert(PROTOCOL_UNSURE == UINT64_MAX, "as of delta_foresee");

/* NOLINTNEXTLINE(misc-redundant-expression): of two headers */
_Static_assert(DELTA_SPARE == PROTOCOL_STATE_SPARE &&
		       DELTA_SEGMENTS == PROTOCOL_STATE_SEGMENTS,
	       "the front end takes as "
	       "much of a state as a "
	       "worker makes");

static void prepare(struct machine *m, const struct run *run)
{
	if (run->session == RUN_BEGINNING)
		control_ask(&m->vm);
	else if (run->session < RUN_BEGINNING)
		control_session(&m->vm);
	else if (!m->vm.large_given)
		m->vm.keeps = false; /* nobody looks at what it leaves */
	if (run->session == RUN_SESSION_FORKED)
		control_forked(&m->vm);
	if (run->settle)
		control_settle(&m->vm);
	m->vm.calls_before = control_page(&m->vm)->syscalls;
}

int resident_begin(struct resident *r, struct machine *m, const struct run *run,
		   const char *state, size_t size, struct err *e)
{
	int n = r->open ?
			0 :
			delta_open(&r->delta, m->snapshot, run->state_limit, e);

	if (n)
		return n;
	r->open = true;
	if (run->session < RUN_BEGINNING)
		delta_hurry(&r->delta);
	delta_pages_keep_output(&r->delta, run->session >= RUN_BEGINNING);
	if (run_has_state(run->session))
		n = delta_add(&r->delta, state, size, e);
	if (n == 0 && r->delta.size)
		n = machine_resume(m, &r->delta, e);
	if (n == 0)
		prepare(m, run);
	return n;
}

void resident_go_on(struct machine *m, const struct run *run)
{
	prepare(m, run);
}

bool resident_is_there(const struct resident *r)
{
	return r->open && r->delta.size;
}

bool resident_rewind(struct resident *r, struct machine *m,
		     enum recycle_result *result, int *error, struct err *e)
{
	*error = 0;
	if (!r->based)
		(void)base_open(&r->base, &r->delta);
	r->based = true;
	if (!r->base.pages)
		return false;
	*error = machine_rewind(m, &r->base, result, e);
	return true;
}

uint64_t resident_look(struct resident *r, struct machine *m)
{
	uint64_t most;

	r->looked = machine_look(m, &r->delta, &most, &r->why);
	return most;
}

const struct delta_segment *resident_save(struct resident *r, struct machine *m,
					  int *result, struct err *e)
{
	*result = r->looked;
	if (r->looked)
		*e = r->why;
	else
		*result = machine_keep(m, &r->delta, e);
	return *result ? NULL : delta_last(&r->delta);
}

int resident_rest(struct resident *r, struct machine *m, struct err *e)
{
	int n = machine_rest(m, &r->delta, e);

	if (n == 0)
		n = machine_go_on(m, &r->delta, e);
	if (n == 0)
		control_seed_again(&m->vm);
	return n;
}

void resident_end(struct resident *r)
{
	base_close(&r->base);
	r->based = false;
	if (r->open)
		delta_clear(&r->delta);
}

void resident_close(struct resident *r)
{
	resident_end(r);
	if (r->open)
		delta_close(&r->delta);
	r->open = false;
}
