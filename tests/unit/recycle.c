#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "recycle.h"
#include "tables.h"

#define MEMORY ZB_MIN_MEMORY
#define PAGES (MEMORY / PAGE_BYTES)
#define ROOT ZB_FRAMES_GPA
#define FIRST (ZB_FRAMES_GPA / PAGE_BYTES + 16) /* pages that are anybody's */
#define TAKEN 200 /* random bytes, of each program */

/* ---- KVM ---- */

static uint64_t dirty[PAGES / 64];

int vm_dirty_log(const struct vm *vm, uint64_t *log)
{
	(void)vm;
	memcpy(log, dirty, sizeof(dirty));
	return 0;
}

int vm_dirty_clear(const struct vm *vm, uint64_t *log, uint64_t first,
		   uint64_t count)
{
	(void)vm;
	for (uint64_t i = 0; i < count / 64; i++)
		dirty[first / 64 + i] &= ~log[i];
	return 0;
}

int vm_dirty_clear_large(const struct vm *vm, uint64_t *log)
{
	(void)vm, (void)log;
	return 0;
}

int vm_take_large(struct vm *vm)
{
	(void)vm;
	return 0;
}

int vm_give_large(struct vm *vm)
{
	(void)vm;
	return -1;
}

int vm_save(struct vm *vm, struct vm_state *s, struct err *e)
{
	(void)vm, (void)s, (void)e;
	return -1;
}

int vm_reset(struct vm *vm, const struct vm_state *s, bool all, struct err *e)
{
	(void)all, (void)e;
	vm->run->s.regs.regs = s->regs;
	return 0;
}

/* ---- a template, and a VM of it ---- */

static struct kvm_run kvm_run;
static struct vm_state state = { .sregs.cr3 = ROOT };
static uint64_t used[PAGES / 64];
static struct snapshot template = { .state = &state,
				    .memory_size = MEMORY,
				    .large_gpa = MEMORY,
				    .used = used };
static struct vm vm;
static struct recycle recycle;

/* As they are left by what was started in it: it has taken its random bytes. */
static void start(void)
{
	struct zb_control control = { .random_size = ZB_RANDOM_SIZE };
	int fd = memfd_create("template", 0);
	struct err e;

	EQUAL(ftruncate(fd, MEMORY), 0);
	EQUAL(pwrite(fd, &control, sizeof(control), ZB_CONTROL_GPA),
	      sizeof(control));
	bit_set(used, ZB_CONTROL_GPA / PAGE_BYTES);
	template.memory = mmap(NULL, MEMORY, PROT_READ, MAP_SHARED, fd, 0);
	kvm_run.s.regs.sregs = state.sregs;
	vm = (struct vm){ .run = &kvm_run,
			  .memory_size = MEMORY,
			  .large_gpa = MEMORY,
			  .random_size = ZB_RANDOM_SIZE };
	vm.memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(dirty, 0, sizeof(dirty));
	EQUAL(recycle_open(&recycle, &template, &e), 0);
	close(fd);
}

static void end(void)
{
	recycle_close(&recycle);
	munmap(vm.memory, MEMORY);
	munmap((void *)(uintptr_t) template.memory, MEMORY);
}

static bool any(const volatile uint8_t *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (from[i])
			return true;
	return false;
}

/* As a guest: it takes random bytes from the end, leaves none, and writes pages. */
static void run(uint64_t pages)
{
	struct zb_control *c = (void *)(vm.memory + ZB_CONTROL_GPA);
	uint8_t *taken = vm.memory + ZB_RANDOM_GPA;

	control_prepare(&vm, 1, 1000);
	CHECK(any(c->seed, ZB_SEED_SIZE));
	CHECK(any(taken + c->random_size - TAKEN, TAKEN));
	vm.seeded = false;
	memset(c->seed, 0, ZB_SEED_SIZE);
	memset(taken + c->random_size - TAKEN, 0, TAKEN);
	bit_set(dirty, ZB_CONTROL_GPA / PAGE_BYTES);
	bit_set(dirty, (ZB_RANDOM_GPA + c->random_size - 1) / PAGE_BYTES);
	for (uint64_t page = FIRST; page < FIRST + pages; page++) {
		vm.memory[page * PAGE_BYTES] = 1;
		bit_set(dirty, page);
	}
	vm.run->s.regs.regs.rip = 1;
	EQUAL(recycle_vm(&recycle, &vm), RECYCLE_DONE);
	control_seed(&vm);
}

/* A VM that was never trained keeps nothing in any case. */
static void trimmed(void)
{
	start();
	for (int i = 0; i < 3; i++) {
		run(PAGES / 10);
		EQUAL(recycle_trim(&recycle, &vm), 0);
		EQUAL(recycle.kept_pages, 0);
	}
	end();
}

static const struct unit_test tests[] = {
	{ "a run after memory was given back has a seed and random bytes",
	  trimmed },
};

int main(void)
{
	return UNIT_RUN("recycle", tests);
}
