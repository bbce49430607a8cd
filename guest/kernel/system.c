/* system.c: what programs ask about the system, and what only one that may
 * administer it could change: nobody may, as in a container. */
#include <linux/sched.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#include "fs/descriptor.h"
#include "fs/surroundings.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/clock.h"
#include "task/process.h"

#define NAMESPACES                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

long sys_uname(u64 address)
{
	static const struct new_utsname name = {
		.sysname = "Linux",
		.nodename = "zeroboot",
		.release = "6.1.0-zeroboot",
		.version = "#1 SMP",
		.machine = "x86_64",
		.domainname = "(none)",
	};

	return copy_to_user(address, &name, sizeof(name));
}

long sys_sysinfo(u64 address)
{
	struct sysinfo s;

	memset(&s, 0, sizeof(s));
	s.uptime = (long)((boot_now() + NSEC - 1) / NSEC);
	s.totalram = frames_total() * PAGE_SIZE;
	s.freeram = frames_available() * PAGE_SIZE;
	for (const struct thread *t = threads; t; t = t->all_next)
		s.procs++;
	s.mem_unit = 1;
	return copy_to_user(address, &s, sizeof(s));
}

long sys_personality(u64 wanted)
{
	u32 old = current->personality;

	if ((u32)wanted != 0xffffffff)
		current->personality = (u32)wanted;
	return old;
}

/* ---- what nobody may ---- */

#define REFUSED_1(name, error)                                                 \
	long sys_##name(u64 a)                                                 \
	{                                                                      \
		(void)a;                                                       \
		return error;                                                  \
	}
#define REFUSED_2(name, error)                                                 \
	long sys_##name(u64 a, u64 b)                                          \
	{                                                                      \
		(void)a, (void)b;                                              \
		return error;                                                  \
	}
#define REFUSED_3(name, error)                                                 \
	long sys_##name(u64 a, u64 b, u64 c)                                   \
	{                                                                      \
		(void)a, (void)b, (void)c;                                     \
		return error;                                                  \
	}
#define REFUSED_4(name, error)                                                 \
	long sys_##name(u64 a, u64 b, u64 c, u64 d)                            \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d;                            \
		return error;                                                  \
	}
#define REFUSED_5(name, error)                                                 \
	long sys_##name(u64 a, u64 b, u64 c, u64 d, u64 e)                     \
	{                                                                      \
		(void)a, (void)b, (void)c, (void)d, (void)e;                   \
		return error;                                                  \
	}

REFUSED_1(acct, -EPERM)
REFUSED_1(swapoff, -EPERM)
REFUSED_1(userfaultfd, -EPERM)
REFUSED_1(shmdt, -ENOSYS)
REFUSED_1(io_destroy, -ENOSYS)
REFUSED_1(mq_unlink, -ENOSYS)
REFUSED_1(memfd_secret, -ENOSYS)
REFUSED_2(sethostname, -EPERM)
REFUSED_2(setdomainname, -EPERM)
REFUSED_2(pivot_root, -EPERM)
REFUSED_2(umount2, -EPERM)
REFUSED_2(swapon, -EPERM)
REFUSED_2(delete_module, -EPERM)
REFUSED_2(fanotify_init, -EPERM)
REFUSED_2(fsopen, -EPERM)
REFUSED_2(io_uring_setup, -ENOSYS)
REFUSED_2(msgget, -ENOSYS)
REFUSED_2(io_setup, -ENOSYS)
REFUSED_2(mq_notify, -ENOSYS)
REFUSED_2(process_mrelease, -ENOSYS)
REFUSED_3(syslog, -EPERM)
REFUSED_3(ioperm, -EPERM)
REFUSED_3(init_module, -EPERM)
REFUSED_3(finit_module, -EPERM)
REFUSED_3(bpf, -EPERM)
REFUSED_3(open_tree, -EPERM)
REFUSED_3(fsmount, -EPERM)
REFUSED_3(fspick, -EPERM)
REFUSED_3(seccomp, -EINVAL)
REFUSED_3(landlock_create_ruleset, -EOPNOTSUPP)
REFUSED_3(shmget, -ENOSYS)
REFUSED_3(shmat, -ENOSYS)
REFUSED_3(shmctl, -ENOSYS)
REFUSED_3(semget, -ENOSYS)
REFUSED_3(semop, -ENOSYS)
REFUSED_3(msgctl, -ENOSYS)
REFUSED_3(modify_ldt, -ENOSYS)
REFUSED_3(io_submit, -ENOSYS)
REFUSED_3(io_cancel, -ENOSYS)
REFUSED_3(mq_getsetattr, -ENOSYS)
REFUSED_3(open_by_handle_at, -EPERM)
REFUSED_4(reboot, -EPERM)
REFUSED_4(ptrace, -EPERM)
REFUSED_4(quotactl, -EPERM)
REFUSED_4(kexec_load, -EPERM)
REFUSED_4(request_key, -EPERM)
REFUSED_4(rseq, -ENOSYS)
REFUSED_4(semctl, -ENOSYS)
REFUSED_4(msgsnd, -ENOSYS)
REFUSED_4(semtimedop, -ENOSYS)
REFUSED_4(mq_open, -ENOSYS)
REFUSED_4(set_mempolicy_home_node, -ENOSYS)
REFUSED_5(mount, -EPERM)
REFUSED_5(add_key, -EPERM)
REFUSED_5(keyctl, -EPERM)
REFUSED_5(perf_event_open, -EACCES)
REFUSED_5(kexec_file_load, -EPERM)
REFUSED_5(fsconfig, -EPERM)
REFUSED_5(move_mount, -EPERM)
REFUSED_5(mount_setattr, -EPERM)
REFUSED_5(msgrcv, -ENOSYS)
REFUSED_5(io_getevents, -ENOSYS)
REFUSED_5(mq_timedsend, -ENOSYS)
REFUSED_5(mq_timedreceive, -ENOSYS)
REFUSED_5(name_to_handle_at, -EOPNOTSUPP)
REFUSED_5(process_madvise, -ENOSYS)
REFUSED_5(futex_waitv, -ENOSYS)

/* What stopped calls go on with on Linux; here they need no help. */
long sys_restart_syscall(void)
{
	return -EINTR;
}

long sys_vhangup(void)
{
	return -EPERM;
}

/* iopl(2): no more than it has, which is none. */
long sys_iopl(u64 level)
{
	if ((u32)level > 3)
		return -EINVAL;
	return level ? -EPERM : 0;
}

long sys_setns(u64 fd, u64 type)
{
	(void)type;
	return fd_file((s32)fd) ? -EPERM : -EBADF;
}

/* unshare(2): threads share what they have with their process for good. */
long sys_unshare(u64 flags)
{
	const u64 own = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM;
	const u64 lone = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;

	if (flags & ~(own | lone | NAMESPACES))
		return -EINVAL;
	if (flags & lone && current->process->thread_count > 1)
		return -EINVAL;
	if (flags & NAMESPACES ||
	    (flags & own && current->process->thread_count > 1))
		return -EPERM;
	if ((flags & CLONE_FS && surroundings_unshare()) ||
	    (flags & CLONE_FILES && descriptors_unshare()))
		return -ENOMEM;
	return 0;
}
