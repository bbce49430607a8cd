/* attacks.c: on the pages shared with the VMM, on exits, on the kernel, and on
 * what a run leaves behind in the CPU. All from CPL3. */
#include "hostile.h"

#include <string.h>
#include <sys/mman.h>

#define KERNEL ((uint8_t *)ZB_KERNEL_BASE + ZB_KERNEL_GPA)
#define SIGN (1ul << 63)

/* ---- the control page, the request and the output ---- */

static void fill_control(u64 byte, u64 then)
{
	memset((void *)control, (int)byte, PAGE);
	hypercall((u32)then);
}

static void fill_request(u64 a, u64 b)
{
	(void)a, (void)b;
	memset(at_gpa(ZB_REQUEST_GPA), 0xff, ZB_REQUEST_SIZE);
	end(0);
}

static void fill_output(u64 size, u64 b)
{
	(void)b;
	memset(at_gpa(ZB_STDOUT_GPA), 0xff, 2 * ZB_OUTPUT_SIZE);
	control->stdout_size = control->stderr_size = size;
	end(0);
}

static void rewrite_sizes(u64 a, u64 b)
{
	static const u64 sizes[] = {
		0,    1,    ZB_OUTPUT_SIZE, ZB_OUTPUT_SIZE + 1,
		SIGN, ~0ul, 0xffffffff,     0x100000000
	};

	(void)a, (void)b;
	for (u64 i = 0;; i++) {
		u64 size = sizes[i & 7];

		control->stdout_size = control->stderr_size = size;
		control->exit_code = control->log_size = (u32)size;
		control->output_limit = control->request_size = (u32)size;
		control->want_tick = (u32)size & 2;
		control->idle_until = size;
	}
}

/* ---- floods and waits ---- */

static void log_sizes(u64 a, u64 b)
{
	static const u32 sizes[] = { 0,    1,          1023,       1024,
				     1025, 0x7fffffff, 0x80000000, ~0u };

	(void)a, (void)b;
	for (size_t i = 0; i < PAGE - 224; i++)
		((volatile char *)control)[224 + i] = (char)i;
	for (int i = 0; i < 8; i++) {
		control->log_size = sizes[i];
		hypercall(ZB_HC_LOG);
	}
	end(0);
}

static void flood(u64 code, u64 until)
{
	for (u64 i = 0;; i++) {
		control->log_size = (u32)i;
		control->idle_until = until == 1 ? control->mono_ns - i : until;
		hypercall((u32)code);
	}
}

/* One tick on the way to it: what it has brought is looked at first, once. */
static void idle_with_tick(u64 times, u64 b)
{
	(void)b;
	for (u64 i = 0; i < times; i++) {
		control->preempt = 1;
		control->idle_until = ~0ul;
		hypercall(ZB_HC_IDLE);
	}
	end(0);
}

static void spin_with_tick(u64 value, u64 stack)
{
	control->want_tick = (u32)value;
	__asm__ volatile("mov %0, %%rsp\n1: jmp 1b" : : "r"(stack));
}

static void panic_line(u64 size, u64 b)
{
	(void)b;
	memset((void *)control->log, 0x81, ZB_LOG_SIZE);
	control->log_size = (u32)size;
	hypercall(ZB_HC_PANIC);
}

/* ---- the kernel and all of memory ---- */

static void wipe(u64 byte, u64 from)
{
	volatile uint8_t *p = (uint8_t *)ZB_KERNEL_BASE;

	/* Downwards: this program is at the top, and in the middle. */
	for (u64 at = control->memory_size; at-- > from;)
		p[at] = (uint8_t)byte;
	end(0);
}

/* What the kernel can be overwritten in, up to the request area. */
static void wipe_kernel(u64 byte, u64 b)
{
	(void)b;
	memset(KERNEL + PAGE, (int)byte, ZB_REQUEST_GPA - ZB_KERNEL_GPA - PAGE);
	control->want_tick = 1;
	__asm__ volatile("syscall" : : "a"(39) : "rcx", "r11", "memory");
	end(0);
}

static void jump_kernel(u64 offset, u64 b)
{
	(void)b;
	__asm__ volatile("jmp *%0" : : "r"(KERNEL + offset));
}

/* All memory that the kernel gives, written; past what is copied back. */
static void hog(u64 size, u64 b)
{
	(void)b;
	for (; size >= PAGE; size /= 2) {
		void *p;

		while ((p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) !=
		       MAP_FAILED)
			memset(p, 0x5a, size);
	}
	end(0);
}

static void touch_all(u64 a, u64 b)
{
	(void)a, (void)b;
	state_check();
	end(0);
}

/* ---- the end, in an odd state ---- */

static void end_with_flags(u64 flags, u64 b)
{
	(void)b;
	control->exit_code = 0;
	__asm__ volatile("pushfq\n or %0, (%%rsp)\n popfq\n outl %%eax, %%dx"
			 :
			 : "r"(flags), "a"(last_call()), "d"(ZB_PORT)
			 : "memory");
}

/* A load of SS holds events back for one instruction. */
static void end_in_shadow(u64 a, u64 b)
{
	(void)a, (void)b;
	control->exit_code = 0;
	__asm__ volatile("mov %%ss, %%ecx\n mov %%ecx, %%ss\n outl %%eax, %%dx"
			 :
			 : "a"(last_call()), "d"(ZB_PORT)
			 : "rcx", "memory");
}

/*
 * The last `out` is where the template starts. Where KVM finishes an `out` with
 * the next entry, it must not take the template's RIP for that of this one.
 */
static void end_at_start(u64 a, u64 b)
{
	volatile uint8_t *start = (uint8_t *)START_RIP;

	(void)a, (void)b;
	control->exit_code = 0;
	start[0] = 0xef; /* out %eax, %dx */
	__asm__ volatile("jmp *%2"
			 :
			 : "a"(ZB_HC_EXIT), "d"(ZB_PORT), "r"(start)
			 : "memory");
}

static void end_in_compat(u64 a, u64 b)
{
	(void)a, (void)b;
	control->exit_code = 0;
	__asm__ volatile("pushq $0x23\n pushq $1f\n lretq\n"
			 "1: out %%eax, %%dx\n"
			 :
			 : "a"(ZB_HC_EXIT), "d"(ZB_PORT)
			 : "memory");
}

static void end_by_string(u64 count, u64 size)
{
	static u32 words[4] = { ZB_HC_EXIT, ZB_HC_EXIT, ZB_HC_EXIT,
				ZB_HC_EXIT };

	control->exit_code = 0;
	if (size == 4)
		__asm__ volatile("rep outsl"
				 :
				 : "S"(words), "c"(count), "d"(ZB_PORT)
				 : "memory");
	else
		__asm__ volatile("rep outsb"
				 :
				 : "S"(words), "c"(count), "d"(ZB_PORT)
				 : "memory");
	end(0);
}

static void end_with_segments(u64 selector, u64 b)
{
	(void)b;
	__asm__ volatile("mov %0, %%ds\n mov %0, %%es\n mov %0, %%fs\n mov %0, "
			 "%%gs"
			 :
			 : "r"((u32)selector));
	__asm__ volatile("wrfsbase %0\n wrgsbase %0" : : "r"(0x123456789000ul));
	control->exit_code = 0;
	hypercall(ZB_HC_EXIT);
}

/* Patterns in all vector registers and their control words. */
static void end_with_vectors(u64 pattern, u64 b)
{
	static uint8_t area[16384] __attribute__((aligned(64)));
	u64 mask = ~0ul;
	u32 low, high;

	(void)b;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	mask = low & 0xe7; /* x87, SSE, AVX, AVX-512 */
	memset(area, (int)pattern, sizeof(area));
	memset(area + 512, 0, 64);
	*(u64 *)(area + 512) = mask;
	*(u32 *)(area + 24) = 0x1f80 & ~(u32)(pattern << 7); /* MXCSR */
	*(u32 *)(area + 28) = 0;
	__asm__ volatile("xrstor64 %0" : : "m"(area), "a"((u32)mask), "d"(0));
	end(0);
}

/*
 * Vector state beyond what CPUID tells: on kvm-pvm XCR0 is the host's. The one
 * that a program may have without asking Linux for it is AMX's configuration.
 */
static void end_with_tiles(u64 a, u64 b)
{
	static uint8_t area[16384] __attribute__((aligned(64)));
	u32 low, high;

	(void)a, (void)b;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	if (!(low & 1 << 17))
		end(0);
	*(u64 *)(area + 512) = 1 << 17;
	area[2752] = 1;       /* palette */
	area[2752 + 16] = 64; /* tile 0: bytes of a row, */
	area[2752 + 48] = 16; /* rows */
	__asm__ volatile("xrstor64 %0" : : "m"(area), "a"(1 << 17), "d"(0));
	end(0);
}

const struct attack attacks[] = {
	{ "a control page of zeroes", ENDS, fill_control, 0, ZB_HC_EXIT },
	{ "a control page of ones", ENDS, fill_control, 0xff, ZB_HC_EXIT },
	{ "a control page of sign bits", ENDS, fill_control, 0x80, ZB_HC_EXIT },
	{ "a control page of largest numbers", ENDS, fill_control, 0x7f,
	  ZB_HC_EXIT },
	{ "a control page of ones, then idle", TIMES_OUT, flood, ZB_HC_IDLE,
	  ~0ul },
	{ "a control page of ones, then panic", FAULTS, fill_control, 0xff,
	  ZB_HC_PANIC },
	{ "the request overwritten", ENDS, fill_request, 0, 0 },
	{ "output that is not there", ENDS, fill_output, ~0ul, 0 },
	{ "output of exactly its area", ENDS, fill_output, ZB_OUTPUT_SIZE, 0 },
	{ "sizes rewritten until the end", TIMES_OUT, rewrite_sizes, 0, 0 },
	{ "log lines of every size", ENDS, log_sizes, 0, 0 },
	{ "a flood of log lines", TIMES_OUT, flood, ZB_HC_LOG, 0 },
	{ "a flood of idling until zero", TIMES_OUT, flood, ZB_HC_IDLE, 0 },
	{ "a flood of idling until just now", TIMES_OUT, flood, ZB_HC_IDLE, 1 },
	{ "idling until the sign bit", TIMES_OUT, flood, ZB_HC_IDLE, SIGN },
	{ "idling almost for ever", TIMES_OUT, flood, ZB_HC_IDLE, ~0ul - 1 },
	{ "idling for ever, with a tick on the way", ENDS, idle_with_tick, 1,
	  0 },
	{ "a flood of idling with ticks on the way", TIMES_OUT, idle_with_tick,
	  ~0ul, 0 },
	{ "spinning", TIMES_OUT, spin_with_tick, 0, ZB_KERNEL_BASE + 0x900000 },
	{ "spinning with ticks", TIMES_OUT, spin_with_tick, 1,
	  ZB_KERNEL_BASE + 0x900000 },
	{ "ticks of all bits and no stack", TIMES_OUT, spin_with_tick, ~0u, 0 },
	{ "asking for work in the middle", FAULTS, fill_control, 0,
	  ZB_HC_READY },
	{ "a panic of no bytes", FAULTS, panic_line, 0, 0 },
	{ "a panic of too many bytes", FAULTS, panic_line, ~0u, 0 },
	{ "all memory wiped", ANY, wipe, 0, 0 },
	{ "all memory filled", ANY, wipe, 0xff, 0 },
	{ "all of the kernel zeroed", ANY, wipe_kernel, 0, 0 },
	{ "all of the kernel filled with int3", ANY, wipe_kernel, 0xcc, 0 },
	{ "all of the kernel filled with ones", ANY, wipe_kernel, 0xff, 0 },
	{ "a jump to the kernel's start", ANY, jump_kernel, 0x1000, 0 },
	{ "a jump into the kernel", ANY, jump_kernel, 0x2345, 0 },
	{ "a jump into the kernel, elsewhere", ANY, jump_kernel, 0x8123, 0 },
	{ "a jump to the stubs of CPL0", ANY, jump_kernel, 0x100, 0 },
	{ "all free memory filled", ENDS, hog, 1 << 23, 0 },
	{ "every mapping read", ENDS, touch_all, 0, 0 },
	{ "the end with TF", ENDS, end_with_flags, 0x100, 0 },
	{ "the end with DF", ENDS, end_with_flags, 0x400, 0 },
	{ "the end with IOPL 3", ENDS, end_with_flags, 0x3000, 0 },
	{ "the end with NT", ENDS, end_with_flags, 0x4000, 0 },
	{ "the end with RF", ENDS, end_with_flags, 0x10000, 0 },
	{ "the end with AC", ENDS, end_with_flags, 0x40000, 0 },
	{ "the end with ID", ENDS, end_with_flags, 0x200000, 0 },
	{ "the end with all flags", ENDS, end_with_flags, 0x257dd5, 0 },
	{ "the end in the shadow of a stack switch", ENDS, end_in_shadow, 0,
	  0 },
	{ "the end where the template starts", ENDS, end_at_start, 0, 0 },
	{ "the end in 32-bit code", ENDS, end_in_compat, 0, 0 },
	{ "the end by outs", ANY, end_by_string, 1, 4 },
	{ "the end by outs of four", ANY, end_by_string, 4, 4 },
	{ "the end by outs of four bytes", ANY, end_by_string, 4, 1 },
	{ "the end with other segments", ENDS, end_with_segments, 0x2b, 0 },
	{ "the end with a code segment for data", ENDS, end_with_segments, 0x33,
	  0 },
	{ "the end with null segments", ENDS, end_with_segments, 3, 0 },
	{ "vector registers of ones", KEPT, end_with_vectors, 0xff, 0 },
	{ "vector registers of a pattern", KEPT, end_with_vectors, 0x3c, 0 },
	{ "a configuration of AMX", KEPT, end_with_tiles, 0, 0 },
	{ 0 }
};
