/*
 * Memory across fork: what is private is the child's own from then on, whatever
 * is done to it on either side; what is shared stays shared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif

#define PAGE 4096ul

static unsigned failures;

#define CHECK(condition)                                                       \
	do {                                                                   \
		if (!(condition)) {                                            \
			printf("line %d: %s\n", __LINE__, #condition);         \
			failures++;                                            \
		}                                                              \
	} while (0)

static void *map(size_t size, int flags)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       flags | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return p;
}

/* The child's failures become the parent's. */
static void join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t start(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		failures = 0;
	return pid;
}

static _Noreturn void leave(void)
{
	fflush(stdout);
	_exit(failures != 0);
}

/* ---- private ---- */

static int initialised = 17;
static char zeroed[5 * PAGE];

static void test_private(void)
{
	unsigned char *p = map(64 * PAGE, MAP_PRIVATE), *heap = malloc(300000);
	char stack[2 * PAGE];
	int go[2], done[2];
	char c = 0;
	pid_t pid;

	memset(p, 1, 64 * PAGE);
	memset(heap, 2, 300000);
	memset(stack, 3, sizeof(stack));
	CHECK(pipe(go) == 0 && pipe(done) == 0);
	pid = start();
	if (pid == 0) {
		/* The child writes to half of it, the parent to the other. */
		for (int i = 0; i < 64; i += 2)
			p[(size_t)i * PAGE] = 9;
		heap[0] = heap[299999] = 9;
		initialised = 9;
		zeroed[3 * PAGE] = 9;
		stack[0] = 9;
		CHECK(write(done[1], "", 1) == 1 && read(go[0], &c, 1) == 1);
		for (int i = 0; i < 64; i++) {
			CHECK(p[(size_t)i * PAGE] == (i % 2 ? 1 : 9));
			CHECK(p[(size_t)i * PAGE + 1] == 1);
		}
		CHECK(heap[1] == 2 && heap[150000] == 2);
		CHECK(stack[PAGE] == 3);
		leave();
	}
	CHECK(read(done[0], &c, 1) == 1);
	for (int i = 0; i < 64; i++)
		CHECK(p[(size_t)i * PAGE] == 1);
	for (int i = 1; i < 64; i += 2)
		p[(size_t)i * PAGE] = 8;
	heap[150000] = 8;
	stack[PAGE] = 8;
	CHECK(heap[0] == 2 && initialised == 17 && zeroed[3 * PAGE] == 0);
	CHECK(stack[0] == 3);
	CHECK(write(go[1], "", 1) == 1);
	join(pid);
	for (int i = 0; i < 64; i++)
		CHECK(p[(size_t)i * PAGE] == (i % 2 ? 8 : 1));
	munmap(p, 64 * PAGE);
	free(heap);
	for (int i = 0; i < 2; i++)
		close(go[i]), close(done[i]);
	printf("private: %u wrong\n", failures);
}

/* Each generation has what the one before it wrote, and its own. */
static void generations(unsigned char *p, int depth)
{
	pid_t pid;

	for (int i = 0; i < depth; i++)
		CHECK(p[(size_t)i * PAGE] == i + 1);
	if (depth == 8)
		leave();
	p[(size_t)depth * PAGE] = (unsigned char)(depth + 1);
	pid = start();
	if (pid == 0)
		generations(p, depth + 1);
	join(pid);
	for (int i = depth + 1; i < 8; i++)
		CHECK(p[(size_t)i * PAGE] == 0);
	if (depth)
		leave();
}

static void test_generations(void)
{
	unsigned char *p = map(8 * PAGE, MAP_PRIVATE);

	generations(p, 0);
	munmap(p, 8 * PAGE);
	printf("generations: %u wrong\n", failures);
}

/* What is done to the mapping on one side does not reach the other. */
static void test_changes(void)
{
	unsigned char *p = map(16 * PAGE, MAP_PRIVATE), *moved;
	pid_t pid;

	memset(p, 5, 16 * PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_NONE);
	mprotect(p + 3 * PAGE, PAGE, PROT_READ);
	pid = start();
	if (pid == 0) {
		CHECK(mprotect(p + 2 * PAGE, 2 * PAGE,
			       PROT_READ | PROT_WRITE) == 0);
		CHECK(p[2 * PAGE] == 5 && p[3 * PAGE] == 5);
		p[2 * PAGE] = p[3 * PAGE] = 6;
		CHECK(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED) == 0);
		CHECK(p[4 * PAGE] == 0);
		p[4 * PAGE] = 6;
		moved = mremap(p + 8 * PAGE, 4 * PAGE, 8 * PAGE,
			       MREMAP_MAYMOVE);
		CHECK(moved != MAP_FAILED && moved[0] == 5 &&
		      moved[4 * PAGE] == 0);
		moved[0] = 6;
		CHECK(mmap(p + 12 * PAGE, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == p + 12 * PAGE);
		CHECK(p[12 * PAGE] == 0);
		p[12 * PAGE] = 6;
		munmap(p + 13 * PAGE, PAGE);
		leave();
	}
	join(pid);
	mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < 16; i++)
		CHECK(p[i * PAGE] == 5);
	memset(p, 7, 16 * PAGE);
	munmap(p, 16 * PAGE);
	printf("changes: %u wrong\n", failures);
}

static void test_advice(void)
{
	unsigned char *p = map(8 * PAGE, MAP_PRIVATE);
	unsigned char there;
	pid_t pid;

	memset(p, 5, 8 * PAGE);
	CHECK(madvise(p, PAGE, MADV_DONTFORK) == 0);
	CHECK(madvise(p + PAGE, PAGE, MADV_DONTFORK) == 0);
	CHECK(madvise(p + PAGE, PAGE, MADV_DOFORK) == 0);
	CHECK(madvise(p + 2 * PAGE, 2 * PAGE, MADV_WIPEONFORK) == 0);
	CHECK(madvise(p + 3 * PAGE, PAGE, MADV_KEEPONFORK) == 0);
	pid = start();
	if (pid == 0) {
		CHECK(mincore(p, PAGE, &there) == -1 && errno == ENOMEM);
		CHECK(p[PAGE] == 5 && p[2 * PAGE] == 0 && p[3 * PAGE] == 5);
		leave();
	}
	join(pid);
	CHECK(p[0] == 5 && p[2 * PAGE] == 5);
	munmap(p, 8 * PAGE);
	p = map(PAGE, MAP_SHARED);
	CHECK(madvise(p, PAGE, MADV_WIPEONFORK) == -1 && errno == EINVAL);
	munmap(p, PAGE);
	printf("advice: %u wrong\n", failures);
}

/* ---- files ---- */

static void test_files(void)
{
	int fd = memfd_create("cow", 0);
	unsigned char *shared, *private;
	pid_t pid;

	CHECK(fd >= 0 && ftruncate(fd, 4 * PAGE) == 0);
	shared =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		       0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	shared[0] = 1;
	private[PAGE] = 2;
	pid = start();
	if (pid == 0) {
		CHECK(private[PAGE] == 2 && private[0] == 1);
		private[PAGE] = private[2 * PAGE] = 3;
		shared[3 * PAGE] = 4;
		CHECK(pwrite(fd, "x", 1, 1) == 1);
		leave();
	}
	join(pid);
	CHECK(private[PAGE] == 2 && private[2 * PAGE] == 0);
	CHECK(shared[3 * PAGE] == 4 && shared[1] == 'x');
	pid = start();
	if (pid == 0) {
		CHECK(ftruncate(fd, PAGE) == 0);
		leave();
	}
	join(pid);
	CHECK(ftruncate(fd, 4 * PAGE) == 0);
	CHECK(shared[3 * PAGE] == 0 && private[PAGE] == 0);
	munmap(shared, 4 * PAGE);
	munmap(private, 4 * PAGE);
	close(fd);
	printf("files: %u wrong\n", failures);
}

/* ---- shared ---- */

static void test_shared(void)
{
	unsigned char *p = map(600 * PAGE, MAP_SHARED), *more;
	pid_t pid;

	p[0] = 1;
	p[599 * PAGE] = 2;
	mprotect(p + 10 * PAGE, PAGE, PROT_READ);
	pid = start();
	if (pid == 0) {
		CHECK(p[0] == 1 && p[599 * PAGE] == 2);
		p[0] = 3;
		p[300 * PAGE] = 4;
		CHECK(mprotect(p + 10 * PAGE, PAGE, PROT_READ | PROT_WRITE) ==
		      0);
		p[10 * PAGE] = 5;
		/* A child's own sharing, and a child of it. */
		more = map(PAGE, MAP_SHARED);
		pid = start();
		if (pid == 0) {
			*more = 6;
			p[1] = 7;
			leave();
		}
		join(pid);
		CHECK(*more == 6);
		leave();
	}
	join(pid);
	CHECK(p[0] == 3 && p[1] == 7 && p[300 * PAGE] == 4 &&
	      p[10 * PAGE] == 5 && p[599 * PAGE] == 2);
	munmap(p, 600 * PAGE);
	printf("shared: %u wrong\n", failures);
}

/* A futex in shared memory, waited for before there is a second process. */
static uint32_t *word;

static void *wait_for_word(void *result)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == 0)
		syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
	*(int *)result = 1;
	return NULL;
}

static void test_futex(void)
{
	pthread_t thread;
	int woken = 0;
	pid_t pid;

	word = map(PAGE, MAP_SHARED);
	pthread_create(&thread, NULL, wait_for_word, &woken);
	usleep(20000);
	pid = start();
	if (pid == 0) {
		*word = 1;
		syscall(SYS_futex, word, FUTEX_WAKE, 10, NULL, NULL, 0);
		leave();
	}
	join(pid);
	pthread_join(thread, NULL);
	CHECK(woken == 1);
	printf("futex: %u wrong\n", failures);
}

/* ---- many ---- */

static void test_many(void)
{
	unsigned char *p = map(256 * PAGE, MAP_PRIVATE);
	pid_t pids[40];

	memset(p, 1, 256 * PAGE);
	for (int i = 0; i < 40; i++) {
		pids[i] = start();
		if (pids[i] == 0) {
			for (size_t k = (size_t)i; k < 256; k += 3)
				p[k * PAGE] = (unsigned char)i;
			for (size_t k = (size_t)i; k < 256; k += 3)
				CHECK(p[k * PAGE] == i);
			leave();
		}
		p[(size_t)i * PAGE] = 2;
	}
	for (int i = 0; i < 40; i++)
		join(pids[i]);
	for (size_t k = 0; k < 256; k++)
		CHECK(p[k * PAGE] == (k < 40 ? 2 : 1));
	munmap(p, 256 * PAGE);
	printf("many: %u wrong\n", failures);
}

int main(void)
{
	test_private();
	test_generations();
	test_changes();
	test_advice();
	test_files();
	test_shared();
	test_futex();
	test_many();
	return 0;
}
