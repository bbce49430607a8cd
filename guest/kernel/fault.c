/* fault.c: exceptions, after entry.S has brought them to CPL3. */
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "mm/map.h"
#include "mm/user.h"
#include "task/process.h"
#include "task/signal.h"

#define VECTOR_PF 14
#define PF_WRITE 2 /* Intel SDM 3A, 4.7 */

extern const u8 __text_start[], __text_end[];

static u64 last_fault, repeats;
static bool in_kernel_fault;

static bool from_kernel(const struct regs *r)
{
	return r->rip >= (u64)__text_start && r->rip < (u64)__text_end;
}

/* Intel SDM 3A, table 6-1, and what Linux makes of each. */
static const struct {
	s32 signo, code;
} signals[32] = {
	[0] = { SIGFPE, FPE_INTDIV },
	[1] = { SIGTRAP, TRAP_TRACE },
	[3] = { SIGTRAP, SI_KERNEL },
	[4] = { SIGSEGV, SI_KERNEL },
	[5] = { SIGSEGV, SI_KERNEL },
	[6] = { SIGILL, ILL_ILLOPN },
	[7] = { SIGFPE, FPE_FLTINV },
	[16] = { SIGFPE, FPE_FLTINV },
	[17] = { SIGBUS, BUS_ADRALN },
	[19] = { SIGFPE, FPE_FLTINV },
};

static void send_fault(struct regs *r, u64 vector, u64 error, u64 cr2,
		       int signo, int code, u64 address)
{
	struct sigqueue_info info = { .signo = signo,
				      .code = code,
				      .address = address };

	current->regs = r;
	signal_fault(current, &info, vector, error, cr2);
	exit_work(r);
}

/* The same address again and again: the entry must be right, so something else
 * is wrong; better a signal than an endless loop. */
static bool stuck(u64 cr2, const struct regs *r)
{
	if (cr2 + r->rip != last_fault) {
		last_fault = cr2 + r->rip;
		repeats = 0;
	}
	return ++repeats > 100;
}

static void page_fault(struct regs *r, u64 error, u64 cr2)
{
	long result = mm_fault(cr2, (error & PF_WRITE) != 0);

	control->page_faults++;
	current->usage.faults++;
	if (result == 0 && !stuck(cr2, r))
		return;
	if (result == -ENOMEM) {
		klog("out of memory at a page fault: killed");
		process_out_of_memory();
	}
	if (from_kernel(r)) {
		u64 resume = user_resume(r->rip);

		if (resume) {
			r->rip = resume;
			return;
		}
		panic("page fault at %lx, address %lx, error %lx", r->rip, cr2,
		      error);
	}
	if (result == -ENXIO)
		send_fault(r, VECTOR_PF, error, cr2, SIGBUS, BUS_ADRERR, cr2);
	else
		send_fault(r, VECTOR_PF, error, cr2, SIGSEGV,
			   result == -EFAULT ? SEGV_MAPERR : SEGV_ACCERR, cr2);
}

/* From entry.S. */
void exception_handle(struct regs *r, u64 vector, u64 error, u64 cr2);
void exception_handle(struct regs *r, u64 vector, u64 error, u64 cr2)
{
	bool kernel = from_kernel(r);

	if (kernel) {
		if (in_kernel_fault || vector != VECTOR_PF)
			panic("exception %lu at %lx, error %lx, address %lx",
			      vector, r->rip, error, cr2);
		in_kernel_fault = true;
	}
	if (vector == VECTOR_PF)
		page_fault(r, error, cr2);
	else if (vector < 32 && signals[vector].signo)
		send_fault(r, vector, error, cr2, signals[vector].signo,
			   signals[vector].code, vector == 3 ? 0 : r->rip);
	else /* #GP, #SS and the like */
		send_fault(r, vector, error, cr2, SIGSEGV, SI_KERNEL, 0);
	if (kernel)
		in_kernel_fault = false;
}
