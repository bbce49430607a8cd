#include "recycle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE 4096ull
/* Beyond the usual pages, this many are copied back and not given up. */
#define EXTRA_PAGES 512
/* A run that wrote more than this costs more to clean than a new VM. */
#define GREW_PAGES 16384

/* Runs that may leave a page alone before it is taken out of the log, at first
 * and at most: then it stays. */
#define PATIENCE 16
#define PATIENCE_MAX 255

#define PTE_P 0x001ull
#define PTE_PS 0x080ull
#define PTE_ADDRESS 0x000ffffffffff000ull

static bool has(const uint64_t *bits, uint64_t page)
{
	return bits[page / 64] >> (page % 64) & 1;
}

/* ---- one page ---- */

/* Makes a page equal to the template's; true when it was not. Only the lines
 * that differ are written, the others stay clean in the caches. */
static inline __attribute__((always_inline)) bool
restore_lines(uint8_t *page, const uint8_t *pristine)
{
	typedef uint64_t half __attribute__((vector_size(32), may_alias));
	half *to = (half *)page;
	const half *from = (const half *)pristine;
	bool changed = false;

	for (size_t i = 0; i < PAGE / sizeof(half); i += 2) {
		half a = from[i], b = from[i + 1];
		half d = (to[i] ^ a) | (to[i + 1] ^ b);

		if (!(d[0] | d[1] | d[2] | d[3]))
			continue;
		to[i] = a;
		to[i + 1] = b;
		changed = true;
	}
	return changed;
}

static bool restore_page(uint8_t *page, const uint8_t *pristine)
{
	return restore_lines(page, pristine);
}

__attribute__((target("avx2"))) static bool
restore_page_avx2(uint8_t *page, const uint8_t *pristine)
{
	return restore_lines(page, pristine);
}

/* ---- page tables ---- */

/*
 * Marks the template's page-table pages, level 4 to 1. A table outside of
 * memory or met again at another level makes the template unfit: -EINVAL.
 */
/* NOLINTNEXTLINE(misc-no-recursion): four levels */
static int mark_tables(struct recycle *r, uint64_t *tables, gpa_t table,
		       int level)
{
	const uint64_t *entries = (const uint64_t *)(r->pristine + table);
	uint64_t page = table / PAGE;
	int result = 0;

	tables[page / 64] |= 1ull << (page % 64);
	for (int i = 0; level > 1 && i < 512 && result == 0; i++) {
		gpa_t next = entries[i] & PTE_ADDRESS;

		if (!(entries[i] & PTE_P) || (level < 4 && entries[i] & PTE_PS))
			continue;
		if (next >= r->template->memory_size ||
		    has(tables, next / PAGE))
			return -EINVAL;
		result = mark_tables(r, tables, next, level - 1);
	}
	return result;
}

static uint64_t root_page(const struct recycle *r)
{
	return (r->template->state->sregs.cr3 & PTE_ADDRESS) / PAGE;
}

int recycle_open(struct recycle *r, const struct template *t, struct err *e)
{
	gpa_t root = t->state->sregs.cr3 & PTE_ADDRESS;
	void *map;

	memset(r, 0, sizeof(*r));
	r->template = t;
	r->restore_page = __builtin_cpu_supports("avx2") ? restore_page_avx2 :
							  restore_page;
	r->words = (t->memory_size / PAGE + 63) / 64;
	r->log = calloc(r->words, 8);
	r->usual = calloc(r->words, 8);
	r->tables = calloc(r->words, 8);
	r->idle = calloc(r->words, 64);
	r->patience = calloc(r->words, 64);
	if (!r->log || !r->usual || !r->tables || !r->idle || !r->patience) {
		recycle_close(r);
		return err_set(e, -ENOMEM, "no memory");
	}
	map = mmap(NULL, t->memory_size, PROT_READ, MAP_SHARED, t->fd,
		   (off_t)t->memory_offset);
	if (map == MAP_FAILED) {
		recycle_close(r);
		return err_set(e, -errno, "template: %s", strerror(errno));
	}
	r->pristine = map;
	if (root >= t->memory_size || mark_tables(r, r->tables, root, 4)) {
		recycle_close(r);
		return err_set(e, -EINVAL, "template: bad page tables");
	}
	return 0;
}

void recycle_close(struct recycle *r)
{
	if (r->pristine)
		munmap((void *)(uintptr_t)r->pristine,
		       r->template->memory_size);
	free(r->log);
	free(r->usual);
	free(r->tables);
	free(r->idle);
	free(r->patience);
	memset(r, 0, sizeof(*r));
}

/* ---- memory ---- */

/* The first lines of a page that comes next; the CPU finds the others. */
static void prefetch(const struct recycle *r, const struct vm *vm,
		     uint64_t page)
{
	const uint8_t *to = vm->memory + page * PAGE;
	const uint8_t *from = r->pristine + page * PAGE;

	for (int i = 0; i < 256; i += 64) {
		__builtin_prefetch(to + i, 1);
		__builtin_prefetch(from + i);
	}
}

/*
 * Puts the pages of one word of the log right. Returns those that have been
 * left alone for so long that they should leave the log: the next write to one
 * is a fault, so a page that comes back is given more time.
 */
static uint64_t restore_pages(struct recycle *r, struct vm *vm, uint64_t word,
			      uint64_t bits)
{
	uint64_t leave = 0;

	for (; bits; bits &= bits - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);

		if (bits & (bits - 1))
			prefetch(r, vm, word * 64 + (uint64_t)__builtin_ctzll(
							    bits & (bits - 1)));

		r->checked++;
		if (r->restore_page(vm->memory + page * PAGE,
				    r->pristine + page * PAGE)) {
			r->changed++;
			r->idle[page] = 0;
			continue;
		}
		if (r->patience[page] == 0)
			r->patience[page] = PATIENCE;
		if (r->patience[page] == PATIENCE_MAX ||
		    ++r->idle[page] < r->patience[page])
			continue;
		r->idle[page] = 0;
		r->patience[page] = r->patience[page] > PATIENCE_MAX / 4 ?
					    PATIENCE_MAX :
					    (uint8_t)(r->patience[page] * 4);
		leave |= bits & -bits;
	}
	return leave;
}

/*
 * Gives the pages of one word back to the host: the next access finds the
 * template's page again. Their log is cleared, so that they cost nothing until
 * they are written again.
 */
static int drop_pages(struct recycle *r, struct vm *vm, uint64_t word,
		      uint64_t bits)
{
	uint64_t rest = bits;

	while (rest) {
		unsigned first = (unsigned)__builtin_ctzll(rest);
		uint64_t run = rest >> first;
		unsigned n = ~run ? (unsigned)__builtin_ctzll(~run) : 64;

		if (madvise(vm->memory + (word * 64 + first) * PAGE, n * PAGE,
			    MADV_DONTNEED) < 0)
			return -errno;
		r->dropped += n;
		rest = n + first == 64 ? 0 : rest >> (first + n) << (first + n);
	}
	return vm_dirty_clear(vm, &bits, word * 64, 64);
}

/* Takes the pages in r->log out of KVM's. */
static int leave_log(struct recycle *r, struct vm *vm)
{
	return vm_dirty_clear(vm, r->log, 0, r->words * 64);
}

/* What the host wrote is in no log. */
static void restore_host_pages(struct recycle *r, struct vm *vm)
{
	memcpy(vm->memory + ZB_CONTROL_GPA, r->pristine + ZB_CONTROL_GPA, PAGE);
	memcpy(vm->memory + ZB_RANDOM_GPA, r->pristine + ZB_RANDOM_GPA,
	       ZB_RANDOM_SIZE);
	memcpy(vm->memory + ZB_REQUEST_GPA, r->pristine + ZB_REQUEST_GPA,
	       vm->request_size);
}

/*
 * With nested paging what the page tables said before, or what the guest put
 * there, used and took away again, may still be in the TLB. Taking a page that
 * is in the log out of it makes KVM flush all of the VM's translations, as the
 * page must not stay writable; the root is one that every run brings back.
 * (KVM_SET_SREGS flushes as well when a control register changes, but Linux 6.1
 * then drops every nested mapping, too.)
 */
static int flush_tlb(const struct recycle *r, struct vm *vm)
{
	uint64_t root = root_page(r), bit = 1ull << (root % 64);

	return vm_dirty_clear(vm, &bit, root / 64 * 64, 64);
}

static enum recycle_result restore_memory(struct recycle *r, struct vm *vm,
					  bool learn)
{
	uint64_t extra = 0, any = 0;

	if (vm_dirty_log(vm, r->log))
		return RECYCLE_FAILED;
	/* The root was used, or flush_tlb() has nothing to take out. */
	if (vm->nested_paging && !has(r->log, root_page(r)))
		return RECYCLE_TABLES;
	for (uint64_t i = 0; i < r->words; i++) {
		if ((r->log[i] & r->tables[i]) && !vm->nested_paging)
			return RECYCLE_TABLES;
		extra += (uint64_t)__builtin_popcountll(r->log[i] &
							~r->usual[i]);
	}
	if (extra > GREW_PAGES)
		return RECYCLE_GREW;
	if (learn) {
		memcpy(r->usual, r->log, r->words * 8);
		extra = 0;
	}
	r->checked = r->changed = r->dropped = 0;
	for (uint64_t i = 0; i < r->words; i++) {
		uint64_t drop = extra > EXTRA_PAGES ?
					r->log[i] & ~r->usual[i] & ~r->tables[i] :
					0;

		if (drop && drop_pages(r, vm, i, drop))
			return RECYCLE_FAILED;
		r->log[i] = restore_pages(r, vm, i, r->log[i] & ~drop) &
			    ~r->tables[i];
		any |= r->log[i];
	}
	if (any && leave_log(r, vm))
		return RECYCLE_FAILED;
	if (vm->nested_paging && flush_tlb(r, vm))
		return RECYCLE_FAILED;
	restore_host_pages(r, vm);
	return RECYCLE_DONE;
}

/* ---- registers ---- */

static bool same_table(const struct kvm_dtable *a, const struct kvm_dtable *b)
{
	return a->base == b->base && a->limit == b->limit;
}

/* The busy mark of a TSS is as the back end shows it: see tss_type() in vmm.c. */
#define TYPE_BUSY 0x2

static bool same_segment(const struct kvm_segment *a,
			 const struct kvm_segment *b)
{
	return a->base == b->base && a->limit == b->limit &&
	       a->selector == b->selector &&
	       (a->type | TYPE_BUSY) == (b->type | TYPE_BUSY) &&
	       a->present == b->present && a->unusable == b->unusable;
}

/* What decides how addresses are translated and events are delivered. */
static bool same_system(const struct kvm_sregs *a, const struct kvm_sregs *b)
{
	return a->cr0 == b->cr0 && a->cr3 == b->cr3 && a->cr4 == b->cr4 &&
	       a->efer == b->efer && a->apic_base == b->apic_base &&
	       same_table(&a->gdt, &b->gdt) && same_table(&a->idt, &b->idt) &&
	       same_segment(&a->tr, &b->tr) && same_segment(&a->ldt, &b->ldt);
}

/*
 * Nothing of the run is left for KVM or the CPU to do at the next entry. KVM
 * finishes the last `out` then, and takes RIP for that of the `out` if it is
 * the same: a program can put its last `out` where the template goes on. And a
 * breakpoint that was hit in the shadow of a stack switch is pending in the CPU,
 * where no register shows it.
 */
static bool settled(const struct kvm_sync_regs *now,
		    const struct vm_state *then)
{
	const struct kvm_vcpu_events *e = &now->events;

	return now->regs.rip != then->regs.rip && !e->interrupt.shadow &&
	       !e->interrupt.injected && !e->exception.injected &&
	       !e->exception.pending && !e->nmi.injected && !e->nmi.pending;
}

enum recycle_result recycle_vm(struct recycle *r, struct vm *vm, bool learn)
{
	const struct kvm_sync_regs *now = &vm->run->s.regs;
	enum recycle_result result;
	struct err e;

	if (!same_system(&now->sregs, &r->template->state->sregs) ||
	    !settled(now, r->template->state))
		return RECYCLE_REGISTERS;
	result = restore_memory(r, vm, learn);
	if (result != RECYCLE_DONE)
		return result;
	/*
	 * Without a write to a page table nothing of the program's has run at
	 * CPL0 (docs/architecture.md): XCR0 and MSRs are the template's. With
	 * nested paging such writes are put back, so that says nothing.
	 */
	return vm_reset(vm, r->template->state, vm->nested_paging, &e) ?
		       RECYCLE_FAILED :
		       RECYCLE_DONE;
}

const char *recycle_name(enum recycle_result result)
{
	static const char *const names[RECYCLE_RESULTS] = {
		"recycled", "page_tables", "registers",
		"grew",	    "failed",	   "unfinished"
	};

	return result < RECYCLE_RESULTS ? names[result] : "unknown";
}

/* ---- proof ---- */

static int verify_memory(const struct recycle *r, const struct vm *vm,
			 struct err *e)
{
	for (uint64_t at = 0; at < vm->memory_size; at += PAGE)
		if (memcmp(vm->memory + at, r->pristine + at, PAGE))
			return err_set(e, -EILSEQ,
				       "the page at %#llx differs",
				       (unsigned long long)at);
	return 0;
}

#define SAME(field)                                                            \
	if (memcmp(&now->field, &then->field, sizeof(now->field)))             \
	return err_set(e, -EILSEQ, #field " differs")

static int verify_state(const struct vm_state *now, const struct vm_state *then,
			struct err *e)
{
	SAME(regs);
	SAME(sregs);
	SAME(xcrs);
	SAME(xsave);
	SAME(events);
	SAME(debugregs);
	SAME(msrs);
	return 0;
}

int recycle_verify(const struct recycle *r, struct vm *vm, struct err *e)
{
	struct vm_state *now = malloc(sizeof(*now));
	int result = now ? vm_save(vm, now, e) :
			   err_set(e, -ENOMEM, "no memory");

	if (result == 0)
		result = verify_state(now, r->template->state, e);
	if (result == 0)
		result = verify_memory(r, vm, e);
	free(now);
	return result;
}
