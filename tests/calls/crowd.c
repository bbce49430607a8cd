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
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crowd.h"

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
char *area;
static char *own;
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

void check_zero(const char *what, const char *p, size_t size)
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

int some_pid(void)
{
	int pid = common->pids[below(KNOWN)];

	return pid > 2 ? pid : getpid();
}

char *some_page(void)
{
	return area + PAGE * below(PAGES);
}

uint64_t path(void)
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

uint64_t argument(void)
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
