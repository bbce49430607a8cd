/* policy.c: where memory comes from: there is one node; and protection keys:
 * there are none. */
#include <linux/mempolicy.h>

#include "mm/map.h"
#include "mm/page.h"
#include "mm/space.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define NODES 1ull /* bit 0: the one that there is */
#define MODE_FLAGS (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)
#define LAST_MODE 6 /* MPOL_WEIGHTED_INTERLEAVE, which older headers lack */
#define MOVE_FLAGS (MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)

/* Bits of a mask of the program's; maxnode counts one more than it has. */
static long read_nodes(u64 address, u64 maxnode, u64 *nodes)
{
	u64 bits = maxnode ? maxnode - 1 : 0, word;

	*nodes = 0;
	if (!address || !bits)
		return 0;
	if (bits > PAGE_SIZE * 8)
		return -EINVAL;
	for (u64 at = 0; at < bits; at += 64) {
		if (copy_from_user(&word, address + at / 8, sizeof(word)))
			return -EFAULT;
		if (bits - at < 64)
			word &= (1ull << (bits - at)) - 1;
		if (at && word)
			return -EINVAL;
		*nodes |= word;
	}
	return 0;
}

static long check_policy(u32 mode, u64 nodes)
{
	u32 kind = mode & ~(u32)MODE_FLAGS;

	if (kind > LAST_MODE || (mode & MODE_FLAGS) == MODE_FLAGS)
		return -EINVAL;
	if (kind == MPOL_DEFAULT || kind == MPOL_LOCAL)
		return nodes ? -EINVAL : 0;
	if (kind == MPOL_PREFERRED && !nodes)
		return 0;
	return nodes & NODES ? 0 : -EINVAL;
}

long sys_set_mempolicy(u64 mode, u64 mask, u64 maxnode)
{
	u64 nodes;
	long r = read_nodes(mask, maxnode, &nodes);

	if (r == 0)
		r = check_policy((u32)mode, nodes);
	if (r)
		return r;
	current->memory_policy = (u32)mode;
	if ((u32)mode == MPOL_PREFERRED && !nodes)
		current->memory_policy = MPOL_LOCAL;
	current->memory_nodes = (u32)(nodes & NODES);
	return 0;
}

/* Mappings keep none of their own: with one node all are the same. */
long sys_mbind(u64 start, u64 size, u64 mode, u64 mask, u64 maxnode, u64 flags)
{
	u64 nodes, end = start + PAGE_UP(size);
	long r;

	if ((start & (PAGE_SIZE - 1)) || (flags & ~(u64)MOVE_FLAGS) ||
	    end < start)
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL) && !ids_capable(CAP_SYS_NICE))
		return -EPERM;
	r = read_nodes(mask, maxnode, &nodes);
	if (r == 0)
		r = check_policy((u32)mode, nodes);
	if (r || (u32)mode == MPOL_DEFAULT || start == end)
		return r;
	return mm_check_mapped(start, end) ? -EFAULT : 0;
}

static long write_nodes(u64 address, u64 maxnode, u64 nodes)
{
	u64 words = (maxnode - 1 + 63) / 64;

	if (!address)
		return 0;
	if (!maxnode || words > PAGE_SIZE / 8)
		return -EINVAL;
	for (u64 i = 0; i < words; i++) {
		u64 word = i ? 0 : nodes;

		if (copy_to_user(address + 8 * i, &word, sizeof(word)))
			return -EFAULT;
	}
	return 0;
}

long sys_get_mempolicy(u64 mode, u64 mask, u64 maxnode, u64 address, u64 flags)
{
	u32 answer = current->memory_policy;
	u64 nodes = current->memory_nodes;

	if ((flags & ~7ull) || (mask && !maxnode))
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -EINVAL;
		answer = 0;
		nodes = NODES;
	} else if (flags & MPOL_F_ADDR) {
		if (!vma_at(address))
			return -EFAULT;
		answer = MPOL_DEFAULT; /* or, with MPOL_F_NODE, node 0 */
		nodes = 0;
	} else if (address) {
		return -EINVAL;
	} else if (flags & MPOL_F_NODE) {
		if ((answer & ~(u32)MODE_FLAGS) != MPOL_INTERLEAVE)
			return -EINVAL;
		answer = 0;
	}
	if (mode && copy_to_user(mode, &answer, sizeof(answer)))
		return -EFAULT;
	return write_nodes(mask, maxnode, nodes);
}

static s32 move_page(u64 address, bool to, s32 node)
{
	if (!vma_at(address))
		return -EFAULT;
	if (!page_memory(address))
		return -ENOENT;
	return to && node ? -ENODEV : 0;
}

long sys_move_pages(u64 pid, u64 count, u64 pages, u64 nodes, u64 status,
		    u64 flags)
{
	const struct process *p;
	struct space *before;

	if (flags & ~(u64)(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -EINVAL;
	if ((flags & MPOL_MF_MOVE_ALL) && !ids_capable(CAP_SYS_NICE))
		return -EPERM;
	p = process_of((s32)pid);
	if (!p)
		return -ESRCH;
	if (!process_may_look(p))
		return -EPERM;
	if (!p->space)
		return -EINVAL;
	for (u64 i = 0; i < count; i++) {
		u64 address;
		s32 node = 0, answer;

		if (copy_from_user(&address, pages + 8 * i, 8) ||
		    (nodes && copy_from_user(&node, nodes + 4 * i, 4)))
			return -EFAULT;
		before = space_look_at(p->space);
		answer = move_page(address, nodes != 0, node);
		space_look_at(before);
		if (answer == -ENODEV)
			return answer;
		if (copy_to_user(status + 4 * i, &answer, sizeof(answer)))
			return -EFAULT;
	}
	return 0;
}

/* ---- keys ---- */

long sys_pkey_alloc(u64 flags, u64 rights)
{
	return flags || (rights & ~3ull) ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(u64 key)
{
	(void)key;
	return -EINVAL;
}

long sys_pkey_mprotect(u64 addr, u64 size, u64 prot, u64 key)
{
	return (s32)key == -1 ? sys_mprotect(addr, size, prot) : -EINVAL;
}
