/*
 * Files of a run as the guest lists them, which may be anything: what is gathered the
 * front end takes.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "control.h"
#include "outputs.h"
#include "protocol.h"

#define MEMORY (64u << 20)
#define NOWHERE ((gpa_t)1 << 48)

/* ---- in the place of other nouns ---- */

int vm_give_large(struct vm *vm)
{
	(void)vm;
	return -ENOMEM;
}

/* ---- a guest ---- */

static struct snapshot snapshot;
static struct machine machine = { .snapshot = &snapshot };
static uint8_t *list_end;

static void begin_list(void)
{
	machine.vm.memory_size = MEMORY;
	machine.vm.memory = calloc(1, MEMORY);
	list_end = machine.vm.memory + ZB_OUTPUTS_GPA;
}

static void add(const void *data, size_t size)
{
	memcpy(list_end, data, size);
	list_end += size;
}

/* A file "a" of one byte, in that page. */
static void list(uint32_t kind, gpa_t page)
{
	struct zb_output o = { .kind = kind, .size = 1, .name_size = 1 };

	add(&o, sizeof(o));
	add("a\0\0\0\0\0\0", PADDED(1));
	if (kind == ZB_OUTPUT_FILE)
		add(&page, sizeof(page));
}

struct counts {
	unsigned files, left_out;
	uint32_t missed;
};

static struct counts gather(void)
{
	uint8_t *list = machine.vm.memory + ZB_OUTPUTS_GPA;
	struct zb_control *c = (void *)(machine.vm.memory + ZB_CONTROL_GPA);
	struct counts n = { 0 };
	struct outputs o;
	struct part_view p;
	const char *at;

	c->outputs_size = (uint64_t)(list_end - list);
	EQUAL(outputs_gather(&machine, 1 << 20, &o), 0);
	at = o.data;
	while (at && part_take(&at, o.data + o.size, FROM_WORKER, &p) == 1) {
		n.files += p.kind == PART_TEXT || p.kind == PART_BYTES;
		n.left_out += p.kind == PART_LEFT_OUT;
	}
	CHECK(!at || at == o.data + o.size);
	n.missed = o.missed;
	free(o.data);
	free(machine.vm.memory);
	return n;
}

/* ---- tests ---- */

static void test_nowhere(void)
{
	struct counts n;

	begin_list();
	for (int i = 0; i < 20; i++)
		list(ZB_OUTPUT_FILE, NOWHERE);
	n = gather();
	EQUAL(n.files, 0);
	EQUAL(n.left_out, PROTOCOL_LEFT_OUT_MAX);
	EQUAL(n.missed, 20 - PROTOCOL_LEFT_OUT_MAX);
}

static void test_mixed(void)
{
	struct counts n;

	begin_list();
	for (int i = 0; i < PROTOCOL_LEFT_OUT_MAX; i++) {
		list(ZB_OUTPUT_FILE, NOWHERE);
		list(ZB_OUTPUT_LEFT_OUT, 0);
		list(ZB_OUTPUT_FILE, ZB_PAGE_SIZE);
	}
	n = gather();
	EQUAL(n.files, PROTOCOL_LEFT_OUT_MAX);
	EQUAL(n.left_out, PROTOCOL_LEFT_OUT_MAX);
	EQUAL(n.missed, PROTOCOL_LEFT_OUT_MAX);
}

static void test_files(void)
{
	struct counts n;

	begin_list();
	for (int i = 0; i < PROTOCOL_FILES + 1; i++)
		list(ZB_OUTPUT_FILE, ZB_PAGE_SIZE);
	n = gather();
	EQUAL(n.files, PROTOCOL_FILES);
	EQUAL(n.left_out, 0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "of files whose pages are nowhere eight are named, the "
		  "others counted",
		  test_nowhere },
		{ "these count with those that the list leaves out itself",
		  test_mixed },
		{ "no more files than a result has", test_files },
	};

	return UNIT_RUN("outputs", tests);
}
