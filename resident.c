#include "resident.h"

#include "control.h"

_Static_assert(DELTA_SPARE == PROTOCOL_STATE_SPARE &&
		       DELTA_SEGMENTS == PROTOCOL_STATE_SEGMENTS,
	       "the front end takes as "
	       "much of a state as a "
	       "worker makes");

static void prepare(struct machine *m, const struct run *run)
{
	control_session(&m->vm);
	if (run->session == RUN_SESSION_FORKED)
		control_forked(&m->vm);
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
	if (run->session != RUN_SESSION_FIRST) {
		n = delta_add(&r->delta, state, size, e);
		if (n == 0)
			n = machine_resume(m, &r->delta, e);
	}
	if (n == 0)
		prepare(m, run);
	return n;
}

int resident_go_on(struct resident *r, struct machine *m, const struct run *run,
		   struct err *e)
{
	int n = machine_go_on(m, &r->delta, e);

	if (n == 0)
		prepare(m, run);
	return n;
}

const struct delta_segment *resident_save(struct resident *r, struct machine *m,
					  int *result, struct err *e)
{
	*result = machine_save(m, &r->delta, e);
	return *result ? NULL : delta_last(&r->delta);
}

int resident_rest(struct resident *r, struct machine *m, struct err *e)
{
	return machine_rest(m, &r->delta, e);
}

void resident_end(struct resident *r)
{
	if (r->open)
		delta_clear(&r->delta);
}

void resident_close(struct resident *r)
{
	if (r->open)
		delta_close(&r->delta);
	r->open = false;
}
