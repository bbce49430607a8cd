/* Lists of segments that grow, are shared and dropped, against a model; and the memory
 * that they came in, of which some is kept. */
#include "unit.h"

#include <stdlib.h>

#include "discard.h"
#include "state.h"

#define STATES 4
#define LONGEST 40
#define STEPS 20000

static uint64_t now = 1;

uint64_t clock_mono(void)
{
	return now;
}

struct model {
	struct state state;
	uint32_t words[LONGEST]; /* the first of each segment */
	size_t count;
};

static struct segment *make(uint32_t word, size_t size)
{
	uint32_t *data = discard_alloc(size);

	data[0] = word;
	data[size / sizeof(word) - 1] = ~word;
	return segment_make(data, size, (const char *)data, size);
}

static bool is_as(const struct model *m)
{
	size_t size = 0;

	for (size_t i = 0; i < m->state.count; i++) {
		const struct iovec *v = &m->state.pieces[i];
		const uint32_t *data = v->iov_base;

		if (data[0] != m->words[i] ||
		    data[v->iov_len / sizeof(*data) - 1] != ~m->words[i])
			return false;
		size += v->iov_len;
	}
	return m->state.count == m->count && m->state.size == size;
}

static void add(struct model *m, uint32_t word)
{
	bool whole = m->count == LONGEST || unit_random(16) == 0;
	size_t size = 8 + 8 * unit_random(unit_random(4) ? 4000 : 40000);

	m->count = whole ? 0 : m->count;
	m->words[m->count++] = word;
	EQUAL(state_add(&m->state, make(word, size), whole), 0);
}

static void copies_are_apart(void)
{
	static struct model models[STATES];

	for (uint32_t i = 0; i < STEPS; i++) {
		struct model *m = &models[unit_random(STATES)];
		struct model *other = &models[unit_random(STATES)];

		if (unit_random(4)) {
			add(m, i);
		} else if (m != other) {
			state_drop(&m->state);
			*m = *other;
			m->state = state_copy(&other->state);
		}
		now += unit_random(10000000);
		if (unit_random(50) == 0)
			discard_tick();
		for (int k = 0; k < STATES; k++)
			CHECK(is_as(&models[k]));
	}
	for (int k = 0; k < STATES; k++)
		state_drop(&models[k].state);
	EQUAL(state_total(), 0);
}

static void one_that_grows_makes_few_lists(void)
{
	struct state s = { 0 };
	const struct iovec *before = NULL;
	int lists = 0;

	for (uint32_t i = 0; i < 64; i++) {
		state_add(&s, make(i, 64), false);
		lists += s.pieces != before;
		before = s.pieces;
	}
	CHECK(lists <= 7);
	state_drop(&s);
	EQUAL(state_total(), 0);
}

static void what_went_is_of_use_again(void)
{
	size_t sizes[] = { 8 << 10, 14104, 35368, 100000, 200000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *data = discard_alloc(sizes[i]);

		discard(data, sizes[i]);
		CHECK(discard_alloc(sizes[i] + 8) == data);
		discard(data, sizes[i] + 8);
	}
	now += 2000000000;
	discard_tick();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "copies are apart, and nothing is left", copies_are_apart },
		{ "one that grows makes few lists",
		  one_that_grows_makes_few_lists },
		{ "memory that went is of use again for what is as large",
		  what_went_is_of_use_again },
	};

	return UNIT_RUN("state", tests);
}
