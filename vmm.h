/*
 * vmm.h: a virtual machine on /dev/kvm: one vCPU, one slot of memory, one
 * read-only image. Boots the guest kernel, or starts from a state and memory
 * that a template holds; runs until the guest wants something.
 *
 * What is in its memory is control.h's matter.
 */
#ifndef ZEROBOOT_VMM_H
#define ZEROBOOT_VMM_H

#include <linux/kvm.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "err.h"
#include "guest/abi.h"

#define VMM_MAX_CPUID 128
#define VMM_MAX_MSRS 8
#define VM_WRITES 16

/* The host's KVM; opened once in a process and shared by its VMs. */
struct vmm {
	int fd; /* /dev/kvm */
	size_t run_size;
	uint64_t xcr0;      /* vector state that guests may use */
	uint8_t tss_type;   /* of the task register's segment: see vmm.c */
	bool nested_paging; /* see host.h; false until it is asked */
	struct cpu_features features; /* the same */
	bool needs_flush; /* the guest's TLB is the CPU's, or may be */
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[VMM_MAX_CPUID];
	} cpuid;
};

/* All of a vCPU that a template must bring back. */
struct vm_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_xsave xsave;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	uint32_t msr_count;
	uint32_t reserved;
	struct kvm_msr_entry msrs[VMM_MAX_MSRS];
	uint64_t preempt_entry; /* from the kernel's header */
	uint64_t text_start, text_end;
};

#define VM_ORDER_END (-1)

/* What others want of a program while it runs. */
struct vm_orders {
	int fd; /* readable when there may be an order */
	/* Asked at each tick, and when fd is readable while the guest sleeps:
	 * the number of a signal for the program, VM_ORDER_END, or 0. */
	int (*look)(void *context);
	void *context;
};

#define VM_STREAM_FDS 3

/* Who takes what a program writes while it runs, and brings what it reads. */
struct vm_stream {
	/* As far as it goes without waiting: at each tick and hypercall for it, in
	 * sleeps, and at the end. 1: the guest is to know that some has moved, 0, or
	 * -errno with a message: the run cannot go on. */
	int (*move)(void *context, struct err *e);
	/* Ready when more can be moved: as move has left them. */
	struct pollfd fds[VM_STREAM_FDS];
	unsigned count;
	void *context;
};

struct vm {
	int fd, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t tss_type;
	bool nested_paging; /* the log has each page table that was used */
	bool needs_flush;   /* as in struct vmm */
	uint8_t *memory;    /* mapped here, gpa 0.. */
	uint64_t memory_size;
	bool owns_memory;
	/* From here on memory is in a slot of its own, without a log, which may only
	 * be read until a run asks for it; memory_size: there is none. */
	gpa_t large_gpa;
	bool large_given, large_logged;
	bool asks;  /* the run may stop for its standard input: control_ask */
	bool keeps; /* what the run leaves there is needed: it is to be logged */
	uint64_t preempt_entry, text_start, text_end;
	bool completed;  /* the last hypercall: see vm_complete */
	bool seeded;     /* there are random bytes for the next run */
	uint64_t ran_ns; /* CPU time of the run so far, as of the last tick */
	uint64_t calls_before; /* system calls, of the execs before this one */
	uint32_t random_size; /* bytes that control_seed makes, beside the seed */
	struct vm_write {
		gpa_t gpa;
		uint64_t size;
	} writes[VM_WRITES];  /* of the host since the VM was as its snapshot */
	unsigned write_count; /* beyond VM_WRITES: others are not known */
	int64_t mono_offset;  /* guest's monotonic clock minus the host's */
	uint64_t exits;       /* since creation */
	const struct vm_orders *orders; /* NULL: nobody gives any */
	struct vm_stream *stream;       /* NULL: nobody does */
	bool moved;                     /* the guest is to know */
	int log_fd;                     /* where they go */
	const char *log_prefix;         /* of each */
};

struct vm_boot {
	uint64_t memory_size; /* bytes, a multiple of 2 MiB */
	const void *image;    /* mapped, checked; may be NULL */
	uint64_t image_size;
	const char *const *argv, *const *envp; /* NULL-terminated */
	const char *directory; /* to start in; NULL: the image says */
	const void *agent;     /* content of the agent's file; may be NULL */
	size_t agent_size;
	uint32_t output_limit;
	bool trace;
	bool audit; /* the guest accounts for its frames at its end */
	bool log;   /* vm_dirty_log() is wanted */
	/* Most of memory will be touched: by pages of 2 MiB where the host has
	 * them. */
	bool large_pages;
};

/* Opens /dev/kvm. 0 or -errno. */
int vmm_open(struct vmm *vmm, struct err *e);
void vmm_close(struct vmm *vmm);

/* A new VM about to execute the guest kernel's first instruction. */
int vm_boot(struct vm *vm, const struct vmm *vmm, const struct vm_boot *boot,
	    struct err *e);

/* What a VM starts from. Mapped by the caller, stays the caller's, and outlives
 * the VM. */
struct vm_source {
	const struct vm_state *state;
	void *memory; /* private */
	uint64_t memory_size;
	gpa_t large_gpa;    /* as in struct vm */
	const void *locked; /* ZB_LOCKED_SIZE: memory's beginning as it was */
	const void *image;  /* may be NULL */
	uint64_t image_size;
};

/* A new VM in the given state. */
int vm_fork(struct vm *vm, const struct vmm *vmm,
	    const struct vm_source *source, struct err *e);

/* Safe on a VM that was zeroed with vm_init and never made. */
void vm_init(struct vm *vm);
void vm_destroy(struct vm *vm);

/*
 * Reads the whole vCPU after VM_READY or VM_EXIT, completing the hypercall
 * first. 0 or -errno.
 */
int vm_save(struct vm *vm, struct vm_state *state, struct err *e);
/*
 * Completes the hypercall of a VM that has returned VM_READY or VM_EXIT, so that its
 * registers are those behind it. 0 or -errno.
 */
int vm_complete(struct vm *vm);
/*
 * Of that vCPU what a program can change (general registers, segments, events,
 * vectors) into a state, and nothing else. 0 or -errno.
 */
int vm_peek(struct vm *vm, struct vm_state *state, struct err *e);
/*
 * Sets all registers of a VM that has returned from vm_run, and forgets what
 * the run left in vm. Most go into kvm_run and take effect with the next entry;
 * KVM finishes the last hypercall then too, and does not move RIP any more
 * because RIP is no longer that of the `out`. all: also what only CPL0 can have
 * changed, and what kvm_run shows as unchanged. 0 or -errno.
 */
int vm_reset(struct vm *vm, const struct vm_state *state, bool all,
	     struct err *e);

/* Lets the run use the large part, with a log where vm->keeps says so; takes it
 * back, with all that is in it. 0 or -errno. */
int vm_give_large(struct vm *vm);
int vm_take_large(struct vm *vm);

/*
 * The guest's writes since the VM was made, a bit for each page of memory, into
 * log (memory_size / 4096 / 64 words, rounded up). There are none in a large part
 * without a log. What the host writes is not
 * in it. 0 or -errno.
 */
int vm_dirty_log(const struct vm *vm, uint64_t *log);
/* Forgets count pages from page first on, below large_gpa, both multiples of 64, where log has
 * a bit set; they are write-protected again. 0 or -errno. */
int vm_dirty_clear(const struct vm *vm, uint64_t *log, uint64_t first,
		   uint64_t count);
/* The same of all of the large part, where it is logged. */
int vm_dirty_clear_large(const struct vm *vm, uint64_t *log);
/* Pages written since the VM was made, or 0 when KVM does not say. */
uint64_t vm_dirty_pages(const struct vm *vm);

#endif
