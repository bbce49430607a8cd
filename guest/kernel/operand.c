/*
 * operand.c: tells a refused operand from an undefined instruction.
 *
 * On kvm-pvm a #GP or #SS at CPL3 goes to KVM's emulator first, which answers
 * #UD for what it does not know: x87, most of SSE, all of AVX. So for vector 6
 * the instruction is looked at: where it is an existing one, whose memory
 * operand is not canonical or not aligned as it must be, the exception was that.
 * Intel SDM 2, chapter 2 and appendix A. An undefined opcode among the many of
 * the maps 0F38 and 0F3A with such an operand is taken for an existing one.
 */
#include "operand.h"

#include "mm/user.h"

enum { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A };
enum { LEGACY, VEX, EVEX };

#define GP 13
#define SS 12
#define UD 6

#define XCR0_AVX 4
#define XCR0_AVX512 0xe0

struct instruction {
	u8 bytes[16]; /* the rest is zero */
	u32 at, size;
	u8 encoding, map, opcode;
	u8 rex_x, rex_b; /* 8 or 0 */
	bool lock, operand16, repeat, address32, fs, gs;
	u32 vector_size; /* bytes, of VEX and EVEX */
};

/* Bit n: opcode n of the one-byte map, or of 0F, has a ModR/M byte. */
static const u32 modrm_1[8] = { 0x0f0f0f0f, 0x0f0f0f0f, 0,          0x00000a08,
				0x0000ffff, 0,          0xff0f00c3, 0xc0c00000 };
static const u32 modrm_0f[8] = {
	0xffff200f, 0x0000ff0f, 0xffffffff, 0xff7fffff,
	0xffff0000, 0xfffff838, 0xffff00ff, 0xffffffff
};

static bool has(const u32 *set, u8 opcode)
{
	return set[opcode / 32] >> (opcode % 32) & 1;
}

static u8 next(struct instruction *i)
{
	return i->at < sizeof(i->bytes) ? i->bytes[i->at++] : 0;
}

/* The legacy prefixes; false: too many. */
static bool read_prefixes(struct instruction *i)
{
	for (; i->at < 15; i->at++) {
		switch (i->bytes[i->at]) {
		case 0x66:
			i->operand16 = true;
			break;
		case 0x67:
			i->address32 = true;
			break;
		case 0xf0:
			i->lock = true;
			break;
		case 0xf2:
		case 0xf3:
			i->repeat = true;
			break;
		case 0x64:
			i->fs = true;
			break;
		case 0x65:
			i->gs = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e: /* without effect in 64-bit mode */
			break;
		default:
			return true;
		}
	}
	return false;
}

/* C4, C5 and 62; false: undefined, or not enabled. */
static bool read_vex(struct instruction *i, u8 first)
{
	u8 a = next(i), b = 0, c = 0;

	if (i->lock || i->operand16 || i->repeat)
		return false;
	if (!(xsave_mask & XCR0_AVX))
		return false;
	if (first == 0xc5) {
		i->encoding = VEX;
		i->map = MAP_0F;
		i->vector_size = a & 4 ? 32 : 16;
		i->operand16 = (a & 3) == 1;
		return true;
	}
	b = next(i);
	i->rex_x = a & 0x40 ? 0 : 8;
	i->rex_b = a & 0x20 ? 0 : 8;
	i->operand16 = (b & 3) == 1;
	if (first == 0xc4) {
		i->encoding = VEX;
		i->map = a & 31;
		i->vector_size = b & 4 ? 32 : 16;
		return i->map >= MAP_0F && i->map <= MAP_0F3A;
	}
	c = next(i);
	i->encoding = EVEX;
	i->map = a & 7;
	i->vector_size = 16u << (c >> 5 & 3);
	return !(a & 8) && b & 4 && i->map >= MAP_0F && i->map != 4 &&
	       i->map != 7 && (xsave_mask & XCR0_AVX512) == XCR0_AVX512;
}

static bool read_opcode(struct instruction *i)
{
	u8 b = next(i);

	if ((b & 0xf0) == 0x40) {
		i->rex_x = b & 2 ? 8 : 0;
		i->rex_b = b & 1 ? 8 : 0;
		b = next(i);
	} else if (b == 0xc4 || b == 0xc5 || b == 0x62) {
		if (!read_vex(i, b))
			return false;
		i->opcode = next(i);
		return true;
	}
	if (b == 0x0f) {
		i->map = MAP_0F;
		b = next(i);
		if (b == 0x38 || b == 0x3a) {
			i->map = b == 0x38 ? MAP_0F38 : MAP_0F3A;
			b = next(i);
		}
	}
	i->opcode = b;
	return true;
}

static bool has_modrm(const struct instruction *i)
{
	if (i->encoding != LEGACY)
		return !(i->map == MAP_0F && i->opcode == 0x77);
	if (i->map == MAP_1)
		return has(modrm_1, i->opcode);
	return i->map != MAP_0F || has(modrm_0f, i->opcode);
}

/* Those that touch no memory whatever their operand says: lea, the prefetches
 * and nops; and the three that are undefined for good. */
static bool no_access(const struct instruction *i)
{
	if (i->encoding != LEGACY)
		return false;
	if (i->map == MAP_1)
		return i->opcode == 0x8d;
	return i->map == MAP_0F &&
	       (i->opcode == 0x0d || (i->opcode & 0xf8) == 0x18 ||
		i->opcode == 0xb9 || i->opcode == 0xff);
}

/* What may have a LOCK prefix: SDM 2, LOCK. */
static bool lockable(const struct instruction *i, u8 reg)
{
	u8 b = i->opcode;

	if (i->map == MAP_0F)
		return b == 0xab || b == 0xb3 || b == 0xbb || b == 0xb0 ||
		       b == 0xb1 || b == 0xc0 || b == 0xc1 ||
		       (b == 0xba && reg >= 5) || (b == 0xc7 && reg == 1);
	if (i->map != MAP_1)
		return false;
	if (b < 0x38)
		return (b & 7) < 2;
	return ((b == 0x80 || b == 0x81 || b == 0x83) && reg != 7) ||
	       b == 0x86 || b == 0x87 ||
	       ((b | 1) == 0xf7 && (reg == 2 || reg == 3)) ||
	       ((b | 1) == 0xff && reg < 2);
}

static u64 general(const struct regs *r, u32 number)
{
	const u64 of[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp,
			     r->rsi, r->rdi, r->r8,  r->r9,  r->r10, r->r11,
			     r->r12, r->r13, r->r14, r->r15 };

	return of[number & 15];
}

static u64 segment_base(const struct instruction *i)
{
	u64 base = 0;

	if (i->fs)
		__asm__ volatile("rdfsbase %0" : "=r"(base));
	else if (i->gs)
		__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static s64 read_signed(struct instruction *i, u32 size)
{
	u32 v = 0;

	for (u32 n = 0; n < size; n++)
		v |= (u32)next(i) << 8 * n;
	return size == 1 ? (s64)(int8_t)v : (s64)(s32)v;
}

/* The address of a ModR/M memory operand; *stack: it is one of segment SS. One
 * relative to rip is near the program: 0 stands for it. */
static u64 operand_address(struct instruction *i, const struct regs *r,
			   u8 modrm, bool *stack)
{
	u32 mode = modrm >> 6, base = (modrm & 7) | i->rex_b;
	u64 address = 0;
	bool sib = (modrm & 7) == 4, with_base = true;
	s64 displacement = 0;

	if (sib) {
		u8 b = next(i);
		u32 index = (b >> 3 & 7) | i->rex_x;

		base = (b & 7) | i->rex_b;
		with_base = !(mode == 0 && (b & 7) == 5);
		if (index != 4)
			address = general(r, index) << (b >> 6);
	} else if (mode == 0 && (modrm & 7) == 5) {
		return 0;
	}
	if (with_base)
		address += general(r, base);
	*stack = with_base && (base == 4 || base == 5) && !i->fs && !i->gs;
	if (mode == 1 && i->encoding != EVEX) /* EVEX scales it */
		displacement = read_signed(i, 1);
	else if (mode == 2 || !with_base)
		displacement = read_signed(i, 4);
	address += (u64)displacement;
	if (i->address32)
		address = (u32)address;
	return address + segment_base(i);
}

static bool canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

/* The index is a vector: gathers and scatters. */
static bool vector_index(const struct instruction *i)
{
	u8 b = i->opcode;

	return i->encoding != LEGACY && i->map == MAP_0F38 &&
	       ((b & 0xfc) == 0x90 ||
		(i->encoding == EVEX &&
		 ((b & 0xfc) == 0xa0 || (b | 1) == 0xc7)));
}

/* What the address of the operand must be a multiple of. */
static u32 alignment(const struct instruction *i)
{
	u8 b = i->opcode;

	if (i->encoding == LEGACY)
		return i->map == MAP_1 ? 1 : 16;
	if (i->map == MAP_0F38)
		return b == 0x2a ? i->vector_size : 1;
	if (i->map == MAP_0F &&
	    (b == 0x28 || b == 0x29 || b == 0x2b || b == 0xe7 ||
	     (i->operand16 && (b == 0x6f || b == 0x7f))))
		return i->vector_size;
	return 1;
}

static u64 refused_operand(struct instruction *i, const struct regs *r)
{
	u8 modrm = next(i), reg = modrm >> 3 & 7;
	bool stack = false;
	u64 address;

	if (modrm >= 0xc0) { /* registers; maskmovdqu stores at rdi */
		bool store = i->map == MAP_0F && i->opcode == 0xf7;

		return store && !canonical(r->rdi) ? GP : UD;
	}
	if (no_access(i) || (i->lock && !lockable(i, reg)))
		return UD;
	if (vector_index(i))
		return GP;
	address = operand_address(i, r, modrm, &stack);
	if (!canonical(address) || !canonical(address + i->vector_size - 1))
		return stack ? SS : GP;
	return address & (alignment(i) - 1) ? GP : UD;
}

u64 operand_exception(const struct regs *r, u64 *error)
{
	struct instruction i = { .vector_size = 1 };

	*error = 0;
	if (!user_copy(i.bytes, (const void *)r->rip,
		       user_readable_size(r->rip, 15)))
		return UD;
	if (!read_prefixes(&i) || !read_opcode(&i))
		return UD;
	if (i.encoding == LEGACY && i.map == MAP_1 && i.opcode == 0xcd) {
		*error = (u64)next(&i) * 8 + 2; /* SDM 3A, 6.13 */
		return GP;
	}
	return has_modrm(&i) ? refused_operand(&i, r) : UD;
}
