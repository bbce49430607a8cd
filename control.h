/*
 * control.h: the host's half of guest/abi.h: what it writes into a guest's memory
 * for a run and what it reads there afterwards. What the guest has written is
 * hostile: a field is read once, an address goes through control_at().
 */
#ifndef ZEROBOOT_CONTROL_H
#define ZEROBOOT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm.h"

/* The only ways from a guest address to a host one; NULL when it does not fit. */
const void *control_at(const struct vm *vm, gpa_t gpa, uint64_t size);
/*
 * All that the host writes into the memory of a VM goes through this: it is in no
 * dirty log, and vm->writes tells recycling what to put back.
 */
void *control_write(struct vm *vm, gpa_t gpa, uint64_t size);

/* The control page, to read, and to write. */
static inline const volatile struct zb_control *
control_page(const struct vm *vm)
{
	return (const volatile struct zb_control *)(vm->memory +
						    ZB_CONTROL_GPA);
}
volatile struct zb_control *control_open(struct vm *vm);

/* Fresh random bytes for the next run, best before anybody waits for it. */
void control_seed(struct vm *vm);
/* From now on about as many as the run that has just ended used; making them
 * takes time. */
void control_learn(struct vm *vm);

/*
 * Sets what every run needs anew: clocks, counters, and random bytes if there
 * are none yet. mono_ns: what the guest's monotonic clock shows now.
 */
void control_prepare(struct vm *vm, uint64_t mono_ns, uint32_t output_limit);
/*
 * A request: parts as protocol.h has them, which were looked at. -E2BIG when they
 * do not fit into the areas that the guest has for them.
 */
int control_request(struct vm *vm, const char *parts, size_t size);
/* One that is the code alone. */
int control_code(struct vm *vm, const void *code, size_t size);
/* Bytes that may be in use at most; 0: all. */
void control_limit(struct vm *vm, uint64_t memory);
/* Whether the guest refused the request after VM_EXIT: why is in its log. */
bool control_refused(const struct vm *vm);
/* All system calls are logged from now on. */
void control_trace(struct vm *vm);

/* Exit status of the program after VM_EXIT, 0-255. */
int control_exit_code(const struct vm *vm);

/*
 * What the program wrote to stream 1 or 2: at most limit bytes, in guest
 * memory. *total: how much it wrote in all.
 */
const void *control_output(const struct vm *vm, int stream, uint32_t limit,
			   size_t *size, uint64_t *total);

/* Copies the guest's log line, cut to size and made printable; its length. */
size_t control_log(const struct vm *vm, char *line, size_t size);

#endif
