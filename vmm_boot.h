/*
 * vmm_boot.h: what a VM's memory and registers hold before the guest kernel's
 * first instruction: its ELF segments, descriptor and page tables, the control
 * page. Used by vmm.c only.
 */
#ifndef ZEROBOOT_VMM_BOOT_H
#define ZEROBOOT_VMM_BOOT_H

#include "vmm.h"

/*
 * Fills vm->memory and the registers in state (whose sregs KVM has given).
 * Sets vm's preempt_entry and text range. 0 or -errno.
 */
int boot_layout(struct vm *vm, const struct vm_boot *boot,
		struct vm_state *state, struct err *e);

#endif
