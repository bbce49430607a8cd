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
 * Stubs live in pages near the code, for a jump reaches 2 GiB. In the program
 * that the snapshot is taken of a site is changed when it is first executed, and
 * at last the rest of such code (the C library) is searched for what has the
 * bytes of a call site. Programs that are started later may be short: theirs are
 * changed once they have been executed often enough to be worth it.
 */
#include "patch.h"

#include <linux/mman.h>

#include "heap.h"
#include "mm/code.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/page.h"
#include "mm/pte.h"
#include "mm/space.h"
#include "task/process.h"
#include "task/thread.h"

#define STUB_SIZE 64
#define STUBS_PAGES 16 /* in one piece */
#define PIECES 8
#define STUBS_MAX 1024
#define REACH ((1ul << 31) - (1ul << 20))
#define SEARCH_MAX (8ul << 20) /* larger code is left alone */
#define SITES_MAX 256
#define SYSCALL_NUMBERS 512
#define MOVED_MAX 8
#define CALL_SIZE 23    /* bytes that put_call writes */
#define TRAPS_SPACE 256 /* before a space has anything changed */
#define TRAPS_SITE                                                             \
	32 /* and before a site of it is: a change is some 20 traps */

extern const u8 call_entry[]; /* entry.S */

struct stub {
	u64 original; /* BEHIND: the address behind the syscall */
	u64 resume;   /* and what stands for it in the stub; 0: BEFORE */
};

/* Of one space, and of those that were forked from it until they make changes of
 * their own. */
struct changes {
	struct patches head; /* first */
	struct {
		u64 start; /* STUBS_PAGES pages */
		u32 used;  /* bytes */
	} pieces[PIECES];
	struct stub stubs[STUBS_MAX];
	u32 stub_count;
	u64 refused[SITES_MAX]; /* looked at and left; by address, the last */
	u8 traps[SITES_MAX];    /* by address; sites may share one */
	bool at_once;           /* at a site's first trap */
	bool closed;
};

static struct changes *changes(void)
{
	return (struct changes *)space->patches;
}

static struct changes *changes_new(void)
{
	struct changes *c = kmalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->head.users = 1;
	space->patches = &c->head;
	return c;
}

void patch_open(void)
{
	struct changes *c = changes_new();

	if (c)
		c->at_once = true;
}

/* The running space's own, with what it has from others; NULL: no memory. */
static struct changes *changes_own(void)
{
	struct changes *shared = changes(), *c = shared;

	if (shared->head.users == 1)
		return c;
	c = changes_new();
	if (!c)
		return NULL;
	memcpy(c, shared, sizeof(*c));
	c->head.users = 1;
	c->at_once = false;
	shared->head.users--;
	return c;
}

/* ---- pages ---- */

/* The page's content to write to, in a frame of its own; NULL: not possible. */
static u8 *own_page(u64 page)
{
	u64 *pte = pte_find(page, false);
	bool write;
	gpa_t copy;

	if (!pte || !(*pte & PTE_P))
		return NULL;
	if (!(*pte & PTE_OWNED) || frame_shared(*pte & PTE_GPA)) {
		copy = frames_alloc(1);
		if (!copy)
			return NULL;
		memcpy(gpa_to_ptr(copy), (const void *)page, PAGE_SIZE);
		write = *pte & PTE_W;
		page_drop(pte);
		*pte = pte_make(copy, write, true);
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
		u8 *page = PAGE_DOWN(addr + i) == PAGE_DOWN(addr) ? first :
								    last;

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
	const struct vma kind = { .prot = PROT_READ | PROT_EXEC,
				  .flags = MAP_PRIVATE | MAP_ANONYMOUS };
	const u64 size = STUBS_PAGES * PAGE_SIZE;
	const struct vma *v = vma_at(site);
	u64 at = v->end;
	long r;

	while ((v = vma_at(at)) && distance(at, site) < REACH)
		at = v->end;
	r = mm_map(at, size, &kind);
	if (r < 0)
		return 0;
	mm_populate((u64)r, size);
	return (u64)r;
}

/* Room for a stub within a jump's reach of site, or 0. */
static u64 stub_room(u64 site)
{
	struct changes *c = changes();

	for (int i = 0; i < PIECES; i++) {
		if (!c->pieces[i].start) {
			c->pieces[i].start = piece_new(site);
			if (!c->pieces[i].start)
				return 0;
		}
		if (distance(c->pieces[i].start, site) < REACH &&
		    c->pieces[i].used < STUBS_PAGES * PAGE_SIZE)
			return c->pieces[i].start + c->pieces[i].used;
	}
	return 0;
}

static void stub_taken(u64 stub, u64 original, u64 resume)
{
	struct changes *c = changes();

	for (int i = 0; i < PIECES; i++)
		if (stub == c->pieces[i].start + c->pieces[i].used) {
			c->pieces[i].used += STUB_SIZE;
			break;
		}
	c->stubs[c->stub_count++] = (struct stub){ original, resume };
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

/* Bytes behind the syscall at site that must move, 0: they cannot. */
static size_t moved_size(u64 site, u64 end)
{
	size_t size = 0, n;

	while (size < 3) {
		if (site + 2 + size + MOVED_MAX > end)
			return 0;
		n = movable((const u8 *)site + 2 + size);
		if (n == 0 || size + n > MOVED_MAX)
			return 0;
		size += n;
	}
	return size;
}

/* Call sites of one mapping, ascending, that are to become BEHIND. */
struct sites {
	u64 addr[SITES_MAX];
	bool branched[SITES_MAX]; /* a branch leads behind it */
	u32 count;
};

/* Whether a branch may begin with the byte: most do not, and all of a library's bytes are
 * looked at. */
static const bool begins_branch[256] = {
	[0x0f] = true, [0x70 ... 0x7f] = true, [0xe0 ... 0xe3] = true,
	[0xe9] = true, [0xeb] = true,
};

/* Where a branch leads that could begin at p, or 0. */
static u64 branch_target(const u8 *p)
{
	s32 offset;

	if (*p == 0xeb || (*p & 0xf0) == 0x70 || (*p & 0xfc) == 0xe0)
		return (u64)p + 2 + (u64)(s64)(int8_t)p[1];
	if (*p != 0xe9 && (*p != 0x0f || (p[1] & 0xf0) != 0x80))
		return 0;
	p += *p == 0x0f ? 2 : 1;
	memcpy(&offset, p, 4);
	return (u64)p + 4 + (u64)(s64)offset;
}

/*
 * Whether one of the instructions that would move begins there. Nobody branches
 * into the middle of one: what seems to is an operand that looks like a branch.
 */
static bool moved_begins(u64 site, u64 at, u64 end)
{
	u64 next = site + 2, last = next + moved_size(site, end);

	while (next < at && next < last)
		next += movable((const u8 *)next);
	return next == at && at < last;
}

/* Marks the site of which a branch to target would hit what moves. */
static void mark_branched(const u64 *addr, bool *branched, u32 count,
			  u64 target, u64 end)
{
	u32 low = 0, high = count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (addr[middle] < target)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > 0 && target - addr[low - 1] < 2 + MOVED_MAX &&
	    moved_begins(addr[low - 1], target, end))
		branched[low - 1] = true;
}

/*
 * Marks the sites that are branched into; addr is ascending. Whatever could be a branch counts
 * as one, wherever instructions begin.
 */
static void check_branches(const u64 *addr, bool *branched, u32 count,
			   u64 start, u64 end)
{
	u64 low = addr[0], high = addr[count - 1] + 2 + MOVED_MAX;

	for (u64 a = start; a + 6 <= end; a++) {
		u64 target;

		if (!begins_branch[*(const u8 *)a])
			continue;
		target = branch_target((const u8 *)a);
		if (target > low && target < high)
			mark_branched(addr, branched, count, target, end);
	}
}

static bool patch_behind(u64 site, u64 end)
{
	u8 code[STUB_SIZE], jump[MOVED_MAX + 2], *p = code;
	size_t size = moved_size(site, end);
	u64 stub = size ? stub_room(site) : 0, resume;

	if (!stub)
		return false;
	resume = stub + CALL_SIZE + 2;
	p = put_call(p, resume);
	p = put(p, "\x0f\x05", 2); /* syscall */
	p = put(p, (const u8 *)site + 2, size);
	p = put_jump(p, stub + (u64)(p - code), site + 2 + size);
	memset(jump, 0xcc, sizeof(jump)); /* int3 */
	put_jump(jump, site, stub);
	if (!write_code(stub, code, (size_t)(p - code)) ||
	    !write_code(site, jump, size + 2))
		return false;
	stub_taken(stub, site + 2, resume);
	/* Whoever is about to return behind the syscall: us, and maybe others. */
	for (struct thread *t = threads; t; t = t->all_next)
		if (t->process->space == space && t->regs &&
		    t->regs->rip == site + 2)
			t->regs->rip = resume;
	return true;
}

/* ---- finding sites ---- */

/* A restart executes the syscall that a patch has left. */
static bool patched(u64 site)
{
	const struct changes *c = changes();

	for (u32 i = 0; i < c->stub_count; i++)
		if (c->stubs[i].original == site + 2)
			return true;
	return false;
}

static bool may_patch(const struct vma *v)
{
	return v->object && (v->flags & MAP_PRIVATE) && (v->prot & PROT_EXEC) &&
	       !(v->prot & PROT_WRITE) && v->end - v->start <= SEARCH_MAX &&
	       frames_available() >= frames_total() / 8;
}

/* Behind a REX prefix it would be a mov to another register. */
static bool is_before(u64 site, u64 start)
{
	const u8 *code = (const u8 *)site;

	return site >= start + 6 && code[-5] == 0xb8 &&
	       (code[-6] & 0xf0) != 0x40;
}

static u32 number_of(u64 site)
{
	u32 number;

	memcpy(&number, (const u8 *)site - 4, 4);
	return number;
}

/* Whether this trap at site is the one to change it at. */
static bool is_due(u64 site)
{
	struct changes *c = changes();

	if (!c && space->traps++ >= TRAPS_SPACE)
		c = changes_new();
	/* After the snapshot only where tables have been written anyway. */
	if (!c || (c->closed && !tables_switched()) ||
	    c->refused[site % SITES_MAX] == site)
		return false;
	if (c->at_once && !c->closed && c->head.users == 1)
		return true;
	return ++c->traps[site % SITES_MAX] % TRAPS_SITE == 0;
}

/* Another thread was interrupted in what would move. */
static bool occupied(u64 start, u64 end)
{
	for (const struct thread *t = threads; t; t = t->all_next)
		if (t != current && t->process->space == space && t->regs &&
		    t->regs->rip > start && t->regs->rip < end)
			return true;
	return false;
}

/* A syscall and, as the C library has it, a comparison with -4095: its size, or 0. */
static size_t compared_size(u64 site, u64 end)
{
	const u8 *code = (const u8 *)site + 2;

	if (site + 2 + MOVED_MAX > end)
		return 0;
	if (!memcmp(code, "\x48\x3d\x00\xf0\xff\xff", 6))
		return 6;
	return memcmp(code, "\x3d\x00\xf0\xff\xff", 5) ? 0 : 5;
}

static bool is_syscall(u64 a)
{
	const u8 *code = (const u8 *)a;

	return code[0] == 0x0f && code[1] == 0x05;
}

/* A syscall that can become BEFORE: what else has its form is no call site. */
static bool is_numbered(u64 site, u64 start)
{
	return is_before(site, start) && number_of(site) < SYSCALL_NUMBERS;
}

/* What could become BEHIND, and has what is looked for, and what branches into it. */
static void find_behind(struct sites *s, u64 start, u64 end,
			size_t (*has)(u64 site, u64 end))
{
	s->count = 0;
	for (u64 a = start; a + 2 <= end && s->count < SITES_MAX; a++) {
		if (!is_syscall(a) || !has(a, end) || patched(a) ||
		    is_numbered(a, start))
			continue;
		s->branched[s->count] = false;
		s->addr[s->count++] = a;
	}
	if (s->count)
		check_branches(s->addr, s->branched, s->count, start, end);
}

/*
 * The sites of v, found once for as long as no other mapping is asked for: they are
 * executed one by one, and each time all of the code would be looked through. NULL: it
 * is not code as the image has it, or has too many.
 */
static const struct sites *sites_of(const struct vma *v)
{
	static struct sites found;
	static gpa_t frame;
	static u64 start, end;
	gpa_t there = code_may_differ() ? 0 : code_frame(v, v->start, v->end);

	if (!there)
		return NULL;
	if (there != frame || v->start != start || v->end != end) {
		find_behind(&found, v->start, v->end, moved_size);
		frame = there;
		start = v->start;
		end = v->end;
	}
	return found.count < SITES_MAX ? &found : NULL;
}

static bool is_branched(u64 site, const struct vma *v)
{
	const struct sites *s = sites_of(v);
	bool branched = false;

	for (u32 i = 0; s && i < s->count; i++)
		if (s->addr[i] == site)
			return s->branched[i];
	check_branches(&site, &branched, 1, v->start, v->end);
	return branched;
}

/* 1: changed; 0: it cannot be; -EAGAIN: not now. */
static long change_site(u64 site, u64 number, const struct vma *v)
{
	size_t moved;

	if (is_before(site, v->start) && number_of(site) == number)
		return patch_before(site, (u32)number);
	moved = moved_size(site, v->end);
	if (!moved)
		return 0;
	if (occupied(site + 2, site + 2 + moved))
		return -EAGAIN;
	return !is_branched(site, v) && patch_behind(site, v->end);
}

bool patch_site(struct regs *r)
{
	u64 site = r->rip - 2;
	struct changes *c;
	const struct vma *v;
	long done;

	if (!is_due(site))
		return false;
	v = vma_at(site);
	if (!v || !may_patch(v) || patched(site))
		return false;
	c = changes_own();
	if (!c || c->stub_count == STUBS_MAX)
		return false;
	current->regs = r;
	done = change_site(site, r->rax, v);
	if (done == 0)
		c->refused[site % SITES_MAX] = site;
	return done > 0;
}

static bool has_room(void)
{
	return changes()->stub_count < STUBS_MAX;
}

static void search(const struct vma *v)
{
	static struct sites own;
	const struct sites *behind;

	for (u64 a = v->start; a + 2 <= v->end && has_room(); a++)
		if (is_syscall(a) && !patched(a) && is_numbered(a, v->start))
			patch_before(a, number_of(a));
	behind = sites_of(v);
	if (!behind) {
		find_behind(&own, v->start, v->end, compared_size);
		behind = &own;
	}
	for (u32 i = 0; i < behind->count && has_room(); i++)
		if (!behind->branched[i] &&
		    compared_size(behind->addr[i], v->end) &&
		    !patched(behind->addr[i]))
			patch_behind(behind->addr[i], v->end);
}

/* Code that has made system calls so far. */
static bool has_sites(const struct vma *v)
{
	const struct changes *c = changes();

	for (u32 i = 0; i < c->stub_count; i++)
		if (c->stubs[i].original > v->start &&
		    c->stubs[i].original <= v->end)
			return true;
	return false;
}

void patch_close(void)
{
	if (!changes())
		return;
	for (u64 at = 0;;) {
		const struct vma *v = vma_next(at);

		if (!v)
			break;
		at = v->end;
		if (may_patch(v) && has_sites(v))
			search(v);
	}
	changes()->closed = true;
}

/* ---- signal frames ---- */

static bool in_stubs(const struct changes *c, u64 rip)
{
	for (int i = 0; i < PIECES && c->pieces[i].start; i++)
		if (rip - c->pieces[i].start < STUBS_PAGES * PAGE_SIZE)
			return true;
	return false;
}

u64 patch_to_original(u64 rip)
{
	const struct changes *c = changes();

	if (!c || !in_stubs(c, rip))
		return rip;
	for (u32 i = 0; i < c->stub_count; i++) {
		if (c->stubs[i].resume == rip)
			return c->stubs[i].original;
		if (c->stubs[i].resume == rip + 2) /* to be restarted */
			return c->stubs[i].original - 2;
	}
	return rip;
}

u64 patch_from_original(u64 rip)
{
	const struct changes *c = changes();

	for (u32 i = 0; c && i < c->stub_count; i++)
		if (c->stubs[i].original == rip && c->stubs[i].resume)
			return c->stubs[i].resume;
	return rip;
}
