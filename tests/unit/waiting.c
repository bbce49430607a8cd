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

static struct job of_size(uint64_t owner, size_t parts, size_t shared)
{
	return (struct job){ .node.owner = owner,
			     .parts.size = parts,
			     .shared_size = shared };
}

static void test_shared(void)
{
	struct job a = of_size(1, 8, WAITING_PARTS_MAX / 2);
	struct job b = of_size(1, 8, WAITING_PARTS_MAX / 2);
	struct job c = of_size(1, 8, WAITING_PARTS_MAX / 2 - 16);

	open();
	EQUAL(waiting_put(&queue, &a), 0);
	EQUAL(waiting_put(&queue, &b), -EAGAIN);
	CHECK(!waiting_displace(&b)); /* its own */
	EQUAL(waiting_put(&queue, &c), 0);
	CHECK(!waiting_has_room(1, 16, 1));
	CHECK(waiting_take(&queue) == &a);
	EQUAL(waiting_put(&queue, &b), 0);
	waiting_remove(&b);
	waiting_remove(&c);
	EQUAL(waiting_count(), 0);
	CHECK(waiting_has_room(1, WAITING_PARTS_MAX, 1));
}

/* Of somebody whose inputs are large, one goes for a run of somebody else. */
static void test_displaced(void)
{
	struct job a = of_size(1, 8, WAITING_PARTS_MAX / 4);
	struct job b = of_size(1, 8, WAITING_PARTS_MAX / 4);
	struct job c = of_size(1, 8, WAITING_PARTS_MAX / 4);
	struct job d = of_size(2, WAITING_PARTS_MAX / 2 - 64, 0);

	open();
	EQUAL(waiting_put(&queue, &a), 0);
	EQUAL(waiting_put(&queue, &b), 0);
	EQUAL(waiting_put(&queue, &c), 0);
	CHECK(waiting_has_room(1, d.parts.size, 2));
	CHECK(waiting_displace(&d) == &c);
	EQUAL(waiting_put(&queue, &d), 0);
	CHECK(waiting_take(&queue) && waiting_take(&queue) &&
	      waiting_take(&queue));
	EQUAL(waiting_count(), 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what several share counts for each", test_shared },
		{ "one of who has the most gives up its place",
		  test_displaced },
	};

	return UNIT_RUN("waiting", tests);
}
