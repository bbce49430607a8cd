/* proc_mem.c: /proc/PID/mem: the memory of a process, by address. */
#include "fs/proc.h"
#include "heap.h"
#include "mm/space.h"
#include "mm/user.h"
#include "task/process.h"

/* NULL: it has ended. */
static struct space *space_of(const struct file *f)
{
	struct proc_subject s;

	return proc_subject(f->node, &s) ? s.process->space : NULL;
}

static long mem_open(struct file *f)
{
	struct proc_subject s;

	if (!proc_subject(f->node, &s))
		return -ESRCH;
	return process_may_look(s.process) ? 0 : -EACCES;
}

/* Page by page; what is not mapped, or not allowed, ends it. */
static long transfer(struct file *f, u8 *buf, size_t n, u64 *pos, bool write)
{
	struct space *of = space_of(f);
	size_t total = 0, done = 1;
	u8 *page;

	if (!of || n == 0)
		return 0;
	page = kmalloc(PAGE_SIZE);
	if (!page)
		return -ENOMEM;
	for (; total < n && done; total += done) {
		size_t part = MIN(n - total, PAGE_SIZE);

		if (write) {
			done = user_copy(page, buf + total, part);
			done = space_write(of, *pos + total, page, done);
		} else {
			done = space_read(of, page, *pos + total, part);
			done = user_copy(buf + total, page, done);
		}
	}
	kfree(page);
	*pos += total;
	return total ? (long)total : -EIO;
}

static long mem_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	return transfer(f, buf, n, pos, false);
}

static long mem_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	return transfer(f, (u8 *)(uintptr_t)buf, n, pos, true);
}

const struct file_ops proc_mem_ops = {
	.open = mem_open,
	.read = mem_read,
	.write = mem_write,
	.unspliced = true,
	NODE_FILE,
};
