/*
 * host.h: the host's side of the guest: output, and the ends of a run.
 * Hypercall codes are ZB_HC_* in guest/abi.h.
 */
#ifndef HOST_H
#define HOST_H

#include "kernel.h"

static inline void hypercall(u32 code)
{
	__asm__ volatile("outl %0, %w1"
			 :
			 : "a"(code), "d"(ZB_PORT)
			 : "memory");
}

/* Reads control's limits; at boot and in every fork. */
void host_start(void);
/* stream 1 or 2; bytes past the limit are counted and dropped. */
void output_write(int stream, const void *buf, size_t n);
/* Ends the VM; status as a shell shows it. */
_Noreturn void host_exit(int status);

#endif
