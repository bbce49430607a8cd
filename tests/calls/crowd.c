/*
 * Processes that do harm at random: crowd SEED ROUNDS. They fork, execute this
 * program, end, kill, stop and wait for each other, make threads, share memory,
 * open terminals and sockets, and make calls with random arguments in between. For
 * the guest only. The first process looks on: it replaces those that have ended
 * and at last kills and reaps all. It says
 *
 *   CORRUPT  a process's memory was changed by another one
 *   DIRTY    new memory was not zero
 *   done     the kernel still works
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "draw.h"

#define PAGE 4096ul
#define PAGES 32ul /* of the area, where anything goes */
#define AREA 0x20000000ul
#define OWN 48ul /* pages that nobody else may change */
#define NUMBERS 463
#define KNOWN 64 /* processes in the common table */
#define CROWD 40 /* processes and threads at a time, more or less */
#define WORKERS 4
#define STACK 32768ul

struct common {
	int pids[KNOWN];
	int alive;
	unsigned word[16]; /* futexes */
	unsigned long counter;
};

static struct common *common;
static char *area, *own;
static uint64_t expected[OWN];
static bool owner; /* of its memory, alone */
static int depth;
static const char *self;
static sigjmp_buf next;
static volatile bool jump;

/* What would end the process that looks on, or the whole run. */
static const int left_out[] = {
	SYS_kill,
	SYS_tkill,
	SYS_tgkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_send_signal,
	SYS_process_vm_writev,
	SYS_prlimit64,
	SYS_fork,
	SYS_vfork,
	SYS_clone,
	SYS_clone3,
	SYS_sched_setattr,
	SYS_sched_setscheduler,
	SYS_setpriority,
};

static void say(const char *text)
{
	syscall(SYS_write, 1, text, strlen(text));
}

static void on_fault(int signo)
{
	if (jump && syscall(SYS_gettid) == syscall(SYS_getpid))
		siglongjmp(next, 1);
	signal(signo, SIG_DFL);
	syscall(SYS_exit_group, 3);
}

/* ---- memory of one's own ---- */

static void check_own(void)
{
	if (!owner)
		return;
	for (size_t i = 0; i < OWN; i++) {
		const uint64_t *words = (const uint64_t *)(own + i * PAGE);

		for (size_t w = 0; w < PAGE / 8; w += 73)
			if (words[w] != expected[i]) {
				char text[120];

				snprintf(text, sizeof(text),
					 "CORRUPT at %p: %lx, not %lx, %d\n",
					 (const void *)(words + w),
					 (unsigned long)words[w],
					 (unsigned long)expected[i], getpid());
				say(text);
				syscall(SYS_exit_group, 4);
			}
	}
}

static void mark_own(void)
{
	size_t i = below(OWN);
	uint64_t *words = (uint64_t *)(own + i * PAGE);

	if (!owner)
		return;
	expected[i] = draw();
	for (size_t w = 0; w < PAGE / 8; w += 73)
		words[w] = expected[i];
}

static void check_zero(const char *what, const char *p, size_t size)
{
	for (size_t i = 0; i < size; i += 8)
		if (*(const uint64_t *)(p + i)) {
			char text[120];

			snprintf(text, sizeof(text),
				 "DIRTY %s at %p: %lx, %d of %d\n", what,
				 (const void *)(p + i),
				 *(const unsigned long *)(p + i), getpid(),
				 (int)syscall(SYS_gettid));
			say(text);
			syscall(SYS_exit_group, 5);
		}
}

/* ---- random calls ---- */

static bool is_left_out(int number)
{
	return is_one_of(number, left_out,
			 sizeof(left_out) / sizeof(left_out[0]));
}

static int some_pid(void)
{
	int pid = common->pids[below(KNOWN)];

	return pid > 2 ? pid : getpid();
}

static char *some_page(void)
{
	return area + PAGE * below(PAGES);
}

static uint64_t path(void)
{
	static const char *const paths[] = {
		"/tmp/a",
		"/tmp/b",
		"/tmp/d",
		"/tmp/d/x",
		"/tmp/l",
		"/tmp/fifo",
		"/dev/zero",
		"/dev/null",
		"/dev/shm/q",
		"/proc/self/maps",
		"/proc/self/fd/3",
		"/proc/self/mem",
		".",
		"",
		"/dev/ptmx",
		"/dev/tty",
		"/dev/pts/0",
		"/proc/self/exe",
		"/proc/self/smaps",
		"/proc/self/task",
		"/proc/self/fd",
		"/tmp/sock",
		"/proc",
		"/bin/crowd",
	};
	char *p = area + below((PAGES - 1) * PAGE);

	strcpy(p, paths[below(sizeof(paths) / sizeof(paths[0]))]);
	return (uint64_t)p;
}

static uint64_t argument(void)
{
	uint64_t kind = below(15);

	switch (kind) {
	case 1:
		return (uint64_t)(area + below(PAGES * PAGE));
	case 4: /* about a border of pages */
		return (uint64_t)some_page() - below(16);
	case 5:
		return path();
	case 9:
		return (uint64_t)some_pid();
	default:
		return number(kind);
	}
}

static void random_call(void)
{
	int number = (int)below(NUMBERS);
	uint64_t a[6];

	if (is_left_out(number))
		return;
	for (int i = 0; i < 6; i++)
		a[i] = argument();
	switch (number) {
	case SYS_mmap:
		a[0] = below(2) ? 0 : (uint64_t)some_page();
		a[1] = below(PAGES * PAGE);
		a[2] = below(8);
		a[3] = below(4) | (below(2) ? MAP_ANONYMOUS : 0) |
		       (below(3) ? 0 : MAP_FIXED);
		a[4] = below(8);
		a[5] = PAGE * below(3);
		break;
	case SYS_mremap:
		a[2] = PAGE * below(9);
		a[3] = below(8);
		a[4] = (uint64_t)some_page();
		/* fall through */
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_madvise:
		a[0] = (uint64_t)some_page();
		a[1] = PAGE * below(5);
		break;
	case SYS_close:
	case SYS_dup2:
	case SYS_dup3:
		a[0] += a[0] == 1;
		a[1] += a[1] == 1;
		break;
	case SYS_close_range:
		a[0] = 2 + below(20);
		break;
	}
	syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- processes ---- */

static void live(int rounds);

static void enter(void)
{
	common->pids[below(KNOWN)] = getpid();
}

static void become(uint64_t seed)
{
	state = seed | 1;
	depth++;
	enter();
}

static bool crowded(void)
{
	return depth > 12 ||
	       __atomic_load_n(&common->alive, __ATOMIC_RELAXED) > CROWD;
}

static void count(int n)
{
	__atomic_add_fetch(&common->alive, n, __ATOMIC_RELAXED);
}

static void end(int status)
{
	count(-1);
	syscall(SYS_exit_group, status);
}

static void do_fork(void)
{
	uint64_t seed = draw();
	long pid;

	if (crowded())
		return;
	count(1);
	pid = syscall(SYS_fork);
	if (pid < 0)
		count(-1);
	if (pid)
		return;
	check_own();
	become(seed);
	live((int)below(60));
	end(0);
}

static char long_text[20000];

static void do_exec(void)
{
	char seed[24], rounds[24], deep[24];
	char *argv[20] = { (char *)self, seed, rounds, "again", deep, NULL };
	char *envp[8] = { "A=1", NULL };
	uint64_t at = below(9);

	snprintf(seed, sizeof(seed), "%lu", (unsigned long)draw());
	snprintf(rounds, sizeof(rounds), "%d", (int)below(60));
	snprintf(deep, sizeof(deep), "%d", depth + 1);
	if (at == 0)
		argv[5] = (char *)argument();
	if (at == 1)
		for (int i = 5; i < 19; i++)
			argv[i] = long_text;
	if (at == 2)
		syscall(SYS_execve, path(), argv, argument());
	if (at == 3)
		syscall(SYS_execveat,
			open(self, O_PATH | (below(2) ? O_CLOEXEC : 0)), "",
			argv, envp, AT_EMPTY_PATH);
	syscall(SYS_execve, self, argv, envp);
}

static void do_vfork(void)
{
	uint64_t what = below(6);
	long pid;

	if (crowded())
		return;
	owner = jump = false; /* the child's, too */
	pid = vfork();
	if (pid)
		return;
	if (what == 0)
		random_call();
	if (what == 1) {
		syscall(SYS_kill, getpid(), SIGSTOP);
	} else if (what == 2) {
		syscall(SYS_kill, getppid() > 2 ? getppid() : getpid(),
			SIGKILL);
	} else if (what == 3) {
		syscall(SYS_nanosleep, &(struct timespec){ 0, 3000000 }, NULL);
	}
	if (what < 4)
		do_exec();
	syscall(SYS_exit, 1);
}

static void wait_somehow(void)
{
	struct timespec soon = { 0, (long)below(20000000) };
	struct pollfd p = { (int)below(20), POLLIN, 0 };
	struct epoll_event event;
	sigset_t set;
	int pair[2], fd;
	char c;

	sigfillset(&set);
	switch (below(14)) {
	case 0:
		poll(&p, 1, (int)below(30));
		break;
	case 1:
		fd = epoll_create1(0);
		event.events = EPOLLIN;
		epoll_ctl(fd, EPOLL_CTL_ADD, (int)below(20), &event);
		epoll_wait(fd, &event, 1, (int)below(30));
		close(fd);
		break;
	case 2:
		if (pipe(pair) == 0 && read(pair[0], &c, 1) == 1)
			close(pair[0]);
		break;
	case 3:
		nanosleep(&soon, NULL);
		break;
	case 4:
		syscall(SYS_rt_sigtimedwait, &set, NULL, &soon, 8);
		break;
	case 5:
		fd = open("/tmp/a", O_RDWR);
		flock(fd, LOCK_EX | (below(2) ? LOCK_NB : 0));
		nanosleep(&soon, NULL);
		close(fd);
		break;
	case 6:
		syscall(SYS_wait4, -1, NULL, below(2) ? WNOHANG : 0, NULL);
		break;
	case 7:
		syscall(SYS_waitid, below(4), some_pid(), area,
			below(16) | (below(16) << 24), NULL);
		break;
	case 8:
		syscall(SYS_futex, &common->word[below(16)], FUTEX_WAIT,
			below(2), below(2) ? &soon : NULL, NULL, 0);
		break;
	case 9:
		syscall(SYS_futex, &common->word[below(16)],
			below(14) | (below(2) ? 128 : 0), below(3), &soon,
			&common->word[below(16)], below(4));
		break;
	case 10:
		syscall(SYS_futex, &common->word[below(16)], FUTEX_WAKE, 10,
			NULL, NULL, 0);
		break;
	case 11:
		fd = open("/tmp/fifo", O_RDWR | O_NONBLOCK);
		fcntl(fd, F_SETLKW,
		      &(struct flock){ .l_type = F_WRLCK, .l_len = 1 });
		break;
	case 12:
		fd = open("/tmp/b", O_RDWR | O_CREAT, 0666);
		fcntl(fd, below(2) ? F_SETLKW : F_OFD_SETLKW,
		      &(struct flock){ .l_type = (short)below(3),
				       .l_start = (long)below(8),
				       .l_len = (long)below(4) });
		break;
	case 13:
		syscall(SYS_pause);
		break;
	}
}

static int thread_main(void *seed)
{
	uint64_t own_state = (uint64_t)seed;

	for (int i = 0; i < 4; i++) {
		state ^= own_state;
		if (!state)
			state = 1;
		switch (below(8)) {
		case 0:
			random_call();
			break;
		case 1:
			do_exec();
			break;
		case 2:
			syscall(SYS_exit_group, 7);
			break;
		case 3:
			syscall(SYS_kill, getpid(), SIGKILL);
			break;
		default:
			wait_somehow();
		}
	}
	syscall(SYS_exit, 0);
	return 0;
}

static void make_threads(void)
{
	static char stacks[6][STACK] __attribute__((aligned(16)));
	static int used;

	if (depth > 12)
		return;
	owner = false; /* they may jump about with our state */
	for (int n = 1 + (int)below(3); n > 0 && used < 6; n--)
		clone(thread_main, stacks[used++] + STACK - 64,
		      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
			      CLONE_THREAD | CLONE_SYSVSEM |
			      (below(2) ? CLONE_CHILD_CLEARTID : 0),
		      (void *)draw(), NULL, NULL, &common->word[below(16)]);
}

/* With random flags: a process with its own stack, or a thread that is soon gone. */
static void do_clone(void)
{
	struct clone_args a = { .flags = 1ull << below(34) |
					 (below(2) ? 1ull << below(34) : 0),
				.pidfd = (uint64_t)some_page(),
				.child_tid = (uint64_t)&common->word[below(16)],
				.parent_tid = (uint64_t)some_page(),
				.exit_signal = below(66) };
	long pid;

	if (crowded() || a.flags & (CLONE_VM | CLONE_THREAD | CLONE_SETTLS))
		return;
	if (below(2))
		pid = syscall(SYS_clone3, &a,
			      below(4) ? sizeof(a) : below(200));
	else
		pid = syscall(SYS_clone, a.flags | a.exit_signal, 0,
			      a.parent_tid, a.child_tid, argument());
	if (pid)
		return;
	become(draw() ^ (uint64_t)getpid());
	if (below(2))
		live((int)below(20));
	syscall(SYS_exit, 0);
}

static void do_kill(void)
{
	static const int often[] = { SIGKILL, SIGSTOP, SIGCONT, SIGTERM,
				     SIGSEGV, SIGCHLD, SIGTSTP, SIGUSR1 };
	int signo = (int)(below(2) ? often[below(8)] : (int)below(66));
	int pid = some_pid();

	switch (below(5)) {
	case 0:
		syscall(SYS_tkill, pid, signo);
		break;
	case 1:
		syscall(SYS_tgkill, pid, pid, signo);
		break;
	case 2:
		if (getpgrp() != 2)
			syscall(SYS_kill, 0, signo);
		break;
	case 3:
		syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, pid, 0),
			signo, NULL, 0);
		break;
	default:
		syscall(SYS_kill, pid, signo);
	}
}

static void do_wait(void)
{
	syscall(SYS_wait4, below(2) ? -1 : some_pid(),
		below(8) ? NULL : (int *)argument(),
		(below(8) ? WNOHANG : 0) | below(12),
		below(8) ? NULL : (void *)argument());
}

/* ---- memory ---- */

static void do_memory(void)
{
	static const int advice[] = { MADV_DONTNEED,   MADV_REMOVE,
				      MADV_FREE,       MADV_DONTFORK,
				      MADV_DOFORK,     MADV_WIPEONFORK,
				      MADV_KEEPONFORK, MADV_WILLNEED };
	char *p = some_page();
	size_t size = PAGE * (1 + below(8));

	switch (below(9)) {
	case 0:
		mmap(p, size, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_ANONYMOUS |
			     (below(2) ? MAP_SHARED : MAP_PRIVATE),
		     -1, 0);
		break;
	case 1:
		syscall(SYS_mremap, p, below(4) ? size : 0,
			PAGE * (1 + below(8)), below(8), some_page());
		break;
	case 2:
		madvise(p, size, advice[below(8)]);
		break;
	case 3:
		mprotect(p, size, (int)below(8));
		break;
	case 4:
		munmap(p, size);
		break;
	case 5:
		for (size_t i = 0; i < PAGES; i++)
			area[i * PAGE + below(PAGE)] = (char)draw();
		break;
	case 6:
		p = mmap(NULL, size = PAGE * (1 + below(600)),
			 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
		if (p == MAP_FAILED)
			break;
		check_zero("map", p, size);
		memset(p, 0x5a, size);
		if (below(3))
			munmap(p, size);
		break;
	case 7:
		p = sbrk((long)(PAGE * below(40)));
		if (p != (void *)-1)
			memset(p, 0x33, (size_t)((char *)sbrk(0) - p));
		break;
	case 8:
		syscall(SYS_mlock, p, size);
		break;
	}
}

static void do_memfd(void)
{
	char *p = some_page();
	int fd = (int)(below(2) ? memfd_create("m", MFD_ALLOW_SEALING) :
				  5 + (long)below(12));

	if (ftruncate(fd, (long)(PAGE * below(20))) == 0)
		mmap(p, PAGE * 4, PROT_READ | PROT_WRITE,
		     MAP_FIXED | (below(2) ? MAP_SHARED : MAP_PRIVATE), fd,
		     (long)(PAGE * below(12)));
	for (int i = 0; i < 4; i++)
		p[(size_t)i * PAGE] = 1;
	fallocate(fd, (int)below(4), (long)(PAGE * below(20)),
		  (long)(PAGE * below(20)));
	if (ftruncate(fd, (long)(PAGE * below(20))))
		return;
	for (int i = 0; i < 4; i++)
		p[(size_t)i * PAGE] = 1;
}

static void do_peek(void)
{
	static const char *const names[] = {
		"mem",           "maps",    "smaps",    "stat",     "status",
		"cmdline",       "environ", "fd",       "task",     "exe",
		"cwd",           "auxv",    "limits",   "fdinfo/1", "io",
		"oom_score_adj", "comm",    "root",     "net/tcp",  "statm",
		"pagemap",       "wchan",   "children", "fd/0"
	};
	struct iovec local[3], remote[3];
	char text[64], buffer[4096];
	int fd, pid = some_pid();

	for (int i = 0; i < 3; i++) {
		local[i] = (struct iovec){ some_page() + below(PAGE),
					   below(3 * PAGE) };
		remote[i] = (struct iovec){ some_page() + below(PAGE),
					    below(3 * PAGE) };
	}
	switch (below(4)) {
	case 0:
		syscall(SYS_process_vm_readv, pid, local, 3, remote, 3, 0);
		break;
	case 1:
		syscall(SYS_process_vm_writev, pid, local, 3, remote, 3, 0);
		break;
	default:
		snprintf(text, sizeof(text), "/proc/%d/%s", pid,
			 names[below(sizeof(names) / sizeof(names[0]))]);
		fd = open(text, below(2) ? O_RDONLY : O_RDWR);
		if (strstr(text, "/mem"))
			lseek(fd, (long)(uint64_t)some_page(), SEEK_SET);
		if (read(fd, buffer, sizeof(buffer)) < 0)
			syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
		if (strstr(text, "/mem"))
			pwrite(fd, buffer, below(sizeof(buffer)),
			       (long)(uint64_t)some_page());
		if (below(4))
			close(fd);
	}
}

/* ---- terminals and sockets ---- */

static void do_terminal(void)
{
	static const char typed[] = "a\x03\x1a\x04\x11\x13\x16\x7f\x15\x17\n\r"
				    "\\x";
	char name[32], buffer[64];
	int master, slave, unlock = 0, number = 0;
	struct termios t;

	if (below(3) == 0)
		setsid();
	master = open("/dev/ptmx",
		      O_RDWR | O_NONBLOCK | (below(2) ? O_NOCTTY : 0));
	ioctl(master, TIOCSPTLCK, &unlock);
	ioctl(master, TIOCGPTN, &number);
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	slave = open(name, O_RDWR | O_NONBLOCK);
	if (below(2))
		ioctl(slave, TIOCSCTTY, below(2));
	for (int i = 0; i < 6; i++) {
		int fd = below(2) ? master : slave;

		switch (below(7)) {
		case 0:
			if (write(fd, typed + below(8), below(8)) < 0)
				break;
			break;
		case 1:
			if (read(fd, buffer, below(sizeof(buffer))) < 0)
				break;
			break;
		case 2:
			ioctl(fd, 0x5400 + below(0x70), argument());
			break;
		case 3:
			tcgetattr(fd, &t);
			t.c_lflag ^= 1u << below(16);
			t.c_iflag ^= 1u << below(16);
			t.c_oflag ^= 1u << below(16);
			t.c_cc[below(20)] = (unsigned char)below(256);
			tcsetattr(fd, (int)below(3), &t);
			break;
		case 4:
			tcsetpgrp(fd, below(2) ? getpgrp() : some_pid());
			break;
		case 5:
			ioctl(fd, TIOCSTI, typed + below(8));
			break;
		case 6:
			setpgid(below(2) ? 0 : some_pid(),
				below(2) ? 0 : some_pid());
			break;
		}
	}
	if (below(4))
		close(master);
	if (below(4))
		close(slave);
}

static void pass_descriptor(int over, int fd)
{
	char data = 'x', control[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec v = { &data, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(3 * sizeof(int));
	((int *)CMSG_DATA(c))[0] = fd;
	((int *)CMSG_DATA(c))[1] = over;
	((int *)CMSG_DATA(c))[2] = 1;
	sendmsg(over, &m, MSG_DONTWAIT);
}

static void do_unix(void)
{
	char buffer[256], control[256];
	struct iovec v = { buffer, sizeof(buffer) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM + (int)below(2), 0, pair))
		return;
	pass_descriptor(pair[0], (int)below(2) ? pair[1] : (int)below(20));
	pass_descriptor(pair[1], pair[0]);
	if (below(2))
		recvmsg(pair[1], &m, MSG_DONTWAIT | (int)below(8));
	if (below(4))
		close(pair[0]);
	if (below(4))
		close(pair[1]);
}

static void do_socket(void)
{
	bool six = below(2);
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)below(3))
	};
	void *a = six ? (void *)&a6 : (void *)&a4;
	socklen_t size = six ? sizeof(a6) : sizeof(a4);
	int type = (int)below(2) ? SOCK_STREAM : SOCK_DGRAM;
	int fd = below(3) ? socket(six ? AF_INET6 : AF_INET,
				   type | SOCK_NONBLOCK, 0) :
			    3 + (int)below(20);
	char buffer[3000];

	a6.sin6_port = a4.sin_port = htons((uint16_t)(4000 + below(6)));
	for (int i = 0; i < 6; i++)
		switch (below(11)) {
		case 0:
			bind(fd, a, size);
			break;
		case 1:
			listen(fd, (int)below(4));
			break;
		case 2:
			connect(fd, a, size);
			break;
		case 3:
			accept4(fd, NULL, NULL, SOCK_NONBLOCK);
			break;
		case 4:
			send(fd, area, below(PAGES * PAGE),
			     MSG_DONTWAIT | MSG_NOSIGNAL |
				     (int)(1u << below(20)));
			break;
		case 5:
			recv(fd, buffer, below(sizeof(buffer)),
			     MSG_DONTWAIT | (int)(1u << below(20)));
			break;
		case 6:
			shutdown(fd, (int)below(4));
			break;
		case 7:
			setsockopt(fd,
				   (int)below(3) ? SOL_SOCKET : (int)below(60),
				   (int)below(60), &(int){ (int)argument() },
				   4);
			break;
		case 8:
			sendto(fd, buffer, below(sizeof(buffer)), MSG_DONTWAIT,
			       a, size);
			break;
		case 9:
			size = below(sizeof(buffer));
			getsockopt(fd, (int)below(60), (int)below(60), buffer,
				   &size);
			size = six ? sizeof(a6) : sizeof(a4);
			break;
		case 10:
			if (below(2))
				close(fd);
			break;
		}
}

/* ---- signals ---- */

static void on_usr(int signo, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	uint64_t at = below(40);

	(void)signo;
	(void)info;
	if (at < NGREG)
		u->uc_mcontext.gregs[at] = (greg_t)argument();
	else if (at == 30 && u->uc_mcontext.fpregs)
		((uint32_t *)u->uc_mcontext.fpregs)[below(200)] =
			(uint32_t)draw();
	else if (at == 31)
		u->uc_mcontext.fpregs = (void *)argument();
	else if (at == 32)
		u->uc_stack.ss_sp = (void *)argument();
	else if (at == 33)
		memset(&u->uc_sigmask, (int)draw(), 8);
	else if (at == 34)
		u->uc_flags = draw();
}

static void do_signal(void)
{
	struct itimerval t = { { 0, (long)below(9000) },
			       { 0, (long)below(9000) } };
	struct sigaction a = { .sa_sigaction = on_usr,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigevent event = { .sigev_notify = (int)below(5),
				  .sigev_signo = (int)below(66) };
	stack_t stack = { some_page(), (int)below(3), PAGE * below(6) };
	timer_t timer;
	sigset_t set;

	switch (below(8)) {
	case 0:
		sigaction(SIGUSR1, &a, NULL);
		syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1);
		break;
	case 1:
		setitimer((int)below(3), &t, NULL);
		break;
	case 2:
		sigaltstack(&stack, NULL);
		break;
	case 3:
		signal((int)below(65), below(2) ? SIG_IGN : SIG_DFL);
		break;
	case 4:
		memset(&set, (int)draw(), sizeof(set));
		syscall(SYS_rt_sigprocmask, below(3), &set, NULL, 8);
		break;
	case 5:
		if (syscall(SYS_timer_create, below(10), &event, &timer) == 0)
			syscall(SYS_timer_settime, timer, 0,
				&(struct itimerspec){ { 0, 900000 },
						      { 0, 900000 } },
				NULL);
		break;
	case 6:
		prctl((int)below(70), argument(), argument(), argument(),
		      argument());
		break;
	case 7:
		syscall(SYS_prlimit64, some_pid(), below(16),
			below(2) ? (void *)argument() : NULL, some_page());
		break;
	}
}

static void do_descriptor(void)
{
	int fd = -1, other = (int)below(24);

	switch (below(10)) {
	case 0:
		fd = (int)syscall(SYS_pidfd_open, some_pid(),
				  below(2) ? 0 : O_NONBLOCK);
		break;
	case 1:
		fd = timerfd_create((int)below(10),
				    (int)below(2) ? TFD_NONBLOCK : 0);
		timerfd_settime(fd, 0,
				&(struct itimerspec){ { 0, 500000 },
						      { 0, 500000 } },
				NULL);
		break;
	case 2:
		fd = epoll_create1(0);
		epoll_ctl(fd, EPOLL_CTL_ADD, other,
			  &(struct epoll_event){ .events = (uint32_t)draw() });
		epoll_ctl(other, EPOLL_CTL_ADD, fd,
			  &(struct epoll_event){ .events = (uint32_t)draw() });
		break;
	case 3:
		fd = (int)syscall(SYS_pidfd_getfd,
				  syscall(SYS_pidfd_open, some_pid(), 0), other,
				  0);
		break;
	case 4:
		fd = (int)syscall(SYS_signalfd4, below(2) ? -1 : other,
				  &(uint64_t){ draw() }, 8, O_NONBLOCK);
		break;
	case 5:
		fd = (int)syscall(SYS_inotify_init1, O_NONBLOCK);
		syscall(SYS_inotify_add_watch, fd, path(), draw() & 0xfff);
		break;
	case 6:
		syscall(SYS_splice, other, NULL, below(24), NULL, below(9000),
			below(16));
		break;
	case 7:
		fcntl(other, F_SETFL, O_NONBLOCK);
		break;
	case 8:
		fd = dup(other);
		break;
	case 9:
		fd = open((const char *)path(), (int)(draw() & 0xfff), 0666);
		break;
	}
	if (below(2) && fd > 2)
		close(fd);
}

/* ---- a life ---- */

static void act(void)
{
	switch (below(24)) {
	case 0:
	case 1:
		do_fork();
		break;
	case 2:
		do_exec();
		break;
	case 3:
		do_vfork();
		break;
	case 4:
		do_clone();
		break;
	case 5:
		make_threads();
		break;
	case 6:
		do_kill();
		break;
	case 7:
	case 8:
		do_wait();
		break;
	case 9:
	case 10:
	case 11:
		do_memory();
		break;
	case 12:
		do_memfd();
		break;
	case 13:
		do_peek();
		break;
	case 14:
		do_terminal();
		break;
	case 15:
		do_unix();
		break;
	case 16:
		do_socket();
		break;
	case 17:
		do_signal();
		break;
	case 18:
		do_descriptor();
		break;
	case 19:
		wait_somehow();
		break;
	default:
		for (int i = 0; i < 10; i++)
			random_call();
	}
}

static void live(int rounds)
{
	for (volatile int i = 0; i < rounds; i++) {
		if (sigsetjmp(next, 1)) {
			jump = false;
			continue;
		}
		jump = true;
		if (below(3))
			alarm(1);
		act();
		jump = false;
		mark_own();
		check_own();
		if (below(40) == 0)
			break;
	}
}

static void prepare(void)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGALRM, SIGFPE,
				      SIGILL };

	/* At one place in all of them: they write to each other's. */
	area = mmap((void *)AREA, PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	own = mmap(NULL, OWN * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | (below(2) ? MAP_NORESERVE : 0),
		   -1, 0);
	if (area == MAP_FAILED || own == MAP_FAILED)
		syscall(SYS_exit_group, 6);
	check_zero("own", own, OWN * PAGE);
	owner = true;
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		signal(caught[i], on_fault);
	signal(SIGPIPE, SIG_IGN);
	memset(long_text, 'x', sizeof(long_text) - 1);
}

/* What executes this program again finds the common memory in a file. */
static void open_common(void)
{
	int fd = open("/dev/shm/common", O_RDWR | O_CREAT, 0666);

	if (ftruncate(fd, sizeof(*common)))
		syscall(SYS_exit_group, 6);
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (common == MAP_FAILED)
		syscall(SYS_exit_group, 6);
	close(fd);
}

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void start_worker(void)
{
	uint64_t seed = draw();

	if (syscall(SYS_fork))
		return;
	count(1);
	if (below(2))
		setsid();
	else
		setpgid(0, 0);
	for (int i = 1; i < 65; i++)
		if (i != SIGCHLD)
			signal(i, SIG_DFL);
	depth = 0;
	become(seed);
	prepare();
	live(100);
	end(0);
}

/* Ends what takes too long, starts others. */
static void look_on(int rounds)
{
	int running = 0;
	long changed = now();

	while (rounds > 0) {
		if (running < WORKERS) {
			start_worker();
			running++;
			rounds--;
		}
		while (waitpid(-1, NULL, WNOHANG) > 0) {
			running -= running > 0;
			changed = now();
		}
		usleep(500);
		if (now() - changed > 300) {
			kill(-1, SIGKILL);
			common->alive = 0;
			changed = now();
		}
	}
	usleep(20000);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : 0, pair[2];

	self = "/bin/crowd";
	state = (argc > 1 ? strtoull(argv[1], NULL, 0) : 0) *
			0x9e3779b97f4a7c15ull |
		1;
	open_common();
	if (argc > 4) {
		depth = atoi(argv[4]);
		enter();
		prepare();
		live(rounds);
		end(0);
	}
	mkdir("/tmp/d", 0777);
	mkfifo("/tmp/fifo", 0666);
	close(open("/tmp/a", O_RDWR | O_CREAT, 0666));
	if (symlink("a", "/tmp/l"))
		return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int i = 1; i < 65; i++)
		if (i != SIGCHLD)
			signal(i, SIG_IGN);
	look_on(rounds);
	do
		kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0);
	/* Sockets that lie in each other's queues go when another one does. */
	if (errno == ECHILD && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
		close(pair[0]);
		close(pair[1]);
		errno = ECHILD;
	}
	say(errno == ECHILD ? "done\n" : "wait\n");
	_exit(0);
}
