/*
 * paging.h: how this host's KVM translates a guest's addresses. It decides what
 * a written page-table page means to recycle.c.
 */
#ifndef ZEROBOOT_PAGING_H
#define ZEROBOOT_PAGING_H

#include "vmm.h"

/*
 * Finds out whether KVM uses nested paging whose walks count as writes, with a
 * VM of a few instructions; sets vmm->nested_paging, which VMs made from then
 * on inherit, and vmm->needs_flush as narrowly as it is then known. 0 or -errno.
 */
int paging_probe(struct vmm *vmm, struct err *e);

/* The same in a process of its own, which also finds out whether KVM can be used
 * at all: a word for paging_set; NULL and why not. */
const char *paging_ask(struct err *e);
/* What paging_ask said. 0 or -errno. */
int paging_set(struct vmm *vmm, const char *word, struct err *e);

#endif
