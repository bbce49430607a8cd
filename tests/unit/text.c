#include "unit.h"

#include <stdlib.h>

#include "text.h"

static void grows(void)
{
	struct text t = { 0 };
	size_t expected = 0;

	for (size_t size = 0; size < 3000; size += 7) {
		char *part = malloc(size + 1);

		memset(part, 'a' + (int)(size % 26), size);
		text_add(&t, part, size);
		free(part);
		expected += size;
		CHECK(t.size == expected && t.size <= t.room && !t.failed);
	}
	for (size_t size = 0, at = 0; size < 3000; at += size, size += 7)
		CHECK(size == 0 || (t.data[at] == 'a' + (int)(size % 26) &&
				    t.data[at + size - 1] == t.data[at]));
	free(t.data);
}

static void room_is_kept(void)
{
	struct text t = { 0 };
	char *before;

	CHECK(text_reserve(&t, 0));
	CHECK(text_reserve(&t, 5000) && t.room >= 5000 && t.size == 0);
	before = t.data;
	for (int i = 0; i < 5000; i++)
		text_add(&t, "x", 1);
	CHECK(t.data == before);
	EQUAL(t.size, 5000);
	free(t.data);
}

static void no_size_is_too_large(void)
{
	static const size_t sizes[] = { SIZE_MAX,         SIZE_MAX - 9,
					SIZE_MAX / 2,     SIZE_MAX / 2 + 2,
					SIZE_MAX / 2 - 9, SIZE_MAX / 4 * 3 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (int had = 0; had < 2; had++) {
			struct text t = { 0 };

			if (had)
				text_add(&t, "0123456789", 10);
			/* No allocator is asked for what it may say much to. */
			fail_plan->countdown = 1;
			CHECK(!text_reserve(&t, sizes[i]) && t.failed);
			fail_plan->countdown = 0;
			EQUAL(t.size, 10 * had);
			free(t.data);
		}
}

static void no_memory_is_kept_in_mind(void)
{
	struct text t = { 0 };

	text_add(&t, "abc", 3);
	fail_plan->countdown = 1;
	fail_plan->failed = 0;
	text_add(&t, "d", 1);
	CHECK(!t.failed);
	CHECK(!text_reserve(&t, 4000));
	EQUAL(fail_plan->failed, 1);
	/* Nothing is added from then on, though there were room. */
	text_add(&t, "e", 1);
	text_format(&t, "%d", 5);
	CHECK(t.failed && !text_reserve(&t, 0));
	SAME(t.data, t.size, "abcd", 4);
	free(t.data);
}

static void lines(void)
{
	struct text t = { 0 };
	char long_one[2000];

	text_format(&t, "%s %d%%", "a", 5);
	SAME(t.data, t.size, "a 5%", 4);
	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[1999] = 0;
	for (size_t size = 1020; size < 1030; size++) {
		t.size = 0;
		text_format(&t, "%.*s", (int)size, long_one);
		SAME(t.data, t.size, long_one, size < 1023 ? size : 1023);
	}
	free(t.data);
}

static void numbers(void)
{
	static const int64_t values[] = { 0,  9,   10,        4294967296,
					  -1, -10, INT64_MIN, INT64_MAX };
	static const struct {
		uint64_t ns;
		const char *ms;
	} times[] = { { 0, "0.000" },
		      { 499, "0.000" },
		      { 500, "0.001" },
		      { 999999, "1.000" },
		      { 1050000, "1.050" },
		      { 12345678901, "12345.679" },
		      { UINT64_MAX, "18446744073709.552" } };
	struct text t = { 0 };
	char expected[32];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		t.size = 0;
		text_put_number(&t, values[i]);
		snprintf(expected, sizeof(expected), "%lld",
			 (long long)values[i]);
		SAME(t.data, t.size, expected, strlen(expected));
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		t.size = 0;
		text_put_ms(&t, times[i].ns);
		SAME(t.data, t.size, times[i].ms, strlen(times[i].ms));
	}
	free(t.data);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "all that was added is there", grows },
		{ "room that was asked for is there", room_is_kept },
		{ "a size beyond all memory fails", no_size_is_too_large },
		{ "when memory ran out nothing is added any more",
		  no_memory_is_kept_in_mind },
		{ "a line has 1,023 bytes at most", lines },
		{ "numbers are as printf writes them", numbers },
	};

	return UNIT_RUN("text", tests);
}
