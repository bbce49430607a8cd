/*
 * recycle.h: a used VM made equal to its template again, in a small part of the
 * time that a new one takes to be made and to fault its pages in.
 *
 * The pages that a run wrote are found in KVM's dirty log, which the guest
 * cannot hide from. A page in it is compared with the template after every run
 * and put right. It stays in the log, so that the next run writes to it without
 * a fault; one that runs leave alone is taken out. It remains the VM's own page,
 * which a later write finds with a cheaper fault, until many runs have not
 * written it: then it is given back to the host. So a VM learns what its runs
 * use. Beyond a share of its memory it keeps no more.
 *
 * A VM whose page tables, control registers or descriptor tables changed is not
 * recycled: KVM's shadow page tables and the CPU's TLB may remember what was in
 * them, and no comparison of memory shows it. With nested paging (host.h)
 * there are no shadow page tables: page tables are put back like any page, and
 * the TLB is flushed.
 */
#ifndef ZEROBOOT_RECYCLE_H
#define ZEROBOOT_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lines.h"
#include "recycle_result.h"
#include "snapshot.h"
#include "vmm.h"

struct base;

/* What recycling needs beside the VM; one for each VM. */
struct recycle {
	const struct snapshot *snapshot;
	const uint8_t *pristine; /* its memory */
	const struct base *base; /* what VMs are put back to instead, or NULL */
	lines_compare_call *compare; /* for this CPU */
	uint64_t *log;               /* KVM's dirty log, a bit a page */
	uint64_t *logged;  /* what was left in it after the run before */
	uint64_t *kept;    /* pages that are the VM's own */
	uint64_t *usual;   /* those that it keeps in any case */
	uint64_t *tables;  /* the template's page-table pages */
	uint64_t *brought; /* what the host has written, beside vm->writes */
	bool any_brought;
	uint64_t words; /* of each */
	uint64_t kept_pages;
	uint64_t came;     /* pages that the last run brought into the log */
	uint16_t run;      /* runs so far */
	uint16_t *written; /* for each page: the last that is known to have
			     * written it, */
	uint8_t *patience; /* runs from that one on until it leaves the log;
			     * 0: not known */
	uint64_t checked, changed, dropped; /* pages, last time */
};

/* 0 or -errno. recycle_close undoes it, also when zeroed. */
int recycle_open(struct recycle *r, const struct snapshot *s, struct err *e);
void recycle_close(struct recycle *r);

/* From now on it is about another VM, a new one. */
void recycle_renew(struct recycle *r);

/*
 * Makes vm, which has just returned VM_EXIT, equal to the template: memory,
 * registers, MSRs. Anything but RECYCLE_DONE: vm must be destroyed, and
 * recycle_renew called for the next.
 */
enum recycle_result recycle_vm(struct recycle *r, struct vm *vm);

/* From now on the VM, which has been brought to that state and has run since, is made
 * equal to it instead; it must stay. NULL: to the template again, unless there is no
 * such VM any more. */
void recycle_rebase(struct recycle *r, const struct base *base);

/*
 * For states of sessions (delta.h). Whether a program can have made the registers
 * that decide how addresses are translated and events delivered: it cannot have.
 */
bool recycle_is_ordinary(const struct recycle *r, const struct vm *vm);
/* The pages that may not be as they were when the state was saved last, or brought,
 * into r->log. 0 or -errno. */
int recycle_find(struct recycle *r, struct vm *vm);
/* After that, and when the state was saved: as after a run, pages that nobody has
 * changed for long leave KVM's log. They differ from the template all the same. 0, or
 * -errno: vm must be destroyed. */
int recycle_age(struct recycle *r, struct vm *vm, const uint64_t *changed);
/* Undoes what control_write() has a list of. 0 or -errno. */
int recycle_undo_writes(struct recycle *r, struct vm *vm);
/* The host writes into the page: recycling puts it back. */
void recycle_bring(struct recycle *r, uint64_t page);
/* Of pages in r->log those with a bit set become the template's at once, but for random
 * bytes. */
void recycle_put_back(struct recycle *r, struct vm *vm, const uint64_t *some);

/*
 * Gives back most of what a VM that was recycled and waits has learnt since. 0, or
 * -errno: vm must be destroyed.
 */
int recycle_trim(struct recycle *r, struct vm *vm);

/* The pages that vm has now are those that it always keeps: after training. */
void recycle_learn(struct recycle *r);

/*
 * Compares all of a recycled VM with its template: every byte of memory, all
 * registers, every MSR that KVM lists but clocks. 0 or -EILSEQ with the first
 * difference in e. Takes about a tenth of a second.
 */
int recycle_verify(const struct recycle *r, struct vm *vm, struct err *e);

#endif
