/*
 * user.c: the gate between the kernel and the program's memory. A range is
 * checked against the mappings; pages that are not there yet come by a fault in
 * the kernel's own access.
 */
#include <linux/mman.h>

#include "mm.h"

static bool allowed(u64 addr, u64 size, u32 prot)
{
	u64 end = addr + size;

	if (size == 0)
		return true;
	if (end < addr || end > USER_TOP)
		return false;
	while (addr < end) {
		const struct vma *v = vma_at(addr);

		if (!v || !(v->prot & prot))
			return false;
		addr = v->end;
	}
	return true;
}

bool user_readable(u64 addr, u64 size)
{
	return allowed(addr, size, PROT_READ | PROT_WRITE | PROT_EXEC);
}

bool user_writable(u64 addr, u64 size)
{
	return allowed(addr, size, PROT_WRITE);
}

long copy_from_user(void *to, u64 from, size_t size)
{
	if (!user_readable(from, size))
		return -EFAULT;
	memcpy(to, (const void *)from, size);
	return 0;
}

long copy_to_user(u64 to, const void *from, size_t size)
{
	if (!user_writable(to, size))
		return -EFAULT;
	memcpy((void *)to, from, size);
	return 0;
}

long copy_string_from_user(char *buf, u64 from, size_t size)
{
	size_t n = 0;

	while (n < size) {
		u64 at = from + n;
		const struct vma *v = vma_at(at);
		size_t chunk, length;

		if (!v || !(v->prot & (PROT_READ | PROT_WRITE | PROT_EXEC)))
			return -EFAULT;
		chunk = MIN(v->end - at, size - n);
		length = strnlen((const char *)at, chunk);
		memcpy(buf + n, (const char *)at, length);
		n += length;
		if (length < chunk) {
			buf[n] = 0;
			return (long)n;
		}
	}
	return -ENAMETOOLONG;
}
