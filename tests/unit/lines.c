#include "unit.h"

#include "lines.h"

#define PAGE (LINES * LINE_BYTES)

/* As the host's memory has them: of a VM, and of its template. */
static _Alignas(PAGE) uint8_t now[PAGE], then[PAGE];
static const struct lines_ahead next = { now, then };

static void fill(void)
{
	for (size_t i = 0; i < PAGE; i++)
		now[i] = then[i] = (uint8_t)unit_random(256);
}

/* Each byte, first with others that are all equal, then with lines that differ already. */
static void each_byte(void)
{
	lines_compare_call *compare = lines_compare();

	for (unsigned round = 0; round < 2; round++) {
		uint64_t before = 0;

		fill();
		for (unsigned i = 0; round && i < LINES; i += 1 + i % 7) {
			now[i * LINE_BYTES + unit_random(LINE_BYTES)] ^= 0x10;
			before |= 1ull << i;
		}
		CHECK(compare(now, then, &next) == before);
		for (size_t at = 0; at < PAGE; at++) {
			uint8_t was = now[at];

			now[at] = (uint8_t)(then[at] ^ (1u << at % 8));
			CHECK(compare(now, then, &next) ==
			      (before | 1ull << at / LINE_BYTES));
			now[at] = was;
		}
	}
}

static void zero(void)
{
	lines_compare_call *compare = lines_compare();

	memset(now, 0, sizeof(now));
	CHECK(compare(now, NULL, &next) == 0);
	for (size_t at = 0; at < PAGE; at++) {
		now[at] = (uint8_t)(1u << at % 8);
		CHECK(compare(now, NULL, &next) == 1ull << at / LINE_BYTES);
		now[at] = 0;
	}
	memset(now, 0x80, sizeof(now));
	CHECK(compare(now, NULL, &next) == ~0ull);
}

static void one_line(void)
{
	fill();
	CHECK(lines_same(now, then));
	for (size_t at = 0; at < LINE_BYTES; at++) {
		now[at] ^= 1;
		CHECK(!lines_same(now, then));
		now[at] ^= 1;
	}
	now[LINE_BYTES] ^= 1;
	CHECK(lines_same(now, then));
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a byte that differs is of one line, and no other is said "
		  "to differ",
		  each_byte },
		{ "what is not zero is found as well", zero },
		{ "one line is compared, and what is behind it is not",
		  one_line },
	};

	return UNIT_RUN("lines", tests);
}
