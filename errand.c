#include "errand.h"

#include <errno.h>
#include <string.h>

#include "guest/abi.h"

/* What each kind of run is made of. */
static int check_parts(const struct errand *e)
{
	const char *at = e->parts;
	struct part_view p;
	int codes = 0, r;

	while ((r = part_take(&at, e->end, FROM_FRONT_END, &p)) == 1) {
		codes += p.kind == PART_CODE;
		if (p.kind == PART_STATE ||
		    (e->run.session >= RUN_BRANCH && p.kind != PART_STDIN &&
		     p.kind != PART_OUTPUT))
			return -EPROTO;
	}
	/* A session's program need not be in it. */
	if (codes == 0 && run_is_next(e->run.session))
		return r ? -EPROTO : 0;
	return r || codes != (e->run.session < RUN_BRANCH) ? -EPROTO : 0;
}

int errand_take(struct errand *e, const char *body, size_t size)
{
	const struct run *run = &e->run;

	memset(e, 0, sizeof(*e));
	memcpy(&e->run, body, sizeof(e->run));
	e->parts = body + sizeof(e->run);
	e->end = body + size;
	if (run->session >= RUN_SESSIONS ||
	    run->state_limit > PROTOCOL_PAGES_MAX ||
	    run->output_limit > ZB_OUTPUT_SIZE ||
	    run->outputs_limit > PROTOCOL_FILES_MAX)
		return -EPROTO;
	if (run->settle && run->session != RUN_SESSION_FIRST &&
	    !run_is_next(run->session))
		return -EPROTO;
	if (run_has_state(run->session) &&
	    (part_take(&e->parts, e->end, FROM_FRONT_END, &e->state) != 1 ||
	     e->state.kind != PART_STATE))
		return -EPROTO;
	return check_parts(e);
}
