/*
 * tree.c: a tree of processes that do things at random, and check that memory,
 * descriptors and ends are what each of them knows they must be. Only what was
 * wrong is printed. Arguments: seed, steps.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "child.h"

#define PAGE 4096
#define PAGES 64
#define DEPTH 4
#define CHILDREN 6

static char self[4096];
static struct {
	atomic_int live, made, handled;
} * common;
static uint32_t
	*pages[PAGES]; /* each filled with its number of want, or absent */
static uint32_t want[PAGES];
static uint32_t seed;
static int depth, steps, failed;
static struct child {
	pid_t pid;
	int end; /* the exit code */
	int killed, program;
} children[CHILDREN];

static uint32_t any(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void wrong(const char *what, long a, long b)
{
	printf("wrong: %s, %ld and %ld, depth %d\n", what, a, b, depth);
	failed = 1;
}

static void fill(int i)
{
	want[i] = any(1u << 30);
	for (int k = 0; k < PAGE / 4; k += 37)
		pages[i][k] = want[i] + (uint32_t)k;
}

static void check(int i)
{
	for (int k = 0; pages[i] && k < PAGE / 4; k += 37)
		if (pages[i][k] != want[i] + (uint32_t)k) {
			wrong("page", pages[i][k], want[i] + (uint32_t)k);
			return;
		}
}

static void check_all(void)
{
	for (int i = 0; i < PAGES; i++)
		check(i);
}

static void map(int i)
{
	if (pages[i])
		munmap(pages[i], PAGE);
	pages[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill(i);
}

static void touch_page(void)
{
	int i = (int)any(PAGES), j = (int)any(PAGES);

	if (!pages[i])
		map(i);
	switch (any(7)) {
	case 0:
		map(i);
		break;
	case 1:
		check(i);
		pages[i] = mremap(pages[i], PAGE, PAGE,
				  MREMAP_MAYMOVE | MREMAP_FIXED,
				  mmap(NULL, PAGE, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		check(i);
		break;
	case 2:
		madvise(pages[i], PAGE, MADV_DONTNEED);
		if (pages[i][37])
			wrong("not cleared", pages[i][37], 0);
		fill(i);
		break;
	case 3:
		mprotect(pages[i], PAGE, PROT_READ);
		check(i);
		mprotect(pages[i], PAGE, PROT_READ | PROT_WRITE);
		fill(i);
		break;
	case 4:
		munmap(pages[j], pages[j] ? PAGE : 0);
		pages[j] = NULL;
		break;
	default:
		fill(i);
	}
}

/* The kernel reads from pages and writes to others. */
static void through_pipe(void)
{
	int i = (int)any(PAGES), j = (int)any(PAGES), fds[2];

	if (!pages[i] || !pages[j] || pipe(fds))
		return;
	if (write(fds[1], pages[i], PAGE) != PAGE ||
	    read(fds[0], pages[j], PAGE) != PAGE)
		wrong("pipe", errno, 0);
	want[j] = want[i];
	check(j);
	close(fds[0]);
	close(fds[1]);
}

static void note(int signo)
{
	(void)signo;
	common->handled++;
}

static void reap(int i, int status)
{
	int end = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);

	if (end != children[i].end && !(children[i].killed && end == -SIGKILL))
		wrong("end", end, children[i].end);
	children[i].pid = 0;
	common->live--;
}

static void wait_for(int i)
{
	int status;

	if (!children[i].pid)
		return;
	while (waitpid(children[i].pid, &status, 0) < 0)
		if (errno != EINTR) {
			wrong("waitpid", errno, children[i].pid);
			children[i].pid = 0;
			return;
		}
	reap(i, status);
}

static void wait_for_any(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	for (int i = 0; pid > 0 && i < CHILDREN; i++)
		if (children[i].pid == pid) {
			reap(i, status);
			return;
		}
	if (pid > 0)
		wrong("unknown child", pid, status);
}

static void signal_child(int i)
{
	if (!children[i].pid)
		return;
	switch (any(4)) {
	case 0:
		if (!children[i].program) /* it has no handler any more */
			kill(children[i].pid, SIGUSR1);
		break;
	case 1:
		kill(children[i].pid, SIGSTOP);
		sched_yield();
		kill(children[i].pid, SIGCONT);
		break;
	case 2:
		kill(children[i].pid, SIGKILL);
		children[i].killed = 1;
		break;
	default:
		sched_yield();
	}
}

static int run(void);

static void become(const char *how, int code)
{
	char number[20];

	snprintf(number, sizeof(number), "%d", code);
	execl(self, "tree", how, number, NULL);
	_exit(99);
}

static void *forks_in_thread(void *arg)
{
	*(pid_t *)arg = fork();
	if (*(pid_t *)arg == 0) {
		failed = 0;
		check_all();
		_exit(failed ? 77 : 5);
	}
	return NULL;
}

static volatile int dirtying;

static void *dirties(void *unused)
{
	static volatile uint32_t own[4 * PAGE] __attribute__((unused));

	for (uint32_t n = 0; dirtying; n++)
		for (int i = 0; i < 4; i++)
			own[i * PAGE] = n;
	return unused;
}

/* A child is made while another thread writes. */
static pid_t from_thread(void)
{
	pthread_t a, b;
	pid_t pid = -1;

	dirtying = 1;
	pthread_create(&a, NULL, dirties, NULL);
	pthread_create(&b, NULL, forks_in_thread, &pid);
	pthread_join(b, NULL);
	dirtying = 0;
	pthread_join(a, NULL);
	return pid;
}

static void make_child(int i)
{
	pid_t pid;

	if (children[i].pid || depth >= DEPTH || common->live > 40)
		return;
	common->live++;
	children[i] = (struct child){ 0 };
	switch (any(5)) {
	case 0:
		children[i].end = (int)any(50) + 1;
		children[i].program = 1;
		pid = vfork();
		if (pid == 0)
			become("end", children[i].end);
		break;
	case 1:
		children[i].end = 5;
		pid = from_thread();
		break;
	default:
		pid = fork();
		if (pid == 0) {
			depth++, failed = 0;
			memset(children, 0, sizeof(children));
			seed += 77;
			check_all();
			_exit(run());
		}
	}
	children[i].pid = pid;
	if (pid < 0) {
		wrong("fork", errno, 0);
		children[i].pid = 0;
		common->live--;
	}
	common->made++;
}

/* Another process's memory, which is as this one's was when it was made. */
static void look_at_child(int i)
{
	uint32_t value = 0;
	struct iovec here = { &value, 4 }, there = { &depth, 4 };

	if (children[i].pid &&
	    process_vm_readv(children[i].pid, &here, 1, &there, 1, 0) == 4 &&
	    value > DEPTH)
		wrong("a child's depth", value, 0);
}

static int run(void)
{
	int count = steps / (depth + 1);

	for (int n = 0; n < count; n++)
		switch (any(12)) {
		case 0:
		case 1:
			make_child((int)any(CHILDREN));
			break;
		case 2:
			signal_child((int)any(CHILDREN));
			break;
		case 3:
			wait_for((int)any(CHILDREN));
			break;
		case 4:
			wait_for_any();
			break;
		case 5:
			through_pipe();
			break;
		case 6:
			look_at_child((int)any(CHILDREN));
			break;
		case 7:
			check_all();
			break;
		case 8:
			sched_yield();
			break;
		default:
			touch_page();
		}
	for (int i = 0; i < CHILDREN; i++)
		wait_for(i);
	check_all();
	if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
		wrong("a child is left", errno, 0);
	return failed ? 77 : 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = note,
				    .sa_flags = SA_RESTART };
	int result;

	if (argc > 2 && !strcmp(argv[1], "end"))
		return atoi(argv[2]);
	setbuf(stdout, NULL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
	steps = argc > 2 ? atoi(argv[2]) : 150;
	common = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < PAGES; i++)
		map(i);
	result = run();
	printf("%s, children made: %d\n",
	       result ? "wrong" : "all as it should be", common->made > 10);
	return result;
}
