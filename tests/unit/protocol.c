#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "protocol.h"

#define MIB (1u << 20)
#define OUTPUT (16 + MIB + 4096)
#define STATE (769 * MIB)

/* What protocol.h says, in bytes. */
static const struct rule {
	enum message_kind kind;
	enum protocol_side from;
	uint32_t least, most;
} rules[] = {
	{ MESSAGE_RUN, FROM_FRONT_END, 88, 88 + 34 * MIB + 16 + STATE },
	{ MESSAGE_TRAIN, FROM_FRONT_END, 0, 0 },
	{ MESSAGE_CANCEL, FROM_FRONT_END, 8, 8 },
	{ MESSAGE_INTERRUPT, FROM_FRONT_END, 16, 16 },
	{ MESSAGE_CREDIT, FROM_FRONT_END, 16, 16 },
	{ MESSAGE_OUTPUT, FROM_WORKER, 8, 32 * 1024 },
	{ MESSAGE_READY, FROM_WORKER, 0, 0 },
	{ MESSAGE_RESULT, FROM_WORKER, 120,
	  120 + 2 * OUTPUT + 16 + 512 + 34 * MIB + 16 + 65536 },
	{ MESSAGE_SAVED, FROM_WORKER, 16, 16 + STATE },
	{ MESSAGE_IDLE, FROM_WORKER, 16, 16 },
	{ MESSAGE_WARM, FROM_WORKER, 16, 16 },
	{ MESSAGE_FAILED, FROM_WORKER, 16, 16 + 512 },
};

static const struct rule *rule_of(uint32_t kind, enum protocol_side from)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].kind == kind && rules[i].from == from)
			return &rules[i];
	return NULL;
}

static void check_head(uint32_t kind, uint32_t size, enum protocol_side from)
{
	const struct rule *rule = rule_of(kind, from);
	bool good = rule && size % 8 == 0 && size >= rule->least &&
		    size <= rule->most;
	struct message head = { kind, size }, m;
	/* Flush, for the sanitizer to see. */
	void *data = malloc(sizeof(head));
	size_t want = 0;
	int r;

	memcpy(data, &head, sizeof(head));
	r = message_look(data, sizeof(head), from, &m, &want);
	free(data);
	if (!EQUAL(r, !good ? -EPROTO : size ? 0 : 1))
		printf("# kind %u, size %u, side %d\n", kind, size, from);
	if (good) {
		EQUAL(want, (size_t)8 + size);
		CHECK(m.kind == kind && m.size == size);
	}
}

static void every_head(void)
{
	static const uint32_t odd[] = { 0x7fffffff, 0x80000000, 0xfffffff0,
					0xfffffff8, 0xffffffff };
	enum protocol_side from;

	for (uint32_t kind = 0; kind < MESSAGE_KINDS + 300u; kind++)
		for (from = FROM_FRONT_END; from <= FROM_WORKER; from++) {
			const struct rule *rule = rule_of(kind, from);

			for (uint32_t size = 0; size < 140; size++)
				check_head(kind, size, from);
			for (uint32_t d = 0; rule && d < 40; d++)
				check_head(kind, rule->most + 20 - d, from);
			for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]);
			     i++) {
				check_head(kind, odd[i], from);
				check_head(odd[i], kind, from);
			}
		}
}

static void not_all_there(void)
{
	struct message head = { MESSAGE_IDLE, 16 }, m;
	char whole[24] = { 0 };

	memcpy(whole, &head, sizeof(head));
	for (size_t size = 0; size <= sizeof(whole); size++) {
		char *data = malloc(size ? size : 1);
		size_t want = 0;

		memcpy(data, whole, size);
		EQUAL(message_look(data, size, FROM_WORKER, &m, &want),
		      size == sizeof(whole));
		EQUAL(want, size < 8 ? 8 : 24);
		free(data);
	}
}

/* ---- parts ---- */

static const struct part_rule {
	enum part_kind kind;
	enum protocol_side from;
	size_t most, name_most;
} part_rules[] = {
	{ PART_CODE, FROM_FRONT_END, 32 * MIB, 0 },
	{ PART_STDIN, FROM_FRONT_END, 32 * MIB, 0 },
	{ PART_ARGUMENT, FROM_FRONT_END, 32 * MIB, 0 },
	{ PART_ENVIRONMENT, FROM_FRONT_END, 32 * MIB, 0 },
	{ PART_FILE, FROM_FRONT_END, 32 * MIB, 4095 },
	{ PART_OUTPUT, FROM_FRONT_END, 0, 4095 },
	{ PART_LOOK, FROM_FRONT_END, 0, 4095 },
	{ PART_REMOVE, FROM_FRONT_END, 0, 4095 },
	{ PART_STATE, FROM_FRONT_END, 769 * MIB, 0 },
	{ PART_VALUE, FROM_WORKER, 65536, 0 },
	{ PART_ENTRIES, FROM_WORKER, 448 << 10, 0 },
	{ PART_TEXT, FROM_WORKER, 32 * MIB, 4095 },
	{ PART_BYTES, FROM_WORKER, 32 * MIB, 4095 },
	{ PART_LEFT_OUT, FROM_WORKER, 0, 4095 },
	{ PART_STDOUT, FROM_WORKER, MIB + 4096, 0 },
	{ PART_STDERR, FROM_WORKER, MIB + 4096, 0 },
	{ PART_MESSAGE, FROM_WORKER, 512, 0 },
};

/* A part's head, with room behind it; as the rules say. */
static void check_part(struct part head, size_t room, enum protocol_side from)
{
	char *data = malloc(sizeof(head) + room);
	const char *at = data, *end = data + sizeof(head) + room;
	struct part_view p = { 0 };
	bool good = false;
	int r;

	for (size_t i = 0; i < sizeof(part_rules) / sizeof(part_rules[0]); i++)
		good |= part_rules[i].kind == head.kind &&
			part_rules[i].from == from &&
			head.name_size <= part_rules[i].name_most &&
			head.size <= part_rules[i].most &&
			PADDED(head.name_size) + PADDED(head.size) <= room;
	memcpy(data, &head, sizeof(head));
	r = part_take(&at, end, from, &p);
	if (!EQUAL(r, good ? 1 : -EPROTO))
		printf("# kind %u, name %u, size %llu in %zu, side %d\n",
		       head.kind, head.name_size, (unsigned long long)head.size,
		       room, from);
	if (good)
		CHECK(p.name == data + sizeof(head) &&
		      p.data == p.name + PADDED(head.name_size) &&
		      p.size == head.size && p.kind == head.kind &&
		      p.name_size == head.name_size &&
		      at == p.data + (head.size + 7) / 8 * 8);
	free(data);
}

static void every_part(void)
{
	static const uint64_t sizes[] = {
		0,
		1,
		7,
		8,
		9,
		16,
		17,
		511,
		512,
		513,
		MIB + 4096,
		MIB + 4097,
		32 * MIB,
		32 * MIB + 1,
		UINT32_MAX,
		(uint64_t)UINT32_MAX + 1,
		UINT64_MAX,
		UINT64_MAX - 6,
		UINT64_MAX - 7,
		UINT64_MAX - 8,
	};
	enum protocol_side from;

	for (uint32_t kind = 0; kind < PART_KINDS + 3; kind++)
		for (from = FROM_FRONT_END; from <= FROM_WORKER; from++)
			for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]);
			     i++) {
				uint64_t size = sizes[i];
				struct part p = { .kind = kind, .size = size };
				size_t room = size <= 32 * MIB + 1 ?
						      (size + 7) / 8 * 8 :
						      64;

				check_part(p, room, from);
				check_part(p, room + 8, from);
				if (room)
					check_part(p, room - 8, from);
				p.name_size = 1;
				check_part(p, room, from);
				check_part(p, room + 8, from);
				p.name_size = 4095;
				check_part(p, room + 4088, from);
				check_part(p, room + 4096, from);
				p.name_size = 4096;
				check_part(p, room + 4096, from);
				p.name_size = UINT32_MAX;
				check_part(p, room, from);
			}
}

static void cut_heads(void)
{
	for (size_t size = 0; size < sizeof(struct part); size++) {
		char *data = calloc(1, size ? size : 1);
		const char *at = data;
		struct part_view p;

		EQUAL(part_take(&at, data + size, FROM_WORKER, &p),
		      size ? -EPROTO : 0);
		free(data);
	}
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a message is taken exactly when its kind, side and size fit",
		  every_head },
		{ "a message that is not all there is waited for",
		  not_all_there },
		{ "a part is taken exactly when kind, side, name and size fit",
		  every_part },
		{ "what is left behind the last part is refused", cut_heads },
	};

	return UNIT_RUN("protocol", tests);
}
