/* Locks with an owner (FUTEX_LOCK_PI and relatives): who gets them, errors,
 * times, signals, and owners that end. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static volatile uint32_t word;
static volatile int handled, step;
static volatile pid_t other;

static long futex(volatile void *at, int op, uint32_t value,
		  const void *timeout, volatile void *second, uint32_t value3)
{
	return syscall(SYS_futex, at, op, value, timeout, second, value3);
}
#define FUTEX(...) futex(__VA_ARGS__)

static const char *owner(void)
{
	static char text[64];
	uint32_t w = word;

	snprintf(text, sizeof(text), "%s%s%s",
		 (w & FUTEX_TID_MASK) == 0                  ? "nobody" :
		 (w & FUTEX_TID_MASK) == (uint32_t)gettid() ? "me" :
							      "another",
		 w & FUTEX_WAITERS ? ", waiters" : "",
		 w & FUTEX_OWNER_DIED ? ", died" : "");
	return text;
}

static void note(int signo)
{
	(void)signo;
	handled++;
}

/* Until the word's waiters show. */
static void until_waiters(void)
{
	while (!(word & FUTEX_WAITERS))
		usleep(1000);
	usleep(5000);
}

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void *locker(void *arg)
{
	long r = futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);

	other = gettid();
	*(long *)arg = r ? -errno :
			   (word & FUTEX_TID_MASK) == (uint32_t)gettid();
	step++;
	futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

static void alone(void)
{
	struct timespec bad = { 0, 1000000000 }, past = { 1, 0 };

	printf("-- alone\n");
	word = (uint32_t)gettid();
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	printf("%s\n", owner());
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	printf("%s\n", owner());
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	word = FUTEX_OWNER_DIED;
	SHOW(FUTEX(&word, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG, 0, NULL, NULL,
		   0));
	printf("%s\n", owner());
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	word = 0x3ffffff;
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, &bad, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, &past, NULL,
		   0));
	SHOW(FUTEX((void *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(FUTEX((char *)&word + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	SHOW(FUTEX((void *)8, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG, 1, NULL,
		   &handled, 0) < 0);
	word = 0;
}

/* In the order of waiting. */
static void handed_over(void)
{
	pthread_t t[2];
	long got[2];

	printf("-- handed over\n");
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pthread_create(&t[0], NULL, locker, &got[0]);
	until_waiters();
	printf("%s\n", owner());
	pthread_create(&t[1], NULL, locker, &got[1]);
	usleep(20000);
	SHOW(FUTEX(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &handled,
		   word));
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("each got it %ld %ld, now %s\n", got[0], got[1], owner());
}

static void *holder(void *arg)
{
	(void)arg;
	futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	step = 1;
	while (step == 1)
		usleep(1000);
	if (step == 2)
		futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return NULL; /* else it ends with the lock */
}

static void *interrupt(void *arg)
{
	(void)arg;
	until_waiters();
	kill(getpid(), SIGUSR1);
	usleep(20000);
	step = 2;
	return NULL;
}

static void held_by_another(void)
{
	struct timespec t;
	pthread_t a, b;

	printf("-- held by another\n");
	step = 0;
	pthread_create(&a, NULL, holder, NULL);
	while (!step)
		usleep(1000);
	SHOW(FUTEX(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	t = in_ms(CLOCK_REALTIME, 20);
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, &t, NULL, 0));
	t = in_ms(CLOCK_MONOTONIC, 20);
	SHOW(FUTEX(&word, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG, 0, &t, NULL, 0));
	t = in_ms(CLOCK_REALTIME, 20);
	SHOW(FUTEX(&word,
		   FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME,
		   0, &t, NULL, 0));
	t = (struct timespec){ 1, 0 };
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, &t, NULL, 0));
	/* A handler runs, the lock is waited for again. */
	word &= ~FUTEX_WAITERS;
	pthread_create(&b, NULL, interrupt, NULL);
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	printf("handled %d, %s\n", handled, owner());
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

static void *end_holder(void *arg)
{
	(void)arg;
	until_waiters();
	step = 3;
	return NULL;
}

static void owner_ends(void)
{
	pthread_t a, b;

	printf("-- the owner ends\n");
	step = 0;
	pthread_create(&a, NULL, holder, NULL);
	while (!step)
		usleep(1000);
	pthread_create(&b, NULL, end_holder, NULL);
	SHOW(FUTEX(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	printf("died %d\n", (word & FUTEX_OWNER_DIED) != 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	SHOW(FUTEX(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
}

static pthread_mutex_t mutex;
static long counter;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *leave_locked(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	return NULL;
}

static void mutexes(void)
{
	pthread_mutexattr_t a;
	pthread_t t[4];
	struct timespec soon;

	printf("-- mutexes\n");
	pthread_mutexattr_init(&a);
	SHOW(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	SHOW(pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST));
	SHOW(pthread_mutex_init(&mutex, &a));
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("counted %ld\n", counter);
	pthread_create(&t[0], NULL, leave_locked, NULL);
	pthread_join(t[0], NULL);
	SHOW(pthread_mutex_lock(&mutex));
	SHOW(pthread_mutex_consistent(&mutex));
	SHOW(pthread_mutex_unlock(&mutex));
	SHOW(pthread_mutex_trylock(&mutex));
	soon = in_ms(CLOCK_REALTIME, 10);
	printf("again %s\n",
	       strerrorname_np(pthread_mutex_timedlock(&mutex, &soon)));
	SHOW(pthread_mutex_unlock(&mutex));
}

int main(void)
{
	struct sigaction a = { .sa_handler = note };

	sigaction(SIGUSR1, &a, NULL);
	alone();
	handed_over();
	held_by_another();
	owner_ends();
	mutexes();
	return 0;
}
