/*
 * recycle.h: a used VM made equal to its template again, in a small part of the
 * time that a new one takes to be made and to fault its pages in.
 *
 * The pages that a run wrote are found in KVM's dirty log, which the guest
 * cannot hide from. A page in it is compared with the template after every run
 * and put right. It stays in the log, so that the next run writes to it without
 * a fault; one that many runs left alone is taken out.
 *
 * A VM whose page tables, control registers or descriptor tables changed is not
 * recycled: KVM's shadow page tables and the CPU's TLB may remember what was in
 * them, and no comparison of memory shows it. With nested paging (paging.h)
 * there are no shadow page tables: page tables are put back like any page, and
 * the TLB is flushed.
 */
#ifndef ZEROBOOT_RECYCLE_H
#define ZEROBOOT_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "template.h"
#include "vmm.h"

enum recycle_result {
	RECYCLE_DONE,
	RECYCLE_TABLES,    /* a page-table page was written */
	RECYCLE_REGISTERS, /* a control register or descriptor table moved, or an
			    * event is pending */
	RECYCLE_GREW,      /* too much was written to be worth it */
	RECYCLE_FAILED,    /* KVM refused something */
	RECYCLE_UNFINISHED, /* the run was cut off, or --fresh: not tried */
	RECYCLE_RESULTS
};

/* What recycling needs beside the VM; one for each VM. */
struct recycle {
	const struct template *template;
	const uint8_t *pristine; /* the template's memory, read-only */
	uint64_t *log;     /* KVM's dirty log, a bit a page */
	uint64_t *tables;  /* the template's page-table pages */
	uint64_t *usual;   /* pages that are copied back, not dropped */
	uint64_t words;    /* of each */
	uint8_t *idle;     /* runs that left a page as it was */
	uint8_t *patience; /* of them until it is taken out of the log */
	uint64_t checked, changed, dropped; /* pages, last time */
};

/* 0 or -errno. recycle_close undoes it, also when zeroed. */
int recycle_open(struct recycle *r, const struct template *t, struct err *e);
void recycle_close(struct recycle *r);

/*
 * Makes vm, which has just returned VM_EXIT, equal to the template: memory,
 * registers, MSRs. learn: from now on the pages that this VM has written so far
 * count as usual. Anything but RECYCLE_DONE: vm must be destroyed.
 */
enum recycle_result recycle_vm(struct recycle *r, struct vm *vm, bool learn);

/* For people and metrics. */
const char *recycle_name(enum recycle_result result);

/*
 * Compares all of a recycled VM with its template: every byte of memory, all
 * registers, every MSR that KVM lists but clocks. 0 or -EILSEQ with the first
 * difference in e. Takes about a tenth of a second.
 */
int recycle_verify(const struct recycle *r, struct vm *vm, struct err *e);

#endif
