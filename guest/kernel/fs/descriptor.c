/* descriptor.c: the tables of descriptors of processes. */
#include "fs/descriptor.h"

#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/sched.h>

#include "fs/lock.h"
#include "heap.h"
#include "syscalls.h"
#include "task/limits.h"
#include "task/process.h"

struct slot {
	struct file *file;
	bool cloexec;
	s32 taker; /* the thread that has reserved the number, or 0 */
};

struct descriptors {
	u32 refs; /* processes: CLONE_FILES */
	struct slot *slots;
	s32 count;
	s32 lowest; /* none below is free */
};

static struct descriptors *table(void)
{
	return current->process->descriptors;
}

struct file *fd_file_of(const struct process *p, s32 fd)
{
	const struct descriptors *d = p->descriptors;

	return d && fd >= 0 && fd < d->count ? d->slots[fd].file : NULL;
}

struct file *fd_file(s32 fd)
{
	return fd_file_of(current->process, fd);
}

s32 fd_next_of(const struct process *p, s32 fd)
{
	const struct descriptors *d = p->descriptors;

	for (; d && fd < d->count; fd++)
		if (d->slots[fd].file)
			return fd;
	return -1;
}

s32 fd_next(s32 fd)
{
	return fd_next_of(current->process, fd);
}

bool fd_cloexec_of(const struct process *p, s32 fd)
{
	return p->descriptors->slots[fd].cloexec;
}

bool fd_cloexec(s32 fd)
{
	return fd_cloexec_of(current->process, fd);
}

void fd_set_cloexec(s32 fd, bool cloexec)
{
	table()->slots[fd].cloexec = cloexec;
}

u64 fd_limit(void)
{
	return MIN(limit_of(RLIMIT_NOFILE), (u64)OPEN_FILES_MAX);
}

static bool is_free(const struct slot *s)
{
	return !s->file && !s->taker;
}

/* A free number at or above low. */
static long find_free(s32 low)
{
	struct descriptors *d = table();
	s32 fd = MAX(low, d->lowest), want = d->count ? d->count : 32;
	struct slot *bigger;

	while (fd < d->count && !is_free(&d->slots[fd]))
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
	long fd = find_free(low);

	if (fd < 0) {
		file_unref(f);
		return fd;
	}
	table()->slots[fd] = (struct slot){ f, cloexec, 0 };
	return fd;
}

long fd_install(struct file *f, bool cloexec)
{
	return fd_install_at(f, 0, cloexec);
}

long fd_reserve(void)
{
	long fd = find_free(0);

	if (fd >= 0)
		table()->slots[fd].taker = current->tid;
	return fd;
}

/* What was reserved is free again. */
static void give_up(struct descriptors *d, s32 fd)
{
	d->slots[fd].taker = 0;
	d->lowest = MIN(d->lowest, fd);
}

long fd_reserve_two(s32 fds[2])
{
	long r = fd_reserve();

	if (r < 0)
		return r;
	fds[0] = (s32)r;
	r = fd_reserve();
	if (r < 0) {
		give_up(table(), fds[0]);
		return r;
	}
	fds[1] = (s32)r;
	return 0;
}

long fd_fill(s32 fd, struct file *f, bool cloexec, long error)
{
	if (!f) {
		give_up(table(), fd);
		return error;
	}
	table()->slots[fd] = (struct slot){ f, cloexec, 0 };
	return fd;
}

static void close_in(struct descriptors *d, s32 fd)
{
	struct file *f = d->slots[fd].file;

	d->slots[fd].file = NULL;
	d->lowest = MIN(d->lowest, fd);
	lock_descriptor_closed(d, f);
	file_unref(f);
}

long sys_close(u64 fd)
{
	if (!fd_file((s32)fd))
		return -EBADF;
	close_in(table(), (s32)fd);
	return 0;
}

long sys_close_range(u64 first, u64 last, u64 flags)
{
	const u32 known = CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC;
	struct descriptors *d;

	if ((u32)first > (u32)last || ((u32)flags & ~known))
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE && descriptors_unshare())
		return -ENOMEM;
	d = table();
	for (s64 fd = (u32)first; fd <= (s64)(u32)last && fd < d->count; fd++) {
		if (!d->slots[fd].file)
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			d->slots[fd].cloexec = true;
		else
			close_in(d, (s32)fd);
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
		long r = fd < table()->count ? fd : find_free(fd);

		if (r < 0)
			return r;
		if (table()->slots[fd].taker)
			return -EBUSY;
	}
	file_ref(f);
	table()->slots[fd] = (struct slot){ f, cloexec, 0 };
	if (old) {
		lock_descriptor_closed(table(), old);
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

/* ---- tables of processes ---- */

/* What a thread of the running process has reserved goes along with that; in a
 * child nobody waits for it. */
static void copy_reserved(struct descriptors *from, struct descriptors *to,
			  s32 fd, bool child)
{
	const struct thread *taker = thread_find(from->slots[fd].taker);

	if (!child && taker && taker->process == current->process)
		give_up(from, fd);
	else
		give_up(to, fd);
}

static struct descriptors *copy(struct descriptors *from, bool child)
{
	struct descriptors *d = kmalloc(sizeof(*d));

	if (!d)
		return NULL;
	*d = *from;
	d->refs = 1;
	if (!d->count)
		return d;
	d->slots = kmalloc((size_t)d->count * sizeof(*d->slots));
	if (!d->slots) {
		kfree(d);
		return NULL;
	}
	memcpy(d->slots, from->slots, (size_t)d->count * sizeof(*d->slots));
	for (s32 fd = 0; fd < d->count; fd++)
		if (d->slots[fd].file)
			file_ref(d->slots[fd].file);
		else if (d->slots[fd].taker)
			copy_reserved(from, d, fd, child);
	return d;
}

static void release(struct descriptors *d)
{
	if (--d->refs)
		return;
	for (s32 fd = 0; fd < d->count; fd++)
		if (d->slots[fd].file)
			close_in(d, fd);
	kfree(d->slots);
	kfree(d);
}

long descriptors_unshare(void)
{
	struct descriptors *shared = table(), *own;

	if (shared->refs == 1)
		return 0;
	own = copy(shared, false);
	if (!own)
		return -ENOMEM;
	release(shared);
	current->process->descriptors = own;
	return 0;
}

static long on_fork(struct process *child, u64 flags)
{
	child->descriptors = table();
	if (flags & CLONE_FILES)
		child->descriptors->refs++;
	else
		child->descriptors = copy(table(), true);
	return child->descriptors ? 0 : -ENOMEM;
}

static void on_exec(struct process *p)
{
	struct descriptors *d;

	(void)descriptors_unshare(); /* or it goes on with what it has */
	d = p->descriptors;
	for (s32 fd = 0; fd < d->count; fd++)
		if (d->slots[fd].file && d->slots[fd].cloexec)
			close_in(d, fd);
}

static void on_end(struct process *p)
{
	release(p->descriptors);
	p->descriptors = NULL;
}

void descriptors_init(void)
{
	static struct process_part part = { .fork = on_fork,
					    .exec = on_exec,
					    .end = on_end };
	struct descriptors *first = kmalloc(sizeof(*first));

	if (!first)
		panic("no memory for descriptors");
	first->refs = 1;
	current->process->descriptors = first;
	process_add_part(&part);
}
