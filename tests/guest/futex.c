/* Futexes: waits and what ends them, bit sets, requeues, operations, errors, and
 * the locks that a thread holds when it ends. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static atomic_int word, other, waiting;
static volatile int signals;

static long futex(volatile void *at, int op, uint32_t value,
		  const void *timeout, volatile void *second, uint32_t value3)
{
	return syscall(SYS_futex, at, op, value, timeout, second, value3);
}
#define FUTEX(...) futex(__VA_ARGS__)

static struct timespec in_ms(long ms)
{
	return (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
}

static struct timespec at_ms(clockid_t clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void errors(void)
{
	struct timespec t = in_ms(1), bad = { 0, 1000000000 }, past = { -1, 0 };

	printf("-- errors\n");
	SHOW(FUTEX((char *)&word + 1, FUTEX_WAIT, 0, &t, NULL, 0));
	SHOW(FUTEX((void *)8, FUTEX_WAIT, 0, &t, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT, 1, &t, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &bad, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &past, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &t, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, 1));
	SHOW(FUTEX(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(FUTEX((void *)8, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(FUTEX((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 7));
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 0));
	SHOW(FUTEX(&word, FUTEX_REQUEUE, -1, (void *)1, &other, 0));
	SHOW(FUTEX(&word, FUTEX_REQUEUE, 1, (void *)-1, &other, 0));
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, (char *)&other + 1,
		   0));
	SHOW(FUTEX(&word, 99, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_FD, 0, NULL, NULL, 0));
}

static void *waiter(void *arg)
{
	return (void *)futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL,
			     (uint32_t)(long)arg);
}

/* A requeue to where they are counts those that are asleep. */
static void until_asleep(int count)
{
	while (FUTEX(&word, FUTEX_CMP_REQUEUE, 0, (void *)100, &word, 0) <
	       count)
		usleep(1000);
}

static void start(pthread_t *t, int count, const long *bits)
{
	for (int i = 0; i < count; i++)
		pthread_create(&t[i], NULL, waiter, (void *)bits[i]);
	until_asleep(count);
}

/* Wakes until so many were woken: a waiter may not be asleep yet. */
static long wake(volatile void *at, int op, uint32_t count, uint32_t bits)
{
	long n = 0;

	for (int i = 0; i < 1000 && n < (long)count; i++) {
		n += futex(at, op, count - n, NULL, NULL, bits);
		if (n < (long)count)
			usleep(1000);
	}
	return n;
}

static void join(pthread_t *t, int count)
{
	void *r;
	long sum = 0;

	for (int i = 0; i < count; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("joined %d, their results %ld\n", count, sum);
}

static void wakes(void)
{
	const long bits[4] = { 1, 2, 4, 6 };
	pthread_t t[4];

	printf("-- wakes\n");
	start(t, 4, bits);
	SHOW(FUTEX(&word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 8));
	SHOW(wake(&word, FUTEX_WAKE_BITSET, 1, 1));
	SHOW(wake(&word, FUTEX_WAKE_BITSET, 2, 2));
	SHOW(FUTEX(&word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 2));
	SHOW(wake(&word, FUTEX_WAKE, 1, 0));
	SHOW(FUTEX(&word, FUTEX_WAKE, 10, NULL, NULL, 0));
	join(t, 4);
}

static void requeues(void)
{
	const long bits[4] = { -1, -1, -1, -1 };
	pthread_t t[4];

	printf("-- requeues\n");
	start(t, 4, bits);
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 5));
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE, 1, (void *)2, &other, 0));
	SHOW(FUTEX(&word, FUTEX_WAKE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAKE, -1, NULL, NULL, 0));
	SHOW(FUTEX(&other, FUTEX_WAKE, 2, NULL, NULL, 0));
	join(t, 4);
	start(t, 2, bits);
	SHOW(FUTEX(&word, FUTEX_REQUEUE, 0, (void *)5, &other, 0));
	SHOW(wake(&other, FUTEX_WAKE, 2, 0));
	join(t, 2);
}

/* FUTEX_WAKE_OP on the second word, which has this value before. */
static void operate(int before, uint32_t op)
{
	long r;

	other = before;
	errno = 0;
	r = futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &other, op);
	printf("%d op %08x: %ld %s, then %d\n", before, op, r,
	       strerrorname_np(r < 0 ? errno : 0), other);
}

static void operations(void)
{
	const long bits[1] = { -1 };
	pthread_t t[1];

	printf("-- operations\n");
	operate(5, FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 5));
	operate(5, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_NE, 5));
	operate(5, FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_LT, 6));
	operate(5, FUTEX_OP(FUTEX_OP_OR, 8, FUTEX_OP_CMP_LE, 5));
	operate(5, FUTEX_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_GT, -1));
	operate(5, FUTEX_OP(FUTEX_OP_XOR, 1, FUTEX_OP_CMP_GE, 9));
	operate(5, FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 4, 0, 5));
	operate(5, FUTEX_OP(7, 1, FUTEX_OP_CMP_EQ, 5));
	operate(5, FUTEX_OP(FUTEX_OP_SET, 6, 9, 5));
	SHOW(FUTEX(&word, FUTEX_WAKE_OP, 1, (void *)1, (void *)8, 0));
	start(t, 1, bits);
	other = 1;
	SHOW(FUTEX(&other, FUTEX_WAKE_OP, 1, (void *)1, &word,
		   FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 9)));
	word = 0;
	SHOW(FUTEX(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	join(t, 1);
}

static void *waker(void *arg)
{
	until_asleep(1);
	word = 1;
	futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0);
	return arg;
}

static void on_signal(int signo)
{
	(void)signo;
	signals++;
}

static volatile int woken;

/* Until it has been woken: the first may come before it waits. */
static void *interrupter(void *arg)
{
	while (!woken) {
		usleep(20000);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	return NULL;
}

static long passed_ms(struct timespec since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since.tv_sec) * 1000 +
	       (now.tv_nsec - since.tv_nsec) / 1000000;
}

static void times(void)
{
	struct timespec t, before, long_time = { INT64_MAX, 999999999 };
	pthread_t thread, self = pthread_self();
	struct sigaction action = { .sa_handler = on_signal };

	printf("-- times\n");
	word = 0;
	clock_gettime(CLOCK_MONOTONIC, &before);
	t = in_ms(30);
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &t, NULL, 0));
	t = at_ms(CLOCK_MONOTONIC, 30);
	SHOW(FUTEX(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, -1));
	t = at_ms(CLOCK_REALTIME, 30);
	SHOW(FUTEX(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL,
		   -1));
	t = in_ms(30);
	SHOW(FUTEX(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 0));
	SHOW(passed_ms(before) >= 90);
	pthread_create(&thread, NULL, waker, NULL);
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &long_time, NULL, 0));
	pthread_join(thread, NULL);
	word = 0;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, interrupter, &self);
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &long_time, NULL, 0));
	woken = 1;
	pthread_join(thread, NULL);
	woken = 0;
	/* without an end it is started again after a handler that says so */
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, interrupter, &self);
	t = in_ms(60000);
	SHOW(FUTEX(&word, FUTEX_WAIT, 0, &t, NULL, 0));
	woken = 1;
	pthread_join(thread, NULL);
	SHOW(signals >= 2);
}

/* ---- robust locks ---- */

static void *die_with_lock(void *lock)
{
	pthread_mutex_lock(lock);
	return NULL;
}

static void robust(void)
{
	struct robust_list_head *head;
	pthread_mutexattr_t a;
	pthread_mutex_t lock;
	pthread_t t;
	size_t size;

	printf("-- robust\n");
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&lock, &a);
	pthread_create(&t, NULL, die_with_lock, &lock);
	pthread_join(t, NULL);
	SHOW(pthread_mutex_lock(&lock) == EOWNERDEAD);
	SHOW(pthread_mutex_consistent(&lock));
	SHOW(pthread_mutex_unlock(&lock));
	SHOW(RAW(get_robust_list, 0, &head, &size));
	SHOW(head != NULL);
	SHOW(size == sizeof(*head));
	SHOW(RAW(get_robust_list, gettid(), &head, &size));
	SHOW(RAW(get_robust_list, 1 << 22, &head, &size));
	SHOW(RAW(get_robust_list, 0, (void *)8, &size));
	SHOW(RAW(get_robust_list, 0, &head, (void *)8));
	SHOW(RAW(set_robust_list, head, size - 1));
	SHOW(RAW(set_robust_list, head, size));
}

/* A futex is where its memory is, not where it is mapped. */
static void *shared_waiter(void *arg)
{
	waiting = 1;
	return (void *)futex(arg, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void shared(void)
{
	int fd = memfd_create("futex", 0);
	int *one, *two;
	pthread_t t;
	void *r;

	printf("-- shared\n");
	SHOW(ftruncate(fd, 4096));
	one = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	two = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(one != two);
	waiting = 0;
	pthread_create(&t, NULL, shared_waiter, one);
	SHOW(wake(two, FUTEX_WAKE, 1, 0));
	pthread_join(t, &r);
	SHOW((long)r);
	waiting = 0;
	pthread_create(&t, NULL, shared_waiter, one);
	while (!waiting)
		usleep(1000);
	usleep(20000);
	SHOW(FUTEX(two, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(wake(one, FUTEX_WAKE, 1, 0));
	pthread_join(t, NULL);
	SHOW(ftruncate(fd, 0));
	SHOW(FUTEX(one, FUTEX_WAIT, 0, NULL, NULL, 0));
	SHOW(FUTEX(one, FUTEX_WAKE, 1, NULL, NULL, 0));
	munmap(one, 4096);
	munmap(two, 4096);
	close(fd);
}

static void *signal_and_wake(void *arg)
{
	for (int i = 0; i < 20; i++) {
		usleep(1000);
		kill(getpid(), SIGUSR2);
	}
	word = 1;
	FUTEX(&word, FUTEX_WAKE, 1, NULL, NULL, 0);
	return arg;
}

/* The waiter is woken for a signal that the sender may take; then it is woken. */
static void taken_signals(void)
{
	struct timespec limit = in_ms(60000);
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t t;
	long r = 0;

	printf("-- signals that another thread takes\n");
	sigaction(SIGUSR2, &action, NULL);
	word = 0;
	pthread_create(&t, NULL, signal_and_wake, NULL);
	while (word == 0 && !(r == -1 && errno == ETIMEDOUT))
		r = FUTEX(&word, FUTEX_WAIT, 0, &limit, NULL, 0);
	printf("in time: %d\n", !(r == -1 && errno == ETIMEDOUT));
	pthread_join(t, NULL);
	word = 0;
}

int main(void)
{
	errors();
	wakes();
	requeues();
	operations();
	times();
	robust();
	shared();
	taken_signals();
	return 0;
}
