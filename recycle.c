#include "recycle.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base.h"
#include "control.h"
#include "tables.h"

#define WRITES_KEPT (4ul << 20) /* bytes of a request that stay the VM's */
#define PAGE PAGE_BYTES
/* A run that wrote more new pages than this costs more to clean than a new VM. */
#define GREW_PAGES 32768
/* Of its memory a VM keeps at most this share as pages of its own, a run adds at
 * most this one, and a VM that nobody uses keeps this one. */
#define KEPT_SHARE 4
#define RUN_SHARE 8
#define IDLE_SHARE 64

/*
 * Comparing a page takes about a twentieth of the fault that a write to it takes
 * when it is not in the log. So a page leaves the log when none of PATIENCE runs
 * has written it; at once when it had been away for long; and later and later
 * when it keeps coming back soon: programs write it and put back what was there,
 * which no comparison shows.
 */
#define PATIENCE 16
#define SOON 2
#define PATIENCE_MAX 255
/* A session goes on where it was, and mostly to other pages: new ones get less. */
#define SESSION_PATIENCE 4
/* A run that brought so many pages into the log brings them for itself only, or
 * the runs that follow would compare them all. */
#define MANY_PAGES 1024

/* A page that no run wrote for so many runs is given back to the host; looked
 * for now and then. */
#define UNUSED_RUNS 4096
#define SWEEP_RUNS 256

static int make_maps(struct recycle *r)
{
	r->log = calloc(r->words, 8);
	r->logged = calloc(r->words, 8);
	r->kept = calloc(r->words, 8);
	r->usual = calloc(r->words, 8);
	r->tables = calloc(r->words, 8);
	r->brought = calloc(r->words, 8);
	r->written = calloc(r->words, 64 * sizeof(*r->written));
	r->patience = calloc(r->words, 64);
	return r->log && r->logged && r->kept && r->usual && r->tables &&
			       r->brought && r->written && r->patience ?
		       0 :
		       -ENOMEM;
}

/* Where no log has what is written to them. */
static bool tables_in_large(const struct recycle *r)
{
	for (uint64_t i = r->snapshot->large_gpa / PAGE / 64; i < r->words; i++)
		if (r->tables[i])
			return true;
	return false;
}

int recycle_open(struct recycle *r, const struct snapshot *s, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->snapshot = s;
	r->pristine = s->memory;
	r->compare = lines_compare();
	r->words = (s->memory_size / PAGE + 63) / 64;
	if (make_maps(r)) {
		recycle_close(r);
		return err_set(e, -ENOMEM, "no memory");
	}
	if (tables_mark(s, r->tables) || tables_in_large(r)) {
		recycle_close(r);
		return err_set(e, -EINVAL, "template: bad page tables");
	}
	return 0;
}

void recycle_renew(struct recycle *r)
{
	if (!r->logged) /* it was never opened whole */
		return;
	memset(r->logged, 0, r->words * 8);
	memset(r->kept, 0, r->words * 8);
	memset(r->brought, 0, r->words * 8);
	r->any_brought = false;
	r->base = NULL;
	r->kept_pages = 0;
}

void recycle_learn(struct recycle *r)
{
	/* Not what larger runs before it have written. */
	for (uint64_t i = 0; i < r->words; i++)
		for (uint64_t some = r->kept[i]; some; some &= some - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(some);

			if (r->written[i * 64 + bit] == r->run)
				r->usual[i] |= 1ull << bit;
		}
}

void recycle_close(struct recycle *r)
{
	free(r->log);
	free(r->logged);
	free(r->kept);
	free(r->usual);
	free(r->tables);
	free(r->brought);
	free(r->written);
	free(r->patience);
	memset(r, 0, sizeof(*r));
}

/* ---- memory ---- */

/* NULL: zero. */
static const uint8_t *pristine_page(const struct recycle *r, uint64_t page)
{
	if (r->base && r->base->pages[page])
		return r->base->pages[page];
	return bit_is_set(r->snapshot->used, page) ? r->pristine + page * PAGE :
						     NULL;
}

/*
 * Makes a page equal to the template's, true when it was not. Only the lines that differ
 * are written, the others stay clean in the caches.
 */
static bool restore_page(const struct recycle *r, struct vm *vm, uint64_t page,
			 const struct lines_ahead *next)
{
	uint8_t *to = vm->memory + page * PAGE;
	const uint8_t *from = pristine_page(r, page);
	uint64_t lines = r->compare(to, from, next);

	for (uint64_t left = lines; left; left &= left - 1) {
		size_t at = (size_t)__builtin_ctzll(left) * LINE_BYTES;

		if (from)
			memcpy(to + at, from + at, LINE_BYTES);
		else
			memset(to + at, 0, LINE_BYTES);
	}
	return lines != 0;
}

/* What comes behind the first page of bits, which are of a word of the log. */
static struct lines_ahead look_ahead(const struct recycle *r,
				     const struct vm *vm, uint64_t word,
				     uint64_t bits)
{
	uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);
	struct lines_ahead next;

	bits &= bits - 1;
	while (bits == 0 && ++word < r->words)
		bits = r->log[word];
	if (bits)
		page = word * 64 + (uint64_t)__builtin_ctzll(bits);
	next.now = vm->memory + page * PAGE;
	next.then = pristine_page(r, page);
	if (!next.then)
		next.then = next.now;
	return next;
}

/* What to expect of a page that the run wrote. came: it was not in the log; new: of one
 * of which nothing is known. */
static void note_write(struct recycle *r, uint64_t page, bool came,
		       unsigned new)
{
	unsigned away = (uint16_t)(r->run - r->written[page]);
	unsigned patience = r->patience[page];
	bool many = r->came > MANY_PAGES;

	if (patience == 0)
		patience = many ? 1 : new;
	else if (came && patience >= PATIENCE && away <= patience + SOON)
		patience *= 4;
	else if (came && away > (many ? SOON : 2 * PATIENCE))
		patience = 1;
	else if (away <= 2 * PATIENCE)
		patience = PATIENCE;
	r->patience[page] =
		(uint8_t)(patience > PATIENCE_MAX ? PATIENCE_MAX : patience);
	r->written[page] = r->run;
}

/*
 * Puts the pages of one word of the log right; new: those that are new to the
 * VM, of which nothing is known. Returns those that should leave the log.
 */
static uint64_t restore_pages(struct recycle *r, struct vm *vm, uint64_t word,
			      uint64_t bits, uint64_t new)
{
	uint64_t came = bits & ~r->logged[word], leave = 0;

	for (; bits; bits &= bits - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);
		struct lines_ahead next = look_ahead(r, vm, word, bits);
		uint64_t bit = bits & -bits;
		bool changed;

		r->checked++;
		changed = restore_page(r, vm, page, &next);
		r->changed += changed;
		if (changed || (came & bit))
			note_write(r, page, came & ~new &bit, PATIENCE);
		if ((uint16_t)(r->run - r->written[page]) + 1 >=
		    r->patience[page])
			leave |= bit;
	}
	return leave;
}

/* Pages that follow each other and are given back together. */
struct stretch {
	uint64_t first, count;
};

/* Gives pages back to the host: the next access finds the template's again. */
static int give_back(struct recycle *r, struct vm *vm, struct stretch *s)
{
	uint64_t count = s->count;

	s->count = 0;
	if (count == 0)
		return 0;
	r->dropped += count;
	return madvise(vm->memory + s->first * PAGE, count * PAGE,
		       MADV_DONTNEED) < 0 ?
		       -errno :
		       0;
}

/* Adds a word's pages to what is given back. */
static int add_pages(struct recycle *r, struct vm *vm, struct stretch *s,
		     uint64_t word, uint64_t bits)
{
	for (; bits; bits &= bits - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);

		if (s->first + s->count != page && give_back(r, vm, s))
			return -EIO;
		if (s->count++ == 0)
			s->first = page;
	}
	return 0;
}

/* Takes the pages in r->log out of KVM's. */
static int leave_log(struct recycle *r, struct vm *vm)
{
	return vm_dirty_clear(vm, r->log, 0, vm->large_gpa / PAGE);
}

/* Of a word's pages those that may go and that no run has written for so many
 * runs. */
static uint64_t unused(const struct recycle *r, uint64_t word, unsigned runs)
{
	uint64_t some = r->kept[word] & ~(r->usual[word] | r->tables[word]);
	uint64_t old = 0;

	if (r->base)
		some &= ~r->base->held[word];
	for (; some; some &= some - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(some);

		if ((uint16_t)(r->run - r->written[page]) >= runs)
			old |= some & -some;
	}
	return old;
}

/* Gives back the pages that no run has written for so many runs. */
static int sweep(struct recycle *r, struct vm *vm, unsigned runs)
{
	struct stretch s = { 0, 0 };

	for (uint64_t i = 0; i < r->words; i++) {
		uint64_t old = unused(r, i, runs);

		r->kept[i] &= ~old;
		r->kept_pages -= (uint64_t)__builtin_popcountll(old);
		r->log[i] = old & r->logged[i];
		r->logged[i] &= ~old;
		if (add_pages(r, vm, &s, i, old))
			return -EIO;
	}
	if (give_back(r, vm, &s))
		return -EIO;
	return leave_log(r, vm);
}

/* Gives back the pages that were not used for longest until so many are left,
 * but none of the last run. */
static int shrink(struct recycle *r, struct vm *vm, uint64_t pages)
{
	int result = 0;

	for (unsigned runs = UNUSED_RUNS; result == 0 && runs > 0; runs /= 2) {
		if (r->kept_pages <= pages)
			break;
		result = sweep(r, vm, runs);
	}
	return result;
}

static uint64_t share(const struct recycle *r, unsigned n)
{
	return r->snapshot->memory_size / PAGE / n;
}

int recycle_trim(struct recycle *r, struct vm *vm)
{
	r->run++;           /* what the last one wrote may go, too */
	vm->seeded = false; /* and random bytes that were made ahead */
	return shrink(r, vm, share(r, IDLE_SHARE));
}

/* What the host wrote becomes what it was; gone: what was zero is so already. */
static void restore_write(const struct recycle *r, struct vm *vm, gpa_t gpa,
			  uint64_t size, bool gone)
{
	for (uint64_t part; size; gpa += part, size -= part) {
		const uint8_t *from = pristine_page(r, gpa / PAGE);

		part = PAGE - gpa % PAGE < size ? PAGE - gpa % PAGE : size;
		if (from)
			memcpy(vm->memory + gpa, from + gpa % PAGE, part);
		else if (!gone)
			memset(vm->memory + gpa, 0, part);
	}
}

/*
 * What the host wrote is in no log: control_write() has kept a list. Of a large
 * request (whole pages) the VM keeps some for the next one; the others go.
 */
int recycle_undo_writes(struct recycle *r, struct vm *vm)
{
	for (unsigned i = 0; i < vm->write_count; i++) {
		uint64_t gpa = vm->writes[i].gpa, size = vm->writes[i].size,
			 kept;

		/* What was in the large part has gone with it, or is found. */
		if (gpa >= vm->large_gpa)
			continue;
		if (size > vm->large_gpa - gpa)
			size = vm->large_gpa - gpa;
		kept = gpa % PAGE || size < WRITES_KEPT ? size : WRITES_KEPT;
		if (kept < size &&
		    madvise(vm->memory + gpa + kept,
			    (size - kept + PAGE - 1) / PAGE * PAGE,
			    MADV_DONTNEED))
			return -EIO;
		restore_write(r, vm, gpa, kept, false);
		restore_write(r, vm, gpa + kept, size - kept, true);
	}
	vm->write_count = 0;
	return 0;
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
	uint64_t root = tables_root(r->snapshot), bit = 1ull << (root % 64);

	return vm_dirty_clear(vm, &bit, root / 64 * 64, 64);
}

/* The log can be put back: RECYCLE_DONE. */
static enum recycle_result judge(struct recycle *r, const struct vm *vm)
{
	uint64_t new = 0;

	r->came = 0;
	/* The root was used, or flush_tlb() has nothing to take out. */
	if (vm->nested_paging && !bit_is_set(r->log, tables_root(r->snapshot)))
		return RECYCLE_TABLES;
	for (uint64_t i = 0; i < r->words; i++) {
		uint64_t written = r->log[i] | r->brought[i];

		if ((written & r->tables[i]) && !vm->nested_paging)
			return control_page(vm)->processes ? RECYCLE_PROCESSES :
							     RECYCLE_TABLES;
		if (!r->log[i])
			continue;
		r->came += (uint64_t)__builtin_popcountll(r->log[i] &
							  ~r->logged[i]);
		new += (uint64_t)__builtin_popcountll(r->log[i] & ~r->kept[i]);
	}
	return new > GREW_PAGES ? RECYCLE_GREW : RECYCLE_DONE;
}

/* Of a word's new pages those that the VM may not keep. *room: that it may. */
static uint64_t too_many(struct recycle *r, uint64_t word, uint64_t *room)
{
	uint64_t new = r->log[word] & ~r->kept[word] & ~r->tables[word];
	uint64_t count = (uint64_t)__builtin_popcountll(new);

	if (count > *room)
		return new;
	*room -= count;
	r->kept_pages += count;
	r->kept[word] |= new;
	return 0;
}

/* Puts all pages of the log right and makes it that of those that leave it. */
static int restore_log(struct recycle *r, struct vm *vm)
{
	uint64_t most = share(r, KEPT_SHARE), any = 0, room;
	struct stretch s = { 0, 0 };

	room = most > r->kept_pages ? most - r->kept_pages : 0;
	if (room > share(r, RUN_SHARE))
		room = share(r, RUN_SHARE);
	r->run++;
	r->checked = r->changed = r->dropped = 0;
	for (uint64_t i = 0; i < r->words; i++) {
		uint64_t bits = r->log[i], new = bits & ~r->kept[i];
		uint64_t drop, leave;

		if (bits == 0)
			continue;
		drop = too_many(r, i, &room);
		leave = restore_pages(r, vm, i, bits & ~drop, new) &
			~r->tables[i];
		leave |= drop;
		r->log[i] = leave;
		r->logged[i] = bits & ~leave;
		any |= leave;
		if (add_pages(r, vm, &s, i, drop))
			return -EIO;
	}
	if (give_back(r, vm, &s) || (any && leave_log(r, vm)))
		return -EIO;
	if (r->dropped && r->kept_pages > most / 4 * 3)
		return shrink(r, vm, most / 4 * 3);
	return r->run % SWEEP_RUNS == 0 ? sweep(r, vm, UNUSED_RUNS) : 0;
}

/* Of what was brought in a word pages that are new to the VM, if it may keep them: a
 * state that was needed may be needed again, and pages that are there already cost
 * neither the host a fault nor the guest. */
static void keep_brought(struct recycle *r, uint64_t word)
{
	uint64_t new = r->brought[word] & ~r->kept[word] & ~r->tables[word];
	uint64_t count = (uint64_t)__builtin_popcountll(new);

	if (word >= r->snapshot->large_gpa / PAGE / 64 ||
	    r->kept_pages + count > share(r, RUN_SHARE))
		return;
	r->kept[word] |= new;
	r->kept_pages += count;
	for (; new; new &= new - 1)
		r->written[word * 64 + (uint64_t)__builtin_ctzll(new)] = r->run;
}

/* What the host has brought and no run has written since: it is in no log. */
static int restore_brought(struct recycle *r, struct vm *vm)
{
	struct stretch s = { 0, 0 };

	for (uint64_t i = 0; i < r->words; i++) {
		uint64_t own, drop;

		keep_brought(r, i);
		own = r->brought[i] & r->kept[i];
		drop = r->brought[i] & ~own;
		r->brought[i] = 0;
		for (; own; own &= own - 1) {
			uint64_t page = i * 64 + (uint64_t)__builtin_ctzll(own);
			struct lines_ahead none = { vm->memory, vm->memory };

			restore_page(r, vm, page, &none);
		}
		if (add_pages(r, vm, &s, i, drop))
			return -EIO;
	}
	r->any_brought = false;
	return give_back(r, vm, &s);
}

/* Whether the host has written to a page table: where a session's program has said
 * that there is room for its request. No log has it. */
static bool wrote_tables(const struct recycle *r, const struct vm *vm)
{
	for (unsigned i = 0; i < vm->write_count; i++) {
		const struct vm_write *w = &vm->writes[i];

		for (gpa_t at = w->gpa & ~(PAGE - 1);
		     w->gpa >= ZB_FRAMES_GPA && at < w->gpa + w->size;
		     at += PAGE)
			if (bit_is_set(r->tables, at / PAGE))
				return true;
	}
	return false;
}

/* What was brought there has gone with all of it. */
static void forget_large(struct recycle *r)
{
	uint64_t below = r->snapshot->large_gpa / PAGE / 64;

	memset(r->brought + below, 0, (r->words - below) * 8);
	memset(r->logged + below, 0, (r->words - below) * 8);
}

static enum recycle_result restore_memory(struct recycle *r, struct vm *vm)
{
	enum recycle_result result;

	if (vm->write_count > VM_WRITES || vm_take_large(vm) ||
	    vm_dirty_log(vm, r->log))
		return RECYCLE_FAILED;
	if (!vm->nested_paging && wrote_tables(r, vm))
		return RECYCLE_TABLES;
	if (r->any_brought)
		forget_large(r);
	result = judge(r, vm);
	if (result != RECYCLE_DONE)
		return result;
	for (uint64_t i = 0; r->any_brought && i < r->words; i++)
		r->brought[i] &= ~r->log[i];
	if (restore_log(r, vm) || (r->any_brought && restore_brought(r, vm)))
		return RECYCLE_FAILED;
	if (vm->nested_paging && flush_tlb(r, vm))
		return RECYCLE_FAILED;
	return recycle_undo_writes(r, vm) ? RECYCLE_FAILED : RECYCLE_DONE;
}

/* ---- states of sessions ---- */

void recycle_rebase(struct recycle *r, const struct base *base)
{
	const struct base *held = base ? base : r->base;

	for (uint64_t i = 0; held && i < r->words; i++) {
		uint64_t new = held->held[i] & ~r->kept[i];

		/* They are the VM's own. */
		r->kept[i] |= new;
		r->kept_pages += (uint64_t)__builtin_popcountll(new);
		if (!base && held->held[i]) {
			r->brought[i] |= held->held[i];
			r->any_brought = true;
		}
	}
	r->base = base;
}

void recycle_bring(struct recycle *r, uint64_t page)
{
	bit_set(r->brought, page);
	r->any_brought = true;
}

int recycle_find(struct recycle *r, struct vm *vm)
{
	if (vm->large_given && !vm->large_logged)
		return -EIO;
	if (vm->write_count > VM_WRITES || vm_dirty_log(vm, r->log))
		return -EIO;
	for (unsigned i = 0; i < vm->write_count; i++) {
		const struct vm_write *w = &vm->writes[i];

		for (gpa_t at = w->gpa / PAGE; at * PAGE < w->gpa + w->size;
		     at++) {
			recycle_bring(r, at);
			bit_set(r->log, at);
		}
	}
	vm->write_count = 0;
	return 0;
}

/* Of a word's pages those that no exec has written for so long that they should
 * leave the log. */
static uint64_t left_alone(struct recycle *r, uint64_t word, uint64_t changed)
{
	uint64_t bits = r->log[word], came = bits & ~r->logged[word];
	uint64_t known = r->kept[word], leave = 0;

	for (; bits; bits &= bits - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(bits);
		uint64_t bit = bits & -bits;

		if ((changed | came) & bit)
			note_write(r, page, came & known & bit,
				   SESSION_PATIENCE);
		if ((uint16_t)(r->run - r->written[page]) + 1 >=
		    r->patience[page])
			leave |= bit;
	}
	return leave & ~r->tables[word];
}

int recycle_age(struct recycle *r, struct vm *vm, const uint64_t *changed)
{
	uint64_t below = r->snapshot->large_gpa / PAGE / 64, any = 0;
	uint64_t large = 0, end = vm->large_logged ? r->words : below;

	r->run++;
	r->came = 0;
	for (uint64_t i = 0; i < end; i++)
		r->came += (uint64_t)__builtin_popcountll(r->log[i] &
							  ~r->logged[i]);
	for (uint64_t i = 0; i < end; i++) {
		uint64_t leave;

		if (!r->log[i])
			continue;
		leave = left_alone(r, i, changed[i]);
		r->logged[i] = r->log[i] & ~leave;
		r->log[i] = leave;
		r->brought[i] |= leave;
		any |= i < below ? leave : 0;
		large |= i < below ? 0 : leave;
	}
	r->any_brought |= (any | large) != 0;
	if (large && vm_dirty_clear_large(vm, r->log))
		return -EIO;
	return any ? leave_log(r, vm) : 0;
}

/* What nobody has taken of the random bytes is there for the next exec. */
static bool is_random(uint64_t page)
{
	return page >= ZB_RANDOM_GPA / PAGE &&
	       page < (ZB_RANDOM_GPA + ZB_RANDOM_SIZE) / PAGE;
}

void recycle_put_back(struct recycle *r, struct vm *vm, const uint64_t *some)
{
	struct lines_ahead none = { vm->memory, vm->memory };

	for (uint64_t i = 0; i < r->words; i++)
		for (uint64_t bits = r->log[i] & some[i]; bits;
		     bits &= bits - 1) {
			uint64_t page =
				i * 64 + (uint64_t)__builtin_ctzll(bits);

			if (!is_random(page))
				restore_page(r, vm, page, &none);
		}
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
static bool settled(const struct vm *vm, const struct vm_state *then)
{
	const struct kvm_sync_regs *now = &vm->run->s.regs;
	const struct kvm_vcpu_events *e = &now->events;

	return (vm->completed || now->regs.rip != then->regs.rip) &&
	       !e->interrupt.shadow && !e->interrupt.injected &&
	       !e->exception.injected && !e->exception.pending &&
	       !e->nmi.injected && !e->nmi.pending;
}

/* Registers that the VM is to have. */
static const struct vm_state *pristine_state(const struct recycle *r)
{
	return r->base ? &r->base->state : r->snapshot->state;
}

bool recycle_is_ordinary(const struct recycle *r, const struct vm *vm)
{
	const struct vm_state *then = pristine_state(r);

	return same_system(&vm->run->s.regs.sregs, &then->sregs) &&
	       settled(vm, then);
}

enum recycle_result recycle_vm(struct recycle *r, struct vm *vm)
{
	enum recycle_result result;
	struct err e;

	if (!recycle_is_ordinary(r, vm))
		return RECYCLE_REGISTERS;
	result = restore_memory(r, vm);
	if (result != RECYCLE_DONE)
		return result;
	/*
	 * Without a write to a page table nothing of the program's has run at
	 * CPL0 (docs/architecture.md): XCR0 and MSRs are the template's. With
	 * nested paging such writes are put back, so that says nothing.
	 */
	return vm_reset(vm, pristine_state(r), vm->nested_paging, &e) ?
		       RECYCLE_FAILED :
		       RECYCLE_DONE;
}

/* ---- proof ---- */

/* In words: musl's memcmp goes byte by byte, which is minutes in an emulator. */
static bool same_page(const uint8_t *a, const uint8_t *b)
{
	typedef uint64_t word __attribute__((may_alias));
	const word *x = (const word *)a, *y = (const word *)b;
	uint64_t differing = 0;

	for (size_t i = 0; i < PAGE / sizeof(word); i += 4)
		differing |= (x[i] ^ y[i]) | (x[i + 1] ^ y[i + 1]) |
			     (x[i + 2] ^ y[i + 2]) | (x[i + 3] ^ y[i + 3]);
	return !differing;
}

static int verify_memory(const struct recycle *r, const struct vm *vm,
			 struct err *e)
{
	for (uint64_t at = 0; at < vm->memory_size; at += PAGE) {
		const uint8_t *then = r->base ? r->base->pages[at / PAGE] :
						NULL;

		if (!same_page(vm->memory + at, then ? then : r->pristine + at))
			return err_set(e, -EILSEQ, "the page at %#llx differs",
				       (unsigned long long)at);
	}
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
		result = verify_state(now, pristine_state(r), e);
	if (result == 0)
		result = verify_memory(r, vm, e);
	free(now);
	return result;
}
