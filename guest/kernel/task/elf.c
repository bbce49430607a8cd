/* elf.c: reads ELF files and maps them. */
#include "task/elf.h"

#include <linux/mman.h>

#include "mm/map.h"
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
		if ((ph->p_flags & PF_W) &&
		    user_clear((void *)file_end, mapped - file_end) !=
			    mapped - file_end)
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

/* Reserves one range for a position independent file. */
static long choose_base(struct elf *e, u64 hint)
{
	const struct vma nothing = { .prot = PROT_NONE,
				     .flags = MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_NORESERVE };
	const Elf64_Phdr *ph = e->segments;
	u64 low = ~0ull, high = 0;
	long r;

	for (u16 i = 0; i < e->head.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		low = MIN(low, PAGE_DOWN(ph[i].p_vaddr));
		high = MAX(high, PAGE_UP(ph[i].p_vaddr + ph[i].p_memsz));
	}
	if (low >= high || high - low > (1ull << 40))
		return -ENOEXEC;
	r = mm_map(hint, high - low, &nothing);
	if (r < 0)
		return r;
	e->base = (u64)r - low;
	return 0;
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
