/*
 * interrupt.h: passes ^C at the terminal on to the program in the VM. A second one
 * ends the run.
 */
#ifndef ZEROBOOT_INTERRUPT_H
#define ZEROBOOT_INTERRUPT_H

#include "err.h"
#include "vmm.h"

struct interrupt_source {
	struct vm_orders orders; /* .fd is -1: SIGINT is ignored, as before */
	bool sent;
};

/* From now on SIGINT goes to whatever VM has the orders. 0 or -errno. */
int interrupt_open(struct interrupt_source *s, struct err *e);
/* It is as before; one that nobody took acts now. Also when it was not opened:
 * orders.fd is -1. */
void interrupt_close(struct interrupt_source *s);

#endif
