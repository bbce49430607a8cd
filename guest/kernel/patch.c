/*
 * patch.c: two forms of call sites are known.
 *
 * BEFORE   mov $N, %eax; syscall
 *          The five bytes of the mov become `jmp stub`; the stub loads the
 *          number and calls the kernel with the address behind the syscall,
 *          which stays: a branch to it, a restart, an unwinder find it there.
 *
 * BEHIND   syscall; INSTRUCTION...
 *          Where the number is set elsewhere, the syscall and what follows it
 *          (at least three bytes, of kinds that may be moved) become `jmp stub`;
 *          the stub has the moved instructions. Only where no branch leads to
 *          these. The stub returns behind a syscall of its own, for restarts.
 *
 * Stubs live in pages near the code, for a jump reaches 2 GiB.
 */
#include "patch.h"

#include <linux/mman.h>

#include "mm.h"
#include "pte.h"

#define STUB_SIZE 64
#define STUBS_PAGES 4 /* in one piece */
#define PIECES 8
#define STUBS_MAX 1024
#define REACH ((1ul << 31) - (1ul << 20))
#define BRANCH_SCAN (8ul << 20) /* larger code is not searched for branches */
#define MOVED_MAX 8
#define CALL_SIZE 23 /* bytes that put_call writes */

extern const u8 call_entry[]; /* entry.S */

struct stub {
	u64 original; /* BEHIND: the address behind the syscall */
	u64 resume;   /* and what stands for it in the stub; 0: BEFORE */
};

static struct {
	u64 start; /* STUBS_PAGES pages */
	u32 used;  /* bytes */
} pieces[PIECES];
static struct stub stubs[STUBS_MAX];
static u32 stub_count;
static bool closed;

void patch_close(void)
{
	closed = true;
}

/* ---- pages ---- */

/* The page's content to write to, in a frame of its own; NULL: not possible. */
static u8 *own_page(u64 page)
{
	u64 *pte = pte_find(page, false);
	gpa_t copy;

	if (!pte || !(*pte & PTE_P))
		return NULL;
	if (!(*pte & PTE_OWNED)) {
		copy = frames_alloc(1);
		if (!copy)
			return NULL;
		memcpy(gpa_to_ptr(copy), (const void *)page, PAGE_SIZE);
		*pte = pte_make(copy, *pte & PTE_W, true);
		tlb_flush();
	}
	return gpa_to_ptr(*pte & PTE_GPA);
}

/* All of the bytes or none; they may lie in two pages. */
static bool write_code(u64 addr, const u8 *bytes, size_t n)
{
	u8 *first = own_page(PAGE_DOWN(addr));
	u8 *last = own_page(PAGE_DOWN(addr + n - 1));

	if (!first || !last)
		return false;
	for (size_t i = 0; i < n; i++) {
		u8 *page = PAGE_DOWN(addr + i) == PAGE_DOWN(addr) ? first : last;

		page[(addr + i) % PAGE_SIZE] = bytes[i];
	}
	return true;
}

static u64 distance(u64 a, u64 b)
{
	return a > b ? a - b : b - a;
}

/* A free range near site, above it. */
static u64 piece_new(u64 site)
{
	const u64 size = STUBS_PAGES * PAGE_SIZE;
	const struct vma *v = vma_at(site);
	u64 at = v->end;
	long r;

	while ((v = vma_at(at)) && distance(at, site) < REACH)
		at = v->end;
	r = mm_map(at, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		   NULL, 0);
	if (r < 0)
		return 0;
	mm_populate((u64)r, size);
	return (u64)r;
}

/* Room for a stub within a jump's reach of site, or 0. */
static u64 stub_room(u64 site)
{
	for (int i = 0; i < PIECES; i++) {
		if (!pieces[i].start) {
			pieces[i].start = piece_new(site);
			if (!pieces[i].start)
				return 0;
		}
		if (distance(pieces[i].start, site) < REACH &&
		    pieces[i].used < STUBS_PAGES * PAGE_SIZE)
			return pieces[i].start + pieces[i].used;
	}
	return 0;
}

static void stub_taken(u64 stub, u64 original, u64 resume)
{
	for (int i = 0; i < PIECES; i++)
		if (stub == pieces[i].start + pieces[i].used) {
			pieces[i].used += STUB_SIZE;
			break;
		}
	stubs[stub_count++] = (struct stub){ original, resume };
}

/* ---- code ---- */

static u8 *put(u8 *p, const void *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return p + n;
}

static u8 *put_jump(u8 *p, u64 at, u64 to)
{
	s32 offset = (s32)(to - (at + 5));

	*p++ = 0xe9; /* jmp rel32 */
	return put(p, &offset, 4);
}

/* Into the kernel, as if a syscall had been executed that ends at resume. */
static u8 *put_call(u8 *p, u64 resume)
{
	u64 entry = (u64)call_entry;

	p = put(p, "\x48\xb9", 2); /* movabs $resume, %rcx */
	p = put(p, &resume, 8);
	p = put(p, "\x49\xbb", 2); /* movabs $entry, %r11 */
	p = put(p, &entry, 8);
	return put(p, "\x41\xff\xe3", 3); /* jmp *%r11 */
}

static bool patch_before(u64 site, u32 number)
{
	u64 stub = stub_room(site);
	u8 code[STUB_SIZE], jump[5], *p = code;

	if (!stub)
		return false;
	*p++ = 0xb8; /* mov $number, %eax */
	p = put(p, &number, 4);
	p = put_call(p, site + 2);
	put_jump(jump, site - 5, stub);
	if (!write_code(stub, code, (size_t)(p - code)) ||
	    !write_code(site - 5, jump, sizeof(jump)))
		return false;
	stub_taken(stub, site + 2, 0);
	return true;
}

/* Bytes of an instruction that means the same at any address; 0: not known. */
static size_t movable(const u8 *p)
{
	size_t prefix = (p[0] & 0xf0) == 0x40; /* REX */
	u8 opcode = p[prefix];

	if (opcode == 0x3d) /* cmp $imm32, %eax */
		return prefix + 5;
	/* xor, test, mov between registers */
	if ((opcode == 0x31 || opcode == 0x85 || opcode == 0x89 ||
	     opcode == 0x8b) &&
	    p[prefix + 1] >= 0xc0)
		return prefix + 2;
	return 0;
}

/* Whether what could be a branch in [start, end) leads into (from, to). */
static bool branched_into(u64 start, u64 end, u64 from, u64 to)
{
	for (u64 a = start; a + 6 <= end; a++) {
		const u8 *p = (const u8 *)a;
		u64 target;
		s32 offset;

		if (*p == 0xeb || (*p & 0xf0) == 0x70 || (*p & 0xfc) == 0xe0) {
			target = a + 2 + (u64)(s64)(int8_t)p[1];
			if (target > from && target < to)
				return true;
		}
		if (*p != 0xe9 && (*p != 0x0f || (p[1] & 0xf0) != 0x80))
			continue;
		p += *p == 0x0f ? 2 : 1;
		memcpy(&offset, p, 4);
		target = (u64)p + 4 + (u64)(s64)offset;
		if (target > from && target < to)
			return true;
	}
	return false;
}

static bool patch_behind(u64 site, const struct vma *v)
{
	u8 code[STUB_SIZE], jump[MOVED_MAX + 2], *p = code;
	const u8 *moved = (const u8 *)site + 2;
	u64 stub, resume;
	size_t size = 0, n;

	while (size < 3) {
		if (site + 2 + size + MOVED_MAX > v->end)
			return false;
		n = movable(moved + size);
		if (n == 0 || size + n > MOVED_MAX)
			return false;
		size += n;
	}
	if (v->end - v->start > BRANCH_SCAN ||
	    branched_into(v->start, v->end, site, site + 2 + size))
		return false;
	stub = stub_room(site);
	if (!stub)
		return false;
	resume = stub + CALL_SIZE + 2;
	p = put_call(p, resume);
	p = put(p, "\x0f\x05", 2); /* syscall */
	p = put(p, moved, size);
	p = put_jump(p, stub + (u64)(p - code), site + 2 + size);
	memset(jump, 0xcc, sizeof(jump)); /* int3 */
	put_jump(jump, site, stub);
	if (!write_code(stub, code, (size_t)(p - code)) ||
	    !write_code(site, jump, size + 2))
		return false;
	stub_taken(stub, site + 2, resume);
	/* Whoever is about to return behind the syscall: us, and maybe others. */
	for (struct thread *t = threads; t; t = t->all_next)
		if (t->regs && t->regs->rip == site + 2)
			t->regs->rip = resume;
	return true;
}

/* A restart executes the syscall that a patch has left. */
static bool patched(u64 site)
{
	for (u32 i = 0; i < stub_count; i++)
		if (stubs[i].original == site + 2)
			return true;
	return false;
}

bool patch_site(struct regs *r)
{
	u64 site = r->rip - 2;
	const struct vma *v;
	const u8 *code = (const u8 *)site;
	u32 number;

	if (closed || stub_count == STUBS_MAX)
		return false;
	v = vma_at(site);
	if (!v || !v->file || !(v->flags & MAP_PRIVATE) ||
	    (v->prot & PROT_WRITE) || site < v->start + 6 ||
	    site + 2 > v->end ||
	    frames_available() < frames_total() / 8 || patched(site))
		return false;
	current->regs = r;
	memcpy(&number, code - 4, 4);
	/* Behind a REX prefix it could be a mov to another register. */
	if (code[-5] == 0xb8 && number == r->rax && (code[-6] & 0xf0) != 0x40)
		return patch_before(site, number);
	return patch_behind(site, v);
}

/* ---- signal frames ---- */

static bool in_stubs(u64 rip)
{
	for (int i = 0; i < PIECES && pieces[i].start; i++)
		if (rip - pieces[i].start < STUBS_PAGES * PAGE_SIZE)
			return true;
	return false;
}

u64 patch_to_original(u64 rip)
{
	if (!in_stubs(rip))
		return rip;
	for (u32 i = 0; i < stub_count; i++)
		if (stubs[i].resume == rip)
			return stubs[i].original;
	return rip;
}

u64 patch_from_original(u64 rip)
{
	for (u32 i = 0; i < stub_count; i++)
		if (stubs[i].original == rip && stubs[i].resume)
			return stubs[i].resume;
	return rip;
}
