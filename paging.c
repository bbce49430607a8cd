/*
 * paging.c: with nested paging the CPU walks the guest's page tables itself and
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
#include "paging.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "cpu.h"
#include "vmm_run.h"

#define PROBE_NS 5000000000ull

/* mov $ZB_HC_READY, %eax; mov $ZB_PORT, %dx; out %eax, (%dx) */
static const uint8_t program[] = {
	0xb8,           ZB_HC_READY,  0,   0, 0, 0x66, 0xba,
	ZB_PORT & 0xff, ZB_PORT >> 8, 0xef
};

/* Runs vm, which writes no memory. 1: its page-table root is in the log all the
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

int paging_probe(struct vmm *vmm, struct err *e)
{
	const char *const none[] = { NULL };
	struct vm_boot boot = { .memory_size = ZB_MIN_MEMORY,
				.argv = none,
				.envp = none };
	struct vm vm;
	int r = vm_boot(&vm, vmm, &boot, e);

	if (r)
		return r;
	memcpy(control_write(&vm, vm.run->s.regs.regs.rip - ZB_KERNEL_BASE,
			     sizeof(program)),
	       program, sizeof(program));
	r = root_written(&vm, e);
	vm_destroy(&vm);
	if (r < 0)
		return r;
	set(vmm, r);
	return 0;
}

/* In a child: what it found, or why nothing, goes into the pipe. */
static void answer(int pipe)
{
	struct vmm vmm;
	struct err e = { "" };
	int r = vmm_open(&vmm, &e);

	if (r == 0)
		r = paging_probe(&vmm, &e);
	if (r == 0)
		err_set(&e, 0, "%s", words[vmm.nested_paging]);
	(void)!write(pipe, e.text, strlen(e.text));
	_exit(r ? 1 : 0);
}

const char *paging_ask(struct err *e)
{
	char said[sizeof(e->text)];
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
	for (int i = 0; status == 0 && i < 2; i++)
		if (!strcmp(said, words[i]))
			return words[i];
	err_set(e, -EIO, "%s", n > 0 ? said : "KVM: no VM can be made");
	return NULL;
}

int paging_set(struct vmm *vmm, const char *word, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		if (strcmp(word, words[i]))
			continue;
		set(vmm, i);
		return 0;
	}
	return err_set(e, -EINVAL, "--paging: %s", word);
}
