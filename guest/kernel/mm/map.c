/* map.c: mmap and its relatives. */
#include "mm/map.h"

#include <linux/mman.h>

#include "fs/descriptor.h"
#include "mm/frame.h"
#include "mm/page.h"
#include "mm/pte.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"

#define MAX_VMAS 65530          /* as Linux, vm.max_map_count */
#define EAGER_COPY (4ul << 20)  /* private writable file data copied at once */
#define EAGER_MAP (64ul << 20)  /* image pages mapped at once: 8 bytes a page */
#define NEAR (1ul << 31)        /* bytes that a jump reaches */
#define RELEASE 64              /* pages from which DONTNEED gives frames back */

static u64 direct_bottom, direct_top; /* what may be handed out */

bool in_direct_map(u64 addr)
{
	return addr >= direct_bottom && addr < direct_top;
}

static bool range_free(u64 start, u64 size)
{
	struct vma *v = vma_next(start);

	return !v || v->start >= start + size;
}

static long unmap(u64 start, u64 end)
{
	struct vma *v;
	bool flush = false;

	v = vma_next(start);
	if (!v || v->start >= end)
		return 0;
	if (!vma_cut(start, end))
		return -ENOMEM;
	while ((v = vma_next(start)) && v->start < end) {
		flush |= page_release(v);
		vma_remove(v);
	}
	if (flush)
		tlb_flush();
	return 0;
}

/* ---- mmap ---- */

/* What runs need is mapped when it is cheap: their faults would cost 22 us
 * each and change page tables. */
static void populate_file(u64 addr, u64 size, u32 prot, u32 flags)
{
	if (!(prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
		return;
	if (!(flags & MAP_SHARED) && (prot & PROT_WRITE)) {
		if (size <= EAGER_COPY)
			mm_populate(addr, size);
		return;
	}
	if (size <= EAGER_MAP)
		mm_populate(addr, size);
}

/* A wish for an address that a program may have its reasons for: one of 32 bits,
 * or one within a jump of something. Others are only meant to be random. */
static bool is_wish(u64 addr, u64 size)
{
	const struct vma *v;

	if (addr == 0)
		return false;
	if (addr < 2 * NEAR)
		return true;
	v = vma_next(addr - NEAR);
	return v && v->start < addr + size + NEAR;
}

/* Plain memory for reading and writing, anywhere: the direct map. */
static bool wants_direct(u64 addr, u64 size, u32 prot, u32 flags,
			 struct file *file)
{
	return !file && !is_wish(addr, size) && (prot & PROT_WRITE) &&
	       !(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE |
			  MAP_STACK | MAP_GROWSDOWN));
}

static u64 choose_address(u64 hint, u64 size, u32 flags)
{
	u64 at = PAGE_DOWN(hint);

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		return at;
	if (at >= ZONE_BOTTOM && at <= ZONE_TOP - size &&
	    (at + size <= ZB_DIRECT_BASE || at >= ZB_IMAGE_BASE + (1ull << 40)) &&
	    range_free(at, size))
		return at;
	return vma_gap(size, ZB_IMAGE_BASE + (1ull << 40), ZONE_TOP);
}

/* Fixed addresses may lie in the zone, or replace the program's own memory. */
static bool fixed_ok(u64 addr, u64 size)
{
	const struct vma *v;

	if (addr < ZONE_BOTTOM || addr > USER_TOP - size)
		return false;
	if (addr + size <= ZB_DIRECT_BASE ||
	    addr >= ZB_IMAGE_BASE + (1ull << 40))
		return true;
	v = vma_at(addr);
	return v && v->end >= addr + size;
}

/*
 * MAP_FIXED over memory of the direct map: its frames stay, as what backs the
 * new anonymous mapping.
 */
static long map_over_direct(u64 addr, u64 size, u32 prot, u32 flags,
			    struct file *file)
{
	struct vma *v;

	if (file)
		return -ENOMEM;
	memset((void *)addr, 0, size);
	if (!vma_cut(addr, addr + size))
		return -ENOMEM;
	v = vma_next(addr);
	v->flags = flags & ~(u32)MAP_FIXED;
	(void)prot;
	return (long)sys_mprotect(addr, size, prot) ? -ENOMEM : (long)addr;
}

long mm_map(u64 addr, u64 size, u32 prot, u32 flags, struct file *file,
	    u64 offset)
{
	struct vma v = { .prot = prot,
			 .flags = flags & ~(u32)(MAP_FIXED | MAP_FIXED_NOREPLACE),
			 .file = file,
			 .offset = offset };
	gpa_t gpa;
	long r;

	if (vma_count() >= MAX_VMAS || !vma_reserve(3))
		return -ENOMEM;
	if (wants_direct(addr, size, prot, flags, file)) {
		gpa = frames_alloc(size / PAGE_SIZE);
		if (gpa) {
			v.start = ZB_DIRECT_BASE + gpa;
			v.end = v.start + size;
			vma_insert(&v);
			return (long)v.start;
		}
	}
	/* Beyond all memory there is (as Linux' heuristic overcommit): refuse. */
	if (!file && (prot & PROT_WRITE) && !(flags & MAP_NORESERVE) &&
	    size / PAGE_SIZE > ((flags & MAP_STACK) ? frames_total() :
						       frames_available()))
		return -ENOMEM;
	v.start = choose_address(addr, size, flags);
	if (v.start == 0)
		return -ENOMEM;
	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
		if (!fixed_ok(v.start, size))
			return -ENOMEM;
		if ((flags & MAP_FIXED_NOREPLACE) && !range_free(v.start, size))
			return -EEXIST;
		if (in_direct_map(v.start))
			return map_over_direct(v.start, size, prot, v.flags,
					       file);
		r = unmap(v.start, v.start + size);
		if (r)
			return r;
	}
	v.end = v.start + size;
	vma_insert(&v);
	if (file)
		populate_file(v.start, size, prot, flags);
	else if (flags & MAP_POPULATE)
		mm_populate(v.start, size);
	return (long)v.start;
}

static long check_file(struct file *f, u32 prot, u32 flags)
{
	u32 mode = f->flags & 3; /* O_ACCMODE */

	if (mode == 1 /* O_WRONLY */)
		return -EACCES;
	if ((flags & MAP_SHARED) && (prot & PROT_WRITE) && mode != 2 /* O_RDWR */)
		return -EACCES;
	return f->ops->page ? 0 : -ENODEV;
}

long sys_mmap(u64 addr, u64 size, u64 prot, u64 flags, u64 fd, u64 offset)
{
	struct file *f = NULL;
	u32 type = flags & MAP_TYPE;
	long r;

	if (size == 0 || (offset & (PAGE_SIZE - 1)))
		return -EINVAL;
	if (type != MAP_PRIVATE && type != MAP_SHARED &&
	    type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (size > USER_TOP)
		return -ENOMEM;
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
	    (addr & (PAGE_SIZE - 1)))
		return -EINVAL;
	size = PAGE_UP(size);
	if (type == MAP_SHARED_VALIDATE)
		flags = (flags & ~(u64)MAP_TYPE) | MAP_SHARED;
	if (!(flags & MAP_ANONYMOUS)) {
		f = fd_file((s32)fd);
		if (!f)
			return -EBADF;
		r = check_file(f, (u32)prot, (u32)flags);
		if (r)
			return r;
		file_ref(f);
	}
	r = mm_map(addr, size, (u32)prot & 7, (u32)flags, f, f ? offset : 0);
	if (f)
		file_unref(f);
	return r;
}

long sys_munmap(u64 addr, u64 size)
{
	if ((addr & (PAGE_SIZE - 1)) || size == 0 || size > USER_TOP ||
	    addr > USER_TOP - size)
		return -EINVAL;
	return unmap(addr, addr + PAGE_UP(size));
}

/* ---- mprotect ---- */

static bool protect_page(u64 *pte, const struct vma *v, u32 prot)
{
	u64 old = *pte, entry;

	if (!(old & (PTE_P | PTE_SAVED)))
		return false;
	if (prot == PROT_NONE) {
		entry = (old & ~PTE_P) | PTE_SAVED;
	} else {
		entry = (old & ~(PTE_SAVED | PTE_W)) | PTE_P;
		if ((prot & PROT_WRITE) &&
		    (vma_is_direct(v) || (old & PTE_OWNED) || (v->flags & MAP_SHARED)))
			entry |= PTE_W;
	}
	if (entry == old)
		return false;
	*pte = entry;
	return true;
}

static bool protect(const struct vma *v, u32 prot)
{
	bool flush = false;

	for (u64 a = v->start; a < v->end;) {
		u64 *pte = pte_find(a, false);

		if (!pte) {
			a = pte_next_table(a);
			continue;
		}
		flush |= protect_page(pte, v, prot);
		a += PAGE_SIZE;
	}
	return flush;
}

/* 0 when [start, end) is mapped without a hole, else -ENOMEM. */
static long check_mapped(u64 start, u64 end)
{
	for (u64 a = start; a < end;) {
		const struct vma *v = vma_at(a);

		if (!v)
			return -ENOMEM;
		a = v->end;
	}
	return 0;
}

/*
 * Whether there is memory for pages of a reservation that are put to use: better
 * an error now than an end at the first write. More than all memory is a
 * reservation still.
 */
static bool can_promise(u64 addr, u64 end, u32 prot)
{
	u64 pages = 0;

	if (!(prot & PROT_WRITE))
		return true;
	for (const struct vma *v = vma_next(addr); v && v->start < end;
	     v = vma_after(v))
		if (v->prot == PROT_NONE && !v->file && !vma_is_direct(v))
			pages += (MIN(end, v->end) - MAX(addr, v->start)) /
				 PAGE_SIZE;
	return pages <= frames_available() || pages > frames_total();
}

long sys_mprotect(u64 addr, u64 size, u64 prot64)
{
	u32 prot = (u32)prot64 & 7;
	u64 end = addr + PAGE_UP(size);
	bool flush = false;
	long r;

	if ((addr & (PAGE_SIZE - 1)) || (prot64 & ~0x0300000full))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (end <= addr || end > USER_TOP)
		return -ENOMEM;
	r = check_mapped(addr, end);
	if (r)
		return r;
	if (!can_promise(addr, end, prot))
		return -ENOMEM;
	if (!vma_cut(addr, end))
		return -ENOMEM;
	for (struct vma *v = vma_next(addr); v && v->start < end;
	     v = vma_after(v)) {
		if (v->file && (v->flags & MAP_SHARED) && (prot & PROT_WRITE) &&
		    (v->file->flags & 3) != 2)
			return -EACCES;
		if (v->prot == prot)
			continue;
		flush |= protect(v, prot);
		v->prot = prot;
	}
	vma_tidy(addr, end);
	if (flush)
		tlb_flush();
	return 0;
}

/* ---- brk, mremap, madvise ---- */

/* Grows memory in place by frames that follow it; false: in use. */
static bool grow_direct(u64 end, u64 new_end)
{
	return in_direct_map(new_end - 1) &&
	       frames_claim(end - ZB_DIRECT_BASE, (new_end - end) / PAGE_SIZE);
}

long sys_brk(u64 addr)
{
	u64 old = PAGE_UP(space->brk_end), want = PAGE_UP(addr);
	struct vma v = { .start = old,
			 .end = want,
			 .prot = PROT_READ | PROT_WRITE,
			 .flags = MAP_PRIVATE | MAP_ANONYMOUS };

	if (addr < space->brk_start || addr >= direct_top)
		return (long)space->brk_end;
	if (want < old && unmap(want, old) < 0)
		return (long)space->brk_end;
	if (want > old) {
		if (!vma_reserve(1) || !grow_direct(old, want))
			return (long)space->brk_end;
		vma_insert(&v);
	}
	space->brk_end = addr;
	return (long)space->brk_end;
}

/* Moves the page-table entries of the zone to another place. */
static bool move_entries(u64 from, u64 to, u64 size)
{
	for (u64 i = 0; i < size; i += PAGE_SIZE) {
		u64 *source = pte_find(from + i, false), *target;

		if (!source || *source == 0)
			continue;
		target = pte_find(to + i, true);
		if (!target)
			return false;
		*target = *source;
		*source = 0;
	}
	return true;
}

static long move_mapping(const struct vma *old, u64 addr, u64 size,
			 u64 new_size, u32 flags, u64 target)
{
	struct vma v = *old;
	long to;

	v.offset += addr - v.start;
	if (vma_is_direct(old)) {
		to = mm_map(target, new_size, PROT_READ | PROT_WRITE,
			    v.flags | (flags & MREMAP_FIXED ? MAP_FIXED : 0),
			    NULL, 0);
		if (to < 0)
			return to;
		if (v.prot & PROT_READ)
			memcpy((void *)to, (void *)addr, MIN(size, new_size));
		if (v.prot != (PROT_READ | PROT_WRITE))
			sys_mprotect((u64)to, new_size, v.prot);
		unmap(addr, addr + size);
		return to;
	}
	if (flags & MREMAP_FIXED) {
		if (!fixed_ok(target, new_size) || in_direct_map(target))
			return -ENOMEM;
		if (unmap(target, target + new_size) < 0)
			return -ENOMEM;
	} else {
		target = choose_address(0, new_size, 0);
		if (!target)
			return -ENOMEM;
	}
	if (!vma_reserve(3))
		return -ENOMEM;
	v.start = target;
	v.end = target + new_size;
	if (!move_entries(addr, target, MIN(size, new_size)))
		return -ENOMEM;
	vma_insert(&v);
	unmap(addr, addr + size);
	tlb_flush();
	return (long)target;
}

static bool grow_in_place(const struct vma *old, u64 end, u64 new_end)
{
	struct vma v = *old;

	/* vma_reserve may move what old points to; v is a copy. */
	if (!range_free(end, new_end - end) || !vma_reserve(1))
		return false;
	if (vma_is_direct(&v)) {
		if (v.prot != (PROT_READ | PROT_WRITE) ||
		    !grow_direct(end, new_end))
			return false;
	} else if (!fixed_ok(end, new_end - end)) {
		return false;
	}
	v.offset += end - v.start;
	v.start = end;
	v.end = new_end;
	vma_insert(&v);
	return true;
}

long sys_mremap(u64 addr, u64 size, u64 new_size, u64 flags, u64 target)
{
	const struct vma *v;

	if ((addr & (PAGE_SIZE - 1)) || new_size == 0 || new_size > USER_TOP ||
	    (flags & ~(u64)(MREMAP_MAYMOVE | MREMAP_FIXED)))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) &&
	    (!(flags & MREMAP_MAYMOVE) || (target & (PAGE_SIZE - 1)) ||
	     (target < addr + size && addr < target + new_size)))
		return -EINVAL;
	size = PAGE_UP(size);
	new_size = PAGE_UP(new_size);
	v = vma_at(addr);
	if (!v || size == 0 || v->end < addr + size)
		return -EFAULT;
	if (flags & MREMAP_FIXED)
		return move_mapping(v, addr, size, new_size, (u32)flags, target);
	if (new_size <= size) {
		unmap(addr + new_size, addr + size);
		return (long)addr;
	}
	if (v->end == addr + size &&
	    grow_in_place(v, addr + size, addr + new_size))
		return (long)addr;
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	return move_mapping(v, addr, size, new_size, 0, 0);
}

static void discard(const struct vma *v, u64 start, u64 end)
{
	if (vma_is_direct(v)) {
		if (v->prot & PROT_WRITE)
			memset((void *)start, 0, end - start);
		return;
	}
	if (v->flags & MAP_SHARED)
		return;
	if (v->file || (end - start) / PAGE_SIZE >= RELEASE) {
		if (page_release_zone(start, end))
			tlb_flush();
		return;
	}
	for (u64 a = start; a < end; a += PAGE_SIZE) {
		u64 *pte = pte_find(a, false);

		if (pte && (*pte & PTE_OWNED))
			memset(gpa_to_ptr(*pte & PTE_GPA), 0, PAGE_SIZE);
	}
}

long sys_madvise(u64 addr, u64 size, u64 advice)
{
	u64 end = addr + PAGE_UP(size);

	if ((addr & (PAGE_SIZE - 1)) || end < addr)
		return -EINVAL;
	switch ((int)advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		return check_mapped(addr, end);
	case MADV_FREE:
	case MADV_DONTNEED:
		break;
	default:
		return -EINVAL;
	}
	for (const struct vma *v = vma_next(addr); v && v->start < end;
	     v = vma_after(v))
		discard(v, MAX(addr, v->start), MIN(end, v->end));
	return check_mapped(addr, end);
}

long sys_mincore(u64 addr, u64 size, u64 vector)
{
	u64 pages = PAGE_UP(size) / PAGE_SIZE;

	if (addr & (PAGE_SIZE - 1))
		return -EINVAL;
	if (check_mapped(addr, addr + pages * PAGE_SIZE))
		return -ENOMEM;
	if (!user_writable(vector, pages))
		return -EFAULT;
	memset((void *)vector, 1, pages);
	return 0;
}

long sys_mbind(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 0;
}

long sys_set_mempolicy(u64 a, u64 b, u64 c)
{
	(void)a, (void)b, (void)c;
	return 0;
}

long sys_msync(u64 addr, u64 size, u64 flags)
{
	(void)size;
	return (addr & (PAGE_SIZE - 1)) || (flags & ~7ull) ? -EINVAL : 0;
}

/* ---- what /proc shows ---- */

u64 mm_mapped_pages(void)
{
	u64 pages = 0;

	for (struct vma *v = vma_next(0); v; v = vma_after(v))
		pages += (v->end - v->start) / PAGE_SIZE;
	return pages;
}

u64 mm_resident_pages(void)
{
	return frames_total() - frames_available();
}

static const char *vma_name(const struct vma *v)
{
	if (v->file)
		return v->file->path ? v->file->path : "";
	if (v->start == space->brk_start)
		return "[heap]";
	return v->flags & MAP_GROWSDOWN ? "[stack]" : "";
}

size_t mm_format_maps(char *buf, size_t size)
{
	size_t n = 0;

	for (struct vma *v = vma_next(0); v && n < size; v = vma_after(v)) {
		int r = ksnprintf(buf + n, size - n,
				  "%08lx-%08lx %c%c%c%c %08lx 00:01 0 %s\n",
				  v->start, v->end,
				  v->prot & PROT_READ ? 'r' : '-',
				  v->prot & PROT_WRITE ? 'w' : '-',
				  v->prot & PROT_EXEC ? 'x' : '-',
				  v->flags & MAP_SHARED ? 's' : 'p', v->offset,
				  vma_name(v));

		if (r < 0 || (size_t)r >= size - n)
			break;
		n += (size_t)r;
	}
	return n;
}

void mm_init(void)
{
	static struct space first_space;
	gpa_t first = frames_init(control->frames_start, control->memory_size);

	space = &first_space;
	direct_bottom = ZB_DIRECT_BASE + first;
	direct_top = ZB_DIRECT_BASE + control->memory_size;
	space->brk_start = space->brk_end = direct_bottom;
}
