/*
 * Call sites of every form, executed often enough to be patched: what a program
 * can see of a system call stays as it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define ROUNDS 3
#define SHOW(e) printf(#e ": %ld\n", (long)(e))

/* The number is set right before: the mov can become a jump. */
long before(void);
/* Set elsewhere; what follows the syscall can move. */
long behind(long number, long a, long b, long c);
extern char behind_return[], branch_behind_site[], alike_site[];
/* As before, but something branches to the syscall itself. */
long branch_to(long jump);
/* As behind, but something branches to what follows. */
long branch_behind(long number, long skip);
/* As behind, but an operand looks like a branch into the middle of what follows. */
long alike(long number);
/* What is in the red zone, rbx and r12 survives; rcx is the return address. */
long keeps(void);
__asm__(".text\n"
	"before:	mov $39, %eax\n"
	"	syscall\n"
	"	ret\n"
	"behind:	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	syscall\n"
	".globl behind_return\n"
	"behind_return:	cmp $-4095, %rax\n"
	"	ret\n"
	"branch_to:	test %edi, %edi\n"
	"	jz 1f\n"
	"	mov $110, %eax\n"
	"	jmp 2f\n"
	"1:	mov $39, %eax\n"
	"2:	syscall\n"
	"	ret\n"
	"branch_behind:	mov %rdi, %rax\n"
	"	test %esi, %esi\n"
	"	jnz 1f\n"
	".globl branch_behind_site\n"
	"branch_behind_site:	syscall\n"
	"1:	cmp $-4095, %rax\n"
	"	mov %rax, %rdx\n"
	"	mov %rdx, %rax\n"
	"	ret\n"
	"alike:	mov %rdi, %rax\n"
	"	mov $0x0674, %edx\n" /* je to two bytes behind the syscall's end */
	".globl alike_site\n"
	"alike_site:	syscall\n"
	"	cmp $-4095, %rax\n"
	"	ret\n"
	"keeps:	push %rbx\n"
	"	push %r12\n"
	"	movq $11, -8(%rsp)\n"
	"	movq $12, -128(%rsp)\n"
	"	mov $13, %ebx\n"
	"	mov $14, %r12d\n"
	"	stc\n"
	"	mov $39, %eax\n"
	"	syscall\n"
	"3:	sbb %rax, %rax\n" /* -1: the carry is kept */
	"	neg %rax\n"
	"	add -8(%rsp), %rax\n"
	"	add -128(%rsp), %rax\n"
	"	add %rbx, %rax\n"
	"	add %r12, %rax\n"
	"	lea 3b(%rip), %rdx\n"
	"	cmp %rcx, %rdx\n"
	"	sete %cl\n"
	"	movzbl %cl, %ecx\n"
	"	imul $100, %rcx, %rcx\n"
	"	add %rcx, %rax\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	ret\n");

static volatile long handled, place;
static int ends[2];

static void on_alarm(int signo, siginfo_t *info, void *context)
{
	const ucontext_t *u = context;

	(void)signo, (void)info;
	handled++;
	place = u->uc_mcontext.gregs[REG_RIP] - (long)behind_return;
	if (handled % 2 == 0)
		(void)!write(ends[1], "x", 1);
}

static void set_handler(int flags)
{
	struct sigaction a = { .sa_sigaction = on_alarm,
			       .sa_flags = SA_SIGINFO | flags };

	sigaction(SIGALRM, &a, NULL);
}

static void alarm_soon(void)
{
	struct itimerval t = { .it_value.tv_usec = 20000 };

	setitimer(ITIMER_REAL, &t, NULL);
}

/* Interrupted while it waits at a patched site. */
static void interrupted(void)
{
	char c = 0;

	set_handler(0);
	alarm_soon();
	SHOW(behind(SYS_read, ends[0], (long)&c, 1));
	SHOW(place);
	set_handler(SA_RESTART);
	alarm_soon();
	SHOW(behind(SYS_read, ends[0], (long)&c, 1));
	SHOW(place);
	SHOW(c);
	SHOW(handled);
}

static void *in_thread(void *argument)
{
	long sum = 0;

	for (int i = 0; i < 1000; i++)
		sum += behind(SYS_getppid, 0, 0, 0) == getppid();
	return (void *)(sum + (long)argument);
}

/* What stands at the sites now: not the same in the guest. */
static void show_bytes(void)
{
	printf("before %02x, behind %02x, branched %02x, alike %02x\n",
	       *(unsigned char *)before, (unsigned char)behind_return[-2],
	       (unsigned char)branch_behind_site[0],
	       (unsigned char)alike_site[0]);
}

int main(int argc, char **argv)
{
	pthread_t threads[3];
	void *result;

	for (int i = 0; i < ROUNDS; i++) {
		SHOW(before() == getpid());
		SHOW(behind(SYS_getpid, 0, 0, 0) == getpid());
		SHOW(behind(SYS_close, -1, 0, 0));
		SHOW(branch_to(0) == getpid());
		SHOW(branch_to(1) == getppid());
		SHOW(branch_behind(SYS_getpid, 0) == getpid());
		SHOW(branch_behind(77, 1));
		SHOW(alike(SYS_getpid) == getpid());
		SHOW(keeps());
	}
	(void)argv;
	if (argc > 1) {
		show_bytes();
		return 0;
	}
	(void)!pipe(ends);
	interrupted();
	for (long i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, in_thread, (void *)i);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], &result);
		SHOW((long)result);
	}
	return 0;
}
