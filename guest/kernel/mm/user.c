/*
 * user.c: the gate between the kernel and the program's memory. A range is
 * checked against the mappings; pages that are not there yet come by a fault in
 * the kernel's own access. A page that cannot come (behind a mapped file's end)
 * ends the access at the instructions that are named below: fault.c goes on
 * behind them.
 */
#include "mm/user.h"

#include <linux/mman.h>

#include "mm/space.h"

bool user_range(u64 addr, u64 size)
{
	if (size > USER_TOP || addr > USER_TOP - size)
		return false;
	return addr + size <= ZB_KERNEL_BASE || addr >= KERNEL_END;
}

static u64 allowed(u64 addr, u64 size, u32 prot)
{
	u64 at = addr, end = addr + size;

	if (end < addr)
		end = ~0ull;
	while (at < end) {
		const struct vma *v = vma_reach(at);

		if (!v || !(v->prot & prot))
			break;
		at = v->end;
	}
	return MIN(at, end) - addr;
}

u64 user_readable_size(u64 addr, u64 size)
{
	return allowed(addr, size, PROT_READ | PROT_WRITE | PROT_EXEC);
}

u64 user_writable_size(u64 addr, u64 size)
{
	return allowed(addr, size, PROT_WRITE);
}

bool user_readable(u64 addr, u64 size)
{
	return user_readable_size(addr, size) == size;
}

bool user_writable(u64 addr, u64 size)
{
	return user_writable_size(addr, size) == size;
}

/* Both leave in rcx what is left when a fault ends them, and are resumed behind
 * the instruction. */
extern const u8 user_copy_at[], user_copy_end[];
extern const u8 user_clear_at[], user_clear_end[];

/* One copy of each, because of the labels; clang makes no others by itself. */
#ifdef __clang__
#define SINGLE __attribute__((noinline))
#else
#define SINGLE __attribute__((noinline, noclone))
#endif

SINGLE size_t user_copy(void *to, const void *from, size_t n)
{
	size_t left = n;

	__asm__ volatile("user_copy_at: rep movsb\n"
			 "user_copy_end:"
			 : "+D"(to), "+S"(from), "+c"(left)
			 :
			 : "memory");
	return n - left;
}

SINGLE size_t user_clear(void *to, size_t n)
{
	size_t left = n;

	__asm__ volatile("user_clear_at: rep stosb\n"
			 "user_clear_end:"
			 : "+D"(to), "+c"(left)
			 : "a"(0)
			 : "memory");
	return n - left;
}

static bool is_kernels(const void *p)
{
	return (u64)p - ZB_KERNEL_BASE < KERNEL_END - ZB_KERNEL_BASE;
}

size_t user_put(void *to, const void *from, size_t n)
{
	if (!is_kernels(to))
		n = user_writable_size((u64)to, n);
	return user_copy(to, from, n);
}

size_t user_get(void *to, const void *from, size_t n)
{
	if (!is_kernels(from))
		n = user_readable_size((u64)from, n);
	return user_copy(to, from, n);
}

u64 user_resume(u64 rip)
{
	if (rip == (u64)user_copy_at)
		return (u64)user_copy_end;
	if (rip == (u64)user_clear_at)
		return (u64)user_clear_end;
	return 0;
}

long copy_from_user(void *to, u64 from, size_t size)
{
	if (!user_readable(from, size) ||
	    user_copy(to, (const void *)from, size) != size)
		return -EFAULT;
	return 0;
}

long copy_to_user(u64 to, const void *from, size_t size)
{
	if (!user_writable(to, size) ||
	    user_copy((void *)to, from, size) != size)
		return -EFAULT;
	return 0;
}

#define STRING_CHUNK 128 /* never crosses a page: strings are mostly short */

long copy_string_from_user(char *buf, u64 from, size_t size)
{
	size_t n = 0;

	while (n < size) {
		u64 at = from + n;
		size_t chunk = MIN(size - n, STRING_CHUNK - at % STRING_CHUNK);
		size_t length;

		if (!user_readable(at, 1) ||
		    user_copy(buf + n, (const void *)at, chunk) != chunk)
			return -EFAULT;
		length = strnlen(buf + n, chunk);
		n += length;
		if (length < chunk)
			return (long)n;
	}
	return -ENAMETOOLONG;
}
