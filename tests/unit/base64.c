#include "unit.h"

#include <stdlib.h>

#include "base64.h"
#include "content.h"

#define GROUPS 100

/* Of random bytes, in memory that ends where they do. */
static void exact(void)
{
	uint8_t data[3 * GROUPS];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)unit_random(256);
	for (size_t groups = 0; groups <= GROUPS; groups++) {
		size_t size = groups * 3, length = groups * 4, at = 0;
		uint8_t *text = malloc(length + 1), *to = malloc(size + 1);

		EQUAL(content_encode((char *)text + 1, length, data, size, &at),
		      length);
		CHECK(base64_decode(text + 1, length, to + 1));
		SAME(to + 1, size, data, size);
		CHECK(base64_decode(text + 1, length, text + 1));
		SAME(text + 1, size, data, size);
		free(text);
		free(to);
	}
}

/* Each character at each place: what has none of the steps that take many at a time,
 * one, and more with a rest. */
static void characters(void)
{
	static const size_t lengths[] = { 4, 32, 48, 84, 100 };
	uint8_t text[100], to[75];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t at = 0; at < lengths[i]; at++)
			for (int c = 0; c < 256; c++) {
				memset(text, 'A', sizeof(text));
				text[at] = (uint8_t)c;
				EQUAL(base64_decode(text, lengths[i], to),
				      c && strchr(base64_alphabet, c));
			}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "any number of groups, into another place and the same",
		  exact },
		{ "what is none of its characters is refused at each place",
		  characters },
	};

	return UNIT_RUN("base64", tests);
}
