/* operand.h: what an instruction that KVM called undefined may have hit. */
#ifndef OPERAND_H
#define OPERAND_H

#include "task/thread.h"

/*
 * The exception that the instruction at r->rip deserves, after vector 6 came
 * for it: 13 or 12 (and *error) when it is one whose operand the CPU refuses,
 * else 6.
 */
u64 operand_exception(const struct regs *r, u64 *error);

#endif
