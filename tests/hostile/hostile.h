/*
 * hostile.h: what the parts of the hostile guest share. It is started in place
 * of an interpreter and takes the name of what to do as its request. Kernel and
 * program share one address space and CPL3, so all that a guest is made of can
 * be overwritten from here.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../guest/abi.h"

typedef unsigned long u64;
typedef uint32_t u32;

#define PAGE 4096ul
#define control                                                                \
	((volatile struct zb_control *)(ZB_KERNEL_BASE + ZB_CONTROL_GPA))
#define DESCRIPTORS (ZB_KERNEL_BASE + ZB_TABLES_GPA)
#define GDT ((volatile u64 *)DESCRIPTORS)
#define TSS ((volatile uint8_t *)DESCRIPTORS + 0x1000)
#define IDT ((volatile u64 *)(DESCRIPTORS + 0x2000))

/* Page-table entry bits. */
#define P 1ul
#define W 2ul
#define U 4ul
#define AD 0x60ul
#define PS 0x80ul
#define G 0x100ul
#define ADDRESS 0x000ffffffffff000ul

/* For code that runs at CPL0, where vector instructions may be missing. */
#define CPL0 __attribute__((target("general-regs-only"), noinline))

/* Pages of the pool: all there, each in a frame that nobody else has. */
#define SCRATCH_PAGES 64
extern u64 *scratch;         /* zero in the template */
extern u64 *page_a, *page_b; /* each filled with a pattern of its own */

/* The frame behind an ordinary page of the program's, or in the kernel's map. */
gpa_t gpa_of(const volatile void *p);
static inline u64 *at_gpa(gpa_t gpa)
{
	return (u64 *)(ZB_KERNEL_BASE + gpa);
}
static inline void hypercall(u32 code)
{
	__asm__ volatile("outl %0, %w1" : : "a"(code), "d"(ZB_PORT) : "memory");
}

/* How a run must end. KEPT, THROWN: it ends by itself, and its VM is recycled, or
 * must not be. */
enum outcome { ENDS, KEPT, THROWN, FAULTS, TIMES_OUT, ANY };

struct attack {
	const char *name;
	enum outcome outcome;
	void (*run)(u64 a, u64 b);
	u64 a, b;
};
extern const struct attack attacks[], table_attacks[], space_attacks[];

/* Ends the run from here, past the kernel. */
_Noreturn void end(int code);
/* The hypercall that ends a run, or an exec of a session, which goes on behind it. */
u32 last_call(void);
/* The entry for va at a level, 4 to 1, of the tables in use. */
volatile u64 *entry_of(u64 root, u64 va, int level);
u64 root(void);
void tlb_flush(void);
/* Calls fn at CPL0, which takes a page-table entry to be changed. */
void at_cpl0(void (*fn)(u64 a, u64 b), u64 a, u64 b);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The state of CPU and memory, as it is in the template and as it is now. */
void state_learn(void);
long state_request(int fd, char *buf, size_t size);
void state_check(void);
void state_check_cpu(void);

#endif
