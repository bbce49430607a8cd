/* Runs that wait: how large they may be, with what they share. */
#include "unit.h"

#include <errno.h>

#include "job.h"
#include "waiting.h"

static struct queue queue;

static void open(void)
{
	queue = (struct queue){ 0 };
	waiting_open(8);
	waiting_add_queue(&queue);
}

static struct job of_size(uint64_t owner, size_t parts,
			  struct waiting_share *shared)
{
	return (struct job){ .node.owner = owner,
			     .parts.size = parts,
			     .shared = shared };
}

static void test_shared(void)
{
	struct waiting_share most = { .size = WAITING_PARTS_MAX - 64 };
	struct waiting_share other = most;
	struct job a = of_size(1, 8, &most), b = of_size(1, 8, &most);
	struct job c = of_size(1, 8, &other), d = of_size(1, 56, NULL);

	open();
	EQUAL(waiting_put(&queue, &a), 0);
	EQUAL(waiting_put(&queue, &b), 0);
	EQUAL(waiting_put(&queue, &c), -EAGAIN);
	CHECK(!waiting_displace(&c)); /* its own */
	EQUAL(waiting_put(&queue, &d), -EAGAIN);
	CHECK(waiting_has_room(1, 48, 1) && !waiting_has_room(1, 49, 1));
	CHECK(waiting_take(&queue) == &a);
	EQUAL(waiting_put(&queue, &c), -EAGAIN);
	waiting_remove(&b);
	EQUAL(most.waiting, 0);
	EQUAL(waiting_put(&queue, &c), 0);
	waiting_remove(&c);
	EQUAL(waiting_count(), 0);
	CHECK(waiting_has_room(1, WAITING_PARTS_MAX, 1));
}

/* Of somebody who has the most, one goes for a run of somebody else. */
static void test_displaced(void)
{
	struct waiting_share half = { .size = WAITING_PARTS_MAX / 2 };
	struct job a = of_size(1, 8, &half);
	struct job b = of_size(1, WAITING_PARTS_MAX / 4, NULL);
	struct job c = of_size(1, WAITING_PARTS_MAX / 8, NULL);
	struct job d = of_size(2, WAITING_PARTS_MAX / 4, NULL);

	open();
	EQUAL(waiting_put(&queue, &a), 0);
	EQUAL(waiting_put(&queue, &b), 0);
	EQUAL(waiting_put(&queue, &c), 0);
	CHECK(waiting_has_room(1, d.parts.size, 2));
	CHECK(waiting_displace(&d) == &c);
	CHECK(waiting_displace(&d) == &b);
	EQUAL(waiting_put(&queue, &d), 0);
	CHECK(waiting_take(&queue) && waiting_take(&queue));
	EQUAL(waiting_count(), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what several share counts once", test_shared },
		{ "one of who has the most gives up its place",
		  test_displaced },
	};

	return UNIT_RUN("waiting", tests);
}
