/*
 * host.h: what this host's KVM gives a guest: how its addresses are translated,
 * which decides what a written page-table page means to recycle.c, and which
 * features of the CPU its programs see. A VM of a few instructions finds out.
 */
#ifndef ZEROBOOT_HOST_H
#define ZEROBOOT_HOST_H

#include "vmm.h"

/*
 * Sets vmm->nested_paging (whether page tables are walked by the CPU and the
 * walks count as writes), which VMs made from then on inherit, vmm->needs_flush as
 * narrowly as it is then known, and vmm->features. 0 or -errno.
 */
int host_probe(struct vmm *vmm, struct err *e);

/* The same in a process of its own, which also finds out whether KVM can be used
 * at all: a word for host_set; NULL and why not. */
const char *host_ask(struct err *e);
/* What host_ask said. 0 or -errno. */
int host_set(struct vmm *vmm, const char *word, struct err *e);
/* The features in that word. */
int host_features(struct cpu_features *f, const char *word, struct err *e);

#endif
