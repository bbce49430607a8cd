/* Exceptions: which signal each becomes, its code, address and trap number. A
 * wild pointer is SIGSEGV whatever the instruction, an undefined instruction
 * SIGILL whatever its operands. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define WILD 0x4141414141414141

static sigjmp_buf out;
static siginfo_t info;
static ucontext_t context;
static char *bus, *readonly;
static char stack[65536] __attribute__((aligned(64)));

static void on_signal(int signo, siginfo_t *i, void *c)
{
	(void)signo;
	/* the flag that checks alignment is on, and longjmp leaves it */
	__asm__ volatile("pushf\n\tandl $~0x40000, (%%rsp)\n\tpopf" ::
				 : "memory", "cc");
	info = *i;
	memcpy(&context, c, sizeof(context));
	siglongjmp(out, 1);
}

#define CASE(what, code, ...)                                                  \
	static void what(void)                                                 \
	{                                                                      \
		__asm__ volatile(code ::__VA_ARGS__                            \
				 : "memory", "rcx", "rdx", "rdi", "rsi",       \
				   "r8");                                      \
	}

CASE(load, "mov (%0), %%ecx", "a"(WILD))
CASE(store, "movb $1, 7(%0)", "a"(WILD))
CASE(indexed, "mov (%%rbx,%0,8), %%ecx", "a"(WILD), "b"(0))
CASE(overflows, "mov 0x7fffffff(%0), %%ecx", "a"(0x7fffffffffff))
CASE(high, "mov (%0), %%ecx", "a"(0xffff800000000000))
CASE(hole, "mov (%0), %%ecx", "a"(0xffff7fffffffffff))
CASE(by_frame, "push %%rbp\n\tmov %0, %%rbp\n\tmov (%%rbp), %%ecx\n\tpop %%rbp",
     "a"(WILD))
CASE(by_stack, "mov %0, %%rsp\n\tpush %%rcx", "a"(WILD))
CASE(pops, "mov %0, %%rsp\n\tpop %%rcx", "a"(WILD))
CASE(leaves, "mov %0, %%rbp\n\tleave", "a"(WILD))
CASE(absolute, ".byte 0xa0\n\t.quad 0x4141414141414141", "a"(0))
CASE(string, "mov %0, %%rsi\n\tlodsb", "a"(WILD))
CASE(stringstore, "mov %0, %%rdi\n\tmov $4, %%ecx\n\trep stosb", "a"(WILD))
CASE(move,
     "mov %0, %%rdi\n\tlea stack(%%rip), %%rsi\n\tmov $4, %%ecx\n\trep movsb",
     "a"(WILD))
CASE(zero_times, "mov %0, %%rdi\n\txor %%ecx, %%ecx\n\trep stosb\n\tud2",
     "a"(WILD))
CASE(vector, "movups (%0), %%xmm0", "a"(WILD))
CASE(wide, "vmovdqu (%0), %%ymm0", "a"(WILD))
CASE(atomic, "lock incl (%0)", "a"(WILD))
CASE(x87, "fldl (%0)", "a"(WILD))
CASE(three, "pshufb (%0), %%xmm0", "a"(WILD & ~15ull))
CASE(maskmov, "mov %0, %%rdi\n\tmaskmovdqu %%xmm0, %%xmm1", "a"(WILD))
CASE(wide_stack, "mov %0, %%rbp\n\tvmovdqu (%%rbp), %%ymm0", "a"(WILD))
CASE(wide_high, "vmovdqu (%%r9,%0,2), %%ymm9", "a"(WILD))
CASE(wide_aligned, "vmovaps 16(%0), %%ymm0", "a"(stack))
CASE(wide_missing, ".byte 0xc4, 0xe5, 0x7d, 0x6f, 0x00", "a"(WILD))
CASE(gather,
     "vpcmpeqd %%ymm2, %%ymm2, %%ymm2\n\tvpxor %%xmm1, %%xmm1, "
     "%%xmm1\n\tvpgatherdd %%ymm2, (%0,%%ymm1), %%ymm0",
     "a"(WILD))
CASE(three_align, "pshufb 1(%0), %%xmm0", "a"(stack))
CASE(exchange16, "lock cmpxchg16b (%0)", "a"(WILD & ~15ull))
CASE(add_rax, "addb $1, (%0)", "a"(WILD))
CASE(jump, "jmp *%0", "a"(WILD))
CASE(call, "call *%0", "a"(WILD))
CASE(jump_memory, "jmp *(%0)", "a"(WILD))
CASE(ret, "push %0\n\tret", "a"(WILD))
CASE(address_only, "lea (%0), %%rcx\n\tnopw (%0)\n\tprefetcht0 (%0)\n\tud2",
     "a"(WILD))
CASE(segment, "push %%rax\n\tmovb %%fs:0, %%cl\n\tmov %%fs:(%0), %%ecx",
     "a"(WILD))
CASE(ud2, "ud2", "a"(WILD))
CASE(ud1, ".byte 0x0f, 0xb9, 0x00", "a"(WILD))
CASE(ud0, ".byte 0x0f, 0xff, 0x00", "a"(WILD))
CASE(gone, ".byte 0x06", "a"(WILD))
CASE(gone2, ".byte 0x62, 0x00, 0x00", "a"(WILD))
CASE(lock_register, ".byte 0xf0, 0x89, 0xc0", "a"(WILD))
CASE(lock_load, ".byte 0xf0, 0x8b, 0x00", "a"(WILD))
CASE(halt, "hlt", "a"(0))
CASE(control, "mov %%cr0, %%rcx", "a"(0))
CASE(interrupts, "cli", "a"(0))
CASE(port, "in $0x71, %%al", "a"(0))
CASE(msr, "mov $0x10, %%ecx\n\trdmsr", "a"(0))
CASE(vector_align, "movaps 1(%0), %%xmm0", "a"(stack))
CASE(bad_segment, "mov $0x4b, %%ecx\n\tmov %%ecx, %%es", "a"(0))
CASE(software_int, "int $5", "a"(0))
CASE(breakpoint, "int3", "a"(0))
CASE(divide, "xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdiv %%ecx", "a"(1))
CASE(divide_overflow, "mov $-1, %%ecx\n\tcltd\n\tidiv %%ecx", "a"(0x80000000))
CASE(sse_divide,
     "stmxcsr -4(%%rsp)\n\tandl $~0x200, -4(%%rsp)\n\tldmxcsr "
     "-4(%%rsp)\n\txorps %%xmm1, %%xmm1\n\tmov $1, %%ecx\n\tcvtsi2ss %%ecx, "
     "%%xmm0\n\tdivss %%xmm1, %%xmm0",
     "a"(0))
CASE(sse_invalid,
     "stmxcsr -4(%%rsp)\n\tandl $~0x80, -4(%%rsp)\n\tldmxcsr "
     "-4(%%rsp)\n\txorps %%xmm1, %%xmm1\n\txorps %%xmm0, %%xmm0\n\tdivss "
     "%%xmm1, %%xmm0",
     "a"(0))
CASE(sse_inexact,
     "stmxcsr -4(%%rsp)\n\tandl $~0x1000, -4(%%rsp)\n\tldmxcsr "
     "-4(%%rsp)\n\tmov $1, %%ecx\n\tcvtsi2ss %%ecx, %%xmm0\n\tmov $3, "
     "%%ecx\n\tcvtsi2ss %%ecx, %%xmm1\n\tdivss %%xmm1, %%xmm0",
     "a"(0))
CASE(x87_divide,
     "fninit\n\tfnstcw -4(%%rsp)\n\tandw $~4, -4(%%rsp)\n\tfldcw "
     "-4(%%rsp)\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait",
     "a"(0))
CASE(alignment, "pushf\n\torl $0x40000, (%%rsp)\n\tpopf\n\tmovl 1(%0), %%ecx",
     "a"(stack))
CASE(step, "pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop", "a"(0))
CASE(null, "mov (%0), %%ecx", "a"(8ul))
CASE(write_readonly, "movb $1, (%0)", "a"(readonly))
CASE(behind_end, "movb 5000(%0), %%cl", "a"(bus))
CASE(jump_null, "jmp *%0", "a"(16ul))

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define X(name)                                                                \
	{                                                                      \
#name, name                                                    \
	}
	X(load),
	X(store),
	X(indexed),
	X(overflows),
	X(high),
	X(hole),
	X(by_frame),
	X(by_stack),
	X(pops),
	X(leaves),
	X(absolute),
	X(string),
	X(stringstore),
	X(move),
	X(zero_times),
	X(vector),
	X(wide),
	X(atomic),
	X(x87),
	X(three),
	X(maskmov),
	X(wide_stack),
	X(wide_high),
	X(wide_aligned),
	X(wide_missing),
	X(gather),
	X(three_align),
	X(exchange16),
	X(add_rax),
	X(jump),
	X(call),
	X(jump_memory),
	X(ret),
	X(address_only),
	X(segment),
	X(ud2),
	X(ud1),
	X(ud0),
	X(gone),
	X(gone2),
	X(lock_register),
	X(lock_load),
	X(halt),
	X(control),
	X(interrupts),
	X(port),
	X(msr),
	X(vector_align),
	X(bad_segment),
	X(software_int),
	X(breakpoint),
	X(divide),
	X(divide_overflow),
	X(sse_divide),
	X(sse_invalid),
	X(sse_inexact),
	X(x87_divide),
	X(alignment),
	X(step),
	X(null),
	X(write_readonly),
	X(behind_end),
	X(jump_null),
};

static const char *where(void)
{
	char *a = info.si_addr;
	static char text[40];

	if ((long)a == context.uc_mcontext.gregs[REG_RIP])
		return "the instruction";
	if (bus && a >= bus && a < bus + 8192)
		snprintf(text, sizeof(text), "file+%ld", (long)(a - bus));
	else if (a == readonly)
		return "the memory";
	else
		snprintf(text, sizeof(text), "%lx", (long)a);
	return text;
}

int main(int argc, char **argv)
{
	struct sigaction a = { .sa_sigaction = on_signal,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static char alternate[65536];
	stack_t s = { .ss_sp = alternate, .ss_size = sizeof(alternate) };
	int fd = memfd_create("f", 0);

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (ftruncate(fd, 100))
		return 1;
	bus = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	readonly =
		mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (argc < 2) {
		sigaltstack(&s, NULL);
		for (int n = 1; n < 32; n++)
			if (n == SIGSEGV || n == SIGBUS || n == SIGILL ||
			    n == SIGTRAP || n == SIGFPE)
				sigaction(n, &a, NULL);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1) {
			if (!strcmp(argv[1], cases[i].name))
				cases[i].run();
			continue;
		}
		info.si_signo = 0;
		if (!sigsetjmp(out, 1)) {
			cases[i].run();
			printf("%s: nothing\n", cases[i].name);
		} else {
			printf("%s: %s code %d at %s, trap %d error %d\n",
			       cases[i].name, sigabbrev_np(info.si_signo),
			       info.si_code, where(),
			       (int)context.uc_mcontext.gregs[REG_TRAPNO],
			       (int)context.uc_mcontext.gregs[REG_ERR]);
			__asm__ volatile(
				"fninit\n\tldmxcsr %0" ::"m"((int){ 0x1f80 }));
		}
	}
	return 0;
}
