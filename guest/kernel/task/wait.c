/* wait.c: waiting for children: wait4(2), waitid(2). */
#include <linux/resource.h>
#include <linux/signal.h>
#include <linux/wait.h>

#include "fs/descriptor.h"
#include "io/pidfd.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"
#include "task/signal.h"

#define CONTINUED_STATUS 0xffff

struct request {
	s32 type, id;            /* P_* */
	struct process *process; /* of P_PIDFD, referenced; or NULL */
	u32 options;
};

struct answer {
	s32 pid;
	u32 uid;
	s32 code;   /* CLD_* */
	s32 status; /* as in siginfo */
	u32 word;   /* as wait4 stores it */
	struct rusage usage;
};

/* Which children a request is about. */
static bool concerns(const struct request *q, const struct process *c)
{
	bool clone = c->exit_signal != SIGCHLD;

	if (q->options & __WNOTHREAD && c->maker != current->tid)
		return false;
	if (!(q->options & __WALL) && clone != ((q->options & __WCLONE) != 0))
		return false;
	switch (q->type) {
	case P_PID:
		return c->pid == q->id;
	case P_PGID:
		return c->group == q->id;
	case P_PIDFD:
		return c == q->process;
	default:
		return true;
	}
}

static void describe(const struct process *c, struct answer *a)
{
	struct usage u;

	a->pid = c->pid;
	a->uid = c->leader->ids.uid;
	usage_with_children(c, &u);
	usage_describe(&u, MAX(c->peak, c->children_peak), &a->usage);
}

static void take_zombie(struct process *c, const struct request *q,
			struct answer *a)
{
	u32 signo = c->status & 0x7f;

	describe(c, a);
	a->code = signo ? CLD_KILLED : CLD_EXITED;
	a->status = (s32)(signo ? signo : c->status >> 8);
	a->word = c->status;
	if (q->options & WNOWAIT)
		return;
	usage_keep_child(current->process, c);
	process_reap(c);
}

/* True: it has something to tell, which is taken. */
static bool take(struct process *c, const struct request *q, struct answer *a)
{
	enum news news = c->news;

	if (c->zombie) {
		if (q->options & WEXITED)
			take_zombie(c, q, a);
		return q->options & WEXITED;
	}
	if (!(news == NEWS_STOPPED && q->options & WSTOPPED) &&
	    !(news == NEWS_CONTINUED && q->options & WCONTINUED))
		return false;
	describe(c, a);
	a->code = news == NEWS_STOPPED ? CLD_STOPPED : CLD_CONTINUED;
	a->status = news == NEWS_STOPPED ? c->stop_signal : SIGCONT;
	a->word = news == NEWS_STOPPED ? (u32)c->stop_signal << 8 | 0x7f :
					 CONTINUED_STATUS;
	if (!(q->options & WNOWAIT))
		c->news = NEWS_NONE;
	return true;
}

/* 1: a has something; 0: nothing yet; -ECHILD: there is nobody to wait for. */
static long look(const struct request *q, struct answer *a)
{
	long r = -ECHILD;

	for (struct process *c = current->process->children; c;
	     c = c->sibling) {
		if (!concerns(q, c))
			continue;
		if (take(c, q, a))
			return 1;
		/* One that has ended has nothing more to tell. */
		if (!c->zombie || q->options & WEXITED)
			r = 0;
	}
	return r;
}

/* What a signal tells of has happened: the last look is behind it. */
static long wait(const struct request *q, struct answer *a)
{
	bool signalled = false;
	long r;

	while (!(r = look(q, a)) && !(q->options & WNOHANG)) {
		if (signalled)
			return -ERESTARTSYS;
		signalled = thread_wait(&current->process->waiting, FOREVER) ==
			    -EINTR;
	}
	return r;
}

/* ---- system calls ---- */

long sys_wait4(u64 pid, u64 status, u64 options, u64 usage)
{
	struct request q = { .type = P_ALL, .options = (u32)options | WEXITED };
	s32 id = (s32)pid;
	struct answer a;
	long r;

	if ((u32)options & ~(u32)(WNOHANG | WUNTRACED | WCONTINUED |
				  __WNOTHREAD | __WALL | __WCLONE))
		return -EINVAL;
	if (id == INT32_MIN)
		return -ESRCH;
	if (id != -1) {
		q.type = id > 0 ? P_PID : P_PGID;
		q.id = id > 0 ? id : id ? -id : current->process->group;
	}
	r = wait(&q, &a);
	if (r <= 0)
		return r;
	if ((status && copy_to_user(status, &a.word, sizeof(a.word))) ||
	    (usage && copy_to_user(usage, &a.usage, sizeof(a.usage))))
		return -EFAULT;
	return a.pid;
}

/* The process of a descriptor, and whether it wants no wait. */
static long read_pidfd(s32 fd, struct request *q, bool *nonblock)
{
	const struct file *f;

	if (fd < 0)
		return -EINVAL;
	f = fd_file(fd);
	q->process = f ? pidfd_process(f) : NULL;
	if (!q->process)
		return -EBADF;
	q->process->refs++; /* the descriptor may be closed meanwhile */
	*nonblock = f->flags & O_NONBLOCK;
	return 0;
}

static long read_request(u64 which, u64 id, struct request *q, bool *nonblock)
{
	q->type = (s32)which;
	q->id = (s32)id;
	switch (q->type) {
	case P_ALL:
		return 0;
	case P_PID:
		return q->id <= 0 ? -EINVAL : 0;
	case P_PGID:
		if (q->id == 0)
			q->id = current->process->group;
		return q->id < 0 ? -EINVAL : 0;
	case P_PIDFD:
		return read_pidfd(q->id, q, nonblock);
	default:
		return -EINVAL;
	}
}

static long store(u64 info, const struct answer *a)
{
	struct sigqueue_info i = { 0 };

	if (a->pid)
		i = (struct sigqueue_info){ .signo = SIGCHLD,
					    .code = a->code,
					    .pid = a->pid,
					    .uid = a->uid,
					    .status = a->status };
	/* What Linux stores, too: not the times. */
	return copy_to_user(info, &i, offsetof(struct sigqueue_info, fd) + 4);
}

static long wait_by_id(u64 which, u64 id, u64 options, struct answer *a)
{
	struct request q = { .options = (u32)options };
	bool nonblock = false;
	long r;

	if ((u32)options & ~(u32)(WNOHANG | WNOWAIT | WEXITED | WSTOPPED |
				  WCONTINUED | __WNOTHREAD | __WALL | __WCLONE))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	r = read_request(which, id, &q, &nonblock);
	if (r)
		return r;
	if (nonblock)
		q.options |= WNOHANG;
	r = wait(&q, a);
	if (q.process)
		process_unref(q.process);
	return r == 0 && nonblock && !(options & WNOHANG) ? -EAGAIN : r;
}

/* As Linux it stores nothing's information for an error, too. */
long sys_waitid(u64 which, u64 id, u64 info, u64 options, u64 usage)
{
	struct answer a = { 0 };
	long r = wait_by_id(which, id, options, &a);

	if (r > 0 && usage && copy_to_user(usage, &a.usage, sizeof(a.usage)))
		return -EFAULT;
	if (r != -ERESTARTSYS && info && store(info, &a))
		return -EFAULT;
	return MIN(r, 0l);
}
