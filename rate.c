#include "rate.h"

static bool take(struct rate *r, uint64_t now)
{
	if (r->paid_ns < now)
		r->paid_ns = now;
	if (r->paid_ns - now > (r->burst - 1) * r->step_ns)
		return false;
	r->paid_ns += r->step_ns;
	return true;
}

bool rate_take(struct rate *r, uint64_t now)
{
	/* What was missed is said first. */
	if (!r->missed && take(r, now))
		return true;
	r->missed++;
	return false;
}

unsigned rate_missed(struct rate *r, uint64_t now)
{
	unsigned missed = r->missed;

	if (!missed || !take(r, now))
		return 0;
	r->missed = 0;
	return missed;
}
