/* process_vm.c: process_vm_readv(2) and its counterpart, on the own process. */
#include <linux/uio.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define MAX_PARTS 1024 /* Linux, UIO_MAXIOV */

/* Parts of memory, gone through from the front. */
struct parts {
	u64 array, count;
	struct iovec left; /* of the part that was begun */
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

static long copy_parts(struct parts *from, struct parts *to)
{
	long total = 0, r;

	while ((r = next_part(from)) > 0 && (r = next_part(to)) > 0) {
		size_t n = MIN(from->left.iov_len, to->left.iov_len), done = 0;

		/* As far as both are mapped. */
		n = MIN(n, page_rest(&from->left));
		n = MIN(n, page_rest(&to->left));
		if (user_readable((u64)from->left.iov_base, n) &&
		    user_writable((u64)to->left.iov_base, n))
			done = user_copy(to->left.iov_base, from->left.iov_base,
					 n);
		advance(from, done);
		advance(to, done);
		total += (long)done;
		if (done < n)
			return total ? total : -EFAULT;
	}
	return r < 0 && !total ? r : total;
}

static long process_vm(u64 pid, struct parts *from, struct parts *to, u64 flags)
{
	if (flags || from->count > MAX_PARTS || to->count > MAX_PARTS)
		return -EINVAL;
	return thread_find((s32)pid) ? copy_parts(from, to) : -ESRCH;
}

long sys_process_vm_readv(u64 pid, u64 local, u64 local_count, u64 remote,
			  u64 remote_count, u64 flags)
{
	struct parts from = { .array = remote, .count = remote_count };
	struct parts to = { .array = local, .count = local_count };

	return process_vm(pid, &from, &to, flags);
}

long sys_process_vm_writev(u64 pid, u64 local, u64 local_count, u64 remote,
			   u64 remote_count, u64 flags)
{
	struct parts from = { .array = local, .count = local_count };
	struct parts to = { .array = remote, .count = remote_count };

	return process_vm(pid, &from, &to, flags);
}
