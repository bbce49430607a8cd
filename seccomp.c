#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTER_MAX 512
#define CONDITIONS 2

/* A condition: (argument & mask) == value. The kernel takes descriptors,
 * request numbers and flags as 32 bits, so that these are all that count. */
struct condition {
	enum { ALWAYS, NUMBER, FILE_NUMBER } kind;
	uint8_t argument;
	uint32_t mask;
	uint32_t value; /* FILE_NUMBER: offset in struct seccomp_files */
};

struct rule {
	uint32_t call;
	struct condition conditions[CONDITIONS];
};

#define FILE_IS(n, name)                                                       \
	{                                                                      \
		FILE_NUMBER, n, ~0u, offsetof(struct seccomp_files, name)      \
	}
#define IS(n, number)                                                          \
	{                                                                      \
		NUMBER, n, ~0u, (uint32_t)(number)                             \
	}
#define WITHOUT(n, bits)                                                       \
	{                                                                      \
		NUMBER, n, bits, 0                                             \
	}
#define KVM(name, request)                                                     \
	{                                                                      \
		SYS_ioctl,                                                     \
		{                                                              \
			FILE_IS(0, name), IS(1, request)                       \
		}                                                              \
	}

/* Any one that fits allows the call. The hottest come first. */
static const struct rule rules[] = {
	KVM(vcpu, KVM_RUN),
	KVM(vm, KVM_GET_DIRTY_LOG),
	KVM(vm, KVM_CLEAR_DIRTY_LOG),
	KVM(vcpu, KVM_SET_XCRS),
	KVM(vcpu, KVM_SET_XSAVE),
	KVM(vcpu, KVM_SET_DEBUGREGS),
	KVM(vcpu, KVM_SET_MSRS),
	KVM(vcpu, KVM_GET_XSAVE), /* a session's state */
	/* a new VM */
	KVM(kvm, KVM_CREATE_VM),
	KVM(vm, KVM_ENABLE_CAP),
	KVM(vm, KVM_SET_USER_MEMORY_REGION),
	KVM(vm, KVM_X86_SET_MSR_FILTER),
	KVM(vm, KVM_CREATE_VCPU),
	KVM(vcpu, KVM_SET_CPUID2),
	KVM(vcpu, KVM_SET_SREGS),
#ifdef ZEROBOOT_DEBUG /* recycle_verify */
	KVM(vcpu, KVM_GET_REGS),
	KVM(vcpu, KVM_GET_SREGS),
	KVM(vcpu, KVM_GET_XCRS),
	KVM(vcpu, KVM_GET_VCPU_EVENTS),
	KVM(vcpu, KVM_GET_DEBUGREGS),
	KVM(vcpu, KVM_GET_MSRS),
#endif
	/* the channel */
	{ SYS_futex, { { 0 } } },
	{ SYS_recvfrom, { FILE_IS(0, channel) } },
	{ SYS_sendmsg, { FILE_IS(0, channel) } },
	{ SYS_poll, { { 0 } } },
	{ SYS_sched_yield, { { 0 } } },
	/* time: the tick, a guest that sleeps, clocks where the vDSO has none */
	{ SYS_timer_settime, { { 0 } } },
	{ SYS_rt_sigreturn, { { 0 } } },
	{ SYS_clock_gettime, { { 0 } } },
	{ SYS_ppoll, { { 0 } } },
	{ SYS_restart_syscall, { { 0 } } },
	{ SYS_getrandom, { { 0 } } },
	/* memory, never executable */
	{ SYS_madvise, { IS(2, MADV_DONTNEED) } },
	{ SYS_madvise, { IS(2, MADV_FREE) } },
	{ SYS_madvise, { IS(2, MADV_HUGEPAGE) } },
	{ SYS_madvise, { IS(2, MADV_NOHUGEPAGE) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), FILE_IS(4, memory) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), FILE_IS(4, image) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), FILE_IS(4, file) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), FILE_IS(4, source) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), FILE_IS(4, vcpu) } },
	{ SYS_mmap, { WITHOUT(2, PROT_EXEC), IS(4, -1) } },
	{ SYS_mprotect, { WITHOUT(2, PROT_EXEC) } },
	{ SYS_munmap, { { 0 } } },
	{ SYS_brk, { { 0 } } },
	{ SYS_close, { FILE_IS(0, vcpu) } },
	{ SYS_close, { FILE_IS(0, vm) } },
	/* a template that has been loaded since */
	{ SYS_fcntl, { FILE_IS(0, memory), IS(1, F_GET_SEALS) } },
	{ SYS_lseek, { FILE_IS(0, memory) } },
	{ SYS_lseek, { FILE_IS(0, image) } },
	{ SYS_lseek, { FILE_IS(0, source) } },
	{ SYS_pread64, { FILE_IS(0, memory) } },
	/* the log */
	{ SYS_write, { FILE_IS(0, log) } },
	{ SYS_writev, { FILE_IS(0, log) } },
	/* the end */
	{ SYS_exit_group, { { 0 } } },
#ifdef __SANITIZE_ADDRESS__ /* what its run time does by itself */
	{ SYS_ioctl, { FILE_IS(0, log), IS(1, TCGETS) } },
	{ SYS_pipe2,
	  { { 0 } } }, /* whether memory can be read: by writing it */
	{ SYS_write, { { 0 } } },
	{ SYS_read, { { 0 } } },
	{ SYS_close, { { 0 } } },
	{ SYS_mremap, { { 0 } } },
	{ SYS_madvise, { IS(2, MADV_DONTDUMP) } }, /* shadow of much memory */
	{ SYS_rt_sigprocmask, { { 0 } } },
	{ SYS_rt_sigaction, { { 0 } } },
	{ SYS_sigaltstack, { { 0 } } },
	{ SYS_getpid, { { 0 } } },
	{ SYS_gettid, { { 0 } } },
	{ SYS_open, { { 0 } } }, /* nothing: the root is empty */
	{ SYS_openat, { { 0 } } },
	{ SYS_readlink, { { 0 } } },
	{ SYS_newfstatat, { { 0 } } },
#endif
};

#define RULES (sizeof(rules) / sizeof(rules[0]))

/* ---- the filter ---- */

struct filter {
	struct sock_filter code[FILTER_MAX];
	uint16_t size;
};

static void put(struct filter *f, uint16_t code, uint32_t k, uint8_t yes,
		uint8_t no)
{
	/* One too long is not cut: seccomp_enter looks at the size. */
	if (f->size < FILTER_MAX)
		f->code[f->size] = (struct sock_filter){ code, yes, no, k };
	f->size++;
}

static void put_load(struct filter *f, size_t offset)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void put_end(struct filter *f, uint32_t action)
{
	put(f, BPF_RET | BPF_K, action, 0, 0);
}

static int file_number(const struct seccomp_files *files, uint32_t offset)
{
	int fd;

	memcpy(&fd, (const char *)files + offset, sizeof(fd));
	return fd;
}

/* Allows the call if all conditions hold, else falls through. */
static void put_rule(struct filter *f, const struct rule *rule,
		     const struct seccomp_files *files)
{
	uint16_t tests[CONDITIONS];
	int count = 0;

	for (int i = 0; i < CONDITIONS; i++) {
		const struct condition *c = &rule->conditions[i];
		uint32_t value = c->value;

		if (c->kind == ALWAYS)
			continue;
		if (c->kind == FILE_NUMBER)
			value = (uint32_t)file_number(files, c->value);
		/* Little-endian: the low half comes first. */
		put_load(f, offsetof(struct seccomp_data, args) +
				    sizeof(uint64_t) * c->argument);
		if (c->mask != ~0u)
			put(f, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
		tests[count++] = f->size;
		put(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
	}
	put_end(f, SECCOMP_RET_ALLOW);
	for (int i = 0; i < count && f->size <= FILTER_MAX; i++)
		f->code[tests[i]].jf = (uint8_t)(f->size - tests[i] - 1);
}

static bool listed_before(size_t i)
{
	for (size_t before = 0; before < i; before++)
		if (rules[before].call == rules[i].call)
			return true;
	return false;
}

/* All rules of the call of rules[first]. */
static void put_call(struct filter *f, size_t first,
		     const struct seccomp_files *files)
{
	uint32_t call = rules[first].call;
	uint16_t skip;

	put(f, BPF_JMP | BPF_JEQ | BPF_K, call, 1, 0);
	skip = f->size;
	put(f, BPF_JMP | BPF_JA, 0, 0, 0);
	for (size_t i = first; i < RULES; i++)
		if (rules[i].call == call)
			put_rule(f, &rules[i], files);
	put_end(f, SECCOMP_RET_KILL_PROCESS);
	if (f->size <= FILTER_MAX)
		f->code[skip].k = (uint32_t)(f->size - skip - 1);
}

int seccomp_enter(const struct seccomp_files *files, struct err *e)
{
	struct filter f = { .size = 0 };
	struct sock_fprog program = { .filter = f.code };

	put_load(&f, offsetof(struct seccomp_data, arch));
	put(&f, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	put_end(&f, SECCOMP_RET_KILL_PROCESS);
	/* x32 has the same arch and numbers of its own: none is in the table. */
	put_load(&f, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < RULES; i++)
		if (!listed_before(i))
			put_call(&f, i, files);
	put_end(&f, SECCOMP_RET_KILL_PROCESS);
	if (f.size > FILTER_MAX)
		return err_set(e, -E2BIG, "seccomp: the list is too long");
	program.len = f.size;
	/* SPEC_ALLOW: a worker keeps the speculation settings of the host, see
	 * docs/security.md. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0)
		return err_set(e, -errno, "seccomp: %s", strerror(errno));
	return 0;
}
