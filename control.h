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
/* The same in a VM that goes on after a run: of those bytes that the run has taken. The
 * others were given to nobody. */
void control_seed_again(struct vm *vm);
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
/* What the run has used. calls: system calls since boot. */
struct control_usage {
	uint64_t cpu_ns, memory, calls;
	uint32_t status; /* ZB_STATUS_* */
};
void control_usage(const struct vm *vm, struct control_usage *u);
/* Files to return, after VM_EXIT. Bytes of files that the list may have. */
void control_want_outputs(struct vm *vm, uint64_t limit);
/* The next file in the list, from *at 0 on. False: there is none, or what follows
 * is not as abi.h has it. */
struct control_output_file {
	const char *name;
	size_t name_size;
	uint64_t size;
	bool left_out;
	bool entry; /* of a directory: there is nothing but what abi.h has */
	const void *pages; /* where they are: gpa_t, not aligned */
};
bool control_next_output(const struct vm *vm, uint64_t *at,
			 struct control_output_file *f);
/* Copies a file's data: false when a page is nowhere. */
bool control_copy_output(const struct vm *vm, const void *image,
			 uint64_t image_size,
			 const struct control_output_file *f, void *to);
/* Whether the guest refused the request after VM_EXIT: why is in its log. */
bool control_refused(const struct vm *vm);
/* The value of an exec's last expression; *size 0: there is none. *cut: there was
 * more. */
const void *control_result(const struct vm *vm, size_t *size, bool *cut);
/* The next exec is the first one of a copy of its session. */
void control_forked(struct vm *vm);
/* After this exec the session is to be a template. */
void control_settle(struct vm *vm);
/* What the VM runs from now on are the execs of a session: see abi.h. */
void control_session(struct vm *vm);
/* The run stops for its standard input: see abi.h. */
void control_ask(struct vm *vm);
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
