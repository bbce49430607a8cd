/*
 * delta_registers.h: the registers of a state (delta.h): which of a vCPU's are in it, and
 * which a program can have at CPL3. What decides translation or privilege is not among
 * them.
 */
#ifndef ZEROBOOT_DELTA_REGISTERS_H
#define ZEROBOOT_DELTA_REGISTERS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "delta_segment.h"

/* As they may be in a segment, of any that a vCPU shows. */
struct delta_registers delta_registers_take(const struct kvm_regs *regs,
					    const struct kvm_sregs *sregs);
/* Whether a program can have them: flags, and addresses that a CPU enters a guest with. */
bool delta_registers_good(const struct delta_registers *r);
/* The same of a vCPU's. */
bool delta_registers_may_be(const struct kvm_regs *regs,
			    const struct kvm_sregs *sregs);

/* XSAVE's area into a segment, which has room for all of it; returns its bytes, a multiple
 * of 8, without the zeroes at the end and what is not in xcr0: features that the
 * template's programs have. */
uint32_t delta_vectors_put(uint8_t *to, const struct kvm_xsave *xsave,
			   uint64_t xcr0);
/* Whether such an area of size bytes, from elsewhere, is one. */
bool delta_vectors_good(const void *vectors, uint32_t size, uint64_t xcr0);

#endif
