#include "unit.h"

#include <stdlib.h>

#include "content.h"

#define LONGEST 20000

static unsigned pauses;

static void note(struct json *j)
{
	(void)j;
	pauses++;
}

static void give_up(struct json *j)
{
	j->size = j->at;
}

/* Reads text, a content, to its end; its part's bytes. */
static bool read(const char *text, size_t size, struct parts *parts,
		 struct part_view *got, void (*pause)(struct json *j))
{
	const char *at, *problem = NULL;
	struct err e = { "" };
	struct json j;
	size_t where;

	json_begin(&j, text, size, &e);
	j.pause = pause;
	if (content_read(&j, parts, PART_FILE, "f", 1, &problem, &where) ||
	    json_end(&j))
		return false;
	at = parts->data;
	return part_take(&at, parts->data + parts->size, FROM_FRONT_END, got) ==
	       1;
}

/* {"base64": ...} of data, of which some "/" may have a backslash. */
static size_t write(char *text, const uint8_t *data, size_t size, bool escaped)
{
	static char base64[LONGEST * 2];
	size_t at = 0, n = 0,
	       length = content_encode(base64, sizeof(base64), data, size, &at);

	n = (size_t)sprintf(text, "{\"base64\":\"");
	for (size_t i = 0; i < length; i++) {
		if (base64[i] == '/' && escaped)
			text[n++] = '\\';
		text[n++] = base64[i];
	}
	return n + (size_t)sprintf(text + n, "\"} ");
}

static void fill(uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)unit_random(256);
}

static void exact(void)
{
	static uint8_t data[LONGEST];
	static char text[LONGEST * 3];

	fill(data, sizeof(data));
	for (int i = 0; i < 400; i++) {
		size_t size = i < 100 ? (size_t)i : unit_random(LONGEST);
		size_t length = write(text, data, size, i % 7 == 6);
		struct part_view got = { 0 };
		struct parts parts = { 0 };

		CHECK(read(text, length, &parts, &got, i % 2 ? note : NULL));
		SAME(got.data, got.size, data, size);
		parts_drop(&parts);
	}
	CHECK(pauses > 100);
}

static bool is_base64(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static void others(void)
{
	static uint8_t data[LONGEST];
	static char text[LONGEST * 3];
	static const size_t sizes[] = { 12, 48, 3000, 3072, 3075, 9000 };

	fill(data, sizeof(data));
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (int c = 0; c < 256; c++) {
			size_t length = write(text, data, sizes[s], false);
			size_t where =
				11 + unit_random((uint32_t)sizes[s] / 3 * 4);
			struct parts parts = { 0 };
			struct part_view got;

			text[where] = (char)c;
			EQUAL(read(text, length, &parts, &got, NULL),
			      is_base64((char)c));
			parts_drop(&parts);
		}
}

static void padding(void)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = { { "", true },         { "QQ==", true },
		      { "QUI=", true },     { "QUJD", true },
		      { "QR==", false },    { "QUJ=", false },
		      { "Q===", false },    { "====", false },
		      { "QQ=", false },     { "QQ", false },
		      { "Q", false },       { "QQ==QUJD", false },
		      { "Q=JD", false },    { "=UJD", false },
		      { "QUJDQQ==", true }, { "QUJDQ", false } };
	char text[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parts parts = { 0 };
		struct part_view got;
		int n = sprintf(text, "{\"base64\":\"%s\"}", cases[i].text);

		if (read(text, (size_t)n, &parts, &got, NULL) != cases[i].good)
			CHECK(!cases[i].text);
		parts_drop(&parts);
	}
}

static void cut(void)
{
	static uint8_t data[LONGEST];
	static char text[LONGEST * 3];
	size_t length = write(text, data, 7000, false);
	struct parts parts = { 0 };
	struct part_view got;

	/* Nothing behind the text is read: it ends where its memory does. */
	for (size_t i = 0; i < length - 2; i += i < 40 ? 1 : 97) {
		char *exactly = malloc(i ? i : 1);

		memcpy(exactly, text, i);
		CHECK(!read(exactly, i, &parts, &got, NULL));
		parts_drop(&parts);
		free(exactly);
	}
	CHECK(!read(text, length, &parts, &got, give_up));
	parts_drop(&parts);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "base64 of any length and bytes, with escapes or not",
		  exact },
		{ "any other character in it is refused, wherever it is",
		  others },
		{ "its padding is as it must be", padding },
		{ "text that ends early is refused, and nothing behind it read",
		  cut },
	};

	return UNIT_RUN("content", tests);
}
