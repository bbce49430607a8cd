/* account.h: what a run has come to, as its guest tells it, within what can be. */
#ifndef ZEROBOOT_ACCOUNT_H
#define ZEROBOOT_ACCOUNT_H

#include "protocol.h"
#include "snapshot.h"

/* How it ended, what is missing of its output, and what it has used; status and exec_ns of
 * result are set. s: what the VM was made of. */
void account_run(const struct vm *vm, const struct snapshot *s,
		 const struct run *run, struct result *result);

#endif
