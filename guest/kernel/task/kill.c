/* kill.c: the calls that send signals. */
#include "task/kill.h"

#include "mm/user.h"
#include "syscalls.h"
#include "task/signal.h"

static struct sigqueue_info sent(u64 signo, int code)
{
	return (struct sigqueue_info){ .signo = (s32)signo,
				       .code = code,
				       .pid = current->process->pid,
				       .uid = current->ids.uid };
}

static bool valid(u64 signo)
{
	return (s32)signo >= 0 && (s32)signo <= SIGNAL_COUNT;
}

/* kill(2): who may send to whom. */
static bool may_send(const struct thread *to, s32 signo)
{
	const struct ids *me = &current->ids, *it = &to->ids;

	return to->process == current->process || me->euid == it->suid ||
	       me->euid == it->uid || me->uid == it->suid ||
	       me->uid == it->uid || ids_capable(CAP_KILL) ||
	       (signo == SIGCONT &&
		to->process->session == current->process->session);
}

/* Signal 0 only asks whether there is somebody. */
static long send_to(struct process *p, const struct sigqueue_info *info)
{
	if (!may_send(p->leader, info->signo))
		return -EPERM;
	return info->signo ? signal_send_process(p, info) : 0;
}

static long send_process(s32 pid, const struct sigqueue_info *info)
{
	struct process *p = process_of(pid);

	if (!p)
		return -ESRCH;
	if (!valid((u64)info->signo))
		return -EINVAL;
	return send_to(p, info);
}

static long send_thread(s32 pid, s32 tid, const struct sigqueue_info *info)
{
	struct thread *t = thread_find(tid);

	if (!t || (pid && t->process->pid != pid))
		return -ESRCH;
	if (!valid((u64)info->signo))
		return -EINVAL;
	if (!may_send(t, info->signo))
		return -EPERM;
	return info->signo ? signal_send_thread(t, info) : 0;
}

/* 0 when one of them got it. */
static long send_group(s32 group, const struct sigqueue_info *info)
{
	long r = -ESRCH, one;

	if (!valid((u64)info->signo))
		return -EINVAL;
	for (struct process *p = processes; p; p = p->all_next) {
		if (p->group != group)
			continue;
		one = send_to(p, info);
		if (r)
			r = one;
	}
	return r;
}

static bool held;
static u32 given; /* the last one, since they are not held */

void kill_hold(void)
{
	if (given)
		control->signal = given;
	given = 0;
	held = true;
}

void kill_release(void)
{
	held = false;
}

void kill_by_host(void)
{
	struct sigqueue_info info = { .signo = (s32)control->signal,
				      .code = SI_KERNEL };
	s32 group = first_process->group;

	if (!info.signo || held)
		return;
	control->signal = 0;
	given = (u32)info.signo;
	if (!valid((u64)info.signo))
		return;
	for (struct process *p = processes; p; p = p->all_next)
		if (p->group == group)
			signal_send_process(p, &info);
}

/* To everybody but init and the caller. */
static long send_all(const struct sigqueue_info *info)
{
	long r = 0, one;
	u32 count = 0;

	if (!valid((u64)info->signo))
		return -EINVAL;
	for (struct process *p = processes; p; p = p->all_next) {
		if (p == current->process)
			continue;
		count++;
		one = send_to(p, info);
		if (one != -EPERM)
			r = one;
	}
	return count ? r : -ESRCH;
}

long sys_kill(u64 pid, u64 signo)
{
	struct sigqueue_info info = sent(signo, SI_USER);
	s32 to = (s32)pid;

	if (to > 0)
		return send_process(to, &info);
	if (to == -1)
		return send_all(&info);
	if (to == INT32_MIN)
		return -ESRCH;
	return send_group(to ? -to : current->process->group, &info);
}

long sys_tgkill(u64 pid, u64 tid, u64 signo)
{
	struct sigqueue_info info = sent(signo, SI_TKILL);

	if ((s32)pid <= 0 || (s32)tid <= 0)
		return -EINVAL;
	return send_thread((s32)pid, (s32)tid, &info);
}

long sys_tkill(u64 tid, u64 signo)
{
	struct sigqueue_info info = sent(signo, SI_TKILL);

	if ((s32)tid <= 0)
		return -EINVAL;
	return send_thread(0, (s32)tid, &info);
}

/* What the program says comes with it. Only to itself may it pretend to be the
 * kernel or kill. */
static long read_info(u64 address, s32 to, u64 signo,
		      struct sigqueue_info *info)
{
	siginfo_t in;

	if (copy_from_user(&in, address, sizeof(in)))
		return -EFAULT;
	if ((in.si_code >= 0 || in.si_code == SI_TKILL) &&
	    to != current->process->pid)
		return -EPERM;
	memcpy(info, &in, sizeof(*info));
	info->signo = (s32)signo;
	return 0;
}

long sys_rt_sigqueueinfo(u64 pid, u64 signo, u64 address)
{
	struct sigqueue_info info;
	long r = read_info(address, (s32)pid, signo, &info);

	return r ? r : send_process((s32)pid, &info);
}

long sys_rt_tgsigqueueinfo(u64 pid, u64 tid, u64 signo, u64 address)
{
	struct sigqueue_info info;
	long r;

	if ((s32)pid <= 0 || (s32)tid <= 0)
		return -EINVAL;
	r = read_info(address, (s32)tid, signo, &info);
	return r ? r : send_thread((s32)pid, (s32)tid, &info);
}

long kill_scope(s32 pid, u32 scope, u64 signo, u64 address)
{
	struct sigqueue_info info =
		sent(signo, scope == KILL_THREAD ? SI_TKILL : SI_USER);
	s32 claimed;
	long r;

	if (address) {
		r = read_info(address, pid, signo, &info);
		if (r || copy_from_user(&claimed, address, sizeof(claimed)))
			return r ? r : -EFAULT;
		if (claimed != (s32)signo)
			return -EINVAL;
	}
	if (scope == KILL_THREAD)
		return send_thread(pid, pid, &info);
	if (scope == KILL_GROUP)
		return send_group(pid, &info);
	return send_process(pid, &info);
}
