/* sigframe.c: the frame of a signal handler, as Linux builds it on x86-64. */
#include <asm/sigcontext.h>
#include <linux/signal.h>

#include <asm/ucontext.h>

#include "mm/user.h"
#include "patch.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

#define RED_ZONE 128              /* System V ABI AMD64, 3.2.2 */
#define FLAG_MASK 0x50dd5ull      /* what a program may set: SDM 1, 3.4.3 */
#define HANDLER_CLEARS 0x10500ull /* DF, TF, RF */
/* SDM 1, 13.4: the legacy region with bytes for software in it, the header */
#define XSAVE_LEGACY 512
#define XSAVE_HEADER 64
#define SOFTWARE 464
#define LEGACY_FEATURES 3 /* x87 and SSE */

struct frame {
	u64 return_address;
	struct ucontext uc;
	siginfo_t info;
};

/* The extended state in t's own place for it, which is free while t runs, with
 * the marks that programs look for: Linux, asm/sigcontext.h, struct
 * _fpx_sw_bytes. The last mark follows behind xsave_size bytes. */
static void save_extended(const struct thread *t)
{
	struct _fpx_sw_bytes *software = (void *)((u8 *)t->xsave + SOFTWARE);

	memset((u8 *)t->xsave + XSAVE_LEGACY, 0, XSAVE_HEADER);
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(t->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	memset(software, 0, sizeof(*software));
	software->magic1 = FP_XSTATE_MAGIC1;
	software->extended_size = xsave_size + FP_XSTATE_MAGIC2_SIZE;
	software->xfeatures = xsave_mask;
	software->xstate_size = xsave_size;
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

u64 sigframe_size(void)
{
	/* what aligning the two parts takes at most */
	return sizeof(struct frame) + xsave_size + FP_XSTATE_MAGIC2_SIZE + 63 +
	       16;
}

/* Where the frame goes, 0: it does not fit the alternate stack. */
static u64 place(const struct regs *r, const struct thread *t,
		 const struct action *a, u64 *extended)
{
	bool alternate = altstack_holds(t, r->rsp);
	u64 sp = r->rsp - RED_ZONE;

	if (a->flags & SA_ONSTACK && t->altstack_size && !alternate) {
		sp = t->altstack_sp + t->altstack_size;
		alternate = true;
	}
	*extended = (sp - xsave_size - FP_XSTATE_MAGIC2_SIZE) & ~63ull;
	/* 16-aligned as before the call that pushed the return address */
	sp = ((*extended - sizeof(struct frame)) & ~15ull) - 8;
	/* A stack that is too small gets nothing written beneath it. */
	if (alternate &&
	    (sp <= t->altstack_sp || sp - t->altstack_sp > t->altstack_size))
		return 0;
	return sp;
}

static bool store(u64 sp, const struct frame *f, u64 extended,
		  const struct thread *t)
{
	u32 magic = FP_XSTATE_MAGIC2;

	save_extended(t);
	return !copy_to_user(sp, f, sizeof(*f)) &&
	       !copy_to_user(extended, t->xsave, xsave_size) &&
	       !copy_to_user(extended + xsave_size, &magic, sizeof(magic));
}

bool sigframe_push(struct regs *r, struct thread *t, const struct action *a,
		   int signo, const struct sigqueue_info *info, sigset mask)
{
	u64 extended, sp = place(r, t, a, &extended);
	struct frame f;

	if (!sp || !(a->flags & SA_RESTORER))
		return false;
	memset(&f, 0, sizeof(f));
	f.return_address = a->restorer;
	f.uc.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f.uc.uc_stack.ss_sp = (void *)t->altstack_sp;
	f.uc.uc_stack.ss_flags = (int)t->altstack_flags;
	f.uc.uc_stack.ss_size = t->altstack_size;
	save_registers((struct sigcontext *)&f.uc.uc_mcontext, r, t);
	f.uc.uc_mcontext.fpstate = (void *)extended;
	memcpy(&f.uc.uc_sigmask, &mask, sizeof(mask));
	memcpy(&f.info, info, sizeof(*info));
	if (!store(sp, &f, extended, t))
		return false;
	if (t->altstack_flags & SS_AUTODISARM)
		altstack_reset(t);
	r->rdi = (u64)signo;
	r->rsi = sp + offsetof(struct frame, info);
	r->rdx = sp + offsetof(struct frame, uc);
	r->rax = 0;
	r->rip = a->handler;
	r->rsp = sp;
	r->rflags &= ~HANDLER_CLEARS;
	r->orig_rax = NO_CALL; /* no restart, and the full way out */
	return true;
}

/* ---- the way back ---- */

/* False when the program has spoilt its frame. */
static bool restore_extended(const struct thread *t, u64 address)
{
	const struct _fpx_sw_bytes *software =
		(void *)((u8 *)t->xsave + SOFTWARE);
	u64 *header = (u64 *)((u8 *)t->xsave + XSAVE_LEGACY);
	u32 *mxcsr = (u32 *)((u8 *)t->xsave + 24);

	if (address == 0)
		return true;
	if ((address & 63) || copy_from_user(t->xsave, address, XSAVE_LEGACY))
		return false;
	if (software->magic1 != FP_XSTATE_MAGIC1) {
		header[0] = LEGACY_FEATURES;
	} else if (copy_from_user((u8 *)t->xsave + XSAVE_LEGACY,
				  address + XSAVE_LEGACY,
				  xsave_size - XSAVE_LEGACY)) {
		return false;
	}
	/* So that xrstor cannot fault: SDM 1, 13.8. */
	header[0] &= xsave_mask;
	memset(header + 1, 0, XSAVE_HEADER - 8);
	*mxcsr &= 0xffff;
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(t->xsave), "a"((u32)xsave_mask),
			   "d"((u32)(xsave_mask >> 32))
			 : "memory");
	return true;
}

static void restore_registers(struct regs *r, const struct sigcontext *c)
{
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
}

long sys_rt_sigreturn(void)
{
	struct regs *r = current->regs;
	struct thread *t = current;
	struct frame f;
	sigset mask;

	r->orig_rax = NO_CALL;
	/* the handler's `ret` took the first word */
	if (copy_from_user(&f, r->rsp - 8, sizeof(f)))
		goto bad;
	memcpy(&mask, &f.uc.uc_sigmask, sizeof(mask));
	signal_set_mask(mask);
	restore_registers(r, (struct sigcontext *)&f.uc.uc_mcontext);
	altstack_set(t, r->rsp, &f.uc.uc_stack);
	if (!restore_extended(t, (u64)f.uc.uc_mcontext.fpstate) ||
	    !signal_can_return(r->rip))
		goto bad;
	return 0;
bad:
	signal_force(t, &(struct sigqueue_info){ .signo = SIGSEGV,
						 .code = SI_KERNEL });
	return 0;
}
