/*
 * host.c: with nested paging the CPU walks the guest's page tables itself and
 * takes each access to them for a write (AMD APM 2, 15.25.5; Intel SDM 3C,
 * 29.3.5, with accessed and dirty flags for EPT), so the dirty log shows every
 * page-table page that was used. With shadow paging KVM walks them, and all of
 * their accessed and dirty bits are set beforehand, so the log shows only what
 * the guest wrote. EPT without the flags looks like the latter and is treated
 * as such.
 *
 * Asking the module (kvm_amd's npt, kvm_intel's ept) would not tell the flags,
 * and nothing for a back end that is not known yet.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "cpu.h"
#include "vmm_run.h"

#define PROBE_NS 5000000000ull

/* Where the program writes what it found: memory that it may write. */
#define FOUND ZB_REQUEST_GPA

struct found {
	struct cpu_answer answers[CPU_QUERIES];
	uint32_t xcr0_low, xcr0_high;
};

struct code {
	uint8_t bytes[1024];
	size_t size;
};

static void put(struct code *c, const void *bytes, size_t size)
{
	memcpy(c->bytes + c->size, bytes, size);
	c->size += size;
}

static void put_number(struct code *c, uint8_t instruction, uint32_t n)
{
	put(c, &instruction, 1);
	put(c, &n, 4);
}

/* Asks CPUID and XGETBV at CPL3, as programs do, and says that it is ready. */
static void write_program(struct code *c)
{
	/* mov $to, %rdi */
	static const uint8_t target[] = { 0x48, 0xbf };
	/* cpuid; its four registers to (%rdi), which moves on */
	static const uint8_t cpuid[] = { 0x0f, 0xa2, 0x89, 0x07, 0x89, 0x5f,
					 0x04, 0x89, 0x4f, 0x08, 0x89, 0x57,
					 0x0c, 0x48, 0x83, 0xc7, 0x10 };
	/* xor %ecx, %ecx; xgetbv; its two registers to (%rdi) */
	static const uint8_t xgetbv[] = { 0x31, 0xc9, 0x0f, 0x01, 0xd0,
					  0x89, 0x07, 0x89, 0x57, 0x04 };
	/* mov $ZB_HC_READY, %eax; mov $ZB_PORT, %dx; out %eax, (%dx) */
	static const uint8_t ready[] = {
		0xb8,           ZB_HC_READY,  0,   0, 0, 0x66, 0xba,
		ZB_PORT & 0xff, ZB_PORT >> 8, 0xef
	};
	const uint64_t to = ZB_KERNEL_BASE + FOUND;

	c->size = 0;
	put(c, target, sizeof(target));
	put(c, &to, sizeof(to));
	for (unsigned n = 0; n < CPU_QUERIES; n++) {
		uint32_t leaf, index;

		cpu_query(n, &leaf, &index);
		put_number(c, 0xb8, leaf);  /* mov $leaf, %eax */
		put_number(c, 0xb9, index); /* mov $index, %ecx */
		put(c, cpuid, sizeof(cpuid));
	}
	put(c, xgetbv, sizeof(xgetbv));
	put(c, ready, sizeof(ready));
}

/* Runs vm, which writes no page table. 1: its page-table root is in the log all the
 * same; 0: it is not; -errno. */
static int root_written(struct vm *vm, struct err *e)
{
	uint64_t log[ZB_MIN_MEMORY / 4096 / 64];
	uint64_t root = vm->run->s.regs.sregs.cr3 / 4096;
	int r;

	switch (vm_run(vm, clock_mono() + PROBE_NS, e)) {
	case VM_READY:
		break;
	case VM_FAULT:
		return -EIO;
	default:
		return err_set(e, -EIO, "KVM: a VM does not run");
	}
	r = vm_dirty_log(vm, log);
	if (r)
		return err_set(e, r, "KVM_GET_DIRTY_LOG: %s", strerror(-r));
	return (log[root / 64] >> (root % 64) & 1) != 0;
}

/* Not nested, and nested. */
static const char *const words[] = { "shadow", "nested" };

static void set(struct vmm *vmm, bool nested)
{
	vmm->nested_paging = nested;
	/* EPT without the flags keeps its translations all the same. */
	vmm->needs_flush = nested || cpu_has_vmx();
}

int host_probe(struct vmm *vmm, struct err *e)
{
	const char *const none[] = { NULL };
	struct vm_boot boot = { .memory_size = ZB_MIN_MEMORY,
				.argv = none,
				.envp = none,
				.log = true };
	struct found found;
	struct code code;
	struct vm vm;
	int r = vm_boot(&vm, vmm, &boot, e);

	if (r)
		return r;
	write_program(&code);
	memcpy(control_write(&vm, vm.run->s.regs.regs.rip - ZB_KERNEL_BASE,
			     sizeof(code.bytes)),
	       code.bytes, code.size);
	r = root_written(&vm, e);
	memcpy(&found, control_at(&vm, FOUND, sizeof(found)), sizeof(found));
	vm_destroy(&vm);
	if (r < 0)
		return r;
	set(vmm, r);
	cpu_features_take(&vmm->features, found.answers,
			  (uint64_t)found.xcr0_high << 32 | found.xcr0_low);
	return 0;
}

/* WORD:FEATURES:XCR0, in hexadecimal. */
static void describe(const struct vmm *vmm, char *text, size_t size)
{
	size_t n =
		(size_t)snprintf(text, size, "%s", words[vmm->nested_paging]);

	for (int i = 0; i < CPU_WORDS; i++)
		n += (size_t)snprintf(text + n, size - n, ":%x",
				      vmm->features.words[i]);
	snprintf(text + n, size - n, ":%llx",
		 (unsigned long long)vmm->features.xcr0);
}

/* In a child: what it found, or why nothing, goes into the pipe. */
static void answer(int pipe)
{
	struct vmm vmm;
	struct err e = { "" };
	int r = vmm_open(&vmm, &e);

	if (r == 0)
		r = host_probe(&vmm, &e);
	if (r == 0)
		describe(&vmm, e.text, sizeof(e.text));
	(void)!write(pipe, e.text, strlen(e.text));
	_exit(r ? 1 : 0);
}

const char *host_ask(struct err *e)
{
	static char said[sizeof(e->text)];
	int pipe[2], status = 0;
	ssize_t n = -1;
	pid_t child;

	if (pipe2(pipe, O_CLOEXEC) < 0) {
		err_set(e, -errno, "pipe: %s", strerror(errno));
		return NULL;
	}
	child = fork();
	if (child == 0)
		answer(pipe[1]);
	if (child < 0)
		err_set(e, -errno, "fork: %s", strerror(errno));
	close(pipe[1]);
	if (child > 0) {
		n = read(pipe[0], said, sizeof(said) - 1);
		waitpid(child, &status, 0);
	}
	close(pipe[0]);
	if (child < 0)
		return NULL;
	said[n > 0 ? n : 0] = 0;
	if (status == 0 && n > 0)
		return said;
	err_set(e, -EIO, "%s", n > 0 ? said : "KVM: no VM can be made");
	err_machine();
	return NULL;
}

int host_features(struct cpu_features *f, const char *word, struct err *e)
{
	const char *at = strchr(word, ':');

	memset(f, 0, sizeof(*f));
	for (int i = 0; at && i <= CPU_WORDS; i++) {
		uint64_t n = strtoull(at + 1, NULL, 16);

		if (i == CPU_WORDS)
			f->xcr0 = n;
		else
			f->words[i] = (uint32_t)n;
		at = strchr(at + 1, ':');
		if (!at && i < CPU_WORDS)
			break;
		if (i == CPU_WORDS)
			return 0;
	}
	return err_set(e, -EINVAL, "--host: %s", word);
}

int host_set(struct vmm *vmm, const char *word, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		size_t n = strlen(words[i]);

		if (strncmp(word, words[i], n) || word[n] != ':')
			continue;
		set(vmm, i);
		return host_features(&vmm->features, word, e);
	}
	return err_set(e, -EINVAL, "--host: %s", word);
}
