/*
 * kernel.h: what the parts of the guest kernel share.
 *
 * A library OS with the Linux x86-64 system call ABI: processes and threads,
 * one vCPU, no interrupts. Kernel and program share the address space
 * and CPL3. The kernel is not preempted: a thread runs in it until it returns
 * or waits, so its data needs no locks; anything may have changed across a call
 * that waits (thread_wait and all that says it may wait).
 *
 * Built with general registers only: the program's vector registers live on in
 * the CPU during a system call and are saved only at a switch of threads.
 *
 * Virtual addresses, by top-level entry:
 *
 *   0x0000'0000'0000   entry 0: a program that is not position independent, and
 *                      all it has (mm/space.h); else fixed wishes
 *   .. 0x3fff'ffff'ffff fixed wishes, and reservations beyond 64 GiB
 *   0x4000'0000'0000   all of memory by gpa (guest/abi.h): this kernel
 *   0x4080'0000'0000   the image, read-only
 *   .. 0x7f7f'ffff'ffff fixed wishes
 *   0x7f80'0000'0000   entry 255: a position-independent program
 *
 * Page tables are laid out before the snapshot; ordinary runs change no entry.
 *
 * Return values: >= 0 or -errno, as `long`.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <asm/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef int32_t s32;

#define PAGE_SIZE 4096ul
#define LARGE_PAGE ((u64)ZB_LARGE_PAGE)
#define PAGE_UP(x) (((u64)(x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_DOWN(x) ((u64)(x) & ~(PAGE_SIZE - 1))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define FOREVER (~0ull) /* a deadline that never comes */
#define NSEC 1000000000ul
/* No result of a call is one of these; an errno would be: F_GETOWN has -512 for the
 * process group of that number. */
#define ERESTARTSYS (1l << 62) /* as EINTR, but SA_RESTART starts it again */
#define ERESTARTNOINTR (ERESTARTSYS + 1) /* starts again behind any handler */

#define USER_TOP 0x7ffffffff000ull

#define control                                                                \
	((volatile struct zb_control *)(ZB_KERNEL_BASE + ZB_CONTROL_GPA))

static inline void *gpa_to_ptr(gpa_t gpa)
{
	return (void *)(ZB_KERNEL_BASE + gpa);
}
static inline gpa_t ptr_to_gpa(const void *p)
{
	return (u64)p - ZB_KERNEL_BASE;
}

/* ---- string.c ---- */
void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* As snprintf: %s %.*s %d %u %x %X %o %c %p, l and z modifiers, widths, 0 and -.
 * Returns the length without the NUL that the whole text would have. */
int ksnprintf(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int kvsnprintf(char *buf, size_t size, const char *format,
	       __builtin_va_list ap);

/* ---- log.c ---- */
/* One line to the host's standard error, without the newline. */
void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The kernel's own invariant is broken: ends the VM with an honest error. */
_Noreturn void panic(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
