/*
 * template_fuzz.c: a file that template_open takes can be mapped and its page
 * tables walked without leaving it.
 *
 * Input: pairs of an offset and a byte to change in the header of a good file,
 * then the same for its page tables. The checksum is made right.
 */
#include "fuzz.h"

#include "../../template.c"

#include "recycle.h"

#define MEMORY ZB_MIN_MEMORY
#define ROOT ZB_FRAMES_GPA
#define FILE_SIZE (HEADER_SIZE + 4096 + MEMORY)

static struct template_header *h;
static uint64_t *tables;
static char path[64];

/* vmm.c is not linked: no VM is made here. */
uint64_t clock_mono(void) { return 0; }
uint64_t clock_wall(void) { return 0; }
int vm_save(struct vm *vm, struct vm_state *s, struct err *e)
{
	(void)vm, (void)s, (void)e;
	return -ENOSYS;
}
int vm_fork(struct vm *vm, const struct vmm *vmm, const struct vm_source *s,
	    struct err *e)
{
	(void)vm, (void)vmm, (void)s, (void)e;
	return -ENOSYS;
}
int vm_reset(struct vm *vm, const struct vm_state *s, bool all, struct err *e)
{
	(void)vm, (void)s, (void)all, (void)e;
	return -ENOSYS;
}
void vm_prepare(struct vm *vm, uint64_t mono_ns, uint32_t output_limit)
{
	(void)vm, (void)mono_ns, (void)output_limit;
}
void *vm_memory(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	(void)vm, (void)gpa, (void)size;
	return NULL;
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
	tables = (void *)(file + HEADER_SIZE + 4096 + ROOT);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
}

/* A good file: a table of each level, one leading to the next. */
static void reset(void)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, MAGIC, sizeof(h->magic));
	h->version = TEMPLATE_VERSION;
	h->abi_version = ZB_ABI_VERSION;
	h->file_size = FILE_SIZE;
	h->image_offset = HEADER_SIZE;
	h->image_size = 4096;
	h->memory_offset = HEADER_SIZE + 4096;
	h->memory_size = MEMORY;
	h->state.sregs.cr3 = ROOT;
	memset(tables, 0, 4 * 4096);
	for (uint64_t i = 0; i < 3; i++)
		tables[i * 512 + i] = (ROOT + (i + 1) * 4096) | 7;
}

static void use(struct template *t)
{
	struct recycle r = { 0 };
	void *memory, *image;
	struct err e = { "" };

	assert(t->memory_size >= ZB_MIN_MEMORY);
	assert(t->memory_offset + t->memory_size <= FILE_SIZE);
	assert(t->image_offset + t->image_size <= FILE_SIZE);
	assert(t->training_size <= TEMPLATE_TRAINING_MAX);
	if (template_map(t, &memory, &image, &e) == 0) {
		volatile uint8_t sum = *(uint8_t *)memory;

		sum += ((uint8_t *)memory)[t->memory_size - 1];
		if (image)
			sum += ((uint8_t *)image)[t->image_size - 1];
		sum += ((const uint8_t *)t->locked)[ZB_LOCKED_SIZE - 1];
		(void)sum;
		template_unmap(t, memory, image);
	} else {
		assert(e.text[0]);
	}
	if (recycle_open(&r, t, &e) == 0)
		recycle_close(&r);
	else
		assert(e.text[0] && !r.pristine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of the header: all but the training. */
	const size_t head = offsetof(struct template_header, training);
	struct template t;
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
	h->checksum = checksum(h);
	if (template_open(&t, path, NULL, &e) == 0) {
		use(&t);
		template_close(&t);
	} else {
		assert(e.text[0]);
	}
	return 0;
}
