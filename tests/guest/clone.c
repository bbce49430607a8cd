/* Threads by the calls themselves: what clone takes and refuses, what happens to
 * the thread's words at its end, barriers, and waiting for children. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define THREAD                                                                 \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |    \
	 CLONE_SYSVSEM)
#define STACK 65536

static char *stack;
static atomic_int parent_word, child_word, ran, number;

/* Runs on a bare stack without thread-local storage of its own. */
static int body(void *arg)
{
	ran = (int)(long)arg;
	number = (int)RAW(gettid) == parent_word && (int)RAW(getpid) != number;
	RAW(exit, 0);
	return 0;
}

static void wait_cleared(atomic_int *word)
{
	int value;

	while ((value = *word) != 0)
		RAW(futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void threads(void)
{
	printf("-- clone\n");
	parent_word = 0;
	child_word = -1;
	SHOW(clone(body, stack + STACK,
		   THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		   (void *)7, &parent_word, NULL, &child_word) > 0);
	wait_cleared(&child_word);
	SHOW(ran);
	SHOW(number);
	SHOW(parent_word > getpid());
	child_word = 0;
	ran = 0;
	SHOW(clone(body, stack + STACK,
		   THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
			   CLONE_CHILD_CLEARTID,
		   (void *)8, &parent_word, NULL, &child_word) > 0);
	while (!ran)
		sched_yield();
	wait_cleared(&child_word);
	SHOW(ran);
	/* each of these needs another */
	SHOW(RAW(clone, CLONE_THREAD, stack + STACK, NULL, NULL, 0));
	SHOW(RAW(clone, CLONE_THREAD | CLONE_SIGHAND, stack + STACK, NULL, NULL,
		 0));
	SHOW(RAW(clone, CLONE_SIGHAND, stack + STACK, NULL, NULL, 0));
	SHOW(RAW(clone, CLONE_FS | CLONE_NEWNS, stack + STACK, NULL, NULL, 0));
	SHOW(RAW(clone, THREAD | CLONE_NEWPID, stack + STACK, NULL, NULL, 0));
}

static long clone3(struct clone_args *a, size_t size)
{
	return RAW(clone3, a, size);
}

static void threads3(void)
{
	struct clone_args a = {
		.flags = THREAD | CLONE_PARENT_SETTID,
		.parent_tid = (uintptr_t)&parent_word,
		.stack = (uintptr_t)stack,
		.stack_size = STACK,
	};
	struct clone_args b;
	char large[256] = { 0 };

	printf("-- clone3\n");
	SHOW(clone3(&a, 8));
	SHOW(clone3(&a, 63));
	SHOW(clone3(&a, 8192));
	SHOW(clone3((void *)8, sizeof(a)));
	memcpy(large, &a, sizeof(a));
	large[200] = 1;
	SHOW(clone3((void *)large, sizeof(large)));
	b = a, b.stack_size = 0;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.stack = 0;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.exit_signal = SIGCHLD;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.exit_signal = 1000;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.flags |= CLONE_DETACHED;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.flags |= 1ull << 40;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.flags |= CLONE_CLEAR_SIGHAND;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.flags = CLONE_THREAD;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.set_tid = 8;
	SHOW(clone3(&b, sizeof(b)));
	b = a, b.set_tid_size = 100;
	SHOW(clone3(&b, sizeof(b)));
}

static void barriers(void)
{
	long known = RAW(membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	printf("-- membarrier\n");
	SHOW(known > 0);
	SHOW((known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
	SHOW(RAW(membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	SHOW(RAW(membarrier,
		 MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_GLOBAL, 1, 0));
	SHOW(RAW(membarrier, MEMBARRIER_CMD_GLOBAL, 2, 0));
	SHOW(RAW(membarrier, 1 << 9, 0, 0));
	SHOW(RAW(membarrier, 1 << 20, 0, 0));
	SHOW(RAW(membarrier, 3, 0, 0));
	SHOW(RAW(membarrier, -1, 0, 0));
}

static void children(void)
{
	siginfo_t info = { .si_pid = 1 };
	int status = 5;

	printf("-- children\n");
	SHOW(wait(&status));
	SHOW(waitpid(-1, &status, WNOHANG));
	SHOW(waitpid(getpid(), &status, 0));
	SHOW(waitpid(-1, &status, 0x100));
	SHOW(waitpid(INT32_MIN, &status, 0));
	SHOW(RAW(wait4, -1, NULL, __WALL, NULL));
	SHOW(status);
	SHOW(waitid(P_ALL, 0, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	SHOW(waitid(P_PID, 1 << 22, &info, WEXITED));
	SHOW(waitid(P_PID, 0, &info, WEXITED));
	SHOW(waitid(P_PGID, 0, &info, WEXITED));
	SHOW(waitid(P_ALL, 0, &info, 0));
	SHOW(waitid(P_ALL, 0, &info, 0x100));
	SHOW(waitid(99, 0, &info, WEXITED));
	SHOW(waitid(P_PIDFD, 99, &info, WEXITED));
}

static void words(void)
{
	printf("-- words\n");
	SHOW(RAW(set_tid_address, &child_word) == getpid());
	SHOW(RAW(set_tid_address, NULL) == gettid());
	SHOW(sched_yield());
	/* a bad one is found at the thread's end only, and then left alone */
	parent_word = 0;
	ran = 0;
	SHOW(clone(body, stack + STACK, THREAD | CLONE_CHILD_CLEARTID,
		   (void *)9, NULL, NULL, (void *)8) > 0);
	while (ran != 9)
		sched_yield();
	usleep(20000);
	SHOW(ran);
}

int main(void)
{
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	threads();
	threads3();
	barriers();
	children();
	words();
	return 0;
}
