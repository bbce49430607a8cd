/* exec.c: the ELF loader: System V ABI AMD64, 3.4 and 5. */
#include "task/exec.h"

#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/mman.h>

#include "fs/open.h"
#include "mm/map.h"
#include "mm/user.h"
#include "random.h"
#include "task/process.h"
#include "task/signal.h"
#include "vdso.h"

#define STACK_SIZE (8ul << 20)
#define STACK_READY (1ul << 20) /* mapped at once: runs seldom need more */
#define MAX_SEGMENTS 64
#define MAX_STRINGS 256

struct program {
	u64 base; /* added to the file's addresses */
	u64 entry;
	u64 headers; /* where the program headers are in memory */
	u16 header_count;
	u64 code_start, code_end, data_start, data_end;
	char interpreter[256];
};

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
	mm_populate(mapped, MIN(end - mapped, 4ul << 20));
	return 0;
}

/* Reserves one range for a position independent file. */
static long choose_base(const Elf64_Phdr *ph, u16 count, u64 hint, u64 *base)
{
	const struct vma nothing = { .prot = PROT_NONE,
				     .flags = MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_NORESERVE };
	u64 low = ~0ull, high = 0;
	long r;

	for (u16 i = 0; i < count; i++) {
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
	*base = (u64)r - low;
	return 0;
}

/* proc(5), stat: where code and data are. */
static void note_segment(struct program *p, const Elf64_Phdr *ph)
{
	u64 start = p->base + ph->p_vaddr, end = start + ph->p_filesz;

	if (ph->p_flags & PF_X) {
		p->code_start = p->code_start ? MIN(p->code_start, start) :
						start;
		p->code_end = MAX(p->code_end, end);
	}
	p->data_start = MAX(p->data_start, start);
	p->data_end = MAX(p->data_end, end);
}

/* main: the program itself, which decides where its space is. */
static long load_file(const char *path, struct program *p, bool main)
{
	Elf64_Phdr ph[MAX_SEGMENTS];
	Elf64_Ehdr elf;
	struct file *f;
	size_t n;
	long r;

	f = file_open_kernel(path, &r);
	if (!f)
		return r;
	r = read_at(f, &elf, sizeof(elf), 0);
	if (r)
		goto out;
	r = -ENOEXEC;
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64 ||
	    (elf.e_type != ET_EXEC && elf.e_type != ET_DYN) ||
	    elf.e_phentsize != sizeof(ph[0]) || elf.e_phnum == 0 ||
	    elf.e_phnum > MAX_SEGMENTS)
		goto out;
	r = read_at(f, ph, elf.e_phnum * sizeof(ph[0]), elf.e_phoff);
	if (r)
		goto out;
	if (main) {
		n = file_describe(f, current->process->exec_path,
				  PROCESS_PATH - 1);
		current->process->exec_path[n] = 0;
		r = mm_open(elf.e_type == ET_DYN ? HOME_HIGH : HOME_LOW);
	}
	if (r)
		goto out;
	p->base = 0;
	if (elf.e_type == ET_DYN)
		r = choose_base(ph, elf.e_phnum,
				main ? space->home + HOME_PIE : 0, &p->base);
	for (u16 i = 0; i < elf.e_phnum && r == 0; i++) {
		if (ph[i].p_type == PT_LOAD) {
			if (elf.e_phoff >= ph[i].p_offset &&
			    elf.e_phoff - ph[i].p_offset < ph[i].p_filesz)
				p->headers = p->base + ph[i].p_vaddr +
					     elf.e_phoff - ph[i].p_offset;
			note_segment(p, &ph[i]);
			r = map_segment(f, &ph[i], p->base);
		} else if (ph[i].p_type == PT_INTERP) {
			if (ph[i].p_filesz >= sizeof(p->interpreter))
				r = -ENOEXEC;
			else
				r = read_at(f, p->interpreter, ph[i].p_filesz,
					    ph[i].p_offset);
		}
	}
	p->entry = p->base + elf.e_entry;
	p->header_count = elf.e_phnum;
out:
	file_unref(f);
	return r;
}

static u32 cpu_features(void)
{
	u32 a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/* Pushes bytes below *sp; returns where they are. */
static u64 push(u64 *sp, const void *data, size_t n)
{
	*sp -= n;
	memcpy((void *)*sp, data, n);
	return *sp;
}

/*
 * The stack at the first instruction, from low to high: argc, argv, NULL,
 * environment, NULL, auxiliary vector, and the bytes they point to.
 */
static long build_stack(u64 *sp, const char *path, const char *args,
			size_t args_size, u32 argc, const struct program *p,
			const struct program *interpreter)
{
	u64 words[MAX_STRINGS + 64], strings, name, random, platform;
	u8 seed[16];
	size_t n = 0, at = 0;
	struct layout *l = &current->process->layout;
	u32 count = 0;

	random_fill(seed, sizeof(seed));
	name = push(sp, path, strlen(path) + 1);
	platform = push(sp, "x86_64", 7);
	random = push(sp, seed, sizeof(seed));
	strings = push(sp, args, args_size);
	l->args = l->environment = strings;
	l->environment_end = strings + args_size;
	words[n++] = argc;
	while (at < args_size && count < MAX_STRINGS) {
		if (count++ == argc)
			words[n++] = 0;
		if (count <= argc)
			l->environment = strings + at + strlen(args + at) + 1;
		words[n++] = strings + at;
		at += strlen(args + at) + 1;
	}
	if (count <= argc)
		words[n++] = 0;
	words[n++] = 0;
	const u64 aux[] = {
		AT_SYSINFO_EHDR,
		(u64)vdso_load(),
		AT_HWCAP,
		cpu_features(),
		AT_PAGESZ,
		PAGE_SIZE,
		AT_CLKTCK,
		100,
		AT_PHDR,
		p->headers,
		AT_PHENT,
		sizeof(Elf64_Phdr),
		AT_PHNUM,
		p->header_count,
		AT_BASE,
		interpreter->base,
		AT_FLAGS,
		0,
		AT_ENTRY,
		p->entry,
		AT_UID,
		0,
		AT_EUID,
		0,
		AT_GID,
		0,
		AT_EGID,
		0,
		AT_SECURE,
		0,
		AT_RANDOM,
		random,
		AT_HWCAP2,
		2, /* FSGSBASE may be used: Linux, asm/hwcap2.h */
		AT_EXECFN,
		name,
		AT_PLATFORM,
		platform,
		AT_MINSIGSTKSZ,
		sigframe_size(),
		AT_NULL,
		0,
	};
	memcpy(&words[n], aux, sizeof(aux));
	n += ARRAY_SIZE(aux);
	*sp = (*sp - n * 8) & ~15ull;
	memcpy((void *)*sp, words, n * 8);
	l->args_end = l->environment;
	memcpy(l->auxv, aux, sizeof(aux));
	l->auxv_size = sizeof(aux);
	l->stack = *sp;
	l->code_start = p->code_start;
	l->code_end = p->code_end;
	l->data_start = p->data_start;
	l->data_end = p->data_end;
	return 0;
}

long exec_load(const char *path, const char *args, size_t args_size, u32 argc,
	       u64 *rip, u64 *rsp)
{
	static struct program program, interpreter;
	const struct vma stack_kind = { .prot = PROT_READ | PROT_WRITE,
					.flags = MAP_PRIVATE | MAP_ANONYMOUS |
						 MAP_STACK | MAP_GROWSDOWN };
	long r, stack;

	r = load_file(path, &program, true);
	if (r)
		return r;
	*rip = program.entry;
	if (program.interpreter[0]) {
		r = load_file(program.interpreter, &interpreter, false);
		if (r)
			return r;
		*rip = interpreter.entry;
	}
	stack = mm_map(0, STACK_SIZE, &stack_kind);
	if (stack < 0)
		return stack;
	*rsp = (u64)stack + STACK_SIZE;
	mm_populate(*rsp - STACK_READY, STACK_READY);
	return build_stack(rsp, path, args, args_size, argc, &program,
			   &interpreter);
}
