/*
 * delta_fuzz.c: whatever segments are taken, what they put into a VM is what a
 * program can do: no page that CPL0 uses or that translates for it, no register
 * beyond a program's; and saved anew it is the same.
 *
 * Input: triples of an offset and a byte to change in a good delta of two segments,
 * whose checksums are made right; or, behind a zero, the bytes themselves.
 */
#include "fuzz.h"

#include "crc32c.h"
#include "delta.h"
#include "tables.h"

#define MEMORY ZB_MIN_MEMORY
#define ROOT ZB_FRAMES_GPA
#define KERNEL_TABLE (ROOT + 4096)
#define FIRST (ZB_FRAMES_GPA / 4096 + 4)
#define LIMIT (1u << 20)

static uint8_t *memory;
static uint64_t used[MEMORY / 4096 / 64];
static struct vm_state state;
static struct snapshot template;
static uint8_t *good;
static size_t good_size;

/* The one that there is. */
void template_name(const struct template_head *h, char name[SHA256_HEX + 1])
{
	(void)h;
	memset(name, 'a', SHA256_HEX);
	name[SHA256_HEX] = 0;
}

static void put_entry(gpa_t table, unsigned index, uint64_t entry)
{
	memcpy(memory + table + index * 8ul, &entry, 8);
}

static void save(struct delta *d, const uint8_t *page)
{
	struct err e;

	assert(delta_begin(d, &state, 1, &e) == 0);
	assert(delta_put(d, FIRST, page, &e) == 0);
	assert(delta_put(d, FIRST + 3, page, &e) == 0);
	assert(delta_end(d, &e) == 0);
}

static void setup(void)
{
	struct zb_kernel_header header = { .cpl0_end = ZB_KERNEL_BASE +
						       ZB_KERNEL_GPA + 8192 };
	uint8_t page[4096] = { 1 };
	struct delta d;
	struct err e;

	memory = calloc(1, MEMORY);
	assert(memory);
	memcpy(memory + ZB_KERNEL_GPA, &header, sizeof(header));
	put_entry(ROOT, 128, KERNEL_TABLE | 7);
	for (uint64_t at = ROOT; at <= KERNEL_TABLE; at += 4096)
		bit_set(used, at / 4096);
	bit_set(used, ZB_KERNEL_GPA / 4096);
	state.sregs.cr3 = ROOT;
	state.xcrs.xcrs[0].value = 7;
	state.regs.rflags = 0x202;
	template = (struct snapshot){ .state = &state,
				      .memory = memory,
				      .memory_size = MEMORY,
				      .used = used };
	assert(delta_open(&d, &template, LIMIT, &e) == 0);
	save(&d, page);
	page[100] = 2;
	save(&d, page);
	good = exact(d.data, d.size);
	good_size = d.size;
	delta_close(&d);
}

static void sum_up(uint8_t *bytes, size_t size)
{
	size_t at = 0;

	while (size - at >= sizeof(struct delta_segment)) {
		struct delta_segment *s = (void *)(bytes + at);

		if (s->size < sizeof(*s) || s->size > size - at || s->size % 8)
			return;
		s->checksum = 0;
		s->checksum = crc32c(0, s, s->size);
		at += s->size;
	}
}

static void use(struct delta *d)
{
	uint8_t page[4096];
	struct vm_state now;
	struct delta again;
	struct err e;
	uint64_t at = 0;

	assert(d->size && d->live <= LIMIT);
	delta_state(d, &now);
	assert((now.regs.rflags & ~0x254dd5ull) == 0x202);
	assert(now.sregs.cr3 == state.sregs.cr3);
	assert(delta_open(&again, &template, LIMIT, &e) == 0);
	assert(delta_begin(&again, &now, 1, &e) == 0);
	while (delta_next(d, &at)) {
		gpa_t gpa = (at - 1) * 4096;

		assert(gpa < MEMORY && gpa != KERNEL_TABLE);
		assert(gpa < ZB_TABLES_GPA ||
		       gpa >= ZB_TABLES_GPA + ZB_TABLES_SIZE);
		assert(gpa < ZB_KERNEL_GPA || gpa >= ZB_KERNEL_GPA + 8192);
		memcpy(page, memory + gpa, 4096);
		delta_write(d, at - 1, page);
		if (gpa == ROOT)
			assert(!memcmp(page + 1024, memory + gpa + 1024, 16));
		assert(delta_put(&again, at - 1, page, &e) == 0);
	}
	assert(delta_end(&again, &e) == 0);
	assert(again.live <= d->live);
	assert(delta_compact(d, &e) == 0);
	assert(d->live == again.live);
	delta_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool raw = size && data[0] == 0;
	struct err e = { "" };
	struct delta d;
	uint8_t *bytes;
	size_t length;

	if (!memory)
		setup();
	length = raw ? size - 1 : good_size;
	bytes = exact(raw ? data + 1 : good, length);
	for (; !raw && size >= 3; data += 3, size -= 3)
		bytes[(data[0] | (size_t)data[1] << 8) % length] = data[2];
	if (!raw)
		sum_up(bytes, length);
	assert(delta_open(&d, &template, LIMIT, &e) == 0);
	if (length && delta_add(&d, bytes, length, &e) == 0) {
		use(&d);
	} else {
		assert(!length || e.text[0]);
		assert(!d.size);
	}
	delta_close(&d);
	free(bytes);
	return 0;
}
