/*
 * spaces.c: several address spaces: making, copying, switching and freeing.
 *
 * After a fork both spaces have the same frames, counted, and neither may write
 * to them; who does gets a copy of the page, or the frame once nobody else has
 * it (page.c). Of a small process all that it may write to is copied at once: a
 * page costs less than the fault that asks for it, and the parent's tables stay
 * as they are.
 */
#include <linux/mman.h>

#include "heap.h"
#include "mm/code.h"
#include "mm/frame.h"
#include "mm/page.h"
#include "mm/pool.h"
#include "mm/pte.h"
#include "mm/map.h"
#include "mm/shared.h"
#include "mm/space.h"

#define SMALL 512 /* pages of its own that a process may write to */
#define STACK_NEAR (2 * PAGE_SIZE) /* below the pointer: soon in use */

/* What the CPU has when the running process has none any more: no mappings, and
 * no tables for them. */
static struct space nowhere;

struct space *space_new(void)
{
	struct space *s = kmalloc(sizeof(*s));

	if (!s)
		return NULL;
	if (tables_make(&s->tables)) {
		kfree(s);
		return NULL;
	}
	s->users = 1;
	s->pages_max = s->data_max = s->stack_max = ~0ul;
	s->next = spaces;
	spaces = s;
	return s;
}

void space_switch(struct space *s)
{
	space_look_at(s);
	tables_load(&s->tables);
}

void space_clear(struct space *s)
{
	struct space *before = space_look_at(s);

	while (s->count) {
		struct vma *last = &s->table[s->count - 1];

		page_release(last);
		vma_remove(last);
	}
	space_look_at(before);
}

/* Where the table of a page ends. */
static u64 table_end(u64 at)
{
	return (at | (TABLE_SIZE - 1)) + 1;
}

/* What the pages of a mapping have; the tables go, whatever is in them. */
static void give_frames(const struct vma *v)
{
	u64 at = v->start, end;

	if (v->pool) {
		page_release(v);
		return;
	}
	for (const u64 *pte; (pte = pte_look(&at, v->end)); at = end) {
		end = MIN(table_end(at), v->end);
		if (table_shared(at))
			continue;
		for (; at < end; at += PAGE_SIZE, pte++)
			if (*pte & PTE_OWNED)
				frames_free(*pte & PTE_GPA, 1);
	}
	pool_restore(v->start, v->end);
}

static void give_all(struct space *s)
{
	struct space *before = space_look_at(s);

	for (const struct vma *v = vma_next(0); v; v = vma_after(v))
		give_frames(v);
	while (s->count)
		vma_remove(&s->table[s->count - 1]);
	space_look_at(before);
}

static void free_space(struct space *s)
{
	struct space **link = &spaces;

	give_all(s);
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	tables_free(&s->tables);
	if (s->patches && --s->patches->users == 0)
		kfree(s->patches);
	if (s->program)
		s->program->ops->unref(s->program);
	kfree(s->table);
	kfree(s);
}

void space_unref(struct space *s)
{
	if (--s->users)
		return;
	if (s == space)
		space_switch(&nowhere);
	free_space(s);
}

/* ---- fork ---- */

/* Anonymous memory that is shared becomes an object. 0 or -ENOMEM. */
static long share(struct vma *v)
{
	u64 pages = (v->end - v->start) / PAGE_SIZE, at = v->start;
	struct object *o = shared_new(pages);

	if (!o)
		return -ENOMEM;
	for (const u64 *pte; (pte = pte_next(&at, v->end)); at += PAGE_SIZE)
		if ((*pte & PTE_OWNED) &&
		    !shared_reserve(o, (at - v->start) / PAGE_SIZE)) {
			o->ops->unref(o);
			return -ENOMEM;
		}
	at = v->start;
	for (u64 *pte; (pte = pte_next(&at, v->end)); at += PAGE_SIZE) {
		if (!(*pte & PTE_OWNED))
			continue;
		shared_adopt(o, (at - v->start) / PAGE_SIZE, *pte & PTE_GPA);
		*pte &= ~PTE_OWNED;
	}
	v->object = o;
	v->offset = 0;
	v->may_write = true;
	return 0;
}

static long share_all(void)
{
	long r = 0;

	for (struct vma *v = vma_next(0); v && r == 0; v = vma_after(v))
		if ((v->flags & MAP_SHARED) && !v->object)
			r = share(v);
	return r;
}

struct fork {
	struct space *to;
	bool copy;  /* what may be written, at once */
	bool flush; /* the parent has lost rights */
	u64 stack;  /* the stack below it is not in use, and not copied */
};

/* A page of the running process, where it has it if it may be read there: KVM may
 * know that mapping, and not the kernel's of the same frame. */
static const void *page_of(u64 entry, u64 at)
{
	return entry & PTE_P ? (const void *)at : gpa_to_ptr(entry & PTE_GPA);
}

static gpa_t copy_page(u64 entry, u64 at)
{
	gpa_t copy = frames_alloc(1);

	if (copy)
		memcpy(gpa_to_ptr(copy), page_of(entry, at), PAGE_SIZE);
	return copy;
}

/* An entry for the child; the parent may not write to what is not copied. */
static u64 copied(struct fork *f, u64 *pte, u64 at, const struct vma *v)
{
	const u64 entry = *pte;
	bool used = !(v->flags & MAP_GROWSDOWN) || at >= f->stack;
	gpa_t copy = 0;

	if ((v->flags & MAP_SHARED) || !(entry & PTE_OWNED))
		return entry;
	if (f->copy && used && (entry & PTE_W)) {
		/* A page of zeroes comes when the child asks for it. */
		if (!v->object && page_is_zero(page_of(entry, at)))
			return 0;
		copy = copy_page(entry, at);
	}
	if (copy)
		return copy | (entry & ~PTE_GPA) | PTE_TOUCHED;
	if (*pte & PTE_W) {
		*pte &= ~PTE_W;
		f->flush = true;
	}
	frame_share(*pte & PTE_GPA);
	return *pte;
}

/* Entries from start on, in one table of each space. */
static long copy_table(struct fork *f, u64 *from, u64 start, u64 end,
		       const struct vma *v)
{
	struct space *before;
	u64 *target = NULL;

	for (; start < end; start += PAGE_SIZE, from++) {
		if (!*from) {
			target = target ? target + 1 : NULL;
			continue;
		}
		if (!target) {
			before = space_look_at(f->to);
			target = pte_find(start, true);
			space_look_at(before);
		}
		if (!target)
			return -ENOMEM;
		if (*from) /* making a table may have taken it back */
			*target = copied(f, from, start, v);
		target++;
	}
	return 0;
}

/* Whether nobody may write to what the table of a page shows, and all of it goes to
 * a child: then it can have the table itself. */
static bool is_common(u64 at)
{
	u64 end = table_end(at);

	for (const struct vma *v = vma_next(end - TABLE_SIZE);
	     v && v->start < end; v = vma_after(v))
		if (v->prot & PROT_WRITE || v->at_fork)
			return false;
	return true;
}

static long copy_mapping(struct fork *f, const struct vma *v)
{
	u64 at = v->start, end;
	long r = 0;

	for (; r == 0 && pte_look(&at, v->end); at = end) {
		end = MIN(table_end(at), v->end);
		if (!is_common(at))
			r = copy_table(f, pte_find(at, false), at, end, v);
		else if (!table_share(&f->to->tables, at))
			r = -ENOMEM;
	}
	return r;
}

static void copy_shape(struct space *to)
{
	to->home = space->home;
	to->brk_start = space->brk_start;
	to->brk_end = space->brk_end;
	to->brk_top = space->brk_top;
	to->stack_top = space->stack_top;
	to->stack_floor = space->stack_floor;
	to->stack_max = space->stack_max;
	to->pages_max = space->pages_max;
	to->data_max = space->data_max;
	to->patches = space->patches;
	if (to->patches)
		to->patches->users++;
	to->program = space->program;
	if (to->program)
		to->program->ops->ref(to->program);
}

/* One mapping more for a child, at the end of its table. */
static long copy_vma(struct fork *f, const struct vma *v)
{
	struct vma copy = *v;
	struct space *before;

	if (v->at_fork & FORK_OMIT)
		return 0;
	copy.flags &= ~(u32)MAP_LOCKED;
	before = space_look_at(f->to);
	vma_insert(&copy);
	space_look_at(before);
	return v->at_fork & FORK_WIPE ? 0 : copy_mapping(f, v);
}

/* Whether the running process has few pages that it may write to, and there is
 * room for them in many children. */
static bool is_small(void)
{
	u64 pages = 0;

	for (const struct vma *v = vma_next(0); v && pages <= SMALL;
	     v = vma_after(v)) {
		u64 at = v->start;

		if (v->flags & MAP_SHARED || !(v->prot & PROT_WRITE))
			continue;
		for (const u64 *pte;
		     pages <= SMALL && (pte = pte_next(&at, v->end));
		     at += PAGE_SIZE)
			pages += (*pte & (PTE_OWNED | PTE_W)) ==
				 (PTE_OWNED | PTE_W);
	}
	return pages <= SMALL && frames_available() > frames_total() / 2;
}

/* The child gets its own copy of a page before anybody asks for it: two faults
 * less. What is not plain memory that both may write to stays as it is. */
static void copy_hot(struct space *to, u64 addr)
{
	struct space *before = space;
	const struct vma *v = vma_at(addr);
	u64 *from = pte_find(addr, false), *target;
	gpa_t copy;

	if (!v || !(v->prot & PROT_WRITE) || (v->flags & MAP_SHARED) || !from ||
	    (*from & (PTE_P | PTE_OWNED)) != (PTE_P | PTE_OWNED))
		return;
	space_look_at(to);
	target = pte_find(addr, false);
	space_look_at(before);
	if (!target || *target != *from)
		return;
	copy = copy_page(*from, PAGE_DOWN(addr));
	if (!copy)
		return;
	if (*target) /* it may have been taken back for the copy */
		frames_free(*target & PTE_GPA, 1);
	*target = pte_make(copy, true, true) | PTE_TOUCHED;
	if (page_may_write(*from, v))
		*from |= PTE_W;
}

struct space *space_fork(const u64 *hot, size_t count)
{
	struct space *s, *before = space;
	struct fork f;
	bool room;
	long r;

	pool_dissolve();
	if (share_all())
		return NULL;
	s = space_new();
	if (!s)
		return NULL;
	copy_shape(s);
	f = (struct fork){ .to = s,
			   .copy = is_small(),
			   .stack = PAGE_DOWN(hot[0]) - STACK_NEAR };
	space_look_at(s);
	room = vma_reserve(before->count + 1);
	space_look_at(before);
	r = room ? 0 : -ENOMEM;
	for (const struct vma *v = vma_next(0); v && r == 0; v = vma_after(v))
		r = copy_vma(&f, v);
	for (size_t i = 0; i < count && r == 0; i++)
		copy_hot(s, hot[i]);
	if (f.flush)
		tlb_flush();
	if (r == 0)
		return s;
	free_space(s);
	return NULL;
}

/* ---- other spaces ---- */

/* The memory of a page as this kind of access finds it, or NULL. */
static void *reach(u64 addr, bool write)
{
	const struct vma *v = vma_reach(addr);
	u64 *pte;

	if (!v || !(v->prot & (write ? PROT_WRITE : PROT_READ)))
		return NULL;
	pte = pte_find(addr, false);
	if (!pte || !(*pte & PTE_P) || (write && !(*pte & PTE_W))) {
		if (mm_fault(addr, write))
			return NULL;
		pte = pte_find(addr, false);
	}
	return (void *)(uintptr_t)frame_memory(*pte & PTE_GPA);
}

static size_t transfer(struct space *s, u8 *kernel, u64 addr, size_t n,
		       bool write)
{
	struct space *before = space_look_at(s);
	size_t done = 0, part;

	for (; done < n; done += part) {
		u8 *page = reach(addr + done, write);
		u64 at = (addr + done) % PAGE_SIZE;

		if (!page)
			break;
		part = MIN(n - done, PAGE_SIZE - at);
		if (write)
			memcpy(page + at, kernel + done, part);
		else
			memcpy(kernel + done, page + at, part);
	}
	space_look_at(before);
	return done;
}

size_t space_read(struct space *s, void *to, u64 from, size_t n)
{
	return transfer(s, to, from, n, false);
}

size_t space_write(struct space *s, u64 to, const void *from, size_t n)
{
	return transfer(s, (void *)(uintptr_t)from, to, n, true);
}
