/*
 * machine.h: a VM of a snapshot: made, run, made as new again or replaced by
 * another one, dropped. Workers, bench and tests have their VMs by this alone.
 */
#ifndef ZEROBOOT_MACHINE_H
#define ZEROBOOT_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "delta.h"
#include "recycle.h"
#include "snapshot.h"
#include "vmm_run.h"

#define MACHINE_TRAININGS 3 /* after so many a VM knows what runs use */

struct machine {
	const struct vmm *vmm;
	const struct snapshot *snapshot;
	struct vm vm;
	void *memory; /* its mapping */
	struct recycle recycle;
	const struct vm_orders *orders; /* to its programs; NULL: none */
	uint64_t mono_ns; /* the guest's clock when it runs next */
	bool used;        /* the VM has run before, and was recycled */
	bool verify; /* a recycled VM is compared with the snapshot, wholly */
};

/* No VM yet. vmm and snapshot outlive it. 0 or -errno; then close it, too. */
int machine_open(struct machine *m, const struct vmm *vmm,
		 const struct snapshot *s, struct err *e);
/* Also when zeroed. */
void machine_close(struct machine *m);

/* A new VM, which waits for a request. 0 or -errno. */
int machine_make(struct machine *m, struct err *e);
void machine_drop(struct machine *m);

/* Hands a request to it: parts, as control_request, or code alone. -E2BIG when it
 * does not fit. */
int machine_request(struct machine *m, const char *parts, size_t size,
		    uint32_t output_limit);
int machine_code(struct machine *m, const void *code, size_t size,
		 uint32_t output_limit);
/* Runs the request, as vm_run. */
enum vm_event machine_run(struct machine *m, uint64_t deadline, struct err *e);
/* After VM_TIMEOUT: its program gets a signal and goes on. */
enum vm_event machine_interrupt(struct machine *m, int signal,
				uint64_t deadline, struct err *e);

/*
 * After a run that ended, with whatever came of it: the VM's state becomes that of
 * d, which has the state that the VM had before. The VM can go on, or be renewed.
 * First it is looked at what there is to save: *most as delta_foresee; -EPERM: registers
 * that no program can have. Then its output
 * may be taken, and it is saved. 0; -ENOSPC: it is too large; -EPERM: it cannot be kept;
 * -errno. Then d is as it was.
 */
int machine_look(struct machine *m, const struct delta *d, uint64_t *most,
		 struct err *e);
int machine_keep(struct machine *m, struct delta *d, struct err *e);
/* Both. */
int machine_save(struct machine *m, struct delta *d, struct err *e);
/* After that, if the VM is to go on: what its execs leave alone is not looked at each
 * time. 0, or -errno: it must be replaced. */
int machine_rest(struct machine *m, const struct delta *d, struct err *e);
/* A VM that is as new gets that state. 0 or -errno: it must be renewed, or there is
 * none. */
int machine_resume(struct machine *m, const struct delta *d, struct err *e);
/* The same of a VM of which that state was saved last, and which has not run since. */
int machine_go_on(struct machine *m, const struct delta *d, struct err *e);

/*
 * After a run: the same VM as new, or another one. keep: it returned VM_EXIT and
 * may be used again; learn: what it has used so far is what runs use. 0 with
 * what became of it in *result, or -errno: there is no VM, or with -EILSEQ one
 * that is not the snapshot.
 */
int machine_renew(struct machine *m, bool keep, bool learn,
		  enum recycle_result *result, struct err *e);

/* The same, to a state that the VM was brought to before the run. b stays until the
 * machine is renewed otherwise. Unless it is RECYCLE_DONE the VM is as machine_make
 * leaves one. */
int machine_rewind(struct machine *m, const struct base *b,
		   enum recycle_result *result, struct err *e);

/*
 * Runs the snapshot's training once and renews the VM. RECYCLE_DONE: it is
 * trained by so much more; else one that is new is there and no better. -errno as
 * above, or because the training does not fit.
 */
int machine_train(struct machine *m, enum recycle_result *result,
		  struct err *e);

/* Whether there is anything to train with. */
bool machine_can_train(const struct machine *m);

#endif
