#include "vmm_boot.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "control.h"

/* Page-table entry bits: Intel SDM 3A, 4.5, table 4-19. */
#define PTE_P 0x001ull
#define PTE_W 0x002ull
#define PTE_U 0x004ull
#define PTE_A 0x020ull
#define PTE_D 0x040ull
#define PTE_PS 0x080ull
/*
 * Accessed and dirty are set beforehand at every level: otherwise the CPU or
 * KVM sets them during ordinary runs, and a page-table page that a run has
 * written cannot be told from one that an attack has.
 */
#define PTE_TABLE (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

/* Control registers: Intel SDM 3A, 2.5. */
#define CR0_BITS 0x80050033ull /* PG AM WP NE ET MP PE */
#define CR4_BITS 0x00050620ull /* OSXSAVE FSGSBASE OSXMMEXCPT OSFXSR PAE */
#define EFER_BITS 0xd01ull     /* NXE LMA LME SCE */
/* With IF, as every program of Linux finds it; there is nothing to interrupt. */
#define RFLAGS_START 0x202ull
/* Cleared by `syscall`: TF and DF. */
#define SYSCALL_MASK 0x500ull
/* The selectors for `syscall` and `sysret`; what kvm-pvm expects. */
#define STAR ((uint64_t)0x0023 << 48 | (uint64_t)ZB_SEL_KCODE << 32)

#define GDT_GPA ZB_TABLES_GPA
#define TSS_GPA (ZB_TABLES_GPA + 0x1000)
#define IDT_GPA (ZB_TABLES_GPA + 0x2000)
#define VECTORS 32
/* The TSS fills its page: 104 bytes, then the I/O permission bitmap. */
#define TSS_LIMIT 0xfff
#define IO_BITMAP 0x68

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SYSCALL_MASK 0xc0000084

extern const uint8_t kernel_blob[], kernel_blob_end[];

/* A bump allocator for page tables, behind the fixed areas. */
struct tables {
	struct vm *vm;
	gpa_t next;
};

static gpa_t table_new(struct tables *t)
{
	gpa_t gpa = t->next;

	t->next += 4096;
	return control_at(t->vm, gpa, 4096) ? gpa : 0;
}

/* The table that entry index of table leads to, made when missing. */
static gpa_t table_next(struct tables *t, gpa_t table, unsigned index)
{
	uint64_t *entry = control_write(t->vm, table + 8ull * index, 8);
	gpa_t gpa;

	if (*entry & PTE_P)
		return *entry & ~0xfffull;
	gpa = table_new(t);
	if (gpa)
		*entry = gpa | PTE_TABLE;
	return gpa;
}

/* Maps one page at level 1 (4 KiB) or 2 (2 MiB). */
static int map_page(struct tables *t, gpa_t root, uint64_t gva, int level,
		    uint64_t entry)
{
	gpa_t table = root;

	for (int l = 4; l > level; l--) {
		table = table_next(t, table, (gva >> (12 + 9 * (l - 1))) & 511);
		if (!table)
			return -ENOMEM;
	}
	*(uint64_t *)control_write(
		t->vm, table + ((gva >> (12 + 9 * (level - 1))) & 511) * 8, 8) =
		entry;
	return 0;
}

/* Whether CPL0 takes code or descriptors from the page. */
static bool is_locked(gpa_t page, const struct zb_kernel_header *h)
{
	return (page >= ZB_TABLES_GPA &&
		page < ZB_TABLES_GPA + ZB_TABLES_SIZE) ||
	       (page >= ZB_KERNEL_GPA && page < h->cpl0_end - ZB_KERNEL_BASE);
}

/* Pages of 2 MiB: but for the first ones, some of which lead to the locked area. */
static int build_page_tables(struct vm *vm, const struct zb_kernel_header *h,
			     uint64_t image_size, gpa_t *root, gpa_t *end)
{
	struct tables t = { .vm = vm, .next = ZB_FRAMES_GPA };
	int r = 0;

	*root = table_new(&t);
	if (!*root)
		return -ENOMEM;
	for (gpa_t p = 4096; p < ZB_LARGE_PAGE && r == 0; p += 4096)
		r = map_page(&t, *root, ZB_KERNEL_BASE + p, 1,
			     is_locked(p, h) ? (ZB_LOCKED_GPA + p) | PTE_P |
						       PTE_U | PTE_A | PTE_D :
					       p | PTE_TABLE);
	for (gpa_t p = ZB_LARGE_PAGE; p < vm->memory_size && r == 0;
	     p += ZB_LARGE_PAGE)
		r = map_page(&t, *root, ZB_KERNEL_BASE + p, 2,
			     p | PTE_TABLE | PTE_PS);
	for (uint64_t p = 0; p < image_size && r == 0; p += ZB_LARGE_PAGE)
		r = map_page(&t, *root, ZB_IMAGE_BASE + p, 2,
			     (ZB_IMAGE_GPA + p) | PTE_P | PTE_U | PTE_A |
				     PTE_D | PTE_PS);
	*end = t.next;
	return r;
}

/* The kernel is our own, so a bad one is a build error, but still an error. */
static int load_kernel(struct vm *vm, struct zb_kernel_header *header,
		       struct err *e)
{
	size_t size = (size_t)(kernel_blob_end - kernel_blob);
	const Elf64_Ehdr *elf = (const void *)kernel_blob;
	const Elf64_Phdr *ph;

	if (size < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_phoff > size ||
	    elf->e_phnum > (size - elf->e_phoff) / sizeof(*ph))
		goto bad;
	ph = (const void *)(kernel_blob + elf->e_phoff);
	for (int i = 0; i < elf->e_phnum; i++) {
		gpa_t gpa = ph[i].p_vaddr - ZB_KERNEL_BASE;

		if (ph[i].p_type != PT_LOAD)
			continue;
		if (gpa < ZB_KERNEL_GPA || gpa > ZB_REQUEST_GPA ||
		    ph[i].p_memsz > ZB_REQUEST_GPA - gpa ||
		    ph[i].p_filesz > ph[i].p_memsz || ph[i].p_offset > size ||
		    ph[i].p_filesz > size - ph[i].p_offset)
			goto bad;
		memcpy(control_write(vm, gpa, ph[i].p_memsz),
		       kernel_blob + ph[i].p_offset, ph[i].p_filesz);
	}
	memcpy(header, control_at(vm, ZB_KERNEL_GPA, sizeof(*header)),
	       sizeof(*header));
	if (header->magic != ZB_KERNEL_MAGIC)
		goto bad;
	if (header->abi_version != ZB_ABI_VERSION)
		return err_set(e, -EINVAL,
			       "guest kernel: ABI version %u, not %u",
			       header->abi_version, ZB_ABI_VERSION);
	if (header->cpl0_end <= ZB_KERNEL_BASE + ZB_KERNEL_GPA ||
	    header->cpl0_end > ZB_KERNEL_BASE + ZB_LOCKED_SIZE)
		goto bad;
	return 0;
bad:
	return err_set(e, -EINVAL, "guest kernel: damaged");
}

static uint64_t segment(uint64_t type_bits)
{
	/* limit 0xfffff, granularity 4 KiB, present: SDM 3A, 3.4.5 */
	return 0x008f00000000ffffull | type_bits;
}

static int build_descriptors(struct vm *vm, const struct zb_kernel_header *h,
			     struct err *e)
{
	uint64_t *gdt = control_write(vm, GDT_GPA, 4096);
	uint8_t *tss = control_write(vm, TSS_GPA, 4096);
	uint64_t *idt = control_write(vm, IDT_GPA, 4096);
	uint64_t tss_gva = ZB_KERNEL_BASE + TSS_GPA;
	const uint64_t *stubs = control_at(vm, h->vectors - ZB_KERNEL_BASE,
					   VECTORS * sizeof(*stubs));

	if (!stubs)
		return err_set(e, -EINVAL, "guest kernel: damaged");
	gdt[ZB_SEL_KCODE / 8] = segment(0x00209b0000000000ull);
	gdt[ZB_SEL_KDATA / 8] = segment(0x0040930000000000ull);
	gdt[0x20 / 8] = segment(0x0040fb0000000000ull);
	gdt[ZB_SEL_UDATA / 8] = segment(0x0040f30000000000ull);
	gdt[ZB_SEL_UCODE / 8] = segment(0x0020fb0000000000ull);
	gdt[ZB_SEL_TSS / 8] = TSS_LIMIT | (tss_gva & 0xffffff) << 16 |
			      0x8bull << 40 | (tss_gva >> 24 & 0xff) << 56;
	gdt[ZB_SEL_TSS / 8 + 1] = tss_gva >> 32;
	memcpy(tss + 4, &h->exc_stack, 8); /* RSP0: SDM 3A, 7.7 */
	tss[102] = IO_BITMAP;
	/* `out` works at CPL3 for our port, by the bitmap: kvm-pvm does not
	 * keep RFLAGS.IOPL. SDM 1, 19.5.2. */
	memset(tss + IO_BITMAP, 0xff, TSS_LIMIT + 1 - IO_BITMAP);
	for (int port = ZB_PORT; port < ZB_PORT + 4; port++)
		tss[IO_BITMAP + port / 8] &= (uint8_t) ~(1u << (port % 8));
	for (size_t i = 0; i < VECTORS; i++) {
		/* Only int3 and into may come from an instruction at CPL3. */
		uint64_t type = i == 3 || i == 4 ? 0xee : 0x8e;

		idt[2 * i] = (stubs[i] & 0xffff) | ZB_SEL_KCODE << 16 |
			     type << 40 | (stubs[i] >> 16 & 0xffff) << 48;
		idt[2 * i + 1] = stubs[i] >> 32;
	}
	return 0;
}

static struct kvm_segment flat(uint16_t selector, uint8_t type, bool code)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .dpl = selector & 3,
				     .db = !code,
				     .s = 1,
				     .l = code,
				     .g = 1 };
}

static void set_registers(struct vm *vm, const struct zb_kernel_header *h,
			  gpa_t root, struct vm_state *s)
{
	struct kvm_sregs *r = &s->sregs;

	r->cs = flat(ZB_SEL_UCODE, 0xb, true);
	r->ss = r->ds = r->es = r->fs = r->gs = flat(ZB_SEL_UDATA, 3, false);
	r->tr = (struct kvm_segment){ .base = ZB_KERNEL_BASE + TSS_GPA,
				      .limit = TSS_LIMIT,
				      .selector = ZB_SEL_TSS,
				      .type = 0xb,
				      .present = 1 };
	r->ldt = (struct kvm_segment){ .unusable = 1, .type = 2 };
	r->gdt = (struct kvm_dtable){ .base = ZB_KERNEL_BASE + GDT_GPA,
				      .limit = ZB_SEL_TSS + 15 };
	r->idt = (struct kvm_dtable){ .base = ZB_KERNEL_BASE + IDT_GPA,
				      .limit = VECTORS * 16 - 1 };
	r->cr0 = CR0_BITS;
	r->cr3 = root;
	r->cr4 = CR4_BITS;
	r->efer = EFER_BITS;
	s->regs.rip = h->entry;
	s->regs.rsp = h->boot_stack;
	s->regs.rflags = RFLAGS_START;
	s->msr_count = 3;
	s->msrs[0] = (struct kvm_msr_entry){ .index = MSR_STAR, .data = STAR };
	s->msrs[1] =
		(struct kvm_msr_entry){ .index = MSR_LSTAR, .data = h->lstar };
	s->msrs[2] = (struct kvm_msr_entry){ .index = MSR_SYSCALL_MASK,
					     .data = SYSCALL_MASK };
	s->preempt_entry = h->preempt_entry;
	s->text_start = h->text_start;
	s->text_end = h->text_end;
	vm->preempt_entry = h->preempt_entry;
}

/* Appends a string with its NUL; false when it does not fit. */
static bool add_argument(struct zb_control *c, const char *s)
{
	size_t n = strlen(s) + 1;

	if (n > ZB_ARGS_SIZE - c->args_size)
		return false;
	memcpy(c->args + c->args_size, s, n);
	c->args_size += (uint32_t)n;
	return true;
}

/* Behind the strings that the program gets; the last byte stays zero. */
static bool add_directory(struct zb_control *c, const char *path)
{
	size_t n = strlen(path) + 1;

	if (n >= ZB_ARGS_SIZE - c->args_size)
		return false;
	c->directory = c->args_size;
	memcpy(c->args + c->args_size, path, n);
	return true;
}

static int fill_control(struct vm *vm, const struct vm_boot *boot, gpa_t root,
			gpa_t frames, struct err *e)
{
	struct zb_control *c = control_write(vm, ZB_CONTROL_GPA, sizeof(*c));
	int khz = ioctl(vm->vcpu, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		return err_set(e, -ENOTSUP, "KVM_GET_TSC_KHZ: %s",
			       strerror(errno));
	c->abi_version = ZB_ABI_VERSION;
	c->flags = (boot->trace ? ZB_FLAG_TRACE : 0) |
		   (boot->audit ? ZB_FLAG_AUDIT : 0);
	c->memory_size = vm->memory_size;
	c->image_size = boot->image_size;
	c->frames_start = frames;
	c->tsc_khz = (uint64_t)khz;
	c->cr3 = root;
	for (const char *const *a = boot->argv; *a; a++, c->argc++)
		if (!add_argument(c, *a))
			goto too_long;
	for (const char *const *a = boot->envp; *a; a++)
		if (!add_argument(c, *a))
			goto too_long;
	if (boot->directory && !add_directory(c, boot->directory))
		goto too_long;
	if (boot->agent_size > ZB_REQUEST_SIZE)
		goto too_long;
	if (boot->agent_size)
		memcpy(control_write(vm, ZB_REQUEST_GPA, boot->agent_size),
		       boot->agent, boot->agent_size);
	c->request_size = (uint32_t)boot->agent_size;
	return 0;
too_long:
	return err_set(e, -E2BIG, "arguments, environment or agent too long");
}

int boot_layout(struct vm *vm, const struct vm_boot *boot,
		struct vm_state *state, struct err *e)
{
	struct zb_kernel_header header;
	gpa_t root, frames;
	int r;

	if (vm->memory_size < ZB_MIN_MEMORY || vm->memory_size > ZB_MAX_MEMORY)
		return err_set(e, -EINVAL, "memory: not between %u and %u MiB",
			       ZB_MIN_MEMORY >> 20, ZB_MAX_MEMORY >> 20);
	r = load_kernel(vm, &header, e);
	if (r)
		return r;
	r = build_descriptors(vm, &header, e);
	if (r)
		return r;
	if (build_page_tables(vm, &header, boot->image_size, &root, &frames) <
	    0)
		return err_set(e, -ENOMEM, "memory: too small for page tables");
	set_registers(vm, &header, root, state);
	return fill_control(vm, boot, root, frames, e);
}
