/*
 * patch.h: system calls without an exception. A `syscall` that the program has
 * executed once becomes a jump into the kernel, which is as near as a function:
 * same address space, same privilege. On kvm-pvm the instruction costs 1 to 20
 * us, the jump some 20 ns.
 *
 * Only code of a private file mapping that is not writable is changed, in a
 * copy of its page: before the snapshot, and again where this VM's page tables
 * are no longer the snapshot's. What is not recognised stays as it is and works.
 */
#ifndef PATCH_H
#define PATCH_H

#include "task/thread.h"

/* r has come by the instruction before r->rip: that one may be changed, and
 * r->rip with it. True when it was; the way back must then serialize the CPU
 * (Intel SDM 3A, 9.1.3). */
bool patch_site(struct regs *r);
/* The running space's code may be changed. */
void patch_open(void);
/* No more changes: the snapshot comes. */
void patch_close(void);

/*
 * A return address in moved code, as the program is to see it in a signal
 * frame, and back. Other addresses come back as they are.
 */
u64 patch_to_original(u64 rip);
u64 patch_from_original(u64 rip);

#endif
