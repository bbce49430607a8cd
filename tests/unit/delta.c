#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "crc32c.h"
#include "delta.h"
#include "tables.h"

#define MEMORY ZB_MIN_MEMORY
#define PAGES (MEMORY / PAGE_BYTES)
#define ROOT ZB_FRAMES_GPA
#define KERNEL_TABLE (ROOT + 0x1000)
#define PROGRAM_TABLE (ROOT + 0x2000)
#define FIRST (ZB_FRAMES_GPA / PAGE_BYTES + 16) /* pages that are anybody's */
#define LIMIT (4u << 20)

/* ---- a template ---- */

static uint8_t *pristine;
static uint64_t used[PAGES / 64];
static struct vm_state state;
static struct snapshot template;

static void put_entry(gpa_t table, unsigned index, uint64_t entry)
{
	memcpy(pristine + table + index * 8ul, &entry, 8);
}

static void make_template(void)
{
	struct zb_kernel_header header = { .cpl0_end = ZB_KERNEL_BASE +
						       ZB_KERNEL_GPA + 0x2000 };

	if (pristine)
		return;
	pristine = aligned_alloc(4096, MEMORY);
	memset(pristine, 0, MEMORY);
	memcpy(pristine + ZB_KERNEL_GPA, &header, sizeof(header));
	put_entry(ROOT, 128, KERNEL_TABLE | 7);
	put_entry(ROOT, 255, PROGRAM_TABLE | 7);
	for (uint64_t page = FIRST; page < PAGES; page += 3)
		for (unsigned i = 0; i < 4096; i += 8)
			pristine[page * 4096 + i] = (uint8_t)(page + i);
	for (uint64_t page = 0; page < PAGES; page++)
		for (unsigned i = 0; i < 4096; i++)
			if (pristine[page * 4096 + i]) {
				bit_set(used, page);
				break;
			}
	state.sregs.cr3 = ROOT;
	state.xcrs.xcrs[0].value = 7;
	state.regs.rflags = 0x202;
	template = (struct snapshot){ .state = &state,
				      .memory = pristine,
				      .memory_size = MEMORY,
				      .used = used };
}

/* ---- a VM ---- */

static uint8_t *memory;
static uint64_t touched[PAGES / 64];

static void start(struct delta *d)
{
	struct err e;

	make_template();
	if (!memory)
		memory = aligned_alloc(4096, MEMORY);
	memcpy(memory, pristine, MEMORY);
	memset(touched, 0, sizeof(touched));
	EQUAL(delta_open(d, &template, LIMIT, &e), 0);
}

static void touch(uint64_t page, unsigned at, uint8_t value)
{
	memory[page * 4096 + at] = value;
	bit_set(touched, page);
}

static struct vm_state some_state(void)
{
	struct vm_state now = state;

	now.regs.rip = ZB_KERNEL_BASE + unit_random(1 << 20);
	now.regs.rbx = unit_random(1 << 30);
	now.regs.rflags = 0x202 | (unit_random(2) ? 0x40 : 0);
	now.sregs.fs.base = unit_random(1 << 30);
	now.sregs.gs.base = ~0ull - unit_random(1 << 30);
	((uint8_t *)&now.xsave)[160] = (uint8_t)unit_random(256);
	((uint8_t *)&now.xsave)[512] = 3;
	return now;
}

static int save(struct delta *d, const struct vm_state *now, struct err *e)
{
	int r = delta_begin(d, now, 12345, e);

	if (r)
		return r;
	for (uint64_t page = 0; page < PAGES && r == 0; page++)
		if (bit_is_set(touched, page))
			r = delta_put(d, page, memory + page * 4096, e);
	if (r == 0)
		r = delta_end(d, e);
	if (r)
		delta_undo(d);
	return r;
}

/* Template and delta are the VM, whose pages are the template's where nobody has touched
 * them. */
static void check_same(const struct delta *d, const struct vm_state *now)
{
	uint64_t written[PAGES / 64] = { 0 };
	uint8_t bytes[4096];
	struct vm_state then;
	uint64_t page = 0;

	while (delta_next(d, &page)) {
		uint64_t at = (page - 1) * 4096;

		memcpy(bytes, pristine + at, 4096);
		delta_write(d, page - 1, bytes);
		CHECK(!memcmp(bytes, memory + at, 4096));
		bit_set(written, page - 1);
	}
	for (page = 0; page < PAGES; page++)
		if (bit_is_set(touched, page) && !bit_is_set(written, page))
			CHECK(!memcmp(memory + page * 4096,
				      pristine + page * 4096, 4096));
	EQUAL(delta_state(d, &then), 12345);
	CHECK(!memcmp(&then, now, sizeof(then)));
}

static void changes_come_and_go(void)
{
	struct delta d, other;
	struct vm_state now;
	struct err e;
	size_t before = 0;
	bool compacted = false;

	start(&d);
	EQUAL(delta_open(&other, &template, LIMIT, &e), 0);
	for (int exec = 0; exec < 200; exec++) {
		const struct delta_segment *last;

		for (unsigned i = unit_random(60); i; i--)
			touch(FIRST + unit_random(200), unit_random(4096),
			      (uint8_t)unit_random(3));
		if (exec % 7 == 3) /* and one is as it was */
			memcpy(memory + FIRST * 4096, pristine + FIRST * 4096,
			       4096);
		now = some_state();
		EQUAL(save(&d, &now, &e), 0);
		check_same(&d, &now);
		last = delta_last(&d);
		compacted |= last->whole && exec;
		/* Who keeps segments has the same. */
		if (last->whole)
			delta_clear(&other);
		EQUAL(delta_add(&other, last, last->size, &e), 0);
		SAME(other.data, other.size, d.data, d.size);
		check_same(&other, &now);
		CHECK(d.size <= 2 * (d.live + (64 << 10)) + 8192);
		before = d.size;
	}
	CHECK(compacted && before);
	delta_close(&d);
	delta_close(&other);
}

static void nothing_new(void)
{
	struct delta d;
	struct vm_state now;
	struct err e;
	size_t size;

	start(&d);
	touch(FIRST + 1, 100, 1);
	bit_set(touched, FIRST + 2);
	now = some_state();
	EQUAL(save(&d, &now, &e), 0);
	EQUAL(delta_last(&d)->records, 1);
	size = d.size;
	EQUAL(save(&d, &now, &e), 0);
	EQUAL(delta_last(&d)->records, 0);
	CHECK(d.size - size < 1024);
	delta_close(&d);
}

/* A page that is the template's again has no lines, and does not count. */
static void given_back(void)
{
	struct delta d;
	struct vm_state now;
	struct err e;
	uint64_t page = 0;
	size_t size, live;

	start(&d);
	touch(FIRST + 1, 100, 1);
	now = some_state();
	EQUAL(save(&d, &now, &e), 0);
	live = d.live;
	for (unsigned i = 0; i < 4096; i += 64)
		touch(FIRST + 2, i, 7);
	EQUAL(save(&d, &now, &e), 0);
	CHECK(d.live > live + 4096);
	size = d.size;
	memcpy(memory + (FIRST + 2) * 4096, pristine + (FIRST + 2) * 4096,
	       4096);
	EQUAL(save(&d, &now, &e), 0);
	EQUAL(d.live, live);
	CHECK(d.size - size < 1024);
	check_same(&d, &now);
	CHECK(delta_next(&d, &page) && page == FIRST + 2);
	CHECK(!delta_next(&d, &page));
	/* Some lines of it, later. */
	touch(FIRST + 2, 200, 9);
	EQUAL(save(&d, &now, &e), 0);
	check_same(&d, &now);
	CHECK(d.live < live + 128);
	delta_close(&d);
}

static void grows_too_large(void)
{
	struct delta d;
	struct vm_state now, later;
	struct err e;

	start(&d);
	for (uint64_t page = FIRST; page < FIRST + 400; page++)
		for (unsigned i = 0; i < 4096; i += 64)
			touch(page, i, 0xee);
	now = some_state();
	EQUAL(save(&d, &now, &e), 0);
	/* The same pages again and again are not more. */
	for (uint8_t round = 1; round < 9; round++) {
		for (uint64_t page = FIRST; page < FIRST + 400; page++)
			touch(page, round * 64u, round);
		EQUAL(save(&d, &now, &e), 0);
	}
	for (uint64_t page = FIRST + 400; page < FIRST + 1400; page++)
		for (unsigned i = 0; i < 4096; i += 64)
			touch(page, i, 0xdd);
	later = some_state();
	EQUAL(save(&d, &later, &e), -ENOSPC);
	/* As it was. */
	memcpy(memory + (FIRST + 400) * 4096, pristine + (FIRST + 400) * 4096,
	       1000 * 4096);
	check_same(&d, &now);
	delta_close(&d);
}

/* ---- what is refused ---- */

static const struct {
	const char *what;
	uint64_t page;
	unsigned at;
	int result;
} writes[] = {
	{ "the null page", 0, 0, -EPERM },
	{ "control page", ZB_CONTROL_GPA / 4096, 100, 0 },
	{ "GDT", ZB_TABLES_GPA / 4096, 0, -EPERM },
	{ "TSS", ZB_TABLES_GPA / 4096 + 1, 8, -EPERM },
	{ "IDT", ZB_TABLES_GPA / 4096 + 2, 8, -EPERM },
	{ "random bytes", ZB_RANDOM_GPA / 4096, 8, -EPERM },
	{ "random bytes' end", ZB_RANDOM_GPA / 4096 + 1, 4095, -EPERM },
	{ "behind them", ZB_RANDOM_GPA / 4096 + 2, 0, 0 },
	{ "the kernel's first page", ZB_KERNEL_GPA / 4096, 4095, -EPERM },
	{ "CPL0's last page", ZB_KERNEL_GPA / 4096 + 1, 4095, -EPERM },
	{ "the kernel's data", ZB_KERNEL_GPA / 4096 + 2, 0, 0 },
	{ "request area", ZB_REQUEST_GPA / 4096, 0, -EPERM },
	{ "standard error's end", ZB_FRAMES_GPA / 4096 - 1, 4095, -EPERM },
	{ "the kernel's entry", ROOT / 4096, 128 * 8, -EPERM },
	{ "the image's entry", ROOT / 4096, 129 * 8 + 7, -EPERM },
	{ "an entry of the program", ROOT / 4096, 130 * 8, 0 },
	{ "the last entry", ROOT / 4096, 4095, 0 },
	{ "a table of the kernel", KERNEL_TABLE / 4096, 2048, -EPERM },
	{ "a table of the program", PROGRAM_TABLE / 4096, 2048, 0 },
	{ "the last page", PAGES - 1, 4095, 0 },
};

static void ways_to_cpl0(void)
{
	struct vm_state now = some_state();
	struct delta d;
	struct err e;

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		start(&d);
		touch(writes[i].page, writes[i].at, 0x5a);
		/* It is known ahead what is refused. What is apart is not told. */
		CHECK((delta_foresee(&d, touched, memory) == UINT64_MAX) ==
		      (writes[i].result &&
		       !bit_is_set(d.apart, writes[i].page)));
		if (!EQUAL(save(&d, &now, &e), writes[i].result))
			printf("# %s\n", writes[i].what);
		EQUAL(delta_has_tables(&d),
		      writes[i].result == 0 &&
			      (writes[i].page == ROOT / 4096 ||
			       writes[i].page == PROGRAM_TABLE / 4096));
		delta_close(&d);
	}
}

/* As a CPU's walk through page tables is in the log where paging is nested. */
static void only_read(void)
{
	struct vm_state now = some_state();
	struct delta d;
	struct err e;

	start(&d);
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		if (!bit_is_set(d.apart, writes[i].page))
			bit_set(touched, writes[i].page);
	touch(ROOT / 4096, 200 * 8, 1);
	CHECK(delta_foresee(&d, touched, memory) != UINT64_MAX);
	EQUAL(save(&d, &now, &e), 0);
	check_same(&d, &now);
	delta_close(&d);
}

/* A good one of two segments, to be spoilt. */
static uint8_t *good(size_t *size)
{
	struct vm_state now = some_state();
	struct delta d;
	struct err e;
	uint8_t *copy;

	start(&d);
	touch(FIRST, 0, 77);
	touch(FIRST + 5, 64, 77);
	touch(FIRST + 5, 192, 77);
	EQUAL(save(&d, &now, &e), 0);
	touch(FIRST + 5, 64, 78);
	EQUAL(save(&d, &now, &e), 0);
	copy = malloc(d.size);
	memcpy(copy, d.data, d.size);
	*size = d.size;
	delta_close(&d);
	return copy;
}

static void sum_up(uint8_t *bytes)
{
	struct delta_segment *s = (void *)bytes;

	s->checksum = 0;
	s->checksum = crc32c(0, s, s->size);
}

static void check_add(const uint8_t *bytes, size_t size, int result,
		      const char *what)
{
	/* Flush, for the sanitizer to see. */
	uint8_t *copy = malloc(size ? size : 1);
	struct err e = { "" };
	struct delta d;

	memcpy(copy, bytes, size);
	EQUAL(delta_open(&d, &template, LIMIT, &e), 0);
	if (!EQUAL(delta_add(&d, copy, size, &e), result))
		printf("# %s: %s\n", what, e.text);
	CHECK(result == 0 ? d.size == size : !d.size && !d.live);
	delta_close(&d);
	free(copy);
}

static void damaged(void)
{
	size_t size;
	uint8_t *bytes = good(&size);
	struct delta d;
	struct err e;

	check_add(bytes, size, 0, "whole");
	check_add(bytes, ((struct delta_segment *)(void *)bytes)->size, 0,
		  "the first segment");
	EQUAL(delta_open(&d, &template, LIMIT, &e), 0);
	for (size_t n = 8; n < size; n++) {
		uint8_t *copy;

		if (n == ((struct delta_segment *)(void *)bytes)->size)
			continue;
		copy = malloc(n);
		memcpy(copy, bytes, n);
		CHECK(delta_add(&d, copy, n, &e) == -EINVAL);
		free(copy);
	}
	for (size_t n = 0; n < size; n++) {
		bytes[n] ^= 1u << n % 8;
		CHECK(delta_add(&d, bytes, size, &e) < 0 && !d.size);
		bytes[n] ^= 1u << n % 8;
	}
	delta_close(&d);
	free(bytes);
}

/* Right in every checksum. */
static void hostile(void)
{
	static const struct {
		const char *what;
		size_t at;
		uint64_t value;
		int result;
	} cases[] = {
#define HEAD(field) offsetof(struct delta_segment, field)
#define REGISTER(field)                                                        \
	HEAD(registers) + offsetof(struct delta_registers, field)
#define VECTORS sizeof(struct delta_segment)
#define RECORD (VECTORS + 576)
		{ "nothing", HEAD(mono_ns), 1, 0 },
		{ "another version", HEAD(version), 3 | 7ull << 32, -ESTALE },
		{ "no kept lines", HEAD(records), 0, -EINVAL },
		{ "more records", HEAD(records), 3, -EINVAL },
		{ "many records", HEAD(records), ~0ull, -EINVAL },
		{ "another template", HEAD(template), 1, -ESTALE },
		{ "few vectors", HEAD(vectors_size), 8, -EINVAL },
		{ "many vectors", HEAD(vectors_size), 0xfffffff8, -EINVAL },
		{ "odd vectors", HEAD(vectors_size), 577, -EINVAL },
		{ "reserved", HEAD(vectors_size), 576 | 1ull << 32, -EINVAL },
		{ "interrupts off", REGISTER(flags), 2, -EINVAL },
		{ "IOPL 3", REGISTER(flags), 0x3202, -EINVAL },
		{ "virtual 8086", REGISTER(flags), 0x20202, -EINVAL },
		{ "high flags", REGISTER(flags), 0x202 | 1ull << 32, -EINVAL },
		{ "all flags", REGISTER(flags), 0x254fd7, 0 },
		{ "RIP that is none", REGISTER(rip), 1ull << 47, -EINVAL },
		{ "FS that is none", REGISTER(fs_base), 1ull << 63, -EINVAL },
		{ "GS that is none", REGISTER(gs_base), 1ull << 48, -EINVAL },
		{ "vectors of another CPU", VECTORS + 512, 8, -EINVAL },
		{ "compact vectors", VECTORS + 520, 1ull << 63, -EINVAL },
		{ "page 0", RECORD, 0, -EINVAL },
		{ "IDT", RECORD, ZB_TABLES_GPA / 4096 + 2, -EINVAL },
		{ "the kernel's table", RECORD, KERNEL_TABLE / 4096, -EINVAL },
		{ "request area", RECORD, ZB_REQUEST_GPA / 4096, -EINVAL },
		{ "no memory", RECORD, PAGES, -EINVAL },
		{ "far from it", RECORD, ~0ull, -EINVAL },
		{ "not in order", RECORD, FIRST + 5, -EINVAL },
		{ "after none", RECORD, FIRST | 1ull << 32, -EINVAL },
		{ "after itself", RECORD, FIRST | (RECORD / 8) << 32, -EINVAL },
		{ "a line less", RECORD + 8, 0, -EINVAL },
		{ "all lines", RECORD + 8, ~0ull, -EINVAL },
		{ "another line", RECORD + 8, 1ull << 63, 0 },
	};
	size_t size;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *bytes = good(&size);

		memcpy(bytes + cases[i].at, &cases[i].value, 8);
		sum_up(bytes);
		check_add(bytes, size, cases[i].result, cases[i].what);
		free(bytes);
	}
}

/* They count, and come to nothing: there is no room for them in one segment. */
static void told_needlessly(void)
{
	size_t size;
	uint8_t *bytes = good(&size);
	struct delta d;
	struct err e;
	uint64_t page = 0;

	size = ((struct delta_segment *)(void *)bytes)->size;
	memset(bytes + size - 2 * DELTA_LINE, 0, 2 * DELTA_LINE);
	sum_up(bytes);
	EQUAL(delta_open(&d, &template, LIMIT, &e), 0);
	EQUAL(delta_add(&d, bytes, size, &e), 0);
	EQUAL(d.live, sizeof(struct delta_record) + DELTA_LINE);
	EQUAL(delta_compact(&d, &e), 0);
	EQUAL(delta_last(&d)->records, 1);
	CHECK(delta_next(&d, &page) && page == FIRST + 1);
	CHECK(!delta_next(&d, &page));
	delta_close(&d);
	free(bytes);
}

static void wrong_order(void)
{
	size_t size, first;
	uint8_t *bytes = good(&size);
	struct delta_segment *second;
	struct delta d;
	struct err e;

	first = ((struct delta_segment *)(void *)bytes)->size;
	second = (void *)(bytes + first);
	EQUAL(second->whole, 0);
	check_add(bytes + first, size - first, -EINVAL, "without the first");
	EQUAL(delta_open(&d, &template, LIMIT, &e), 0);
	EQUAL(delta_add(&d, bytes, first, &e), 0);
	EQUAL(delta_add(&d, bytes, first, &e), -EINVAL);
	EQUAL(d.size, 0);
	delta_close(&d);
	free(bytes);
}

static void no_memory(void)
{
	struct vm_state now = some_state();

	WITH_FAILING_ALLOCATIONS
	{
		struct delta d;
		struct err e;
		int r;

		make_template();
		r = delta_open(&d, &template, LIMIT, &e);
		if (r) {
			EQUAL(r, -ENOMEM);
			continue;
		}
		memcpy(memory, pristine, MEMORY);
		for (uint8_t round = 1; round < 9 && r == 0; round++) {
			for (uint64_t page = FIRST; page < FIRST + 400; page++)
				touch(page, round, round);
			r = save(&d, &now, &e);
		}
		CHECK(r == 0 || r == -ENOMEM);
		delta_close(&d);
	}
}

static const struct unit_test tests[] = {
	{ "a page that is as the template's again does not count", given_back },
	{ "template and delta are the VM after each of many saves, and for "
	  "whoever kept the segments",
	  changes_come_and_go },
	{ "what has not changed since is not written again", nothing_new },
	{ "one that grows beyond its limit is as it was", grows_too_large },
	{ "what only CPL0 may change is never saved", ways_to_cpl0 },
	{ "what was only looked at is no reason to refuse", only_read },
	{ "damaged bytes are refused, wherever", damaged },
	{ "hostile segments are refused", hostile },
	{ "lines that are the template's all the same are left out of one "
	  "segment",
	  told_needlessly },
	{ "segments come in their order", wrong_order },
	{ "no allocation is taken for granted", no_memory },
};

int main(void)
{
	return UNIT_RUN("delta", tests);
}
