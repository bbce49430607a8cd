/*
 * What sessions may have, of memory that others have, that has been promised, and that
 * is on the disk.
 */
#include "unit.h"

#include <errno.h>

#include "session.h"

#define MOST (100u << 20)
#define MIB(n) ((size_t)(n) << 20)

/* ---- in the place of other nouns ---- */

static size_t held; /* for what is being read */
static struct share
	*evicted;   /* whose memory goes to the disk, if it is wanted, */
static size_t left; /* and how much of it */
static bool works;

unsigned session_count(void)
{
	return 0;
}

bool session_any_runs(void)
{
	return false;
}

size_t session_store_held(void)
{
	return held;
}

bool session_store_works(void)
{
	return works;
}

bool session_store_is_behind(void)
{
	return works;
}

bool session_store_evict(const struct share *of)
{
	if (!left || (of && of != evicted))
		return false;
	share_discharge(evicted, left);
	left = 0;
	return true;
}

/* ---- owners, each with a session ---- */

struct owner {
	struct session s;
};

static void come(struct owner *o, uint64_t number, size_t bytes)
{
	const struct session_limits limits = { .most = 10,
					       .pages_most = MOST,
					       .bytes_most = MOST };

	session_limits_set(&limits);
	*o = (struct owner){ .s.share = share_of(number), .s.begun = true };
	share_charge(o->s.share, bytes);
}

/* Nothing is left of it. */
static void go(struct owner *o)
{
	session_promise_kept(&o->s);
	EQUAL(o->s.share->promised, 0);
	share_discharge(o->s.share, o->s.share->bytes);
	share_drop(o->s.share);
}

/* ---- tests ---- */

static void of_others(void)
{
	struct owner a, b;

	come(&a, 1, 0);
	come(&b, 2, MIB(15));
	CHECK(session_promise(&a.s, MIB(60)));
	/* Within its part, whatever the other one has been promised. */
	CHECK(session_promise(&b.s, MIB(15)));
	EQUAL(a.s.share->promised, MIB(60));
	EQUAL(b.s.share->promised, MIB(15));
	go(&b);
	go(&a);
}

static void of_its_own(void)
{
	struct owner a;
	struct session second;

	come(&a, 1, 0);
	second = a.s;
	CHECK(session_promise(&a.s, MIB(40)));
	/* It may have no more than is left before. */
	CHECK(!session_promise(&second, MIB(20) + 1));
	EQUAL(second.promised, 0);
	CHECK(session_promise(&second, MIB(20)));
	EQUAL(a.s.share->promised, MIB(60));
	session_promise_kept(&second);
	EQUAL(a.s.share->promised, MIB(40));
	go(&a);
}

static void everywhere(void)
{
	struct owner a, b;

	come(&a, 1, 0);
	come(&b, 2, 0);
	CHECK(session_promise(&a.s, MIB(60)));
	EQUAL(session_room(2, 1, MIB(50)), -ENOSPC);
	EQUAL(session_may_hold(&b.s, MIB(50)), -ENOSPC);
	EQUAL(session_room(2, 1, MIB(40)), 0);
	EQUAL(session_may_hold(&b.s, MIB(40)), 0);
	/* What is there by now is no promise's. */
	share_charge(b.s.share, MIB(50));
	CHECK(!session_may_keep(2, MIB(50)));
	works = true;
	CHECK(!session_may_exceed(&b.s, MIB(1), false));
	CHECK(!session_may_run());
	session_promise_kept(&a.s);
	CHECK(session_may_exceed(&b.s, MIB(1), false));
	CHECK(session_may_run());
	works = false;
	share_discharge(b.s.share, MIB(50));
	EQUAL(session_room(2, 1, MIB(50)), 0);
	go(&a);
	go(&b);
}

static void kept(void)
{
	struct owner a;

	come(&a, 0, 0);
	for (int i = 0; i < 3; i++) {
		CHECK(session_promise(&a.s, MOST));
		EQUAL(session_room(0, 1, 1), -ENOSPC);
		session_promise_kept(&a.s);
		session_promise_kept(&a.s);
		EQUAL(session_room(0, 1, MOST), 0);
	}
	CHECK(!session_promise(&a.s, MOST + 1));
	EQUAL(session_room(0, 1, MOST), 0);
	held = MIB(1);
	CHECK(!session_promise(&a.s, MOST));
	held = 0;
	go(&a);
}

static void makes_room(void)
{
	struct owner a, b;

	come(&a, 1, 0);
	come(&b, 2, MIB(45));
	evicted = b.s.share;
	left = MIB(30);
	CHECK(session_promise(&a.s, MIB(60)));
	EQUAL(left, 0);
	EQUAL(b.s.share->bytes, MIB(15));
	go(&a);
	go(&b);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what others have been promised is not an owner's",
		  of_others },
		{ "what its own sessions have been promised is", of_its_own },
		{ "a promise counts wherever memory is given", everywhere },
		{ "it is given back once, and is no more then", kept },
		{ "what is on the disk goes for one", makes_room },
	};

	return UNIT_RUN("session_limits", tests);
}
