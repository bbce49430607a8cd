/*
 * ids.h: who a thread is: its users, groups and capabilities: credentials(7),
 * capabilities(7). As on Linux each thread has its own; the C library changes
 * those of all threads.
 */
#ifndef TASK_IDS_H
#define TASK_IDS_H

#include <linux/capability.h>

#include "kernel.h"

struct groups;

struct ids {
	u32 uid, euid, suid, fsuid;
	u32 gid, egid, sgid, fsgid;
	struct groups *groups; /* supplementary ones; NULL: none */
	/* Bit n: capability n. */
	u64 effective, permitted, inheritable, bounding, ambient;
	u32 securebits; /* SECBIT_* */
	bool no_new_privs;
	bool crowd; /* RLIMIT_NPROC was exceeded when it became this user */
};

#define CAPABILITY_BIT(n) (1ull << (n))
#define CAPABILITIES (CAPABILITY_BIT(CAP_LAST_CAP + 1) - 1)

/* What a file is asked for; as R_OK, W_OK and X_OK. */
#define WANT_READ 4
#define WANT_WRITE 2
#define WANT_EXECUTE 1 /* or search */

/* root, with what root can do here. */
void ids_init(struct ids *ids);
/* Those of a new thread. */
void ids_copy(struct ids *to, const struct ids *from);
void ids_release(struct ids *ids);

/* execve of a thread that became another user though there were too many of its
 * threads, and still are: 0 or -EAGAIN. */
long ids_exec_allowed(void);

/* The running thread's. */
bool ids_capable(int capability);
bool ids_in_group(u32 gid);
/* All ids of other are the running thread's real ones. */
bool ids_same_user(const struct ids *other);
/* For a path's component or file of this mode and owners: 0 or -EACCES. */
long ids_permission(u32 mode, u32 uid, u32 gid, u32 want);
/* What access(2) asks with, of a copy that is put back: the real ids. */
void ids_become_real(struct ids *ids);
/* May act as the owner of a file: chmod, explicit times, O_NOATIME. */
bool ids_own(u32 uid);
/* A name of a file of this owner may be removed from, or renamed in, the
 * directory, as far as its sticky bit goes: 0 or -EPERM. */
long ids_sticky(u32 dir_mode, u32 dir_uid, u32 uid);
/* chown of a file of (uid, gid); new ones ~0: kept. 0 or -EPERM. */
long ids_chown(u32 uid, u32 gid, u32 new_uid, u32 new_gid);
/* What chmod makes of the wanted mode for a file of this group. */
u32 ids_chmod(u32 mode, u32 gid);
/* The mode without set-id bits, after a change of owner. */
u32 ids_mode_chowned(u32 mode);
/* The same after a write or truncation. */
u32 ids_mode_written(u32 mode);
/* Owners of a new file of *mode in a directory; *mode gets or loses S_ISGID. */
void ids_new_file(u32 dir_mode, u32 dir_gid, u32 *mode, u32 *uid, u32 *gid);

/* The running thread executes a file of this mode and owners. True: by that it
 * became somebody else, so that its environment is not to be trusted. */
bool ids_exec(u32 mode, u32 uid, u32 gid);

/* Text of the supplementary groups, for /proc; count of them at index. */
u32 ids_group_count(const struct ids *ids);
u32 ids_group(const struct ids *ids, u32 index);

/* capability.c: prctl's part; -EINVAL: none of these options. */
long capability_prctl(s32 option, u64 a, u64 b, u64 c, u64 d);
/* After old became ids->[e,s]uid: what Linux takes away or gives back. */
void capability_after_setuid(struct ids *ids, const struct ids *old);
void capability_after_setfsuid(struct ids *ids, u32 old_fsuid);
/* After an exec; set_id: of a file that changed the ids. */
void capability_after_exec(struct ids *ids, bool set_id);

#endif
