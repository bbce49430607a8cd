#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "vmm_boot.h"

/* How often a guest that asks for it is interrupted. Longer than a usual run,
 * short against CPython's switch interval of 5 ms. */
#define TICK_NS 4000000

/* Random bytes beyond what the training used. */
#define RANDOM_SPARE 128

/* Lines a run may send to the log when it is not being traced. */
#define LOG_LINES 200

#define SYNC_ALL (KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

#define SLOT_MEMORY 0
#define SLOT_IMAGE 1
#define SLOT_LOCKED 2

/* Intel SDM 4, table 2-2, and AMD APM 2, appendix A. */
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SYSCALL_MASK 0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102

/* First four letters of the vendor in CPUID 0: those whose CPUs have SVM. */
#define VENDOR_AMD 0x68747541   /* "Auth" */
#define VENDOR_HYGON 0x6f677948 /* "Hygo" */
/* Linux, Documentation/arch/x86/x86_64/fsgs.rst. */
#define HWCAP2_FSGSBASE 2
/* Types of a 64-bit TSS: SDM 3A, table 3-2. */
#define TSS_AVAILABLE 0x9
#define TSS_BUSY 0xb

static const uint32_t saved_msrs[] = { MSR_STAR, MSR_LSTAR, MSR_SYSCALL_MASK,
				       MSR_KERNEL_GS_BASE };

/* The tick's signal handler must reach the VM that is running. */
static struct kvm_run *volatile running;

uint64_t clock_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

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
			c->ebx &= ~(1u << 14);   /* MPX */
			c->ecx &= ~(1u << 3);    /* PKU: no tables for it */
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

		if (c->function == 0 && (c->ebx == VENDOR_AMD ||
					 c->ebx == VENDOR_HYGON))
			return TSS_AVAILABLE;
	}
	return TSS_BUSY;
}

int vmm_open(struct vmm *vmm, struct err *e)
{
	int r;

	memset(vmm, 0, sizeof(*vmm));
	vmm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm->fd < 0)
		return err_set(e, -errno, "/dev/kvm: %s", strerror(errno));
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
	return 0;
fail:
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
	vm->log_lines = LOG_LINES;
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

/* Everything but registers. vm was vm_init'ed and has its memory. */
static int create(struct vm *vm, const struct vmm *vmm, const void *locked,
		  const void *image, uint64_t image_size, struct err *e)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	};
	int r;

	vm->fd = ioctl(vmm->fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return err_set(e, -errno, "KVM_CREATE_VM: %s", strerror(errno));
	/* The log is fetched without protecting its pages again. */
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap) < 0)
		return err_set(e, -errno,
			       "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: %s",
			       strerror(errno));
	r = add_slot(vm, SLOT_MEMORY, KVM_MEM_LOG_DIRTY_PAGES, 0,
		     vm->memory_size, vm->memory, e);
	if (r)
		return r;
	r = add_slot(vm, SLOT_LOCKED, KVM_MEM_READONLY, ZB_LOCKED_GPA,
		     ZB_LOCKED_SIZE, locked, e);
	if (r)
		return r;
	if (image_size) {
		r = add_slot(vm, SLOT_IMAGE, KVM_MEM_READONLY, ZB_IMAGE_GPA,
			     image_size, image, e);
		if (r)
			return r;
	}
	vm->vcpu = ioctl(vm->fd, KVM_CREATE_VCPU, 0);
	if (vm->vcpu < 0)
		return err_set(e, -errno, "KVM_CREATE_VCPU: %s",
			       strerror(errno));
	vm->run_size = vmm->run_size;
	vm->tss_type = vmm->tss_type;
	vm->nested_paging = vmm->nested_paging;
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       vm->vcpu, 0);
	if (vm->run == MAP_FAILED)
		return err_set(e, -errno, "kvm_run: %s", strerror(errno));
	if (ioctl(vm->vcpu, KVM_SET_CPUID2, &vmm->cpuid) < 0)
		return err_set(e, -errno, "KVM_SET_CPUID2: %s",
			       strerror(errno));
	vm->run->kvm_valid_regs = SYNC_ALL;
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
	vm->request_size = 0;
	vm->exits = 0;
	vm->log_lines = LOG_LINES;
	r = load_vectors(vm, s, e);
	return r == 0 && all ? load_rest(vm, s, e) : r;
}

int vm_complete(struct vm *vm)
{
	int r;

	/* The `out` is only finished by the next entry (KVM API, 5: "KVM_RUN",
	 * note on completing I/O), which does not get as far as the guest. */
	vm->run->immediate_exit = 1;
	r = ioctl(vm->vcpu, KVM_RUN, 0);
	vm->run->immediate_exit = 0;
	return r < 0 && errno == EINTR ? 0 : -EIO;
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
	vm->memory_size = boot->memory_size;
	vm->memory = mmap(NULL, boot->memory_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->memory == MAP_FAILED)
		return err_set(e, -errno, "guest memory: %s", strerror(errno));
	vm->owns_memory = true;
	r = create(vm, vmm, vm->memory, boot->image, boot->image_size, e);
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
	vm_prepare(vm, 1000000000, boot->output_limit);
	if (boot->trace)
		vm->log_lines = UINT32_MAX;
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
	r = create(vm, vmm, source->locked, source->image, source->image_size,
		   e);
	if (r == 0)
		r = load_state(vm, source->state, e);
	if (r)
		vm_destroy(vm);
	return r;
}

/* ---- guest memory ---- */

void *vm_memory(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	if (gpa > vm->memory_size || size > vm->memory_size - gpa)
		return NULL;
	return vm->memory + gpa;
}

static volatile struct zb_control *control_page(const struct vm *vm)
{
	return (volatile struct zb_control *)(vm->memory + ZB_CONTROL_GPA);
}

static void fill_random(volatile void *to, size_t size)
{
	/* No entropy: two runs would draw the same numbers. */
	if (getrandom((void *)(uintptr_t)to, size, 0) != (ssize_t)size)
		abort();
}

void vm_seed(struct vm *vm)
{
	fill_random(control_page(vm)->seed, ZB_SEED_SIZE);
	fill_random(vm->memory + ZB_RANDOM_GPA, vm->random_size);
	control_page(vm)->random_size = vm->random_size;
	vm->seeded = true;
}

void vm_learn(struct vm *vm)
{
	uint32_t used = control_page(vm)->random_used;

	if (used < ZB_RANDOM_SIZE - RANDOM_SPARE)
		vm->random_size = used + RANDOM_SPARE;
}

void vm_prepare(struct vm *vm, uint64_t mono_ns, uint32_t output_limit)
{
	volatile struct zb_control *c = control_page(vm);

	if (!vm->seeded)
		vm_seed(vm);
	c->output_limit =
		output_limit < ZB_OUTPUT_SIZE ? output_limit : ZB_OUTPUT_SIZE;
	c->stdout_size = c->stderr_size = 0;
	c->preempt = 0;
	c->wall_ns = clock_wall();
	c->mono_ns = mono_ns;
	vm->mono_offset = (int64_t)(mono_ns - clock_mono());
}

int vm_exit_code(const struct vm *vm)
{
	return (int)(control_page(vm)->exit_code & 0xff);
}

const void *vm_output(const struct vm *vm, int stream, uint32_t limit,
		      size_t *size, uint64_t *total)
{
	volatile struct zb_control *c = control_page(vm);

	*total = stream == 1 ? c->stdout_size : c->stderr_size;
	if (limit > ZB_OUTPUT_SIZE)
		limit = ZB_OUTPUT_SIZE;
	*size = *total < limit ? (size_t)*total : limit;
	return vm->memory + (stream == 1 ? ZB_STDOUT_GPA : ZB_STDERR_GPA);
}

int vm_dirty_log(const struct vm *vm, uint64_t *log)
{
	struct kvm_dirty_log l = { .slot = SLOT_MEMORY, .dirty_bitmap = log };

	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &l) < 0 ? -errno : 0;
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

/* ---- running ---- */

static void on_tick(int signal)
{
	struct kvm_run *run = running;

	(void)signal;
	/* So that an entry that is about to happen returns at once. */
	if (run)
		run->immediate_exit = 1;
}

static timer_t tick_timer;
static bool tick_ready;

int vm_tick_open(struct err *e)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGALRM };

	if (tick_ready)
		return 0;
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &tick_timer) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	tick_ready = true;
	return 0;
}

static int tick_start(struct err *e)
{
	struct itimerspec t = { .it_interval.tv_nsec = TICK_NS,
				.it_value.tv_nsec = TICK_NS };
	int r = vm_tick_open(e);

	if (r)
		return r;
	if (timer_settime(tick_timer, 0, &t, NULL) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	return 0;
}

static void tick_stop(void)
{
	struct itimerspec t = { 0 };

	timer_settime(tick_timer, 0, &t, NULL);
}

/*
 * A tick has taken the vCPU out of KVM_RUN. If the program runs, it is made to
 * call preempt_entry; if the kernel runs, or an exception is on its way in (it
 * would be delivered at the changed RIP), a flag tells the kernel instead.
 */
static void deliver_tick(struct vm *vm)
{
	volatile struct zb_control *c = control_page(vm);
	struct kvm_sync_regs *s = &vm->run->s.regs;

	if (!c->want_tick)
		return;
	if ((s->regs.rip >= vm->text_start && s->regs.rip < vm->text_end) ||
	    s->events.exception.injected || s->events.exception.pending) {
		c->preempt = 1;
		return;
	}
	c->preempt_rip = s->regs.rip;
	s->regs.rip = vm->preempt_entry;
	vm->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/* Sleeps until the guest's earliest timer or the deadline. */
static void idle(struct vm *vm, uint64_t deadline)
{
	uint64_t until = control_page(vm)->idle_until;
	struct timespec t;

	if (until != UINT64_MAX)
		until -= (uint64_t)vm->mono_offset;
	if (until > deadline)
		until = deadline;
	if (until > UINT64_MAX / 2)
		until = UINT64_MAX / 2;
	t.tv_sec = (time_t)(until / 1000000000);
	t.tv_nsec = (long)(until % 1000000000);
	tick_stop();
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) ==
	       EINTR)
		;
	vm->run->immediate_exit = 0;
	tick_start(NULL);
}

/* Copies the guest's log line, made printable. */
static size_t copy_log(const struct vm *vm, char *line, size_t size)
{
	volatile struct zb_control *c = control_page(vm);
	size_t n = c->log_size;

	if (n > ZB_LOG_SIZE)
		n = ZB_LOG_SIZE;
	if (n > size - 1)
		n = size - 1;
	for (size_t i = 0; i < n; i++) {
		line[i] = c->log[i];
		if (line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n] = 0;
	return n;
}

static void write_log(struct vm *vm)
{
	char line[ZB_LOG_SIZE + 64];
	size_t prefix = strlen(vm->log_prefix), n;

	if (vm->log_lines == 0 || prefix > 60)
		return;
	if (vm->log_lines != UINT32_MAX) {
		struct pollfd p = { .fd = vm->log_fd, .events = POLLOUT };

		/* A run does not wait for whoever does not read the log. */
		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
			return;
		vm->log_lines--;
	}
	memcpy(line, vm->log_prefix, prefix);
	n = prefix + copy_log(vm, line + prefix, sizeof(line) - prefix - 1);
	line[n++] = '\n';
	(void)!write(vm->log_fd, line, n);
}

static enum vm_event fault(struct vm *vm, struct err *e)
{
	struct kvm_run *run = vm->run;
	uint64_t rip = run->s.regs.regs.rip;

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		err_set(e, -EIO, "guest: triple fault");
		break;
	case KVM_EXIT_HLT:
		err_set(e, -EIO, "guest: halted at %#llx",
			(unsigned long long)rip);
		break;
	case KVM_EXIT_MMIO:
		err_set(e, -EIO, "guest: access to %#llx, which is no memory, at %#llx",
			(unsigned long long)run->mmio.phys_addr,
			(unsigned long long)rip);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		err_set(e, -EIO, "KVM internal error %u at %#llx",
			run->internal.suberror, (unsigned long long)rip);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		err_set(e, -EIO, "KVM entry failed: %#llx",
			(unsigned long long)
				run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		err_set(e, -EIO, "guest: unexpected exit %u at %#llx",
			run->exit_reason, (unsigned long long)rip);
	}
	return VM_FAULT;
}

/* The code of a hypercall, or 0 for any other exit. */
static uint32_t hypercall_code(const struct vm *vm)
{
	const struct kvm_run *run = vm->run;
	uint32_t code;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != ZB_PORT ||
	    run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 ||
	    run->io.count != 1 || run->io.data_offset > vm->run_size - 4)
		return 0;
	memcpy(&code, (const char *)run + run->io.data_offset, 4);
	return code;
}

/* One exit; true when *event is to be returned. */
static bool handle_exit(struct vm *vm, uint64_t deadline, enum vm_event *event,
			struct err *e)
{
	char line[200];

	vm->exits++;
	switch (hypercall_code(vm)) {
	case ZB_HC_READY:
		*event = VM_READY;
		return true;
	case ZB_HC_EXIT:
		*event = VM_EXIT;
		return true;
	case ZB_HC_IDLE:
		if (control_page(vm)->idle_until == UINT64_MAX &&
		    deadline == UINT64_MAX) {
			err_set(e, -EDEADLK, "guest: all threads wait forever");
			*event = VM_FAULT;
			return true;
		}
		idle(vm, deadline);
		if (clock_mono() < deadline)
			return false;
		*event = VM_TIMEOUT;
		return true;
	case ZB_HC_LOG:
		write_log(vm);
		return false;
	case ZB_HC_PANIC:
		copy_log(vm, line, sizeof(line));
		err_set(e, -EIO, "guest kernel: %s", line);
		*event = VM_FAULT;
		return true;
	default:
		*event = fault(vm, e);
		return true;
	}
}

/*
 * On kvm-pvm the guest's DS, ES, FS and GS are this thread's, and no register
 * of the vCPU shows them: a run would find what an earlier one left, even one
 * of another VM. They are 0 in a process of Linux.
 */
static void clear_segments(void)
{
	uint32_t ds, es, fs, gs;
	uint64_t base;

	__asm__ volatile("mov %%ds, %0\n\tmov %%es, %1\n\t"
			 "mov %%fs, %2\n\tmov %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	if (!(ds | es | fs | gs))
		return;
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs"
			 :
			 : "r"(0));
	/* libc's thread is found by FS.base, which goes with the selector. */
	if (fs && getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
		__asm__ volatile("rdfsbase %0\n\tmov %1, %%fs\n\twrfsbase %0"
				 : "=&r"(base)
				 : "r"(0));
}

enum vm_event vm_run(struct vm *vm, uint64_t deadline, struct err *e)
{
	enum vm_event event = VM_FAULT;

	vm->seeded = false;
	clear_segments();
	running = vm->run;
	vm->run->immediate_exit = 0;
	if (tick_start(e) < 0)
		return VM_FAULT;
	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, 0) == 0) {
			if (handle_exit(vm, deadline, &event, e))
				break;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN) {
			err_set(e, -errno, "KVM_RUN: %s", strerror(errno));
			break;
		}
		vm->exits++;
		vm->run->immediate_exit = 0;
		if (clock_mono() >= deadline) {
			event = VM_TIMEOUT;
			break;
		}
		deliver_tick(vm);
	}
	tick_stop();
	running = NULL;
	return event;
}
