/*
 * base.h: a state (delta.h) that a VM is put back to after each of many runs, instead of
 * its template: pages as they are then, whole, and registers.
 */
#ifndef ZEROBOOT_BASE_H
#define ZEROBOOT_BASE_H

#include <stddef.h>
#include <stdint.h>

#include "delta.h"

struct base {                  /* zeroed: none */
	const uint8_t **pages; /* for each of memory; NULL: the template's */
	uint64_t *held;        /* a bit for each of the others */
	uint8_t *data;         /* these */
	struct vm_state state;
	uint64_t mono_ns; /* the guest's clock */
};

/*
 * 0; -EOPNOTSUPP: VMs cannot be put back to that state, or it would take more memory
 * than the delta may; -ENOMEM. base_close undoes it, also when zeroed.
 */
int base_open(struct base *b, const struct delta *d);
void base_close(struct base *b);
/* As delta_state, as KVM shows it: with features that programs do not have (SDM 1,
 * 13.4.2). */
uint64_t base_state(const struct delta *d, struct vm_state *state);

#endif
