/* capability.c: capabilities(7): what of root's power a thread has. */
#include <linux/prctl.h>
#include <linux/securebits.h>

#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"
#include "task/process.h"

/* What goes by the user of the file system: setfsuid(2). */
#define FILE_CAPABILITIES                                                      \
	(CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |        \
	 CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) |    \
	 CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_LINUX_IMMUTABLE) |    \
	 CAPABILITY_BIT(CAP_MKNOD) | CAPABILITY_BIT(CAP_MAC_OVERRIDE))

static bool secure(const struct ids *ids, int bit)
{
	return (ids->securebits >> bit & 1) != 0;
}

void capability_after_setuid(struct ids *ids, const struct ids *old)
{
	bool was_root = !old->uid || !old->euid || !old->suid;
	bool is_root = !ids->uid || !ids->euid || !ids->suid;

	if (secure(ids, SECURE_NO_SETUID_FIXUP))
		return;
	if (was_root && !is_root) {
		if (!secure(ids, SECURE_KEEP_CAPS))
			ids->permitted = ids->effective = 0;
		ids->ambient = 0;
	}
	if (!old->euid && ids->euid)
		ids->effective = 0;
	if (old->euid && !ids->euid)
		ids->effective = ids->permitted;
}

void capability_after_setfsuid(struct ids *ids, u32 old_fsuid)
{
	if (secure(ids, SECURE_NO_SETUID_FIXUP))
		return;
	if (!old_fsuid && ids->fsuid)
		ids->effective &= ~FILE_CAPABILITIES;
	if (old_fsuid && !ids->fsuid)
		ids->effective |= ids->permitted & FILE_CAPABILITIES;
}

/* Files have no capabilities; root's have all. */
void capability_after_exec(struct ids *ids, bool set_id)
{
	bool root = !secure(ids, SECURE_NOROOT) && (!ids->uid || !ids->euid);

	if (set_id)
		ids->ambient = 0;
	ids->permitted = ids->ambient;
	if (root)
		ids->permitted |= ids->inheritable | ids->bounding;
	ids->effective = root && !ids->euid ? ids->permitted : ids->ambient;
	ids->securebits &= ~(u32)SECBIT_KEEP_CAPS;
}

/* ---- capget and capset ---- */

/* Sets of 32 bits in the header's version; an unknown one is answered with
 * ours, -EINVAL. */
static long read_header(u64 address, struct __user_cap_header_struct *h,
			u32 *sets)
{
	u32 ours = _LINUX_CAPABILITY_VERSION_3;

	if (copy_from_user(&h->version, address, sizeof(h->version)))
		return -EFAULT;
	switch (h->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		*sets = 1;
		break;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		*sets = 2;
		break;
	default:
		return copy_to_user(address, &ours, sizeof(ours)) ? -EFAULT :
								    -EINVAL;
	}
	return copy_from_user(&h->pid, address + sizeof(h->version),
			      sizeof(h->pid)) ?
		       -EFAULT :
		       0;
}

long sys_capget(u64 header, u64 data)
{
	struct __user_cap_header_struct h = { 0 };
	struct __user_cap_data_struct out[2];
	const struct thread *t = current;
	u32 sets = 0;
	long r = read_header(header, &h, &sets);

	if (!data)
		return r == -EINVAL ? 0 : r;
	if (r)
		return r;
	if (h.pid < 0)
		return -EINVAL;
	if (h.pid)
		t = thread_find(h.pid);
	if (!t)
		return -ESRCH;
	for (u32 i = 0; i < 2; i++) {
		out[i].effective = (u32)(t->ids.effective >> (32 * i));
		out[i].permitted = (u32)(t->ids.permitted >> (32 * i));
		out[i].inheritable = (u32)(t->ids.inheritable >> (32 * i));
	}
	return copy_to_user(data, out, sets * sizeof(out[0]));
}

long sys_capset(u64 header, u64 data)
{
	struct __user_cap_header_struct h = { 0 };
	struct __user_cap_data_struct in[2];
	struct ids *ids = &current->ids;
	u64 effective, permitted, inheritable;
	u32 sets = 0;
	long r = read_header(header, &h, &sets);

	if (r)
		return r;
	if (h.pid && h.pid != current->tid)
		return -EPERM;
	memset(in, 0, sizeof(in));
	if (copy_from_user(in, data, sets * sizeof(in[0])))
		return -EFAULT;
	effective = (in[0].effective | (u64)in[1].effective << 32) &
		    CAPABILITIES;
	permitted = (in[0].permitted | (u64)in[1].permitted << 32) &
		    CAPABILITIES;
	inheritable = (in[0].inheritable | (u64)in[1].inheritable << 32) &
		      CAPABILITIES;
	if (!ids_capable(CAP_SETPCAP) &&
	    (inheritable & ~(ids->inheritable | ids->permitted)))
		return -EPERM;
	if ((inheritable & ~(ids->inheritable | ids->bounding)) ||
	    (permitted & ~ids->permitted) || (effective & ~permitted))
		return -EPERM;
	ids->effective = effective;
	ids->permitted = permitted;
	ids->inheritable = inheritable;
	ids->ambient &= permitted & inheritable;
	return 0;
}

/* ---- prctl ---- */

static bool known(u64 capability)
{
	return capability <= CAP_LAST_CAP;
}

static long drop_bounding(u64 capability)
{
	if (!ids_capable(CAP_SETPCAP))
		return -EPERM;
	if (!known(capability))
		return -EINVAL;
	current->ids.bounding &= ~CAPABILITY_BIT(capability);
	return 0;
}

static long set_securebits(u64 bits)
{
	struct ids *ids = &current->ids;
	u32 locked = (ids->securebits & SECURE_ALL_LOCKS) >> 1;

	if ((locked & (ids->securebits ^ bits)) ||
	    (ids->securebits & SECURE_ALL_LOCKS & ~bits) ||
	    (bits & ~(u64)(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) ||
	    !ids_capable(CAP_SETPCAP))
		return -EPERM;
	ids->securebits = (u32)bits;
	return 0;
}

static long set_keepcaps(u64 keep)
{
	struct ids *ids = &current->ids;
	const u32 bit = 1u << SECURE_KEEP_CAPS;

	if (keep > 1)
		return -EINVAL;
	if (secure(ids, SECURE_KEEP_CAPS_LOCKED))
		return -EPERM;
	ids->securebits = (ids->securebits & ~bit) | (keep ? bit : 0);
	return 0;
}

static long change_ambient(u64 operation, u64 capability, u64 c, u64 d)
{
	struct ids *ids = &current->ids;
	u64 bit;

	if (operation == PR_CAP_AMBIENT_CLEAR_ALL) {
		if (capability || c || d)
			return -EINVAL;
		ids->ambient = 0;
		return 0;
	}
	if (!known(capability) || c || d)
		return -EINVAL;
	bit = CAPABILITY_BIT(capability);
	switch (operation) {
	case PR_CAP_AMBIENT_IS_SET:
		return (ids->ambient & bit) != 0;
	case PR_CAP_AMBIENT_RAISE:
		if (!(ids->permitted & ids->inheritable & bit) ||
		    secure(ids, SECURE_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		ids->ambient |= bit;
		return 0;
	case PR_CAP_AMBIENT_LOWER:
		ids->ambient &= ~bit;
		return 0;
	default:
		return -EINVAL;
	}
}

long capability_prctl(s32 option, u64 a, u64 b, u64 c, u64 d)
{
	switch (option) {
	case PR_CAPBSET_READ:
		return known(a) ? (long)(current->ids.bounding >> a & 1) :
				  -EINVAL;
	case PR_CAPBSET_DROP:
		return drop_bounding(a);
	case PR_GET_SECUREBITS:
		return current->ids.securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(a);
	case PR_GET_KEEPCAPS:
		return secure(&current->ids, SECURE_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return set_keepcaps(a);
	case PR_CAP_AMBIENT:
		return change_ambient(a, b, c, d);
	default:
		return -EINVAL;
	}
}
