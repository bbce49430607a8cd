/* elf.c: reads ELF files and maps them. */
#include "task/elf.h"

#include <linux/mman.h>

#include "mm/code.h"
#include "mm/map.h"
#include "mm/pte.h"
#include "mm/user.h"

#define READY (4ul << 20) /* of zeroed data: there at once */

static long read_at(struct file *f, void *buf, size_t n, u64 at)
{
	u64 pos = at;
	long r;

	if (!f->ops->read)
		return -ENOEXEC;
	r = f->ops->read(f, buf, n, &pos);
	if (r < 0)
		return r;
	return (size_t)r == n ? 0 : -ENOEXEC;
}

static long read_interpreter(struct elf *e, const Elf64_Phdr *ph)
{
	char *path = e->interpreter;
	long r;

	if (ph->p_filesz < 2 || ph->p_filesz > sizeof(e->interpreter))
		return -ENOEXEC;
	r = read_at(e->file, path, ph->p_filesz, ph->p_offset);
	return r || !path[ph->p_filesz - 1] ? r : -ENOEXEC;
}

long elf_read(struct elf *e, struct file *f)
{
	Elf64_Ehdr *head = &e->head;
	long r;

	e->file = f;
	r = read_at(f, head, sizeof(*head), 0);
	if (r)
		return r;
	if (memcmp(head->e_ident, ELFMAG, SELFMAG) ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 ||
	    head->e_machine != EM_X86_64 ||
	    (head->e_type != ET_EXEC && head->e_type != ET_DYN) ||
	    head->e_phentsize != sizeof(e->segments[0]) || head->e_phnum == 0 ||
	    head->e_phnum > ELF_SEGMENTS)
		return -ENOEXEC;
	r = read_at(f, e->segments, head->e_phnum * sizeof(e->segments[0]),
		    head->e_phoff);
	for (u16 i = 0; i < head->e_phnum && r == 0; i++)
		if (e->segments[i].p_type == PT_INTERP)
			r = read_interpreter(e, &e->segments[i]);
	return r;
}

/* ---- mapping ---- */

static u32 protection(u32 flags)
{
	return (flags & PF_R ? PROT_READ : 0) |
	       (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

/* A part of a page, not at its place if it is there: nothing has been touched in this
 * space, and KVM need not know of its tables before they are complete. */
static bool clear(u64 start, u64 end)
{
	const u64 *pte = pte_find(start, false);

	if (!pte || !(*pte & PTE_OWNED))
		return user_clear((void *)start, end - start) == end - start;
	memset((u8 *)gpa_to_ptr(*pte & PTE_GPA) + start % PAGE_SIZE, 0,
	       end - start);
	return true;
}

static long map_segment(struct file *f, const Elf64_Phdr *ph, u64 base)
{
	u64 start = PAGE_DOWN(base + ph->p_vaddr);
	u64 skew = base + ph->p_vaddr - start;
	u64 file_end = base + ph->p_vaddr + ph->p_filesz;
	u64 end = PAGE_UP(base + ph->p_vaddr + ph->p_memsz);
	u32 prot = protection(ph->p_flags);
	u64 mapped = PAGE_UP(file_end);
	struct vma data = { .prot = prot,
			    .flags = MAP_PRIVATE | MAP_FIXED,
			    .object = &f->object,
			    .offset = ph->p_offset - skew };
	struct vma bss = { .prot = prot,
			   .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED };
	long r;

	if (ph->p_filesz > ph->p_memsz || skew > ph->p_offset)
		return -ENOEXEC;
	if (ph->p_filesz) {
		r = mm_map(start, mapped - start, &data);
		if (r < 0)
			return r;
		if ((ph->p_flags & PF_W) && !clear(file_end, mapped))
			return -ENOEXEC;
	} else {
		mapped = start;
	}
	if (end <= mapped)
		return 0;
	r = mm_map(mapped, end - mapped, &bss);
	if (r < 0)
		return r;
	mm_populate(mapped, MIN(end - mapped, READY));
	return 0;
}

/* From what address to what one a file wants memory, and from where on it writes. */
struct extent {
	u64 low, high, data;
};

static void extend(struct extent *x, const Elf64_Phdr *ph)
{
	if (ph->p_type != PT_LOAD)
		return;
	x->low = MIN(x->low, PAGE_DOWN(ph->p_vaddr));
	x->high = MAX(x->high, PAGE_UP(ph->p_vaddr + ph->p_memsz));
	if (ph->p_flags & PF_W)
		x->data = MIN(x->data, PAGE_DOWN(ph->p_vaddr));
}

static bool extent_ok(const struct extent *x)
{
	return x->low < x->high && x->high - x->low <= 1ull << 40;
}

/* Whether its code is to have tables without its data: processes have them in common
 * then, and a fault each less for the pages that they use. */
static bool is_apart(const struct extent *x)
{
	return x->data < x->high && x->data - x->low >= code_least();
}

/* Whether the parts without data follow each other as in the file, page by page. */
static bool is_one_piece(const struct elf *e, const struct extent *x)
{
	u64 end = x->low, shift = 0;

	for (u16 i = 0; i < e->head.e_phnum && end < x->data; i++) {
		const Elf64_Phdr *ph = &e->segments[i];

		if (ph->p_type != PT_LOAD)
			continue;
		if (end == x->low)
			shift = ph->p_vaddr - ph->p_offset;
		if (PAGE_DOWN(ph->p_vaddr) != end ||
		    ph->p_filesz != ph->p_memsz ||
		    ph->p_vaddr - ph->p_offset != shift)
			return false;
		end = PAGE_UP(ph->p_vaddr + ph->p_memsz);
	}
	return end == x->data && !(shift % PAGE_SIZE) && shift <= x->low;
}

/* As a whole, with the code where the parts will have it. */
static long map_whole(const struct elf *e, u64 at, const struct extent *x)
{
	const Elf64_Phdr *ph = e->segments;
	struct vma whole = { .prot = PROT_READ,
			     .flags = MAP_PRIVATE,
			     .object = &e->file->object };
	long r;

	while (ph->p_type != PT_LOAD)
		ph++;
	whole.offset = x->low - (ph->p_vaddr - ph->p_offset);
	r = mm_map_ready(at, x->high - x->low, x->data - x->low, &whole);
	if (r > 0)
		mm_protect((u64)r + x->data - x->low, (u64)r + x->high - x->low,
			   PROT_NONE);
	return r;
}

/* Reserves one range for a position independent file. */
static long choose_base(struct elf *e, u64 hint)
{
	const struct vma nothing = { .prot = PROT_NONE,
				     .flags = MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_NORESERVE };
	struct extent x = { ~0ull, 0, ~0ull };
	bool apart;
	long r;

	for (u16 i = 0; i < e->head.e_phnum; i++)
		extend(&x, &e->segments[i]);
	if (!extent_ok(&x))
		return -ENOEXEC;
	apart = is_apart(&x);
	if (apart && hint)
		hint += (x.low - x.data - hint) & (TABLE_SIZE - 1);
	else if (apart)
		hint = mm_place_program(x.data - x.low, x.high - x.data);
	r = apart && is_one_piece(e, &x) ?
		    map_whole(e, hint, &x) :
		    mm_map(hint, x.high - x.low, &nothing);
	if (r < 0)
		return r;
	e->base = (u64)r - x.low;
	return 0;
}

u64 elf_code(struct file *f, u64 *at)
{
	struct extent x = { ~0ull, 0, ~0ull };
	Elf64_Ehdr head;
	Elf64_Phdr ph;

	if (read_at(f, &head, sizeof(head), 0) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_type != ET_DYN ||
	    head.e_phentsize != sizeof(ph) || head.e_phnum > ELF_SEGMENTS)
		return 0;
	for (u16 i = 0; i < head.e_phnum; i++) {
		if (read_at(f, &ph, sizeof(ph), head.e_phoff + i * sizeof(ph)))
			return 0;
		extend(&x, &ph);
	}
	if (!extent_ok(&x) || x.data >= x.high)
		return 0;
	if (is_apart(&x))
		*at = mm_place_program(x.data - x.low, x.high - x.data);
	return x.data - x.low;
}

/* Where code and data are: proc(5), stat. */
static void note_segment(struct elf *e, const Elf64_Phdr *ph)
{
	u64 start = e->base + ph->p_vaddr, end = start + ph->p_filesz;
	u64 headers = e->head.e_phoff;

	if (headers >= ph->p_offset && headers - ph->p_offset < ph->p_filesz)
		e->headers = start + headers - ph->p_offset;
	if (ph->p_flags & PF_X) {
		e->code_start = e->code_start ? MIN(e->code_start, start) :
						start;
		e->code_end = MAX(e->code_end, end);
	}
	e->data_start = MAX(e->data_start, start);
	e->data_end = MAX(e->data_end, end);
	e->end = MAX(e->end, PAGE_UP(start + ph->p_memsz));
}

long elf_map(struct elf *e, u64 hint)
{
	long r = 0;

	if (!elf_is_fixed(e))
		r = choose_base(e, hint);
	for (u16 i = 0; i < e->head.e_phnum && r == 0; i++) {
		if (e->segments[i].p_type != PT_LOAD)
			continue;
		note_segment(e, &e->segments[i]);
		r = map_segment(e->file, &e->segments[i], e->base);
	}
	e->entry = e->base + e->head.e_entry;
	return r;
}
