/* process_vm.c: process_vm_readv(2) and its counterpart. */
#include <linux/uio.h>

#include "heap.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define MAX_PARTS 1024 /* Linux, UIO_MAXIOV */

/* Parts of memory, gone through from the front. */
struct parts {
	u64 array, count;
	struct iovec left; /* of the part that was begun */
};

struct copy {
	struct space *other;
	bool reading; /* from it, else writing */
	u8 *page;     /* what is on its way */
};

/* 1: something is left; 0: nothing; -EFAULT. */
static long next_part(struct parts *p)
{
	while (!p->left.iov_len && p->count) {
		if (copy_from_user(&p->left, p->array, sizeof(p->left)))
			return -EFAULT;
		p->array += sizeof(p->left);
		p->count--;
	}
	return p->left.iov_len != 0;
}

static void advance(struct parts *p, size_t n)
{
	p->left.iov_base = (char *)p->left.iov_base + n;
	p->left.iov_len -= n;
}

static size_t page_rest(const struct iovec *v)
{
	return PAGE_SIZE - (u64)v->iov_base % PAGE_SIZE;
}

/* Bytes that went from one space to another, at most a page. */
static size_t copy_page(struct copy *c, u64 to, u64 from, size_t n)
{
	if (!c->reading) {
		n = user_readable_size(from, n);
		n = user_copy(c->page, (const void *)from, n);
		return space_write(c->other, to, c->page, n);
	}
	n = space_read(c->other, c->page, from, n);
	return user_copy((void *)to, c->page, user_writable_size(to, n));
}

static long copy_parts(struct copy *c, struct parts *from, struct parts *to)
{
	long total = 0, r;

	while ((r = next_part(from)) > 0 && (r = next_part(to)) > 0) {
		size_t n = MIN(from->left.iov_len, to->left.iov_len), done;

		/* As far as both are mapped. */
		n = MIN(n, page_rest(&from->left));
		n = MIN(n, page_rest(&to->left));
		done = copy_page(c, (u64)to->left.iov_base,
				 (u64)from->left.iov_base, n);
		advance(from, done);
		advance(to, done);
		total += (long)done;
		if (done < n)
			return total ? total : -EFAULT;
	}
	return r < 0 && !total ? r : total;
}

static long process_vm(u64 pid, bool reading, struct parts *from,
		       struct parts *to, u64 flags)
{
	const struct process *p = process_of((s32)pid);
	struct copy c = { .reading = reading };
	long r;

	if (flags || from->count > MAX_PARTS || to->count > MAX_PARTS)
		return -EINVAL;
	if (!(s32)pid || !p || !p->space)
		return -ESRCH;
	if (!process_may_look(p))
		return -EPERM;
	c.other = p->space;
	c.page = kmalloc(PAGE_SIZE);
	if (!c.page)
		return -ENOMEM;
	r = copy_parts(&c, from, to);
	kfree(c.page);
	return r;
}

long sys_process_vm_readv(u64 pid, u64 local, u64 local_count, u64 remote,
			  u64 remote_count, u64 flags)
{
	struct parts from = { .array = remote, .count = remote_count };
	struct parts to = { .array = local, .count = local_count };

	return process_vm(pid, true, &from, &to, flags);
}

long sys_process_vm_writev(u64 pid, u64 local, u64 local_count, u64 remote,
			   u64 remote_count, u64 flags)
{
	struct parts from = { .array = local, .count = local_count };
	struct parts to = { .array = remote, .count = remote_count };

	return process_vm(pid, false, &from, &to, flags);
}
