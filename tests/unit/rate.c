#include "unit.h"

#include "rate.h"

#define STEP 1000u

static struct rate make(unsigned burst)
{
	return (struct rate){ .burst = burst, .step_ns = STEP };
}

static void some_at_once_then_one_a_step(void)
{
	struct rate r = make(3);
	uint64_t now = 50000;

	for (int i = 0; i < 3; i++)
		CHECK(rate_take(&r, now));
	CHECK(!rate_take(&r, now));
	EQUAL(rate_missed(&r, now), 0); /* to say so costs one, too */
	EQUAL(rate_missed(&r, now + STEP - 1), 0);
	EQUAL(rate_missed(&r, now + STEP), 1);
	CHECK(!rate_take(&r, now + STEP));
	EQUAL(rate_missed(&r, now + 2 * STEP), 1);
	EQUAL(rate_missed(&r, now + 9 * STEP), 0);
	for (int i = 0; i < 3; i++)
		CHECK(rate_take(&r, now + 9 * STEP));
	CHECK(!rate_take(&r, now + 9 * STEP));
}

static void what_was_missed_is_said_before_others(void)
{
	struct rate r = make(1);

	CHECK(rate_take(&r, 0));
	CHECK(!rate_take(&r, 1));
	CHECK(!rate_take(&r, 10 * STEP));
	EQUAL(rate_missed(&r, 10 * STEP), 2);
	CHECK(!rate_take(&r, 10 * STEP));
}

static void never_more_than_burst_and_steps(void)
{
	struct rate r = make(20);
	uint64_t now = 0, lines = 0, asked = 0, missed = 0;

	for (int i = 0; i < 100000; i++) {
		unsigned some = rate_missed(&r, now);

		missed += some;
		lines += some > 0;
		lines += rate_take(&r, now);
		asked++;
		CHECK(lines <= 20 + now / STEP);
		now += unit_random(STEP);
	}
	CHECK(lines > now / STEP / 2);
	CHECK(missed + r.missed < asked);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "some at once, then one a step",
		  some_at_once_then_one_a_step },
		{ "what was missed is said before others are let through",
		  what_was_missed_is_said_before_others },
		{ "never more than the burst and one a step",
		  never_more_than_burst_and_steps },
	};

	return UNIT_RUN("rate", tests);
}
