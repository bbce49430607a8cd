/*
 * vmm_run.h: a VM's run: enters the guest, delivers ticks, sleeps for it, and
 * tells why it came back. What the guest leaves in kvm_run and in the control
 * page is hostile.
 */
#ifndef ZEROBOOT_VMM_RUN_H
#define ZEROBOOT_VMM_RUN_H

#include "vmm.h"

enum vm_event {
	VM_READY,     /* the agent waits for a request */
	VM_ASKS,      /* the program wants its standard input: control_ask */
	VM_EXIT,      /* the program ended */
	VM_TIMEOUT,   /* the deadline passed */
	VM_CANCELLED, /* an order has ended it: see struct vm_orders */
	VM_FAULT,     /* see err */
};

/* The process's timer, made by the first vm_run unless this was called before
 * the rights to make it are gone. 0 or -errno. */
int vm_tick_open(struct err *e);
/* From now on few of the guests' lines get into the log: of a process that serves
 * others. */
void vm_bound_log(void);

/*
 * A VM's first entry without running anything: what KVM makes then is made, and
 * nobody has to wait for it. 0 or -errno.
 */
int vm_enter(struct vm *vm, struct err *e);

/*
 * Runs until the guest has something to say or the host's monotonic clock
 * passes deadline (ns, ~0: never). e says why for VM_FAULT.
 */
enum vm_event vm_run(struct vm *vm, uint64_t deadline, struct err *e);

#endif
