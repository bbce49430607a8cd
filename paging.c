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
#include "cpu.h"
#include "vmm_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

	if (vm_run(vm, clock_mono() + PROBE_NS, e) != VM_READY)
		return -EIO;
	r = vm_dirty_log(vm, log);
	if (r)
		return err_set(e, r, "KVM_GET_DIRTY_LOG: %s", strerror(-r));
	return (log[root / 64] >> (root % 64) & 1) != 0;
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
	memcpy(vm_memory(&vm, vm.run->s.regs.regs.rip - ZB_KERNEL_BASE,
			 sizeof(program)),
	       program, sizeof(program));
	r = root_written(&vm, e);
	vm_destroy(&vm);
	if (r < 0)
		return r;
	vmm->nested_paging = r;
	/* EPT without the flags keeps its translations all the same. */
	vmm->needs_flush = r || cpu_has_vmx();
	return 0;
}
