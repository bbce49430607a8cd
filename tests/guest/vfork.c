/* vfork.c: children that share: vfork, clone's flags, clone3, posix_spawn. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

#define STACK (256 << 10)

static volatile int value, handled;
static char *stack;
static struct gate gate;
static pid_t parent_tid, child_tid;
static const char *self;

static void handle(int signo)
{
	handled = signo;
}

static void other_handler(int signo)
{
	handled = -signo;
}

static void by_vfork(void)
{
	pid_t pid;

	value = 1;
	pid = vfork();
	if (pid == 0) {
		value = 2;
		pause_ms(20);
		value = 3;
		_exit(4);
	}
	SHOW(value);
	child_end("vfork", pid);
	pid = vfork();
	if (pid == 0) {
		pause_ms(5);
		execl(self, "vfork", "exit", "7", NULL);
		value = 9;
		_exit(1);
	}
	SHOW(value);
	child_end("vfork and execve", pid);
	pid = vfork();
	if (pid == 0) {
		execl("nowhere", "nowhere", NULL);
		value = errno == ENOENT;
		_exit(1);
	}
	SHOW(value);
	child_end("vfork and no execve", pid);
	pid = vfork();
	if (pid == 0) {
		raise(SIGKILL);
		_exit(1);
	}
	child_end("vfork and killed", pid);
}

static int sets_value(void *to)
{
	value = *(int *)to;
	return *(int *)to;
}

static int waits_and_sets(void *to)
{
	gate_pass(&gate);
	value = *(int *)to;
	return 0;
}

static pid_t start(int (*run)(void *), int flags, void *arg)
{
	return clone(run, stack + STACK, flags, arg, &parent_tid, NULL,
		     &child_tid);
}

static void memory(void)
{
	int five = 5, six = 6;
	pid_t pid;

	child_end("VM and VFORK",
		  start(sets_value, CLONE_VM | CLONE_VFORK | SIGCHLD, &five));
	SHOW(value);
	pid = start(waits_and_sets, CLONE_VM | SIGCHLD, &six);
	SHOW(value);
	gate_open(&gate);
	child_end("VM", pid);
	SHOW(value);
	child_end("VFORK", start(sets_value, CLONE_VFORK | SIGCHLD, &five));
	SHOW(value);
}

static int shares_all(void *unused)
{
	(void)unused;
	value = open("made", O_RDWR | O_CREAT, 0600);
	mkdir("inside", 0755);
	if (chdir("inside"))
		return 1;
	umask(0);
	signal(SIGUSR2, other_handler);
	return 0;
}

static void other_parts(void)
{
	const int all = CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND;

	signal(SIGUSR2, handle);
	child_end("files, directory, handlers",
		  start(shares_all, all | SIGCHLD, NULL));
	SHOW(fcntl(value, F_GETFD));
	SHOW(access("../inside", F_OK));
	printf("umask %o\n", umask(022));
	raise(SIGUSR2);
	SHOW(handled == -SIGUSR2);
	SHOW(chdir(".."));
	close(value);
	signal(SIGUSR2, handle);
	child_end("nothing but memory",
		  start(shares_all, CLONE_VM | SIGCHLD, NULL));
	SHOW(fcntl(value, F_GETFD));
	SHOW(access("../inside", F_OK));
	printf("umask %o\n", umask(022));
	raise(SIGUSR2);
	SHOW(handled == SIGUSR2);
}

static int nothing(void *unused)
{
	(void)unused;
	return 0;
}

static int tells_tid(void *unused)
{
	(void)unused;
	return child_tid == gettid() && getpid() == gettid() ? 0 : 1;
}

/* What the parent is told, and by which signal. */
static void telling(void)
{
	const int tids = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
			 CLONE_CHILD_CLEARTID;
	int status;
	pid_t pid;

	pid = start(tells_tid, tids | SIGCHLD, NULL);
	SHOW(parent_tid == pid);
	child_end("numbers", pid);
	child_tid = 1;
	pid = start(nothing, CLONE_VM | tids | SIGCHLD, NULL);
	child_end("clears", pid);
	SHOW(child_tid);
	signal(SIGUSR1, handle);
	handled = 0;
	pid = start(nothing, CLONE_VM | CLONE_VFORK | SIGUSR1, NULL);
	while (!handled)
		sched_yield();
	SHOW(handled == SIGUSR1);
	SHOW(waitpid(pid, &status, 0));
	SHOW(waitpid(pid, &status, __WCLONE) == pid);
	handled = 0;
	pid = start(nothing, CLONE_VM | CLONE_VFORK, NULL);
	SHOW(handled);
	SHOW(waitpid(pid, &status, WNOHANG));
	SHOW(waitpid(-1, &status, __WALL) == pid);
	pid = start(nothing, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
	SHOW(waitpid(pid, &status, __WCLONE));
	SHOW(waitpid(pid, &status, __WALL) == pid);
}

static int makes_sibling(void *unused)
{
	static char sibling_stack[16384] __attribute__((aligned(16)));

	(void)unused;
	value = clone(nothing, sibling_stack + sizeof(sibling_stack),
		      CLONE_VM | CLONE_PARENT | SIGCHLD, NULL);
	return waitpid(value, NULL, __WALL) == -1 && errno == ECHILD ? 0 : 1;
}

static void sibling(void)
{
	child_end("makes a sibling",
		  start(makes_sibling, CLONE_VM | SIGCHLD, NULL));
	child_end("the sibling", value);
}

static void pidfds(void)
{
	struct pollfd p = { -1, POLLIN, 0 };
	siginfo_t info = { 0 };
	int fd = -1, zero = 0;
	pid_t pid;

	value = 0;
	pid = clone(waits_and_sets, stack + STACK, CLONE_PIDFD | SIGCHLD, &zero,
		    &fd, NULL, NULL);
	p.fd = fd;
	SHOW(fcntl(fd, F_GETFD));
	SHOW(poll(&p, 1, 0));
	SHOW(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG));
	SHOW(info.si_pid);
	gate_open(&gate);
	SHOW(poll(&p, 1, -1));
	SHOW(p.revents);
	SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
	SHOW(info.si_pid == pid && info.si_code == CLD_EXITED &&
	     !info.si_status);
	SHOW(waitid(P_PIDFD, fd, &info, WEXITED));
	SHOW(RAW(pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(poll(&p, 1, 0));
	SHOW(p.revents & POLLIN);
	close(fd);
	SHOW(waitid(P_PIDFD, 99, &info, WEXITED));
	SHOW(waitid(P_PIDFD, 0, &info, WEXITED));
	pid = clone(waits_and_sets, stack + STACK, CLONE_PIDFD | SIGCHLD, &zero,
		    &fd, NULL, NULL);
	SHOW(RAW(pidfd_send_signal, fd, SIGTERM, NULL, 0));
	child_end("killed by its descriptor", pid);
	close(fd);
}

static long clone3(struct clone_args *args, size_t size)
{
	long pid = syscall(SYS_clone3, args, size);

	if (pid == 0)
		_exit(signal(SIGUSR2, SIG_DFL) == SIG_DFL ? 40 : 41);
	return pid;
}

static void by_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int fd = -1, tid = 0;
	char large[sizeof(args) + 16] = { 0 };
	pid_t pid;

	signal(SIGUSR2, handle);
	child_end("clone3", (pid_t)clone3(&args, sizeof(args)));
	args.flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND;
	args.pidfd = (unsigned long)&fd;
	args.parent_tid = (unsigned long)&tid;
	pid = (pid_t)clone3(&args, sizeof(args));
	SHOW(tid == pid && fd > 2);
	child_end("clone3 with flags", pid);
	close(fd);
	args = (struct clone_args){ .exit_signal = SIGCHLD };
	SHOW(clone3(&args, 63));
	SHOW(clone3(NULL, 64));
	memcpy(large, &args, sizeof(args));
	child_end("larger and zero",
		  (pid_t)clone3((void *)large, sizeof(large)));
	large[sizeof(large) - 1] = 1;
	SHOW(clone3((void *)large, sizeof(large)));
	SHOW(clone3((void *)large, 5000));
	args.exit_signal = 65;
	SHOW(clone3(&args, sizeof(args)));
	args.exit_signal = SIGCHLD, args.stack_size = 4096;
	SHOW(clone3(&args, sizeof(args)));
	args.stack_size = 0, args.stack = (unsigned long)stack;
	SHOW(clone3(&args, sizeof(args)));
	args.stack = 0, args.flags = 1ull << 40;
	SHOW(clone3(&args, sizeof(args)));
	args.flags = CLONE_SIGHAND;
	SHOW(clone3(&args, sizeof(args)));
	args.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM;
	SHOW(clone3(&args, sizeof(args)));
	args.flags = CLONE_DETACHED;
	SHOW(clone3(&args, sizeof(args)));
	args.flags = 0, args.set_tid_size = 40;
	SHOW(clone3(&args, sizeof(args)));
	args.set_tid_size = 1;
	SHOW(clone3(&args, sizeof(args)));
}

static void refused(void)
{
	SHOW(RAW(clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	SHOW(RAW(clone, CLONE_THREAD | CLONE_VM | SIGCHLD, 0, 0, 0, 0));
	SHOW(RAW(clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0,
		 &parent_tid, 0, 0));
	SHOW(RAW(clone, CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, 0, &parent_tid,
		 0, 0));
	SHOW(RAW(clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
	SHOW(RAW(clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0));
	SHOW(RAW(clone, CLONE_PIDFD | SIGCHLD, 0, 8, 0, 0));
}

static void spawns(void)
{
	char *arguments[] = { "vfork", "exit", "3", NULL }, *none[] = { NULL };
	char *writes[] = { "vfork", "write", "7", NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char text[40] = "";
	int fds[2];
	sigset_t set;
	pid_t pid;

	SHOW(posix_spawn(&pid, self, NULL, NULL, arguments, none));
	child_end("posix_spawn", pid);
	SHOW(posix_spawn(&pid, "nowhere", NULL, NULL, arguments, none));
	SHOW(posix_spawn(&pid, ".", NULL, NULL, arguments, none));
	SHOW(pipe(fds));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 7);
	posix_spawn_file_actions_addclose(&actions, fds[0]);
	posix_spawn_file_actions_addclose(&actions, fds[1]);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
						      POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attributes, &set);
	sigaddset(&set, SIGUSR1);
	posix_spawnattr_setsigdefault(&attributes, &set);
	SHOW(posix_spawn(&pid, self, &actions, &attributes, writes, none));
	SHOW(getpgid(pid) == pid);
	close(fds[1]);
	SHOW(read(fds[0], text, sizeof(text)));
	printf("%s\n", text);
	child_end("with actions", pid);
	posix_spawn_file_actions_addclose(&actions, 1000);
	posix_spawn_file_actions_adddup2(&actions, 1000, 8);
	SHOW(posix_spawn(&pid, self, &actions, NULL, arguments, none));
	SHOW(waitpid(-1, NULL, __WALL));
	close(fds[0]);
}

int main(int argc, char **argv)
{
	char path[4096] = "";

	if (argc == 3 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	if (argc == 3)
		return write(atoi(argv[2]), "written by it", 13) != 13;
	self = path;
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return 1;
	setbuf(stdout, NULL);
	scratch_enter();
	gate = gate_make();
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	by_vfork();
	memory();
	other_parts();
	telling();
	sibling();
	pidfds();
	by_clone3();
	refused();
	spawns();
	return 0;
}
