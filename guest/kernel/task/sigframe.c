/* sigframe.c: the frame of a signal handler, as Linux builds it on x86-64. */
#include <asm/sigcontext.h>
#include <linux/signal.h>

#include <asm/ucontext.h>

#include "mm/user.h"
#include "patch.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

#define RED_ZONE 128 /* System V ABI AMD64, 3.2.2 */
#define FLAG_MASK 0x50dd5ull /* what a program may set: SDM 1, 3.4.3 */
#define XSAVE_LEGACY 512     /* SDM 1, 13.4.1: the header follows */

struct frame {
	u64 return_address;
	struct ucontext uc;
	siginfo_t info;
};

void signal_fill_fields(siginfo_t *out, const struct sigqueue_info *info)
{
	switch (info->signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		if (info->code > 0) {
			out->si_addr = (void *)info->value;
			return;
		}
		break;
	}
	if (info->code == SI_TIMER) {
		out->si_tid = info->pid;
		out->si_overrun = 0;
		out->si_ptr = (void *)info->value;
		return;
	}
	out->si_pid = info->pid;
	out->si_uid = (u32)info->uid;
	if (info->code < 0 && info->code != SI_TKILL)
		out->si_ptr = (void *)info->value;
}

static bool on_altstack(const struct thread *t, u64 sp)
{
	return t->altstack_size && sp - t->altstack_sp <= t->altstack_size;
}

/* The extended state at address, 64-aligned, with the marks that programs look
 * for: Linux, asm/sigcontext.h, struct _fpx_sw_bytes. */
static void save_extended(u64 address)
{
	struct _fpx_sw_bytes *software = (void *)(address + 464);
	u32 magic = FP_XSTATE_MAGIC2;

	memset((void *)(address + XSAVE_LEGACY), 0, 64);
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(address), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	memset(software, 0, sizeof(*software));
	software->magic1 = FP_XSTATE_MAGIC1;
	software->extended_size = xsave_size + FP_XSTATE_MAGIC2_SIZE;
	software->xfeatures = xsave_mask;
	software->xstate_size = xsave_size;
	memcpy((void *)(address + xsave_size), &magic, sizeof(magic));
}

static void save_registers(struct sigcontext *c, const struct regs *r,
			   const struct thread *t)
{
	c->r8 = r->r8;
	c->r9 = r->r9;
	c->r10 = r->r10;
	c->r11 = r->r11;
	c->r12 = r->r12;
	c->r13 = r->r13;
	c->r14 = r->r14;
	c->r15 = r->r15;
	c->rdi = r->rdi;
	c->rsi = r->rsi;
	c->rbp = r->rbp;
	c->rbx = r->rbx;
	c->rdx = r->rdx;
	c->rax = r->rax;
	c->rcx = r->rcx;
	c->rsp = r->rsp;
	c->rip = patch_to_original(r->rip);
	c->eflags = r->rflags;
	c->cs = ZB_SEL_UCODE;
	c->ss = ZB_SEL_UDATA;
	c->err = t->error_code;
	c->trapno = t->trap_number;
	c->cr2 = t->cr2;
}

bool sigframe_push(struct regs *r, struct thread *t, const struct action *a,
		   int signo, const struct sigqueue_info *info, sigset mask)
{
	u64 sp = r->rsp - RED_ZONE, extended;
	u32 disarm = t->altstack_flags & SS_AUTODISARM;
	struct frame *f;

	if ((a->flags & SA_ONSTACK) && t->altstack_size &&
	    !on_altstack(t, r->rsp))
		sp = t->altstack_sp + t->altstack_size;
	extended = (sp - xsave_size - FP_XSTATE_MAGIC2_SIZE) & ~63ull;
	/* 16-aligned as before the call that pushed the return address */
	sp = ((extended - sizeof(*f)) & ~15ull) - 8;
	if (!user_writable(sp, r->rsp > sp && r->rsp - sp < 16384 ?
				       r->rsp - sp :
				       extended + xsave_size + 4 - sp))
		return false;
	f = (struct frame *)sp;
	memset(f, 0, sizeof(*f));
	save_extended(extended);
	f->return_address = a->restorer;
	f->uc.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f->uc.uc_stack.ss_sp = (void *)t->altstack_sp;
	f->uc.uc_stack.ss_size = t->altstack_size;
	f->uc.uc_stack.ss_flags =
		(int)t->altstack_flags |
		(!t->altstack_size	   ? SS_DISABLE :
		 on_altstack(t, r->rsp) ? SS_ONSTACK :
					     0);
	save_registers((struct sigcontext *)&f->uc.uc_mcontext, r, t);
	f->uc.uc_mcontext.fpstate = (void *)extended;
	memcpy(&f->uc.uc_sigmask, &mask, sizeof(mask));
	f->info.si_signo = info->signo;
	f->info.si_errno = info->errno_;
	f->info.si_code = info->code;
	signal_fill_fields(&f->info, info);
	if (disarm)
		t->altstack_size = t->altstack_sp = t->altstack_flags = 0;
	r->rdi = (u64)signo;
	r->rsi = (u64)&f->info;
	r->rdx = (u64)&f->uc;
	r->rax = 0;
	r->rip = a->handler;
	r->rsp = sp;
	r->rflags &= ~0x500ull; /* DF, TF */
	r->orig_rax = ~0ull;    /* no restart, and the full way out */
	return true;
}

/* False when the program has spoilt its frame. */
static bool restore_extended(u64 address)
{
	u64 *header = (u64 *)(address + XSAVE_LEGACY);
	u32 *mxcsr = (u32 *)(address + 24);

	if (address == 0)
		return true;
	if ((address & 63) || !user_writable(address, xsave_size))
		return false;
	/* So that xrstor cannot fault: SDM 1, 13.8. */
	header[0] &= xsave_mask;
	memset(header + 1, 0, 56);
	*mxcsr &= 0xffff;
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(address), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	return true;
}

long sys_rt_sigreturn(void)
{
	struct regs *r = current->regs;
	u64 address = r->rsp - 8; /* the handler's `ret` took the first word */
	const struct frame *f = (const struct frame *)address;
	const struct sigcontext *c;
	struct thread *t = current;
	sigset mask;

	if (!user_readable(address, sizeof(*f)))
		process_exit(128 + SIGSEGV);
	c = (const struct sigcontext *)&f->uc.uc_mcontext;
	memcpy(&mask, &f->uc.uc_sigmask, sizeof(mask));
	t->blocked = mask & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
	r->r8 = c->r8;
	r->r9 = c->r9;
	r->r10 = c->r10;
	r->r11 = c->r11;
	r->r12 = c->r12;
	r->r13 = c->r13;
	r->r14 = c->r14;
	r->r15 = c->r15;
	r->rdi = c->rdi;
	r->rsi = c->rsi;
	r->rbp = c->rbp;
	r->rbx = c->rbx;
	r->rdx = c->rdx;
	r->rax = c->rax;
	r->rcx = c->rcx;
	r->rsp = c->rsp;
	r->rip = patch_from_original(c->rip);
	r->rflags = (c->eflags & FLAG_MASK) | 0x202;
	r->cs = ZB_SEL_UCODE;
	r->ss = ZB_SEL_UDATA;
	r->orig_rax = ~0ull;
	if (!(f->uc.uc_stack.ss_flags & SS_DISABLE)) {
		t->altstack_sp = (u64)f->uc.uc_stack.ss_sp;
		t->altstack_size = f->uc.uc_stack.ss_size;
		t->altstack_flags =
			(u32)f->uc.uc_stack.ss_flags & SS_AUTODISARM;
	}
	if (!restore_extended((u64)c->fpstate))
		process_exit(128 + SIGSEGV);
	return 0;
}
