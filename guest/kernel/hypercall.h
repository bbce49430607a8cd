/* hypercall.h: the way to the host. Codes are ZB_HC_* in guest/abi.h. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "kernel.h"

static inline void hypercall(u32 code)
{
	__asm__ volatile("outl %0, %w1" : : "a"(code), "d"(ZB_PORT) : "memory");
}

#endif
