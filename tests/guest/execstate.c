/* execstate.c: what a process keeps when it becomes another program, and what it
 * loses. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

#define FIRST_CLOSING 20
#define FIRST_KEPT 30

static char self[4096];
static char number[20], tid[20];

static void handle(int signo)
{
	(void)signo;
}

static long member(sigset_t *set)
{
	return sigismember(set, SIGHUP) + 2 * sigismember(set, SIGUSR1) +
	       4 * sigismember(set, SIGRTMIN);
}

static const char *action_of(int signo)
{
	struct sigaction action;

	sigaction(signo, NULL, &action);
	return action.sa_handler == SIG_DFL ? "default" :
	       action.sa_handler == SIG_IGN ? "ignored" :
					      "handled";
}

static void show_signals(void)
{
	siginfo_t info = { 0 };
	sigset_t set;
	stack_t stack;

	printf("USR1 %s, USR2 %s, CHLD %s, TERM %s\n", action_of(SIGUSR1),
	       action_of(SIGUSR2), action_of(SIGCHLD), action_of(SIGTERM));
	sigprocmask(SIG_BLOCK, NULL, &set);
	SHOW(member(&set));
	sigpending(&set);
	SHOW(member(&set));
	SHOW(sigwaitinfo(&set, &info) == SIGHUP);
	SHOW(sigwaitinfo(&set, &info) == SIGRTMIN);
	SHOW(info.si_code == SI_QUEUE && info.si_value.sival_int == 42);
	SHOW(sigaltstack(NULL, &stack));
	SHOW(stack.ss_flags == SS_DISABLE);
}

static void show_timers(void)
{
	struct itimerval interval;
	struct itimerspec spec;

	SHOW(getitimer(ITIMER_VIRTUAL, &interval));
	SHOW(interval.it_value.tv_sec > 50 &&
	     interval.it_interval.tv_sec == 70);
	SHOW(alarm(0) > 400);
	SHOW(RAW(timer_gettime, atoi(tid), &spec));
}

static long locked_kb(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kb = -1;

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static long prctl_value(int option)
{
	int n = -1;

	return prctl(option, &n) ? -1 : n;
}

static void show_attributes(void)
{
	char name[16] = "", path[200], text[200] = "";
	struct rlimit limit;
	struct rusage usage;
	int fd, n;

	SHOW(getpid() == atoi(number));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	printf("umask %o\n", umask(022));
	getcwd(path, sizeof(path));
	SHOW(strcmp(strrchr(path, '/'), "/below"));
	getrlimit(RLIMIT_NOFILE, &limit);
	SHOW(limit.rlim_cur);
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(prctl_value(PR_GET_PDEATHSIG));
	SHOW(prctl_value(PR_GET_CHILD_SUBREAPER));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(getpgrp() == getpid());
	SHOW(locked_kb());
	SHOW(getauxval(AT_SECURE));
	getrusage(RUSAGE_SELF, &usage);
	SHOW(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
		     usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec >=
	     100000);
	fd = open("/proc/self/cmdline", O_RDONLY);
	n = (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	SHOW(n > 0 && !strcmp(text, "renamed") && !strcmp(text + 8, "show"));
	fd = open("/proc/self/comm", O_RDONLY);
	n = (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	printf("comm %s", text);
	fd = open("/proc/self/environ", O_RDONLY);
	SHOW(read(fd, text, sizeof(text)));
	printf("%s\n", text);
	close(fd);
}

static int locks_from_outside(void)
{
	int fd = open("../locked", O_RDWR), alone = open("../alone", O_RDWR);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	/* Closing the other descriptor of the file gave its lock up. */
	SHOW(fcntl(fd, F_SETLK, &lock));
	SHOW(fcntl(alone, F_SETLK, &lock));
	SHOW(fcntl(alone, F_GETLK, &lock));
	SHOW(lock.l_pid == getppid());
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	return 0;
}

static void show_descriptors(void)
{
	char c;

	for (int i = 0; i < 6; i++)
		printf("%d %d\n", fcntl(FIRST_CLOSING + i, F_GETFD),
		       fcntl(FIRST_KEPT + i, F_GETFD));
	SHOW(lseek(FIRST_KEPT, 0, SEEK_CUR));
	SHOW(write(FIRST_KEPT + 1, "x", 1));
	SHOW(read(FIRST_KEPT + 2, &c, 1));
	child_run("locks from outside", locks_from_outside);
}

static int show(char **argv)
{
	strcpy(number, argv[2]);
	strcpy(tid, argv[3]);
	show_signals();
	show_timers();
	show_attributes();
	show_descriptors();
	return 0;
}

static void set_signals(void)
{
	static char stack[16384];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	union sigval v = { .sival_int = 42 };
	sigset_t set;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, handle);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGTERM, handle);
	signal(SIGHUP, handle);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGHUP);
	sigqueue(getpid(), SIGRTMIN, v);
	sigaltstack(&other, NULL);
}

static void set_timers(void)
{
	struct itimerval interval = { { 70, 0 }, { 90, 0 } };
	struct itimerspec spec = { { 0, 0 }, { 1000, 0 } };
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	int id = -1;

	setitimer(ITIMER_VIRTUAL, &interval, NULL);
	alarm(500);
	SHOW(RAW(timer_create, CLOCK_MONOTONIC, &event, &id));
	SHOW(RAW(timer_settime, id, 0, &spec, NULL));
	snprintf(tid, sizeof(tid), "%d", id);
}

static void set_attributes(void)
{
	static char locked[16384];
	struct rusage usage;

	mkdir("below", 0755);
	SHOW(chdir("below"));
	umask(027);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 100, 200 });
	setpriority(PRIO_PROCESS, 0, 5);
	prctl(PR_SET_NAME, "a name");
	prctl(PR_SET_PDEATHSIG, SIGWINCH);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_KEEPCAPS, 1);
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setpgid(0, 0);
	mlock(locked, sizeof(locked));
	do
		getrusage(RUSAGE_SELF, &usage);
	while (usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
		       usage.ru_stime.tv_sec * 1000000 +
		       usage.ru_stime.tv_usec <
	       100000);
	snprintf(number, sizeof(number), "%d", getpid());
}

/* The same objects twice: those that are closed, and those that stay. */
static void set_descriptors(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fds[2];

	for (int i = 0; i < 2; i++) {
		int first = i ? FIRST_KEPT : FIRST_CLOSING,
		    flag = i ? 0 : O_CLOEXEC;

		dup3(open("../locked", O_RDWR | O_CREAT, 0600), first, flag);
		pipe(fds);
		dup3(fds[1], first + 1, flag);
		dup3(fds[0], first + 2, flag);
		dup3(epoll_create1(0), first + 3, flag);
		dup3(socket(AF_UNIX, SOCK_STREAM, 0), first + 4, flag);
		dup3(open(".", O_DIRECTORY), first + 5, flag);
	}
	for (int fd = 3; fd < FIRST_CLOSING; fd++)
		close(fd);
	lseek(FIRST_KEPT, 17, SEEK_SET);
	SHOW(fcntl(FIRST_KEPT, F_SETLK, &lock));
	SHOW(fcntl(open("../alone", O_RDWR | O_CREAT, 0600), F_SETLK, &lock));
	SHOW(flock(FIRST_KEPT, LOCK_EX));
}

static int becomes_another(void)
{
	char *list[] = { "renamed", "show", number, tid, NULL },
	     *environment[] = { "NEW=1", NULL };

	set_signals();
	set_timers();
	set_attributes();
	set_descriptors();
	execve(self, list, environment);
	return 1;
}

static int runs(void *what)
{
	char *list[] = { "self", what, NULL };

	signal(SIGUSR2, SIG_IGN);
	execve(self, list, list + 2);
	return 1;
}

/* What was shared with another process is the own one afterwards. */
static void what_was_shared(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 40);

	signal(SIGUSR2, handle);
	child_end("shared", clone(runs, stack + sizeof(stack),
				  CLONE_VM | CLONE_FILES | CLONE_SIGHAND |
					  CLONE_FS | SIGCHLD,
				  "closed"));
	SHOW(fcntl(fd, F_GETFD));
	printf("USR2 %s\n", action_of(SIGUSR2));
	printf("umask %o\n", umask(022));
	close(fd);
}

static int closed(void)
{
	umask(077);
	printf("USR2 %s, %d\n", action_of(SIGUSR2), fcntl(40, F_GETFD));
	return 0;
}

int main(int argc, char **argv)
{
	setbuf(stdout, NULL);
	if (argc == 4)
		return show(argv);
	if (argc == 2)
		return closed();
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	scratch_enter();
	child_run("becomes another", becomes_another);
	what_was_shared();
	return 0;
}
