#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "control.h"
#include "cpu.h"
#include "vmm_boot.h"

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

#define SLOT_MEMORY 0
#define SLOT_IMAGE 1
#define SLOT_LARGE 3
#define SLOT_LOCKED 2

/* Intel SDM 4, table 2-2, and AMD APM 2, appendix A. */
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SYSCALL_MASK 0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102

/* First four letters of the vendor in CPUID 0: those whose CPUs have SVM. */
#define VENDOR_AMD 0x68747541   /* "Auth" */
#define VENDOR_HYGON 0x6f677948 /* "Hygo" */
/* Types of a 64-bit TSS: SDM 3A, table 3-2. */
#define TSS_AVAILABLE 0x9
#define TSS_BUSY 0xb

static const uint32_t saved_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK,
				       MSR_KERNEL_GS_BASE };

/* ---- the host's KVM ---- */

static void restrict_cpuid(struct vmm *vmm)
{
	for (uint32_t i = 0; i < vmm->cpuid.head.nent; i++) {
		struct kvm_cpuid_entry2 *c = &vmm->cpuid.entries[i];

		/* No guests of guests: VMX, SVM. */
		if (c->function == 1)
			c->ecx &= ~(1u << 5);
		if (c->function == 0x80000001)
			c->ecx &= ~(1u << 2);
		if (c->function == 7 && c->index == 0) {
			c->ebx &= ~(1u << 14); /* MPX */
			c->ecx &= ~(1u << 3);  /* PKU: no tables for it */
			/* AMX (22, 24, 25): its state does not fit KVM_GET_XSAVE */
			c->edx &= ~(1u << 22 | 1u << 24 | 1u << 25);
		}
		if (c->function == 0xd && c->index == 0) {
			/* x87, SSE, AVX, and AVX-512 in its three parts */
			vmm->xcr0 = c->eax & 0xe7;
			c->eax = (uint32_t)vmm->xcr0;
			c->edx = 0;
		}
	}
}

/*
 * VMX enters only with a TSS that is marked busy. SVM does not look at the mark
 * and shows it always as set; QEMU's emulation of SVM finds the I/O permission
 * bitmap only in a TSS without it.
 */
static uint8_t tss_type(const struct vmm *vmm)
{
	for (uint32_t i = 0; i < vmm->cpuid.head.nent; i++) {
		const struct kvm_cpuid_entry2 *c = &vmm->cpuid.entries[i];

		if (c->function == 0 &&
		    (c->ebx == VENDOR_AMD || c->ebx == VENDOR_HYGON))
			return TSS_AVAILABLE;
	}
	return TSS_BUSY;
}

int vmm_open(struct vmm *vmm, struct err *e)
{
	int r;

	memset(vmm, 0, sizeof(*vmm));
	vmm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm->fd < 0) {
		r = err_set(e, -errno, "/dev/kvm: %s", strerror(errno));
		goto fail;
	}
	r = ioctl(vmm->fd, KVM_GET_API_VERSION, 0);
	if (r != KVM_API_VERSION) {
		r = err_set(e, -ENOTSUP, "/dev/kvm: API version %d, not %d", r,
			    KVM_API_VERSION);
		goto fail;
	}
	r = ioctl(vmm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r < (int)sizeof(struct kvm_run)) {
		r = err_set(e, -ENOTSUP, "/dev/kvm: no size of kvm_run");
		goto fail;
	}
	vmm->run_size = (size_t)r;
	r = ioctl(vmm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);
	if ((r & SYNC_ALL) != SYNC_ALL) {
		r = err_set(e, -ENOTSUP, "/dev/kvm: no KVM_CAP_SYNC_REGS");
		goto fail;
	}
	vmm->cpuid.head.nent = VMM_MAX_CPUID;
	if (ioctl(vmm->fd, KVM_GET_SUPPORTED_CPUID, &vmm->cpuid) < 0) {
		r = err_set(e, -errno, "KVM_GET_SUPPORTED_CPUID: %s",
			    strerror(errno));
		goto fail;
	}
	restrict_cpuid(vmm);
	vmm->tss_type = tss_type(vmm);
	vmm->needs_flush = cpu_has_vmx() || cpu_has_svm();
	return 0;
fail:
	err_machine();
	vmm_close(vmm);
	return r;
}

void vmm_close(struct vmm *vmm)
{
	if (vmm->fd >= 0)
		close(vmm->fd);
	vmm->fd = -1;
}

/* ---- creation ---- */

void vm_init(struct vm *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->fd = vm->vcpu = -1;
	vm->run = MAP_FAILED;
	vm->memory = MAP_FAILED;
	vm->log_fd = STDERR_FILENO;
	vm->log_prefix = "zeroboot: guest: ";
	vm->random_size = ZB_RANDOM_SIZE;
}

void vm_destroy(struct vm *vm)
{
	if (vm->run != MAP_FAILED)
		munmap(vm->run, vm->run_size);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->owns_memory && vm->memory != MAP_FAILED)
		munmap(vm->memory, vm->memory_size);
	vm_init(vm);
}

static int add_slot(struct vm *vm, uint32_t slot, uint32_t flags, gpa_t gpa,
		    uint64_t size, const void *host, struct err *e)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_set(e, -errno, "KVM_SET_USER_MEMORY_REGION: %s",
			       strerror(errno));
	return 0;
}

/*
 * The guest needs no MSR but those that the VMM sets: what it cannot write need
 * not be put back. A filter that denies by default must have one range; this
 * one denies too (KVM API, 4.97).
 */
static int deny_msrs(struct vm *vm, struct err *e)
{
	uint8_t none[8] = { 0 };
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_DENY,
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ |
					KVM_MSR_FILTER_WRITE,
			       .nmsrs = 8,
			       .base = MSR_STAR,
			       .bitmap = none },
	};

	if (ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return err_set(e, -errno, "KVM_X86_SET_MSR_FILTER: %s",
			       strerror(errno));
	return 0;
}

/* What the guest's addresses lead to. */
static int add_slots(struct vm *vm, const void *locked, const void *image,
		     uint64_t image_size, bool log, struct err *e)
{
	int r = add_slot(vm, SLOT_MEMORY, log ? KVM_MEM_LOG_DIRTY_PAGES : 0, 0,
			 vm->large_gpa, vm->memory, e);

	if (r == 0 && vm->large_gpa < vm->memory_size)
		r = add_slot(vm, SLOT_LARGE, 0, vm->large_gpa,
			     vm->memory_size - vm->large_gpa,
			     vm->memory + vm->large_gpa, e);
	if (r == 0)
		r = add_slot(vm, SLOT_LOCKED, KVM_MEM_READONLY, ZB_LOCKED_GPA,
			     ZB_LOCKED_SIZE, locked, e);
	if (r == 0 && image_size)
		r = add_slot(vm, SLOT_IMAGE, KVM_MEM_READONLY, ZB_IMAGE_GPA,
			     image_size, image, e);
	return r;
}

static int add_vcpu(struct vm *vm, const struct vmm *vmm, struct err *e)
{
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return err_set(e, -errno, "KVM_CREATE_VCPU: %s",
			       strerror(errno));
	vm->run_size = vmm->run_size;
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return err_set(e, -errno, "kvm_run: %s", strerror(errno));
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, &vmm->cpuid) < 0)
		return err_set(e, -errno, "KVM_SET_CPUID2: %s",
			       strerror(errno));
	vm->run->kvm_valid_regs = SYNC_ALL;
	return 0;
}

/* Everything but registers. vm was vm_init'ed and has its memory. */
static int create(struct vm *vm, const struct vmm *vmm, const void *locked,
		  const void *image, uint64_t image_size, bool log,
		  struct err *e)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};
	int r;

	vm->tss_type = vmm->tss_type;
	vm->nested_paging = vmm->nested_paging;
	vm->needs_flush = vmm->needs_flush;
	vm->fd = ioctl(vmm->fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return err_set(e, -errno, "KVM_CREATE_VM: %s", strerror(errno));
	/* The log is fetched without protecting its pages again. */
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap) < 0)
		return err_set(e, -errno,
			       "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: %s",
			       strerror(errno));
	r = add_slots(vm, locked, image, image_size, log, e);
	if (r == 0)
		r = add_vcpu(vm, vmm, e);
	if (r)
		return r;
	/* Last, some time after the slots: the kernel waits for readers of what
	 * it replaces, and within 25 us of the wait before this takes 20 ms
	 * (srcutree.exp_holdoff) instead of nothing. */
	return deny_msrs(vm, e);
}

/* What kvm_run does not carry and a program changes: vectors, and DR6 with a
 * single step. */
static int load_vectors(struct vm *vm, const struct vm_state *s, struct err *e)
{
	if (ioctl(vm->vcpu, KVM_SET_XSAVE, &s->xsave) < 0)
		return err_set(e, -errno, "KVM_SET_XSAVE: %s", strerror(errno));
	if (ioctl(vm->vcpu, KVM_SET_DEBUGREGS, &s->debugregs) < 0)
		return err_set(e, -errno, "KVM_SET_DEBUGREGS: %s",
			       strerror(errno));
	return 0;
}

/* What kvm_run does not carry and only CPL0 can write. */
static int load_rest(struct vm *vm, const struct vm_state *s, struct err *e)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[VMM_MAX_MSRS];
	} msrs = { .head.nmsrs = s->msr_count };
	const char *what;

	if (s->msr_count > VMM_MAX_MSRS)
		return err_set(e, -EINVAL, "state: too many MSRs");
	memcpy(msrs.entries, s->msrs, sizeof(msrs.entries));
	what = "KVM_SET_XCRS";
	if (ioctl(vm->vcpu, KVM_SET_XCRS, &s->xcrs) < 0)
		goto fail;
	what = "KVM_SET_MSRS";
	errno = EINVAL;
	if (ioctl(vm->vcpu, KVM_SET_MSRS, &msrs) != (int)s->msr_count)
		goto fail;
	return 0;
fail:
	return err_set(e, -errno, "%s: %s", what, strerror(errno));
}

/* A new vCPU's registers; CR4.OSXSAVE must be there before XCR0 is. */
static int load_state(struct vm *vm, const struct vm_state *s, struct err *e)
{
	struct kvm_sregs sregs = s->sregs;

	sregs.tr.type = vm->tss_type;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs) < 0)
		return err_set(e, -errno, "KVM_SET_SREGS: %s", strerror(errno));
	vm->preempt_entry = s->preempt_entry;
	vm->text_start = s->text_start;
	vm->text_end = s->text_end;
	return vm_reset(vm, s, true, e);
}

int vm_reset(struct vm *vm, const struct vm_state *s, bool all, struct err *e)
{
	struct kvm_sync_regs *sync = &vm->run->s.regs;
	struct kvm_sregs sregs = s->sregs;
	int r;

	sregs.tr.type = vm->tss_type;
	vm->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	sync->regs = s->regs;
	/* Mostly they are as they should be, and setting them takes time. */
	if (all || memcmp(&sync->sregs, &sregs, sizeof(sregs))) {
		sync->sregs = sregs;
		vm->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	}
	if (all || memcmp(&sync->events, &s->events, sizeof(s->events))) {
		sync->events = s->events;
		vm->run->kvm_dirty_regs |= KVM_SYNC_X86_EVENTS;
	}
	/* Without an APIC in KVM this one counts, not sregs' (KVM API, 5). */
	vm->run->cr8 = s->sregs.cr8;
	vm->exits = 0;
	vm->completed = false;
	r = load_vectors(vm, s, e);
	return r == 0 && all ? load_rest(vm, s, e) : r;
}

int vm_complete(struct vm *vm)
{
	int r;

	if (vm->completed)
		return 0;
	/* The `out` is only finished by the next entry (KVM API, 5: "KVM_RUN",
	 * note on completing I/O), which does not get as far as the guest. */
	vm->run->immediate_exit = 1;
	r = ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
	vm->completed = r < 0 && errno == EINTR;
	return vm->completed ? 0 : -EIO;
}

int vm_peek(struct vm *vm, struct vm_state *s, struct err *e)
{
	const struct kvm_sync_regs *now = &vm->run->s.regs;

	memset(s, 0, sizeof(*s));
	if (vm_complete(vm))
		return err_set(e, -EIO, "KVM_RUN: %s", strerror(errno));
	if (ioctl(vm->vcpu, KVM_GET_XSAVE, &s->xsave) < 0)
		return err_set(e, -errno, "KVM_GET_XSAVE: %s", strerror(errno));
	s->regs = now->regs;
	s->sregs = now->sregs;
	s->events = now->events;
	return 0;
}

int vm_save(struct vm *vm, struct vm_state *s, struct err *e)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[VMM_MAX_MSRS];
	} msrs = { .head.nmsrs = sizeof(saved_msrs) / sizeof(saved_msrs[0]) };
	const char *what;

	memset(s, 0, sizeof(*s));
	what = "KVM_RUN";
	if (vm_complete(vm))
		goto fail;
	for (uint32_t i = 0; i < msrs.head.nmsrs; i++)
		msrs.entries[i].index = saved_msrs[i];
	what = "KVM_GET_REGS";
	if (ioctl(vm->vcpu, KVM_GET_REGS, &s->regs) < 0)
		goto fail;
	what = "KVM_GET_SREGS";
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &s->sregs) < 0)
		goto fail;
	s->sregs.tr.type = TSS_BUSY;
	what = "KVM_GET_XCRS";
	if (ioctl(vm->vcpu, KVM_GET_XCRS, &s->xcrs) < 0)
		goto fail;
	what = "KVM_GET_XSAVE";
	if (ioctl(vm->vcpu, KVM_GET_XSAVE, &s->xsave) < 0)
		goto fail;
	what = "KVM_GET_VCPU_EVENTS";
	if (ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &s->events) < 0)
		goto fail;
	what = "KVM_GET_DEBUGREGS";
	if (ioctl(vm->vcpu, KVM_GET_DEBUGREGS, &s->debugregs) < 0)
		goto fail;
	what = "KVM_GET_MSRS";
	if (ioctl(vm->vcpu, KVM_GET_MSRS, &msrs) != (int)msrs.head.nmsrs)
		goto fail;
	s->msr_count = msrs.head.nmsrs;
	memcpy(s->msrs, msrs.entries, sizeof(s->msrs));
	s->preempt_entry = vm->preempt_entry;
	s->text_start = vm->text_start;
	s->text_end = vm->text_end;
	return 0;
fail:
	return err_set(e, errno ? -errno : -EIO, "%s: %s", what,
		       strerror(errno));
}

int vm_boot(struct vm *vm, const struct vmm *vmm, const struct vm_boot *boot,
	    struct err *e)
{
	struct vm_state state;
	int r;

	vm_init(vm);
	vm->memory_size = vm->large_gpa = boot->memory_size;
	vm->memory = mmap(NULL, boot->memory_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->memory == MAP_FAILED)
		return err_set(e, -errno, "guest memory: %s", strerror(errno));
	vm->owns_memory = true;
	madvise(vm->memory, boot->memory_size,
		boot->large_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	r = create(vm, vmm, vm->memory, boot->image, boot->image_size,
		   boot->log, e);
	if (r)
		goto fail;
	memset(&state, 0, sizeof(state));
	state.xcrs.nr_xcrs = 1;
	state.xcrs.xcrs[0].value = vmm->xcr0;
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &state.sregs) < 0 ||
	    ioctl(vm->vcpu, KVM_GET_XSAVE, &state.xsave) < 0 ||
	    ioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &state.events) < 0 ||
	    ioctl(vm->vcpu, KVM_GET_DEBUGREGS, &state.debugregs) < 0) {
		r = err_set(e, -errno, "vCPU: %s", strerror(errno));
		goto fail;
	}
	r = boot_layout(vm, boot, &state, e);
	if (r)
		goto fail;
	r = load_state(vm, &state, e);
	if (r)
		goto fail;
	control_prepare(vm, 1000000000, boot->output_limit);
	return 0;
fail:
	vm_destroy(vm);
	return r;
}

int vm_fork(struct vm *vm, const struct vmm *vmm,
	    const struct vm_source *source, struct err *e)
{
	int r;

	vm_init(vm);
	vm->memory = source->memory;
	vm->memory_size = source->memory_size;
	vm->large_gpa = source->large_gpa;
	r = create(vm, vmm, source->locked, source->image, source->image_size,
		   true, e);
	if (r == 0)
		r = load_state(vm, source->state, e);
	if (r)
		vm_destroy(vm);
	return r;
}

/* ---- the large part ---- */

static int log_large(struct vm *vm, bool log)
{
	struct err e;
	int r = add_slot(vm, SLOT_LARGE, log ? KVM_MEM_LOG_DIRTY_PAGES : 0,
			 vm->large_gpa, vm->memory_size - vm->large_gpa,
			 vm->memory + vm->large_gpa, &e);

	if (r == 0)
		vm->large_logged = log;
	return r;
}

int vm_give_large(struct vm *vm)
{
	int r = 0;

	if (vm->large_given)
		return 0;
	if (vm->large_gpa >= vm->memory_size)
		return -ENOMEM;
	if (vm->keeps)
		r = log_large(vm, true);
	if (r)
		return r;
	if (mprotect(vm->memory + vm->large_gpa,
		     vm->memory_size - vm->large_gpa,
		     PROT_READ | PROT_WRITE) < 0)
		return -errno;
	vm->large_given = true;
	return 0;
}

int vm_take_large(struct vm *vm)
{
	uint8_t *start = vm->memory + vm->large_gpa;
	size_t size = vm->memory_size - vm->large_gpa;

	if (!vm->large_given)
		return 0;
	if (madvise(start, size, MADV_DONTNEED) < 0 ||
	    mprotect(start, size, PROT_READ) < 0)
		return -errno;
	vm->large_given = false;
	return vm->large_logged ? log_large(vm, false) : 0;
}

/* ---- the dirty log ---- */

int vm_dirty_log(const struct vm *vm, uint64_t *log)
{
	struct kvm_dirty_log l = { .slot = SLOT_MEMORY, .dirty_bitmap = log };
	size_t below = (size_t)vm->large_gpa / 4096 / 64;
	size_t words = (size_t)(vm->memory_size / 4096 + 63) / 64;

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &l) < 0)
		return -errno;
	if (vm->large_gpa == vm->memory_size)
		return 0;
	l.slot = SLOT_LARGE;
	l.dirty_bitmap = log + below;
	if (vm->large_logged)
		return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &l) < 0 ? -errno : 0;
	memset(log + below, 0, (words - below) * sizeof(*log));
	return 0;
}

int vm_dirty_clear(const struct vm *vm, uint64_t *log, uint64_t first,
		   uint64_t count)
{
	struct kvm_clear_dirty_log l = { .slot = SLOT_MEMORY,
					 .first_page = first,
					 .num_pages = (uint32_t)count,
					 .dirty_bitmap = log };

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &l) < 0 ? -errno : 0;
}

int vm_dirty_clear_large(const struct vm *vm, uint64_t *log)
{
	struct kvm_clear_dirty_log l = {
		.slot = SLOT_LARGE,
		.num_pages =
			(uint32_t)((vm->memory_size - vm->large_gpa) / 4096),
		.dirty_bitmap = log + vm->large_gpa / 4096 / 64
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &l) < 0 ? -errno : 0;
}

uint64_t vm_dirty_pages(const struct vm *vm)
{
	size_t words = (size_t)(vm->memory_size / 4096 + 63) / 64;
	uint64_t *log = calloc(words, 8), count = 0;

	if (log && vm_dirty_log(vm, log) == 0)
		for (size_t i = 0; i < words; i++)
			count += (uint64_t)__builtin_popcountll(log[i]);
	free(log);
	return count;
}
