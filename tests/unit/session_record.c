#include "unit.h"

#include <errno.h>

#include "session_record.h"

#define ID "01a218c7-9348-77cb-bbb8-3b53e0f204d7"
#define NAME ID RECORD_ENDING

static struct session_record good(void)
{
	struct session_record r = { .magic = RECORD_MAGIC,
				    .version = RECORD_VERSION,
				    .size = 64,
				    .id = ID,
				    .language = "python",
				    .flags = RECORD_BEGUN };

	memset(r.template, 'a', sizeof(r.template));
	r.checksum = record_checksum(&r);
	return r;
}

static int look(struct session_record *r)
{
	r->checksum = record_checksum(r);
	return record_check(r, NAME, sizeof(*r) + 64, NULL);
}

static void templates(void)
{
	struct session_record r = good();

	r.flags = RECORD_TEMPLATE;
	strcpy(r.name, "with-data");
	EQUAL(look(&r), -EINVAL); /* of a state */
	r.size = 0;
	r.checksum = record_checksum(&r);
	EQUAL(record_check(&r, NAME, sizeof(r), NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct session_record bad = r;

		if (i == 0)
			bad.name[0] = 0;
		else if (i == 1)
			memset(bad.name, 'a', sizeof(bad.name));
		else
			bad.template[63] = 'g';
		bad.checksum = record_checksum(&bad);
		EQUAL(record_check(&bad, NAME, sizeof(bad), NULL), -EINVAL);
	}
}

static void names(void)
{
	char name[RECORD_NAME], id[ID_SIZE];

	record_name(name, ID);
	CHECK(!strcmp(name, NAME));
	CHECK(record_named(name, id) && !strcmp(id, ID));
	CHECK(!record_named("", id) && !record_named(RECORD_ENDING, id));
	CHECK(!record_named(ID, id) && !record_named(ID ".zbt", id));
	CHECK(!record_named("x" NAME, id) && !record_named(NAME "x", id));
	CHECK(!record_named("../218c7-9348-77cb-bbb8-3b53e0f204d7.zbs", id));
	CHECK(!record_named("01A218C7-9348-77CB-BBB8-3B53E0F204D7.zbs", id));
}

static void every_byte(void)
{
	struct session_record r = good();

	EQUAL(record_check(&r, NAME, sizeof(r) + 64, NULL), 0);
	for (size_t i = 0; i < sizeof(r); i++) {
		((uint8_t *)&r)[i] ^= 0x10;
		EQUAL(record_check(&r, NAME, sizeof(r) + 64, NULL),
		      i >= 8 && i < 12 ? -ESTALE : -EINVAL);
		((uint8_t *)&r)[i] ^= 0x10;
	}
}

static void sizes(void)
{
	struct session_record r = good();

	EQUAL(record_check(&r, NAME, 0, NULL), -EINVAL);
	EQUAL(record_check(&r, NAME, sizeof(r), NULL), -EINVAL);
	EQUAL(record_check(&r, NAME, sizeof(r) + 63, NULL), -EINVAL);
	EQUAL(record_check(&r, NAME, sizeof(r) + 65, NULL), -EINVAL);
	r.size = UINT64_MAX;
	EQUAL(look(&r), -EINVAL);
	r.size = 0;
	r.checksum = record_checksum(&r);
	EQUAL(record_check(&r, NAME, sizeof(r), NULL), -EINVAL);
	r.flags = 0; /* it has not run */
	r.checksum = record_checksum(&r);
	EQUAL(record_check(&r, NAME, sizeof(r), NULL), 0);
}

static void strings(void)
{
	struct session_record r = good();

	r.id[0] = '1';
	EQUAL(look(&r), -EINVAL);
	r = good();
	memset(r.id, '0', sizeof(r.id));
	EQUAL(look(&r), -EINVAL);
	r = good();
	memset(r.language, 'x', sizeof(r.language));
	EQUAL(look(&r), -EINVAL);
	r = good();
	memset(r.ended, 'x', sizeof(r.ended));
	EQUAL(look(&r), -EINVAL);
	for (const char *bad = "/G."; *bad; bad++) {
		r = good();
		r.template[63] = *bad;
		EQUAL(look(&r), -EINVAL);
	}
	r = good();
	r.template[5] = 0;
	EQUAL(look(&r), -EINVAL);
	r.ended[0] = 'x'; /* of which nobody wants the template */
	EQUAL(look(&r), 0);
	r = good();
	memset(r.name, 'x', sizeof(r.name));
	EQUAL(look(&r), -EINVAL);
	r = good();
	r.flags = 0; /* it has not run: it may be of one, or of none yet */
	EQUAL(look(&r), 0);
	r.template[63] = 'g';
	EQUAL(look(&r), -EINVAL);
	memset(r.template, 0, sizeof(r.template));
	EQUAL(look(&r), 0);
	r.flags = RECORD_BEGUN;
	EQUAL(look(&r), -EINVAL);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a file's name has an id, and nothing else", names },
		{ "a byte that is another one is found, wherever", every_byte },
		{ "sizes are those of the file", sizes },
		{ "strings end, and say what they may", strings },
		{ "a template has a name, and no state", templates },
	};

	return UNIT_RUN("session_record", tests);
}
