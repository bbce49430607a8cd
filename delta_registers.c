#include "delta_registers.h"

#include <stddef.h>
#include <string.h>

/* Of RFLAGS what a program can change: CF PF AF ZF SF TF DF OF NT RF AC ID; IF and
 * the bit that is always 1 are as the template has them (SDM 1, 3.4.3). */
#define FLAGS_FREE 0x254dd5ull
#define FLAGS_SET 0x202ull

/* XSAVE's standard form (SDM 1, 13.4): the legacy area, and the header. */
#define XSAVE_LEAST 576u
#define XSTATE_BV 512u
#define XSTATE_REST 520u

_Static_assert(sizeof(struct kvm_regs) == sizeof(uint64_t) * 18, "KVM's "
								 "registers in "
								 "KVM's order");

/* ---- general ones ---- */

/* With 48 bits: a CPU does not enter a guest with another one. */
static bool canonical(uint64_t address)
{
	return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

bool delta_registers_good(const struct delta_registers *r)
{
	return (r->flags & ~FLAGS_FREE) == FLAGS_SET && canonical(r->rip) &&
	       canonical(r->fs_base) && canonical(r->gs_base);
}

struct delta_registers delta_registers_take(const struct kvm_regs *regs,
					    const struct kvm_sregs *sregs)
{
	struct delta_registers r;

	memcpy(&r, regs, sizeof(*regs));
	r.flags = (r.flags & FLAGS_FREE) | FLAGS_SET;
	r.fs_base = sregs->fs.base;
	r.gs_base = sregs->gs.base;
	return r;
}

bool delta_registers_may_be(const struct kvm_regs *regs,
			    const struct kvm_sregs *sregs)
{
	const struct delta_registers r = delta_registers_take(regs, sregs);

	return delta_registers_good(&r);
}

/* ---- vectors ---- */

/* Eight bytes. */
static bool is_zero(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word == 0;
}

uint32_t delta_vectors_put(uint8_t *to, const struct kvm_xsave *xsave,
			   uint64_t xcr0)
{
	uint64_t features;
	uint32_t size = sizeof(*xsave);

	memcpy(to, xsave, sizeof(*xsave));
	memcpy(&features, to + XSTATE_BV, 8);
	features &= xcr0;
	memcpy(to + XSTATE_BV, &features, 8);
	while (size > XSAVE_LEAST && is_zero(to + size - 8))
		size -= 8;
	return size;
}

bool delta_vectors_good(const void *vectors, uint32_t size, uint64_t xcr0)
{
	uint64_t rest[7], features;

	if (size < XSAVE_LEAST || size > sizeof(struct kvm_xsave) || size % 8)
		return false;
	memcpy(&features, (const char *)vectors + XSTATE_BV, 8);
	memcpy(rest, (const char *)vectors + XSTATE_REST, sizeof(rest));
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		if (rest[i])
			return false;
	return !(features & ~xcr0);
}
