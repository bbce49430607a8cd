/* relations.c: what processes that belong together leave to one another: ends
 * beside handlers, limits, signals of death, stacks, what /proc counts. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "child.h"

static char *self;

static void nap(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

static int end_later(void)
{
	nap(20);
	return 3;
}

static int end_at_once(void)
{
	return 0;
}

static void on_signal(int signo)
{
	(void)signo;
}

/* The end of a child that a handler hears of is taken, not interrupted. */
static void wait_with_handler(void)
{
	struct sigaction a = { .sa_handler = on_signal };
	siginfo_t info;
	pid_t child;
	int status = 0;

	sigaction(SIGCHLD, &a, NULL);
	child = child_start(end_later);
	printf("waitpid: %d", waitpid(child, &status, 0) == child);
	printf(", status %x\n", status);
	child = child_start(end_later);
	SHOW(waitid(P_PID, child, &info, WEXITED));
	SHOW(info.si_status);
	a.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &a, NULL);
}

/* Where there is nothing to tell zeroes are stored. */
static void wait_for_nobody(void)
{
	siginfo_t info;

	memset(&info, 1, sizeof(info));
	SHOW(waitid(P_ALL, 0, &info, WEXITED));
	printf("%d %d %d\n", info.si_signo, info.si_code, info.si_pid);
	memset(&info, 1, sizeof(info));
	SHOW(waitid(P_ALL, 0, &info, 0));
	printf("%d\n", info.si_signo);
	SHOW(waitid(P_ALL, 0, (siginfo_t *)8, WEXITED));
}

static long field(const char *path, int number)
{
	static char text[2048];
	FILE *f = fopen(path, "r");
	char *at;

	if (!f)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	at = strrchr(text, ')') + 2;
	for (int i = 3; i < number; i++)
		at = strchr(at, ' ') + 1;
	return atol(at);
}

static void zombie(void)
{
	pid_t child = child_start(end_at_once);
	struct rlimit limit;
	siginfo_t info;
	char path[64];

	waitid(P_PID, child, &info, WEXITED | WNOWAIT);
	SHOW(prlimit(child, RLIMIT_CORE, NULL, &limit));
	SHOW(prlimit(child, RLIMIT_CORE, &limit, NULL));
	snprintf(path, sizeof(path), "/proc/%d/stat", child);
	printf("threads: %ld\n", field(path, 20));
	waitpid(child, NULL, 0);
}

static int burn(void)
{
	clock_t end = clock() + CLOCKS_PER_SEC / 10;

	while (clock() < end)
		;
	return 0;
}

static void times_of_children(void)
{
	long ticks;

	waitpid(child_start(burn), NULL, 0);
	ticks = field("/proc/self/stat", 16) + field("/proc/self/stat", 17);
	printf("ticks of children: %s\n", ticks >= 8 ? "enough" : "too few");
}

/* What a vfork child allows itself is not its parent's. */
static void borrowed_limits(void)
{
	const struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	pid_t child = vfork();

	if (child == 0) {
		setrlimit(RLIMIT_AS, &limit);
		setrlimit(RLIMIT_DATA, &limit);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	printf("mmap: %d\n",
	       mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

/* A stack is as large as its limit, or as memory allows. */
static int deep_stack(void)
{
	const struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_STACK, &limit);
	execl(self, self, "deep", NULL);
	return 9;
}

static int large_stack(void)
{
	const struct rlimit limit = { 600 << 20, RLIM_INFINITY };

	setrlimit(RLIMIT_STACK, &limit);
	execl(self, self, "deep", NULL);
	return 9;
}

static int deep(void)
{
	volatile char room[16 << 20];

	for (size_t i = 0; i < sizeof(room); i += 4096)
		room[sizeof(room) - 1 - i] = 1;
	printf("deep\n");
	fflush(stdout);
	return 0;
}

static int count_shared(const char *path)
{
	static char line[512];
	FILE *f = fopen(path, "r");
	int count = 0;

	while (f && fgets(line, sizeof(line), f))
		count += strstr(line, "/dev/zero (deleted)") != NULL;
	if (f)
		fclose(f);
	return count;
}

/* Memory that processes share has a name, and is of no file. */
static int show_shared(void)
{
	mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	     0);
	SHOW(count_shared("/proc/self/maps"));
	SHOW(count_shared("/proc/self/smaps"));
	return 0;
}

#define COPY "/tmp/relations-copy"

/* A program that has no name any more is still itself. */
static int be_nameless(void)
{
	char name[64];
	long n;

	unlink(COPY);
	n = readlink("/proc/self/exe", name, sizeof(name) - 1);
	name[n < 0 ? 0 : n] = 0;
	printf("exe: %s\n", name);
	SHOW(open(COPY, O_RDONLY));
	SHOW(open("/proc/self/exe", O_RDONLY) >= 0);
	execl("/proc/self/exe", "again", "deep", NULL);
	return 1;
}

static int execute_copy(void)
{
	static char part[65536];
	int from = open(self, O_RDONLY);
	int to = open(COPY, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
	ssize_t n;

	while ((n = read(from, part, sizeof(part))) > 0)
		if (write(to, part, n) != n)
			return 1;
	close(to);
	close(from);
	execl(COPY, "copy", "nameless", NULL);
	return 1;
}

/* The directory of a process that is gone leads nowhere. */
static void stale_directory(void)
{
	pid_t child = child_start(end_at_once);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", child);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	waitpid(child, NULL, 0);
	SHOW(openat(fd, "status", O_RDONLY) >= 0);
	SHOW(RAW(pidfd_send_signal, fd, 0, NULL, 0));
	close(fd);
}

static struct gate ready, done;

static int orphan(void)
{
	struct timespec patience = { 5, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	gate_open(&ready);
	printf("told of its end: %d\n",
	       sigtimedwait(&set, NULL, &patience) == SIGUSR1);
	fflush(stdout);
	gate_open(&done);
	return 0;
}

static void *execute(void *argument)
{
	(void)argument;
	child_start(orphan);
	gate_pass(&ready);
	execl(self, self, "nothing", NULL);
	return NULL;
}

static int execute_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, execute, NULL);
	while (pause())
		;
	return 0;
}

/* A thread that has children executes a program: they are that one's. */
static void maker_executes(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ready = gate_make();
	done = gate_make();
	waitpid(child_start(execute_in_thread), NULL, 0);
	gate_pass(&done);
}

int main(int argc, char **argv)
{
	self = argv[0];
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1 && !strcmp(argv[1], "nameless"))
		return be_nameless();
	if (argc > 1)
		return strcmp(argv[1], "deep") ? 0 : deep();
	wait_with_handler();
	wait_for_nobody();
	zombie();
	times_of_children();
	borrowed_limits();
	waitpid(child_start(deep_stack), NULL, 0);
	waitpid(child_start(large_stack), NULL, 0);
	waitpid(child_start(show_shared), NULL, 0);
	stale_directory();
	waitpid(child_start(execute_copy), NULL, 0);
	maker_executes();
	return 0;
}
