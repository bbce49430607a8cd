/*
 * template_fuzz.c: a file that snapshot_open takes can be mapped and its page
 * tables walked without leaving it.
 *
 * Input: pairs of an offset and a byte to change in the header of a good file,
 * then the same for its page tables. The checksum is made right.
 */
#include "fuzz.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "recycle.h"
#include "snapshot.h"
#include "template_format.h"

#define MEMORY ZB_MIN_MEMORY
#define ROOT ZB_FRAMES_GPA
#define FILE_SIZE (TEMPLATE_HEADER_SIZE + 4096 + MEMORY)

static struct template_header *h;
static uint64_t *tables;
static char path[64];

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

static void setup(void)
{
	int fd = memfd_create("template", 0);
	uint8_t *file;

	assert(fd >= 0 && ftruncate(fd, FILE_SIZE) == 0);
	file = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert(file != MAP_FAILED);
	h = (void *)file;
	tables = (void *)(file + TEMPLATE_HEADER_SIZE + 4096 + ROOT);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

/* A good file: a table of each level, one leading to the next. */
static void reset(void)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, TEMPLATE_MAGIC, sizeof(h->magic));
	h->version = TEMPLATE_VERSION;
	h->abi_version = ZB_ABI_VERSION;
	h->file_size = FILE_SIZE;
	h->image_offset = TEMPLATE_HEADER_SIZE;
	h->image_size = 4096;
	h->memory_offset = TEMPLATE_HEADER_SIZE + 4096;
	h->memory_size = MEMORY;
	h->state.sregs.cr3 = ROOT;
	memset(tables, 0, 4 * 4096);
	for (uint64_t i = 0; i < 3; i++)
		tables[i * 512 + i] = (ROOT + (i + 1) * 4096) | 7;
}

static void use(struct snapshot *s)
{
	struct recycle r = { 0 };
	void *memory, *image;
	struct err e = { "" };

	assert(s->memory_size >= ZB_MIN_MEMORY);
	assert(s->memory_offset + s->memory_size <= FILE_SIZE);
	assert(s->image_offset + s->image_size <= FILE_SIZE);
	assert(s->training_size <= TEMPLATE_TRAINING_MAX);
	if (snapshot_map(s, &memory, &image, &e) == 0) {
		volatile uint8_t sum = *(uint8_t *)memory;

		sum += ((uint8_t *)memory)[s->memory_size - 1];
		if (image)
			sum += ((uint8_t *)image)[s->image_size - 1];
		sum += ((const uint8_t *)s->locked)[ZB_LOCKED_SIZE - 1];
		(void)sum;
		snapshot_unmap(s, memory, image);
	} else {
		assert(e.text[0]);
	}
	if (recycle_open(&r, s, &e) == 0)
		recycle_close(&r);
	else
		assert(e.text[0] && !r.pristine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of the header: all but the training. */
	const size_t head = offsetof(struct template_header, training);
	struct snapshot s;
	struct err e = { "" };

	if (!h)
		setup();
	reset();
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = data[0] | (size_t)data[1] << 8;

		if (data[2] & 1)
			((uint8_t *)tables)[at % (4 * 4096)] = data[3];
		else
			((uint8_t *)h)[at % head] = data[3];
	}
	h->checksum = template_checksum(h);
	if (snapshot_open(&s, path, NULL, &e) == 0) {
		use(&s);
		snapshot_close(&s);
	} else {
		assert(e.text[0]);
	}
	return 0;
}
