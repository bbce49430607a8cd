#include "unit.h"

#include <errno.h>

#include "queue.h"

static struct queue_node *node(struct queue_node *n, uint64_t owner)
{
	*n = (struct queue_node){ .owner = owner };
	return n;
}

static void add(struct queue *q, struct queue_node *n, uint64_t owner)
{
	EQUAL(queue_add(q, node(n, owner)), 0);
}

static void first_come_first_served(void)
{
	struct queue q = { 0 };
	struct queue_node n[4];

	CHECK(!queue_take(&q));
	for (int i = 0; i < 4; i++)
		add(&q, &n[i], 7);
	EQUAL(queue_count(&q, 7), 4);
	EQUAL(queue_count(&q, 8), 0);
	for (int i = 0; i < 4; i++) {
		CHECK(n[i].lane);
		CHECK(queue_take(&q) == &n[i]);
		CHECK(!n[i].lane);
	}
	CHECK(!queue_take(&q) && !q.turn);
}

static void owners_take_turns(void)
{
	struct queue q = { 0 };
	struct queue_node a[3], b[2], c;

	for (int i = 0; i < 3; i++)
		add(&q, &a[i], 1);
	add(&q, &b[0], 2);
	add(&q, &b[1], 2);
	CHECK(queue_take(&q) == &a[0]);
	/* Newcomers wait for all others. */
	add(&q, &c, 3);
	CHECK(queue_take(&q) == &b[0]);
	CHECK(queue_take(&q) == &a[1]);
	CHECK(queue_take(&q) == &c);
	CHECK(queue_take(&q) == &b[1]);
	CHECK(queue_take(&q) == &a[2]);
	CHECK(!q.turn);
}

static void removed_anywhere(void)
{
	for (int gone = 0; gone < 3; gone++) {
		struct queue q = { 0 };
		struct queue_node n[3], other;

		for (int i = 0; i < 3; i++)
			add(&q, &n[i], 1);
		add(&q, &other, 2);
		queue_remove(&n[gone]);
		EQUAL(queue_count(&q, 1), 2);
		CHECK(queue_take(&q) == &n[gone == 0]);
		queue_remove(&other);
		CHECK(queue_take(&q) == &n[gone == 2 ? 1 : 2]);
		CHECK(!q.turn);
	}
}

static void longest_gives_its_newest(void)
{
	struct queue q = { 0 };
	struct queue_node a[2], b[3], c[1];
	unsigned count;

	CHECK(!queue_longest(&q, &count));
	EQUAL(count, 0);
	for (int i = 0; i < 2; i++)
		add(&q, &a[i], 1);
	for (int i = 0; i < 3; i++)
		add(&q, &b[i], 2);
	add(&q, &c[0], 3);
	CHECK(queue_longest(&q, &count) == &b[2]);
	EQUAL(count, 3);
	queue_remove(&b[2]);
	queue_remove(&b[1]);
	CHECK(queue_longest(&q, &count) == &a[1]);
	EQUAL(count, 2);
	while (queue_take(&q))
		;
}

static void no_memory_changes_nothing(void)
{
	struct queue q = { 0 };
	struct queue_node a, b, c;

	add(&q, &a, 1);
	fail_plan->countdown = 1;
	EQUAL(queue_add(&q, node(&b, 1)), 0); /* its owner has a lane */
	EQUAL(queue_add(&q, node(&c, 2)), -ENOMEM);
	EQUAL(fail_plan->failed, 1);
	CHECK(!c.lane);
	EQUAL(queue_count(&q, 2), 0);
	CHECK(queue_take(&q) == &a && queue_take(&q) == &b && !q.turn);
}

/* ---- whatever is done, in a model that only has a list ---- */

#define NODES 40
#define OWNERS 6

struct model {
	struct queue_node *list[NODES]; /* in the order they came */
	size_t count;
	uint64_t owners[OWNERS]; /* that wait, the next in turn first */
	size_t owner_count;
};

static size_t waiting(const struct model *m, uint64_t owner)
{
	size_t n = 0;

	for (size_t i = 0; i < m->count; i++)
		n += m->list[i]->owner == owner;
	return n;
}

static void model_add(struct model *m, struct queue_node *n)
{
	if (!waiting(m, n->owner))
		m->owners[m->owner_count++] = n->owner;
	m->list[m->count++] = n;
}

static void model_remove(struct model *m, const struct queue_node *n)
{
	size_t i = 0;

	while (m->list[i] != n)
		i++;
	memmove(m->list + i, m->list + i + 1,
		(--m->count - i) * sizeof(m->list[0]));
	if (waiting(m, n->owner))
		return;
	for (i = 0; m->owners[i] != n->owner;)
		i++;
	memmove(m->owners + i, m->owners + i + 1,
		(--m->owner_count - i) * sizeof(m->owners[0]));
}

static struct queue_node *model_take(struct model *m)
{
	uint64_t owner = m->owners[0];
	struct queue_node *n = NULL;

	if (!m->count)
		return NULL;
	memmove(m->owners, m->owners + 1, (m->owner_count - 1) * sizeof(owner));
	m->owners[m->owner_count - 1] = owner;
	for (size_t i = 0; !n; i++)
		if (m->list[i]->owner == owner)
			n = m->list[i];
	model_remove(m, n);
	return n;
}

static void like_a_model(void)
{
	static struct queue_node nodes[NODES];
	struct model m = { 0 };
	struct queue q = { 0 };

	for (int step = 0; step < 20000 || m.count; step++) {
		struct queue_node *n = &nodes[unit_random(NODES)];
		unsigned count = 0, most = 0;

		if (step >= 20000 || unit_random(3) == 0) {
			n = model_take(&m);
			CHECK(queue_take(&q) == n);
		} else if (n->lane) {
			model_remove(&m, n);
			queue_remove(n);
			CHECK(!n->lane);
		} else {
			add(&q, n, unit_random(OWNERS));
			model_add(&m, n);
		}
		for (uint64_t owner = 0; owner < OWNERS; owner++) {
			EQUAL(queue_count(&q, owner), waiting(&m, owner));
			if (waiting(&m, owner) > most)
				most = (unsigned)waiting(&m, owner);
		}
		n = queue_longest(&q, &count);
		CHECK(!n == !m.count && count == most);
		CHECK(!n || queue_count(&q, n->owner) == most);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "one owner's jobs: first come, first served",
		  first_come_first_served },
		{ "owners take turns, a newcomer's comes last",
		  owners_take_turns },
		{ "a job goes from any place", removed_anywhere },
		{ "the longest line gives its newest job",
		  longest_gives_its_newest },
		{ "without memory nothing has changed",
		  no_memory_changes_nothing },
		{ "20,000 steps are as in a plain list", like_a_model },
	};

	return UNIT_RUN("queue", tests);
}
