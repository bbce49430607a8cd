/* fault.c: exceptions, after entry.S has brought them to CPL3. */
#include <asm/siginfo.h>
#include <asm/signal.h>

#include "mm/map.h"
#include "mm/user.h"
#include "operand.h"
#include "task/process.h"
#include "task/signal.h"

#define VECTOR_PF 14
#define VECTOR_UD 6
#define VECTOR_DB 1
#define VECTOR_MF 16
#define VECTOR_GP 13
#define VECTOR_AC 17
#define VECTOR_XM 19
/* Intel SDM 3A, 4.7. Only KVM's shadow of the tables has reserved bits set. */
#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_RESERVED 8
/* Intel SDM 3A, 2.3. */
#define RFLAGS_TF (1ull << 8)
#define RFLAGS_NT (1ull << 14) /* iretq does not go with it */
#define RFLAGS_AC (1ull << 18)

extern const u8 __text_start[], __text_end[], syscall_abort[];

static const struct thread *last_thread;
static u64 last_fault, last_calls, repeats;
static bool in_kernel_fault;

static bool from_kernel(const struct regs *r)
{
	return r->rip >= (u64)__text_start && r->rip < (u64)__text_end;
}

/* Intel SDM 3A, table 6-1, and what Linux makes of each. */
static const struct {
	s32 signo, code;
} signals[32] = {
	[0] = { SIGFPE, FPE_INTDIV },  [1] = { SIGTRAP, TRAP_TRACE },
	[3] = { SIGTRAP, SI_KERNEL },  [4] = { SIGSEGV, SI_KERNEL },
	[5] = { SIGSEGV, SI_KERNEL },  [6] = { SIGILL, ILL_ILLOPN },
	[11] = { SIGBUS, SI_KERNEL },  [12] = { SIGBUS, SI_KERNEL },
	[17] = { SIGBUS, BUS_ADRALN },
};

static bool has_address(u64 vector)
{
	return vector == 0 || vector == 1 || vector == VECTOR_UD;
}

/* The bits are the same in the x87 status word and in MXCSR. */
static int float_code(u64 vector)
{
	u16 control_word, status;
	u32 mxcsr, raised;

	if (vector == VECTOR_MF) {
		__asm__ volatile("fnstcw %0" : "=m"(control_word));
		__asm__ volatile("fnstsw %0" : "=m"(status));
		raised = (u32)status & ~(u32)control_word;
	} else {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		raised = mxcsr & ~(mxcsr >> 7);
	}
	if (raised & 1)
		return FPE_FLTINV;
	if (raised & 4)
		return FPE_FLTDIV;
	if (raised & 8)
		return FPE_FLTOVF;
	if (raised & 0x12)
		return FPE_FLTUND;
	return raised & 0x20 ? FPE_FLTRES : SI_KERNEL;
}

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

/* A thread faults at the same address again and again, and no system call may
 * have taken the page away: the entry must be right, so something else is wrong;
 * better a signal than an endless loop. */
static bool stuck(u64 cr2, const struct regs *r)
{
	if (current != last_thread || cr2 + r->rip != last_fault ||
	    control->syscalls != last_calls) {
		last_thread = current;
		last_fault = cr2 + r->rip;
		last_calls = control->syscalls;
		repeats = 0;
	}
	return ++repeats > 100;
}

/* A system call touched an address of the program's that it should have left to
 * the gate: it ends with EFAULT. False: it was none of the program's. */
static bool abort_call(struct regs *r, u64 cr2)
{
	if (current->regs->orig_rax == NO_CALL || !mm_fixed_ok(cr2, 1))
		return false;
	klog("system call %lu: fault at %lx, address %lx",
	     current->regs->orig_rax, r->rip, cr2);
	r->rip = (u64)syscall_abort;
	r->rsp = (u64)current->regs;
	return true;
}

static void page_fault(struct regs *r, u64 error, u64 cr2)
{
	long result = mm_fault(cr2, (error & PF_WRITE) != 0);

	control->page_faults++;
	current->usage.faults++;
	if (result == 0 && !stuck(cr2, r))
		return;
	if (result == -ENOMEM) {
		process_out_of_memory();
		if (!current->ending)
			return; /* another one gave its memory: once more */
	}
	if (from_kernel(r)) {
		u64 resume = user_resume(r->rip);

		if (resume)
			r->rip = resume;
		else if (!abort_call(r, cr2))
			panic("page fault at %lx, address %lx, error %lx",
			      r->rip, cr2, error);
		return;
	}
	if (current->ending) {
		exit_work(r);
		return;
	}
	error &= ~(u64)PF_RESERVED;
	if (cr2 >= USER_TOP)
		error |= PF_PRESENT; /* as Linux says of what is its own */
	if (result == -ENXIO)
		send_fault(r, VECTOR_PF, error, cr2, SIGBUS, BUS_ADRERR, cr2);
	else
		send_fault(r, VECTOR_PF, error, cr2, SIGSEGV,
			   result == -EFAULT ? SEGV_MAPERR : SEGV_ACCERR, cr2);
}

static void other_fault(struct regs *r, u64 vector, u64 error)
{
	int signo = SIGSEGV, code = SI_KERNEL;
	u64 cr2 = current->cr2; /* stays the last one's */

	if (vector == VECTOR_UD)
		vector = operand_exception(r, &error);
	if (vector == VECTOR_MF || vector == VECTOR_XM) {
		send_fault(r, vector, error, cr2, SIGFPE, float_code(vector),
			   r->rip);
		return;
	}
	if (vector < 32 && signals[vector].signo) {
		signo = signals[vector].signo;
		code = signals[vector].code;
	}
	send_fault(r, vector, error, cr2, signo, code,
		   has_address(vector) ? r->rip : 0);
}

/* The program's flags that trouble the kernel, which a patched call enters with
 * them; the program has them back on the way out. */
static bool calm(struct regs *r, u64 vector)
{
	u64 flag = vector == VECTOR_AC ? RFLAGS_AC :
		   vector == VECTOR_DB ? RFLAGS_TF :
		   vector == VECTOR_GP ? r->rflags & RFLAGS_NT :
					 0;

	r->rflags &= ~flag;
	return flag;
}

/* From entry.S. */
void exception_handle(struct regs *r, u64 vector, u64 error, u64 cr2);
void exception_handle(struct regs *r, u64 vector, u64 error, u64 cr2)
{
	bool kernel = from_kernel(r);

	if (kernel && calm(r, vector))
		return;
	if (kernel) {
		if (in_kernel_fault || vector != VECTOR_PF)
			panic("exception %lu at %lx, error %lx, address %lx",
			      vector, r->rip, error, cr2);
		in_kernel_fault = true;
	} else {
		usage_enter();
	}
	if (vector == VECTOR_PF)
		page_fault(r, error, cr2);
	else
		other_fault(r, vector, error);
	if (kernel)
		in_kernel_fault = false;
	else
		usage_leave();
}
