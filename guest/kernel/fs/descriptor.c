/* descriptor.c: the process's table of descriptors. */
#include "fs/descriptor.h"

#include <linux/fcntl.h>

#include "fs/lock.h"
#include "heap.h"
#include "syscalls.h"
#include "task/limits.h"
#include "task/process.h"

struct slot {
	struct file *file;
	bool cloexec;
};

struct descriptors {
	struct slot *slots;
	s32 count;
	s32 lowest; /* none below is free */
};

struct descriptors *descriptors_new(void)
{
	return kmalloc(sizeof(struct descriptors));
}

static struct descriptors *table(void)
{
	return current->process->descriptors;
}

struct file *fd_file(s32 fd)
{
	const struct descriptors *d = table();

	return fd >= 0 && fd < d->count ? d->slots[fd].file : NULL;
}

s32 fd_next(s32 fd)
{
	const struct descriptors *d = table();

	for (; fd < d->count; fd++)
		if (d->slots[fd].file)
			return fd;
	return -1;
}

bool fd_cloexec(s32 fd)
{
	return table()->slots[fd].cloexec;
}

void fd_set_cloexec(s32 fd, bool cloexec)
{
	table()->slots[fd].cloexec = cloexec;
}

u64 fd_limit(void)
{
	return MIN(limit_of(RLIMIT_NOFILE), (u64)OPEN_FILES_MAX);
}

/* A free number at or above low. */
static long fd_reserve(s32 low)
{
	struct descriptors *d = table();
	s32 fd = MAX(low, d->lowest), want = d->count ? d->count : 32;
	struct slot *bigger;

	while (fd < d->count && d->slots[fd].file)
		fd++;
	if (low <= d->lowest)
		d->lowest = fd;
	if ((u64)fd >= fd_limit())
		return -EMFILE;
	if (fd < d->count)
		return fd;
	while (want <= fd)
		want *= 2;
	bigger = krealloc(d->slots, (size_t)want * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	d->slots = bigger;
	d->count = want;
	return fd;
}

long fd_install_at(struct file *f, s32 low, bool cloexec)
{
	long fd = fd_reserve(low);

	if (fd < 0) {
		file_unref(f);
		return fd;
	}
	table()->slots[fd] = (struct slot){ f, cloexec };
	return fd;
}

long fd_install(struct file *f, bool cloexec)
{
	return fd_install_at(f, 0, cloexec);
}

long sys_close(u64 fd)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	table()->slots[(s32)fd].file = NULL;
	table()->lowest = MIN(table()->lowest, (s32)fd);
	lock_descriptor_closed(f);
	file_unref(f);
	return 0;
}

long sys_close_range(u64 first, u64 last, u64 flags)
{
	struct descriptors *d = table();

	if ((u32)first > (u32)last || (flags & ~6ull))
		return -EINVAL;
	for (s64 fd = (u32)first; fd <= (s64)(u32)last && fd < d->count; fd++) {
		if (!d->slots[fd].file)
			continue;
		if (flags & 4) /* CLOSE_RANGE_CLOEXEC */
			d->slots[fd].cloexec = true;
		else
			sys_close((u64)fd);
	}
	return 0;
}

long sys_dup(u64 fd)
{
	struct file *f = fd_file((s32)fd);

	if (!f)
		return -EBADF;
	file_ref(f);
	return fd_install(f, false);
}

static long dup_to(u64 from, u64 to, bool cloexec)
{
	struct file *f = fd_file((s32)from), *old;
	s32 fd = (s32)to;

	if (!f || fd < 0 || (u64)fd >= fd_limit())
		return -EBADF;
	old = fd_file(fd);
	if (!old) {
		long r = fd < table()->count ? fd : fd_reserve(fd);

		if (r < 0)
			return r;
	}
	file_ref(f);
	table()->slots[fd] = (struct slot){ f, cloexec };
	if (old) {
		lock_descriptor_closed(old);
		file_unref(old);
	}
	return fd;
}

long sys_dup2(u64 from, u64 to)
{
	if ((s32)from == (s32)to)
		return fd_file((s32)from) ? (s32)from : -EBADF;
	return dup_to(from, to, false);
}

long sys_dup3(u64 from, u64 to, u64 flags)
{
	if ((s32)from == (s32)to || (flags & ~(u64)O_CLOEXEC))
		return -EINVAL;
	return dup_to(from, to, (flags & O_CLOEXEC) != 0);
}
