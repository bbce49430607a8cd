/*
 * entry.S: the ways into the kernel and out of it.
 *
 * Back ends differ here and nowhere else: on kvm-pvm `syscall` stays at CPL3,
 * on VMX and SVM it enters CPL0. The stub at LSTAR looks at %cs and continues
 * at CPL3 in both cases. Code at CPL0 is emulated on kvm-pvm (0.6 us for an
 * instruction), so the exception stubs only leave the frame where CPL3 can read
 * it and return to exc_entry.
 *
 * All that CPL0 executes or takes an address from is in section .cpl0, which
 * the VMM maps read-only, also for CPL0: the program can overwrite the rest of
 * the kernel, but it never runs code of its own at CPL0.
 */

#include "../abi.h"

/* With IF: the program sees it. kvm-pvm sets it whatever stands here. */
#define RFLAGS_KERNEL 0x202

	.section .header, "aw"
	.quad ZB_KERNEL_MAGIC
	.long ZB_ABI_VERSION, 0
	.quad __text_start, __text_end
	.quad start, boot_stack_top, lstar, preempt_entry, exc_stack_top
	.quad vectors, __cpl0_end

	.section .text.entry, "ax"

/* ---- boot ---- */
	.globl start
start:
	xor	%ebp, %ebp
	call	kernel_main
	ud2

/* ---- registers: struct regs in kernel.h ---- */
.macro PUSH_GENERAL
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
.endm
.macro POP_GENERAL
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
.endm

/*
 * From the program, whose %rsp is in saved_rsp: struct regs on the thread's
 * kernel stack, and its address in %rdi. flags: the instruction that pushes them.
 */
.macro ENTER flags, rip, number
	mov	kernel_stack_top(%rip), %rsp
	push	$ZB_SEL_UDATA
	push	saved_rsp(%rip)
	\flags
	push	$ZB_SEL_UCODE
	push	\rip
	push	\number
	PUSH_GENERAL
	cld
	mov	%rsp, %rdi
.endm

/* ---- system calls ---- */
	.section .cpl0, "ax"
	.globl lstar
lstar:
	/* %rsp is the one register that may be used: it is saved here, and the
	 * program's stack must not be touched. */
	mov	%rsp, saved_rsp(%rip)
	mov	%cs, %esp
	test	$3, %esp
	jnz	syscall_at_cpl3
	/* sysretq goes to %rcx with flags %r11 at CPL3; both hold what the
	 * program needs back, so they are put aside. */
	mov	%rcx, saved_rcx(%rip)
	mov	%r11, saved_r11(%rip)
	lea	syscall_from_cpl0(%rip), %rcx
	mov	$RFLAGS_KERNEL, %r11d
	sysretq

	.section .text.entry, "ax"
syscall_from_cpl0:
	mov	saved_rcx(%rip), %rcx
	mov	saved_r11(%rip), %r11
syscall_at_cpl3:
	ENTER	"push %r11", %rcx, %rax
	call	syscall_trap
syscall_return:
	test	%eax, %eax
	jnz	return_full
	/* What Linux gives back: all but rcx (rip) and r11 (rflags). */
	POP_GENERAL
	mov	8(%rsp), %rcx
	mov	24(%rsp), %r11
	push	%r11
	popfq
	mov	32(%rsp), %rsp
	jmp	*%rcx

	/* From patch.c's stubs, which have loaded %rcx with the address to return
	 * to: what `syscall` does, without it. */
	.globl call_entry
call_entry:
	mov	%rsp, saved_rsp(%rip)
	ENTER	pushfq, %rcx, %rax
	call	syscall_handle
	jmp	syscall_return

	/* A fault in a system call that the gate did not expect (fault.c): the
	 * stack is again as it was at the call of syscall_handle. */
	.globl syscall_abort
syscall_abort:
	mov	%rsp, %rdi
	call	syscall_aborted

	.globl return_full
return_full:
	POP_GENERAL
	add	$8, %rsp
	iretq

/* ---- ticks: the VMM sets RIP here while the program runs ---- */
	.globl preempt_entry
preempt_entry:
	mov	%rsp, saved_rsp(%rip)
	ENTER	pushfq, tick_rip(%rip), $-1
	call	tick_handle
	jmp	return_full

/* ---- exceptions, CPL0 part ---- */
	.section .cpl0, "ax"
/*
 * The CPU has pushed SS, RSP, RFLAGS, CS, RIP (and an error code) at
 * exc_stack_top. The stub adds the vector and leaves for exc_entry with a frame
 * that never changes.
 */
.macro STUB number, has_error
stub_\number:
	.if \has_error == 0
	push	$0
	.endif
	push	$\number
	lea	exc_frame(%rip), %rsp
	iretq
.endm
	.irp n, 0, 1, 2, 3, 4, 5, 7, 9, 15, 16, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 31
	STUB \n, 0
	.endr
	.irp n, 8, 10, 11, 12, 13, 17, 21, 29, 30
	STUB \n, 1
	.endr

stub_14:
	push	$14
	push	%rax
	mov	%cr2, %rax
	mov	%rax, exc_cr2(%rip)
	pop	%rax
	lea	exc_frame(%rip), %rsp
	iretq

/* #UD, and the door to what only CPL0 may do: `ud2` at tlb_flush. */
stub_6:
	push	%rax
	lea	tlb_flush(%rip), %rax
	cmp	%rax, 8(%rsp)
	je	1f
	pop	%rax
	push	$0
	push	$6
	lea	exc_frame(%rip), %rsp
	iretq
1:	mov	%cr3, %rax
	mov	%rax, %cr3
	pop	%rax
	addq	$2, (%rsp)
	iretq

	.balign 16
exc_frame:
	.quad	exc_entry, ZB_SEL_UCODE, RFLAGS_KERNEL, fault_stack_top, ZB_SEL_UDATA
vectors:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
	.quad	stub_\n
	.endr
	.quad	stub_29, stub_30, stub_31

	.section .text.entry, "ax"
	.globl tlb_flush
tlb_flush:
	ud2
	ret

/* ---- exceptions, CPL3 part ---- */
#define FRAME(n) exc_stack_top - 56 + 8 * (n)
exc_entry:
	/* From the program: on its thread's kernel stack, as a system call.
	 * From the kernel (a page of the program's that was not there yet):
	 * stay on the stack of exc_frame. */
	mov	%rax, exc_rax(%rip)
	mov	FRAME(2)(%rip), %rax
	push	%rbx
	lea	__text_start(%rip), %rbx
	cmp	%rbx, %rax
	jb	1f
	lea	__text_end(%rip), %rbx
	cmp	%rbx, %rax
	jae	1f
	pop	%rbx
	jmp	2f
1:	pop	%rbx
	mov	kernel_stack_top(%rip), %rsp
2:	mov	exc_rax(%rip), %rax
	push	FRAME(6)(%rip)
	push	FRAME(5)(%rip)
	push	FRAME(4)(%rip)
	push	FRAME(3)(%rip)
	push	FRAME(2)(%rip)
	push	$-1
	PUSH_GENERAL
	cld
	mov	%rsp, %rdi
	mov	FRAME(0)(%rip), %rsi
	mov	FRAME(1)(%rip), %rdx
	mov	exc_cr2(%rip), %rcx
	call	exception_handle
	jmp	return_full

/* ---- threads ---- */
/* void thread_switch_stack(u64 *save, u64 load) */
	.globl thread_switch_stack
thread_switch_stack:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret

/* A new thread's first return address: its struct regs is on the stack. */
	.globl thread_start
thread_start:
	mov	%rsp, %rdi
	call	thread_first_run
	jmp	return_full

/* ---- data ---- */
	.bss
	.balign 16
	.globl kernel_stack_top
saved_rsp:	.skip 8
saved_rcx:	.skip 8
saved_r11:	.skip 8
exc_cr2:	.skip 8
exc_rax:	.skip 8
kernel_stack_top: .skip 8
	.balign 4096
	.skip	16384
boot_stack_top:
	.skip	4096
	.globl exc_stack_top
exc_stack_top:
	.skip	16384 - 8
fault_stack_top: /* 8 short: struct regs then leaves the stack aligned */
	.skip	8

	.globl tick_rip
	.set	tick_rip, ZB_KERNEL_BASE + ZB_CONTROL_GPA + ZB_PREEMPT_RIP
	.section .note.GNU-stack, "", @progbits
