/*
 * resident.h: a session in a worker's VM, for an exec: the VM, which is as new, is
 * brought to the session's state, and what it has become is saved. The VM may stay as
 * it is until the next exec, which goes on in it if its state is the one that was saved.
 * The same for what several runs begin with; after each of them the VM is put back to that.
 */
#ifndef ZEROBOOT_RESIDENT_H
#define ZEROBOOT_RESIDENT_H

#include "base.h"
#include "delta.h"
#include "machine.h"
#include "protocol.h"

struct resident {
	struct delta delta; /* of the VM's state */
	struct base base;   /* the same, when runs begin with it */
	bool open;          /* for this snapshot */
	bool based;     /* there is a base, or it is known that there is none */
	int looked;     /* what resident_look has come to, */
	struct err why; /* and why */
};

/* The VM's next run is that exec. state: what it had, if any. 0; -ESTALE, -EINVAL: it
 * is no state of this template; -errno. Then the VM must be renewed. */
int resident_begin(struct resident *r, struct machine *m, const struct run *run,
		   const char *state, size_t size, struct err *e);
/* The same in a VM that rests. */
void resident_go_on(struct machine *m, const struct run *run);
/* Whether there is a state, be it that the VM is not as it was then any more. */
bool resident_is_there(const struct resident *r);
/* A branch has ended: the VM is put back to where it began. False: it cannot be, and is
 * to be renewed. */
bool resident_rewind(struct resident *r, struct machine *m,
		     enum recycle_result *result, int *error, struct err *e);
/* After the exec, if the program goes on: bytes that there will be to be kept at most, or
 * PROTOCOL_UNSURE. */
uint64_t resident_look(struct resident *r, struct machine *m);
/* After that: what is to be kept. NULL: why not is in *result, as of machine_save. Valid
 * until the next call. */
const struct delta_segment *resident_save(struct resident *r, struct machine *m,
					  int *result, struct err *e);
/* After that, if the VM is to stay as it is until it goes on. 0 or -errno: it must be
 * replaced. */
int resident_rest(struct resident *r, struct machine *m, struct err *e);
/* Nothing is kept from exec to exec but room; and that goes, too, with the
 * snapshot. */
void resident_end(struct resident *r);
void resident_close(struct resident *r);

#endif
