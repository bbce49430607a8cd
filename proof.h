/*
 * proof.h: what programs must come out as in a template, as they do natively. It is a
 * text of snippets,
 *
 *  #### NAME
 *  code
 *  #### stdout     what it prints, if anything; a line of three dots is for any
 *  text            lines
 *  #### stderr
 *  text
 *  #### exit CODE
 */
#ifndef ZEROBOOT_PROOF_H
#define ZEROBOOT_PROOF_H

#include <stddef.h>

#include "err.h"
#include "snapshot.h"

/* Runs them in VMs of s. 0; -EPROTO with what differs; -errno. */
int proof_run(const char *text, size_t size, const struct snapshot *s,
	      const struct vmm *vmm, struct err *e);

#endif
