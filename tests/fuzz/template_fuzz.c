/*
 * template_fuzz.c: a file that snapshot_attach takes can be mapped and its page
 * tables walked without leaving it.
 *
 * Input: triples of an offset, where it counts, and a byte to change in the head,
 * the state, the bits of used pages or the page tables of a good file. The
 * checksums are made right.
 */
#include "fuzz.h"

#include <sys/mman.h>

#include "../../template.c"

#include "recycle.h"
#include "snapshot.h"

#define ROOT ZB_FRAMES_GPA
#define TABLES 4
#define STATE HEAD_SIZE
#define TRAINING ((STATE + sizeof(struct vm_state) + 7) & ~7ull)
#define USED_SIZE (ZB_MIN_MEMORY / 4096 / 8)
#define SUMS (TRAINING + USED_SIZE)
#define MEMORY ((SUMS + 4 + 4095) & ~4095ull)
#define FILE_SIZE (MEMORY + TABLES * 4096)
#define IMAGE_SIZE 4096

static uint8_t *file;
static struct template_head *h;
static uint64_t *tables;
static struct snapshot_files files = { -1, -1, -1, -1 };

/* vmm.c is not linked: no VM is made here. */
int vm_save(struct vm *vm, struct vm_state *s, struct err *e)
{
	(void)vm, (void)s, (void)e;
	return -ENOSYS;
}
int vm_reset(struct vm *vm, const struct vm_state *s, bool all, struct err *e)
{
	(void)vm, (void)s, (void)all, (void)e;
	return -ENOSYS;
}
int vm_take_large(struct vm *vm)
{
	(void)vm;
	return -ENOSYS;
}
int vm_dirty_log(const struct vm *vm, uint64_t *log)
{
	(void)vm, (void)log;
	return -ENOSYS;
}
int vm_dirty_clear(const struct vm *vm, uint64_t *log, uint64_t first,
		   uint64_t count)
{
	(void)vm, (void)log, (void)first, (void)count;
	return -ENOSYS;
}

int vm_dirty_clear_large(const struct vm *vm, uint64_t *log)
{
	(void)vm, (void)log;
	return -ENOSYS;
}

static void setup(void)
{
	files.file = memfd_create("template", 0);
	files.source = memfd_create("image", 0);
	assert(files.file >= 0 && ftruncate(files.file, FILE_SIZE) == 0);
	assert(files.source >= 0 && ftruncate(files.source, IMAGE_SIZE) == 0);
	file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    files.file, 0);
	assert(file != MAP_FAILED);
	h = (void *)file;
	tables = (void *)(file + MEMORY);
}

static void part(enum template_part n, uint64_t offset, uint64_t size)
{
	h->parts[n].offset = offset;
	h->parts[n].size = size;
}

/* A good file: a table of each level, one leading to the next. */
static void reset(void)
{
	uint64_t *used = (void *)(file + TRAINING);

	memset(file, 0, FILE_SIZE);
	memcpy(h->magic, MAGIC, sizeof(h->magic));
	h->version = TEMPLATE_VERSION;
	h->abi_version = ZB_ABI_VERSION;
	h->file_size = FILE_SIZE;
	h->memory_size = ZB_MIN_MEMORY;
	part(TEMPLATE_STATE, STATE, sizeof(struct vm_state));
	part(TEMPLATE_TRAINING, TRAINING, 0);
	part(TEMPLATE_PROGRAM, TRAINING, 0);
	part(TEMPLATE_USED, TRAINING, USED_SIZE);
	part(TEMPLATE_SUMS, SUMS, 4);
	part(TEMPLATE_MEMORY, MEMORY, TABLES * 4096);
	h->image.size = IMAGE_SIZE;
	((struct vm_state *)(file + STATE))->sregs.cr3 = ROOT;
	for (uint64_t i = 0; i < TABLES; i++)
		used[(ROOT / 4096 + i) / 64] |= 1ull << (ROOT / 4096 + i) % 64;
	for (uint64_t i = 0; i < TABLES - 1; i++)
		tables[i * 512 + i] = (ROOT + (i + 1) * 4096) | 7;
}

static void sum_up(void)
{
	for (int i = 0; i < TEMPLATE_MEMORY; i++) {
		uint64_t offset = h->parts[i].offset, size = h->parts[i].size;

		if (offset <= FILE_SIZE && size <= FILE_SIZE - offset)
			h->parts[i].checksum = crc32c(0, file + offset, size);
	}
	h->checksum = checksum(h);
}

static void use(struct snapshot *s)
{
	struct recycle r = { 0 };
	struct err e = { "" };
	volatile uint8_t *memory = snapshot_map(s, &e);
	volatile uint8_t sum = 0;

	assert(s->memory_size >= ZB_MIN_MEMORY);
	assert(s->training_size <= TEMPLATE_TRAINING_MAX);
	if (memory) {
		for (uint64_t at = 0; at < s->memory_size; at += 37 * 4096) {
			sum += memory[at];
			assert(memory[at] == s->memory[at]);
		}
		for (size_t i = 0; i < s->run_count; i++)
			sum += memory[(s->runs[i].page + s->runs[i].count) *
					      4096 -
				      1];
		if (s->image)
			sum += ((const uint8_t *)s->image)[s->image_size - 1];
		(void)sum;
		snapshot_unmap(s, (void *)(uintptr_t)memory);
	} else {
		assert(e.text[0]);
	}
	if (recycle_open(&r, s, &e) == 0)
		recycle_close(&r);
	else
		assert(e.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot s;
	struct err e = { "" };

	if (!file)
		setup();
	reset();
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = data[0] | (size_t)data[1] << 8;

		switch (data[2] & 3) {
		case 0:
			file[at % sizeof(*h)] = data[3];
			break;
		case 1:
			file[STATE + at % sizeof(struct vm_state)] = data[3];
			break;
		case 2:
			file[TRAINING + at % USED_SIZE] = data[3];
			break;
		case 3:
			file[MEMORY + at % (TABLES * 4096)] = data[3];
			break;
		}
	}
	sum_up();
	if (snapshot_attach(&s, &files, "template", NULL, &e) == 0) {
		use(&s);
		snapshot_close(&s);
	} else {
		assert(e.text[0]);
	}
	return 0;
}
