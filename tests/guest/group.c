/* group.c: process groups and sessions, signals to groups and to all, who may send
 * which to whom. */
#define _GNU_SOURCE
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"

#define USER 54321
#define OTHER 54322

static struct gate gate, back;
static char self[4096];
static struct {
	volatile int count, code, value, uid;
	volatile pid_t sender;
} * seen;

static void note(int signo, siginfo_t *info, void *context)
{
	(void)signo, (void)context;
	seen->code = info->si_code;
	seen->sender = info->si_pid;
	seen->uid = (int)info->si_uid;
	seen->value = info->si_code == SI_QUEUE ? info->si_value.sival_int : 0;
	__atomic_add_fetch(&seen->count, 1, __ATOMIC_SEQ_CST);
}

static void handle(int signo)
{
	struct sigaction action = { .sa_sigaction = note,
				    .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(signo, &action, NULL);
}

static int waits(void)
{
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

static int becomes_another(void)
{
	execl(self, "group", "wait", NULL);
	return 1;
}

static int new_session(void)
{
	setsid();
	return waits();
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void groups(void)
{
	pid_t a = child_start(waits), b = child_start(waits), c, d;

	gate_pass(&back), gate_pass(&back);
	SHOW(setpgid(a, 0));
	SHOW(getpgid(a) == a);
	SHOW(setpgid(b, a));
	SHOW(getpgid(b) == a);
	SHOW(setpgid(b, -1));
	SHOW(setpgid(-1, 0));
	SHOW(setpgid(b, 1 << 22));
	SHOW(setpgid(1, 0));
	SHOW(setpgid(1 << 22, 0));
	SHOW(setpgid(b, 0));
	SHOW(setpgid(b, getpgrp()));
	SHOW(setpgid(b, a));
	c = child_start(becomes_another);
	gate_pass(&back);
	SHOW(setpgid(c, c));
	d = child_start(new_session);
	gate_pass(&back);
	SHOW(setpgid(d, d));
	SHOW(setpgid(d, a));
	SHOW(setpgid(a, d));
	SHOW(getsid(d) == d);
	SHOW(getpgid(d) == d);
	end(a);
	/* The group lives on without its leader. */
	SHOW(setpgid(0, a));
	SHOW(getpgrp() == a);
	SHOW(kill(-a, 0));
	SHOW(setpgid(0, 0));
	SHOW(setsid());
	end(b);
	SHOW(kill(-a, 0));
	SHOW(setpgid(c, a));
	end(c), end(d);
}

static int sets_own_group(void)
{
	setpgid(0, 0);
	return getpgrp() != getpid();
}

/* As shells do it: parent and child both set the group. */
static void races(void)
{
	int refused = 0;

	for (int i = 0; i < 50; i++) {
		pid_t pid = child_start(sets_own_group);

		if (setpgid(pid, pid) && errno != ESRCH && errno != EACCES)
			refused++;
		waitpid(pid, NULL, 0);
	}
	SHOW(refused);
}

static int grandchild_group(void)
{
	return setpgid(getppid(), 0) == -1 && errno == ESRCH ? 0 : 1;
}

static void to_groups(void)
{
	pid_t a, b, c;

	handle(SIGUSR1);
	seen->count = 0;
	a = child_start(waits), b = child_start(waits), c = child_start(waits);
	gate_pass(&back), gate_pass(&back), gate_pass(&back);
	setpgid(a, a), setpgid(b, a);
	SHOW(kill(-a, SIGUSR1));
	while (seen->count < 2)
		sched_yield();
	SHOW(killpg(a, SIGUSR1));
	while (seen->count < 4)
		sched_yield();
	SHOW(kill(-c, SIGUSR1));
	SHOW(kill(-a, 65));
	SHOW(seen->count);
	SHOW(setpgid(0, 0));
	setpgid(c, getpid());
	SHOW(kill(0, SIGUSR1));
	while (seen->count < 6)
		sched_yield();
	SHOW(seen->sender == getpid());
	SHOW(kill(-a, SIGKILL));
	child_end("one of the group", a);
	child_end("another of it", b);
	end(c);
	child_run("a parent is no child", grandchild_group);
}

static int queues(void)
{
	union sigval v = { .sival_int = 77 };

	return sigqueue(getppid(), SIGUSR1, v);
}

static int sends(void)
{
	return kill(getppid(), SIGUSR1);
}

static int sends_as_kernel(void)
{
	siginfo_t info = { .si_code = SI_KERNEL };

	return RAW(rt_sigqueueinfo, getppid(), SIGUSR1, &info) == -1 &&
			       errno == EPERM ?
		       4 :
		       5;
}

static int sends_to_thread(void)
{
	return tgkill(getppid(), getppid(), SIGUSR1);
}

static void show_seen(const char *what, int (*run)(void))
{
	pid_t pid;

	seen->count = 0;
	pid = child_start(run);
	child_end(what, pid);
	printf("%d: code %d, value %d, from the child %d, user %d\n",
	       seen->count, seen->code, seen->value, seen->sender == pid,
	       seen->uid);
}

static void become(int user)
{
	if (setgroups(0, NULL) || setgid((gid_t)user) || setuid((uid_t)user))
		_exit(99);
}

static int waits_as_user(void)
{
	become(USER);
	return waits();
}

static int waits_as_other(void)
{
	become(OTHER);
	setsid();
	return waits();
}

static pid_t users, others;

/* All of the user's but itself; the others may not be sent anything. */
static int sends_to_all(void)
{
	pid_t own;

	become(USER);
	SHOW(kill(1, 0));
	SHOW(kill(others, 0));
	SHOW(kill(others, SIGCONT));
	SHOW(kill(-others, SIGTERM));
	SHOW(kill(users, SIGCONT));
	SHOW(RAW(pidfd_send_signal, RAW(pidfd_open, others, 0), SIGTERM, NULL,
		 0));
	SHOW(kill(getppid(), SIGTERM));
	own = child_start(waits);
	gate_pass(&back);
	SHOW(kill(-1, SIGTERM));
	child_end("the own child", own);
	SHOW(kill(-1, 0));
	return 0;
}

static int waits_in_session(void)
{
	SHOW(kill(getppid(), SIGCONT));
	return 0;
}

static int continues_in_session(void)
{
	setsid();
	if (fork() == 0) {
		become(USER);
		_exit(waits_in_session());
	}
	wait(NULL);
	return 0;
}

static void users_processes(void)
{
	users = child_start(waits_as_user),
	others = child_start(waits_as_other);
	gate_pass(&back), gate_pass(&back);
	child_run("sends to all", sends_to_all);
	child_end("the user's", users);
	end(others);
	child_run("SIGCONT in a session", continues_in_session);
}

/* In a child, so that it leads no session. */
static int all(void)
{
	groups();
	races();
	to_groups();
	show_seen("kill", sends);
	show_seen("sigqueue", queues);
	show_seen("as the kernel", sends_as_kernel);
	show_seen("tgkill", sends_to_thread);
	users_processes();
	return 0;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		gate.ends[0] = 60, back.ends[1] = 61;
		return waits();
	}
	setbuf(stdout, NULL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	gate = gate_make(), back = gate_make();
	dup2(gate.ends[0], 60), dup2(back.ends[1], 61);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child_run("all", all);
	return 0;
}
