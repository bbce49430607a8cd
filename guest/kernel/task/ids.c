/* ids.c: users and groups of a thread, and what they may do with files. */
#include "task/ids.h"

#include <linux/resource.h>
#include <linux/securebits.h>
#include <linux/stat.h>

#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/limits.h"
#include "task/process.h"

#define NOBODY ~0u        /* as an argument: unchanged; as an id: invalid */
#define GROUPS_MAX 65536u /* Linux, NGROUPS_MAX */

struct groups {
	u32 refs, count;
	u32 gid[]; /* rising */
};

/* What this kernel does for a privileged program; the others are as in a
 * container: they are not had. */
static const u64 root_capabilities =
	CAPABILITY_BIT(CAP_CHOWN) | CAPABILITY_BIT(CAP_DAC_OVERRIDE) |
	CAPABILITY_BIT(CAP_DAC_READ_SEARCH) | CAPABILITY_BIT(CAP_FOWNER) |
	CAPABILITY_BIT(CAP_FSETID) | CAPABILITY_BIT(CAP_KILL) |
	CAPABILITY_BIT(CAP_SETGID) | CAPABILITY_BIT(CAP_SETUID) |
	CAPABILITY_BIT(CAP_SETPCAP) | CAPABILITY_BIT(CAP_NET_BIND_SERVICE) |
	CAPABILITY_BIT(CAP_IPC_LOCK) | CAPABILITY_BIT(CAP_IPC_OWNER) |
	CAPABILITY_BIT(CAP_SYS_CHROOT) | CAPABILITY_BIT(CAP_SYS_NICE) |
	CAPABILITY_BIT(CAP_MKNOD) | CAPABILITY_BIT(CAP_SETFCAP);

void ids_init(struct ids *ids)
{
	memset(ids, 0, sizeof(*ids));
	ids->effective = ids->permitted = ids->bounding = root_capabilities;
}

void ids_copy(struct ids *to, const struct ids *from)
{
	*to = *from;
	if (to->groups)
		to->groups->refs++;
}

void ids_release(struct ids *ids)
{
	if (ids->groups && --ids->groups->refs == 0)
		kfree(ids->groups);
	ids->groups = NULL;
}

/* ---- what they may do ---- */

static bool capable(const struct ids *ids, int capability)
{
	return (ids->effective & CAPABILITY_BIT(capability)) != 0;
}

bool ids_capable(int capability)
{
	return capable(&current->ids, capability);
}

static bool in_groups(const struct groups *g, u32 gid)
{
	u32 low = 0, high = g ? g->count : 0;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (g->gid[middle] == gid)
			return true;
		if (g->gid[middle] < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool ids_in_group(u32 gid)
{
	return gid == current->ids.fsgid || in_groups(current->ids.groups, gid);
}

bool ids_same_user(const struct ids *other)
{
	const struct ids *ids = &current->ids;

	return ids->uid == other->uid && ids->uid == other->euid &&
	       ids->uid == other->suid && ids->gid == other->gid &&
	       ids->gid == other->egid && ids->gid == other->sgid;
}

static u32 class_bits(const struct ids *ids, u32 mode, u32 uid, u32 gid)
{
	if (ids->fsuid == uid)
		return mode >> 6 & 7;
	if (ids->fsgid == gid || in_groups(ids->groups, gid))
		return mode >> 3 & 7;
	return mode & 7;
}

/* path_resolution(7), Permissions; capabilities(7) */
static long permission(const struct ids *ids, u32 mode, u32 uid, u32 gid,
		       u32 want)
{
	bool directory = (mode & S_IFMT) == S_IFDIR;

	if (capable(ids, CAP_DAC_OVERRIDE) &&
	    (directory || !(want & WANT_EXECUTE) || (mode & 0111)))
		return 0;
	if (!(want & ~class_bits(ids, mode, uid, gid)))
		return 0;
	if (capable(ids, CAP_DAC_READ_SEARCH) &&
	    (directory ? !(want & WANT_WRITE) : want == WANT_READ))
		return 0;
	return -EACCES;
}

long ids_permission(u32 mode, u32 uid, u32 gid, u32 want)
{
	return permission(&current->ids, mode, uid, gid, want);
}

void ids_become_real(struct ids *ids)
{
	ids->fsuid = ids->uid;
	ids->fsgid = ids->gid;
	if (!(ids->securebits & CAPABILITY_BIT(SECURE_NO_SETUID_FIXUP)))
		ids->effective = ids->uid == 0 ? ids->permitted : 0;
}

bool ids_own(u32 uid)
{
	return current->ids.fsuid == uid || ids_capable(CAP_FOWNER);
}

long ids_sticky(u32 dir_mode, u32 dir_uid, u32 uid)
{
	if (!(dir_mode & S_ISVTX) || current->ids.fsuid == dir_uid)
		return 0;
	return ids_own(uid) ? 0 : -EPERM;
}

long ids_chown(u32 uid, u32 gid, u32 new_uid, u32 new_gid)
{
	bool owner = current->ids.fsuid == uid;

	if (ids_capable(CAP_CHOWN))
		return 0;
	if (new_uid != NOBODY && !(owner && new_uid == uid))
		return -EPERM;
	if (new_gid != NOBODY &&
	    !(owner && (new_gid == gid || ids_in_group(new_gid))))
		return -EPERM;
	return 0;
}

static bool keeps_set_gid(u32 gid)
{
	return ids_in_group(gid) || ids_capable(CAP_FSETID);
}

u32 ids_chmod(u32 mode, u32 gid)
{
	return keeps_set_gid(gid) ? mode : mode & ~(u32)S_ISGID;
}

u32 ids_mode_chowned(u32 mode)
{
	if ((mode & S_IFMT) == S_IFDIR)
		return mode;
	/* Without execution for the group it once meant mandatory locks. */
	if (mode & S_IXGRP)
		mode &= ~(u32)S_ISGID;
	return mode & ~(u32)S_ISUID;
}

u32 ids_mode_written(u32 mode)
{
	if (!(mode & (S_ISUID | S_ISGID)) || ids_capable(CAP_FSETID))
		return mode;
	return ids_mode_chowned(mode);
}

void ids_new_file(u32 dir_mode, u32 dir_gid, u32 *mode, u32 *uid, u32 *gid)
{
	*uid = current->ids.fsuid;
	*gid = current->ids.fsgid;
	if (!(dir_mode & S_ISGID))
		return;
	*gid = dir_gid;
	if ((*mode & S_IFMT) == S_IFDIR)
		*mode |= S_ISGID;
	else if ((*mode & S_IXGRP) && !keeps_set_gid(dir_gid))
		*mode &= ~(u32)S_ISGID;
}

/* ---- users ---- */

/* Another user's: no dumps, no signal at the parent's death. */
static void changed(const struct ids *old)
{
	const struct ids *ids = &current->ids;

	if (ids->euid == old->euid && ids->egid == old->egid &&
	    ids->fsuid == old->fsuid && ids->fsgid == old->fsgid &&
	    !(ids->permitted & ~old->permitted))
		return;
	current->process->dumpable = 0;
	current->parent_death_signal = 0;
}

/* setuid(2) does not fail for RLIMIT_NPROC: Linux, flag_nproc_exceeded. */
static bool is_crowd(u32 uid)
{
	return uid != 0 && threads_of_user(uid) > limit_of(RLIMIT_NPROC);
}

long ids_exec_allowed(void)
{
	struct ids *ids = &current->ids;

	ids->crowd = ids->crowd && is_crowd(ids->uid);
	return ids->crowd ? -EAGAIN : 0;
}

static void set_users(u32 uid, u32 euid, u32 suid)
{
	struct ids *ids = &current->ids, old = *ids;

	if (uid != old.uid)
		ids->crowd = is_crowd(uid);
	ids->uid = uid;
	ids->euid = ids->fsuid = euid;
	ids->suid = suid;
	capability_after_setuid(ids, &old);
	changed(&old);
}

static void set_groups(u32 gid, u32 egid, u32 sgid)
{
	struct ids *ids = &current->ids, old = *ids;

	ids->gid = gid;
	ids->egid = ids->fsgid = egid;
	ids->sgid = sgid;
	changed(&old);
}

static u32 wanted(u64 argument, u32 old)
{
	return (u32)argument == NOBODY ? old : (u32)argument;
}

static bool among(u32 id, u32 a, u32 b, u32 c)
{
	return id == a || id == b || id == c;
}

long sys_setuid(u64 argument)
{
	const struct ids *ids = &current->ids;
	u32 uid = (u32)argument;

	if (uid == NOBODY)
		return -EINVAL;
	if (ids_capable(CAP_SETUID))
		set_users(uid, uid, uid);
	else if (uid == ids->uid || uid == ids->suid)
		set_users(ids->uid, uid, ids->suid);
	else
		return -EPERM;
	return 0;
}

long sys_setreuid(u64 real, u64 effective)
{
	const struct ids *ids = &current->ids;
	u32 uid = wanted(real, ids->uid), euid = wanted(effective, ids->euid);
	u32 suid = ids->suid;

	if (!ids_capable(CAP_SETUID) &&
	    (!among(uid, ids->uid, ids->euid, ids->uid) ||
	     !among(euid, ids->uid, ids->euid, ids->suid)))
		return -EPERM;
	if ((u32)real != NOBODY ||
	    ((u32)effective != NOBODY && euid != ids->uid))
		suid = euid;
	set_users(uid, euid, suid);
	return 0;
}

long sys_setresuid(u64 real, u64 effective, u64 saved)
{
	const struct ids *ids = &current->ids;
	u32 uid = wanted(real, ids->uid), euid = wanted(effective, ids->euid);
	u32 suid = wanted(saved, ids->suid);

	if (!ids_capable(CAP_SETUID) &&
	    (!among(uid, ids->uid, ids->euid, ids->suid) ||
	     !among(euid, ids->uid, ids->euid, ids->suid) ||
	     !among(suid, ids->uid, ids->euid, ids->suid)))
		return -EPERM;
	set_users(uid, euid, suid);
	return 0;
}

/* setfsuid(2): answers the old one, whatever happens. */
long sys_setfsuid(u64 argument)
{
	struct ids *ids = &current->ids, old = *ids;
	u32 uid = (u32)argument;

	if (uid != NOBODY && (ids_capable(CAP_SETUID) || uid == ids->fsuid ||
			      among(uid, ids->uid, ids->euid, ids->suid))) {
		ids->fsuid = uid;
		capability_after_setfsuid(ids, old.fsuid);
		changed(&old);
	}
	return old.fsuid;
}

/* ---- groups ---- */

long sys_setgid(u64 argument)
{
	const struct ids *ids = &current->ids;
	u32 gid = (u32)argument;

	if (gid == NOBODY)
		return -EINVAL;
	if (ids_capable(CAP_SETGID))
		set_groups(gid, gid, gid);
	else if (gid == ids->gid || gid == ids->sgid)
		set_groups(ids->gid, gid, ids->sgid);
	else
		return -EPERM;
	return 0;
}

long sys_setregid(u64 real, u64 effective)
{
	const struct ids *ids = &current->ids;
	u32 gid = wanted(real, ids->gid), egid = wanted(effective, ids->egid);
	u32 sgid = ids->sgid;

	if (!ids_capable(CAP_SETGID) &&
	    (!among(gid, ids->gid, ids->egid, ids->gid) ||
	     !among(egid, ids->gid, ids->egid, ids->sgid)))
		return -EPERM;
	if ((u32)real != NOBODY ||
	    ((u32)effective != NOBODY && egid != ids->gid))
		sgid = egid;
	set_groups(gid, egid, sgid);
	return 0;
}

long sys_setresgid(u64 real, u64 effective, u64 saved)
{
	const struct ids *ids = &current->ids;
	u32 gid = wanted(real, ids->gid), egid = wanted(effective, ids->egid);
	u32 sgid = wanted(saved, ids->sgid);

	if (!ids_capable(CAP_SETGID) &&
	    (!among(gid, ids->gid, ids->egid, ids->sgid) ||
	     !among(egid, ids->gid, ids->egid, ids->sgid) ||
	     !among(sgid, ids->gid, ids->egid, ids->sgid)))
		return -EPERM;
	set_groups(gid, egid, sgid);
	return 0;
}

long sys_setfsgid(u64 argument)
{
	struct ids *ids = &current->ids, old = *ids;
	u32 gid = (u32)argument;

	if (gid != NOBODY && (ids_capable(CAP_SETGID) || gid == ids->fsgid ||
			      among(gid, ids->gid, ids->egid, ids->sgid))) {
		ids->fsgid = gid;
		changed(&old);
	}
	return old.fsgid;
}

u32 ids_group_count(const struct ids *ids)
{
	return ids->groups ? ids->groups->count : 0;
}

u32 ids_group(const struct ids *ids, u32 index)
{
	return ids->groups->gid[index];
}

static void sort(u32 *v, u32 count)
{
	for (u32 gap = count / 2; gap; gap /= 2) {
		for (u32 i = gap; i < count; i++) {
			u32 value = v[i], k = i;

			for (; k >= gap && v[k - gap] > value; k -= gap)
				v[k] = v[k - gap];
			v[k] = value;
		}
	}
}

long sys_setgroups(u64 count, u64 list)
{
	struct groups *g = NULL;
	u32 n = (u32)count;

	if (!ids_capable(CAP_SETGID))
		return -EPERM;
	if (n > GROUPS_MAX)
		return -EINVAL;
	if (n) {
		g = kmalloc(sizeof(*g) + n * sizeof(g->gid[0]));
		if (!g)
			return -ENOMEM;
		if (copy_from_user(g->gid, list, n * sizeof(g->gid[0]))) {
			kfree(g);
			return -EFAULT;
		}
		g->refs = 1;
		g->count = n;
		sort(g->gid, n);
		if (g->gid[n - 1] == NOBODY) {
			kfree(g);
			return -EINVAL;
		}
	}
	ids_release(&current->ids);
	current->ids.groups = g;
	return 0;
}

long sys_getgroups(u64 size, u64 list)
{
	const struct groups *g = current->ids.groups;
	u32 n = ids_group_count(&current->ids);

	if ((s32)size < 0)
		return -EINVAL;
	if (size == 0 || n == 0)
		return n;
	if ((u32)size < n)
		return -EINVAL;
	return copy_to_user(list, g->gid, n * sizeof(g->gid[0])) ? -EFAULT :
								   (long)n;
}

/* ---- asking ---- */

long sys_getuid(void)
{
	return current->ids.uid;
}

long sys_geteuid(void)
{
	return current->ids.euid;
}

long sys_getgid(void)
{
	return current->ids.gid;
}

long sys_getegid(void)
{
	return current->ids.egid;
}

static long put_three(u64 to[3], u32 a, u32 b, u32 c)
{
	if (copy_to_user(to[0], &a, sizeof(a)) ||
	    copy_to_user(to[1], &b, sizeof(b)) ||
	    copy_to_user(to[2], &c, sizeof(c)))
		return -EFAULT;
	return 0;
}

long sys_getresuid(u64 real, u64 effective, u64 saved)
{
	const struct ids *ids = &current->ids;

	return put_three((u64[]){ real, effective, saved }, ids->uid, ids->euid,
			 ids->suid);
}

long sys_getresgid(u64 real, u64 effective, u64 saved)
{
	const struct ids *ids = &current->ids;

	return put_three((u64[]){ real, effective, saved }, ids->gid, ids->egid,
			 ids->sgid);
}

/* ---- exec ---- */

bool ids_exec(u32 mode, u32 uid, u32 gid)
{
	struct ids *ids = &current->ids, old = *ids;
	bool changed;

	if ((mode & S_ISUID) && !ids->no_new_privs)
		ids->euid = uid;
	if ((mode & S_ISGID) && (mode & S_IXGRP) && !ids->no_new_privs)
		ids->egid = gid;
	ids->suid = ids->fsuid = ids->euid;
	ids->sgid = ids->fsgid = ids->egid;
	changed = ids->euid != old.euid || ids->egid != old.egid;
	capability_after_exec(ids, changed);
	return changed || ids->euid != ids->uid || ids->egid != ids->gid;
}
