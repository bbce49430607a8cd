/* mmap.c: the mmap system call: from a descriptor to what is mapped. */
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "fs/descriptor.h"
#include "fs/ramfs.h"
#include "mm/map.h"
#include "syscalls.h"
#include "task/elf.h"
#include "task/mlock.h"

/* What MAP_SHARED_VALIDATE lets pass: Linux, LEGACY_MAP_MASK. */
#define VALIDATED                                                              \
	((u64)(MAP_TYPE | MAP_FIXED | MAP_GROWSDOWN | MAP_DENYWRITE |          \
	       MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE |    \
	       MAP_NONBLOCK | MAP_STACK | MAP_32BIT))

/* What is mapped of a file: 0 with v's object, or without one for a device that
 * gives memory of zeroes; -errno. */
static long map_file(struct vma *v, struct file *f, u64 offset)
{
	u32 mode = f->flags & O_ACCMODE;
	bool shared = v->flags & MAP_SHARED;
	const struct node *n = file_node(f);

	if ((f->flags & O_PATH))
		return -EBADF;
	if (mode == O_WRONLY)
		return -EACCES;
	v->may_write = shared && mode == O_RDWR;
	if (shared && (v->prot & PROT_WRITE) && !v->may_write)
		return -EACCES;
	if (f->ops->maps_zeroes)
		return 0;
	if (!f->ops->page)
		return -ENODEV;
	if (n && node_sealed(n, F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) && shared) {
		if (v->prot & PROT_WRITE)
			return -EPERM;
		v->may_write = false;
	}
	v->object = &f->object;
	v->offset = offset;
	return 0;
}

static long check(u64 addr, u64 size, u64 flags, u64 offset)
{
	u32 type = flags & MAP_TYPE;

	if (size == 0 || (offset & (PAGE_SIZE - 1)))
		return -EINVAL;
	if (type != MAP_PRIVATE && type != MAP_SHARED &&
	    type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & MAP_ANONYMOUS)
		return -EINVAL;
	if (type == MAP_SHARED_VALIDATE && flags & ~VALIDATED)
		return -EOPNOTSUPP;
	if (size > USER_TOP || flags & MAP_HUGETLB)
		return -ENOMEM; /* no page is reserved as a huge one */
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
	    (addr & (PAGE_SIZE - 1)))
		return -EINVAL;
	return offset + PAGE_UP(size) < offset ? -EOVERFLOW : 0;
}

/* As a dynamic loader maps a library at first, all of it: what will be written to gets
 * its own mapping and pages afterwards. */
static bool is_library(const struct vma *v, u64 addr)
{
	const u32 kind = MAP_PRIVATE | MAP_DENYWRITE;

	return v->object && !addr && !v->offset && (v->flags & kind) == kind &&
	       !(v->flags & MAP_FIXED) && !(v->prot & PROT_WRITE);
}

static long map_library(struct file *f, u64 size, const struct vma *v)
{
	u64 at = 0, code = elf_code(f, &at);

	return mm_map_ready(at, size, code ? MIN(code, size) : size, v);
}

long sys_mmap(u64 addr, u64 size, u64 prot, u64 flags, u64 fd, u64 offset)
{
	struct vma v = { .prot = (u32)prot & 7, .flags = (u32)flags };
	struct file *f = NULL;
	long r = check(addr, size, flags, offset);

	if (r == 0)
		r = mlock_check_new(PAGE_UP(size), v.flags);
	if (r)
		return r;
	if ((flags & MAP_TYPE) == MAP_SHARED_VALIDATE)
		v.flags = (v.flags & ~(u32)MAP_TYPE) | MAP_SHARED;
	if (!(flags & MAP_ANONYMOUS)) {
		f = fd_file((s32)fd);
		r = f ? map_file(&v, f, offset) : -EBADF;
		if (r)
			return r;
	}
	if ((flags & MAP_GROWSDOWN) && (f || (v.flags & MAP_SHARED)))
		return -EINVAL;
	if (f)
		file_ref(f);
	r = is_library(&v, addr) ? map_library(f, PAGE_UP(size), &v) :
				   mm_map(addr, PAGE_UP(size), &v);
	if (f)
		file_unref(f);
	return r;
}
