/* Threads: joining, locks, conditions, thread-local storage, preemption of
 * threads that never call the kernel, vector registers across switches. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static __thread int own;
static int counter, turn;
static atomic_int spinning, stop;
static pthread_barrier_t barrier;

static void *count(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		own++;
	}
	return (void *)(long)(own + (int)(long)arg);
}

static void *ping(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&changed, &lock);
		turn = !me;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* Never enters the kernel: only preemption lets the others run. */
static void *spin(void *arg)
{
	double x = (double)(long)arg, y = x;

	spinning++;
	while (!stop)
		x = x * 1.0000001 / 1.0000001 + (x - x);
	return (void *)(long)(x > y - 1 && x < y + 1);
}

/* -ERESTARTSYS of the guest's kernel */
#define RESTARTS (-(1l << 62))

/* Holds in rax what makes a call start again when it returns it. */
static void *hold(void *arg)
{
	long rax = RESTARTS;

	(void)arg;
	while (!stop && rax == RESTARTS)
		__asm__ volatile("mov $10000, %%ecx\n"
				 "1: nop; nop; nop; nop; nop; nop; nop; nop\n"
				 "cmp %1, %0\n"
				 "jne 2f\n"
				 "dec %%ecx\n"
				 "jnz 1b\n"
				 "2:"
				 : "+a"(rax)
				 : "r"(RESTARTS)
				 : "rcx", "cc");
	return (void *)(long)(rax == RESTARTS);
}

static void *meet(void *arg)
{
	(void)arg;
	return (void *)(long)(pthread_barrier_wait(&barrier) ==
			      PTHREAD_BARRIER_SERIAL_THREAD);
}

int main(void)
{
	pthread_t t[8];
	void *r;
	long sum = 0;
	struct timespec now;
	sem_t sem;

	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, count, (void *)i);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("counted %d, results %ld, own %d\n", counter, sum, own);
	for (long i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, ping, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("ping pong, turn %d\n", turn);
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, spin, (void *)(i + 1));
	while (spinning < 4)
		;
	stop = 1;
	sum = 0;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("spinners preempted, %ld kept their registers\n", sum);
	stop = sum = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, hold, NULL);
	usleep(200000);
	stop = 1;
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("a number like a call's restart, kept by %ld\n", sum);
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, meet, NULL);
	sum = 0;
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	printf("barrier, %ld serial\n", sum);
	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_nsec += 20000000;
	if (now.tv_nsec >= 1000000000) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&lock);
	printf("timed wait %d\n",
	       pthread_cond_timedwait(&changed, &lock, &now) == ETIMEDOUT);
	pthread_mutex_unlock(&lock);
	sem_init(&sem, 0, 1);
	printf("semaphore %d %d %d\n", sem_trywait(&sem), sem_trywait(&sem),
	       errno == EAGAIN);
	for (int i = 0; i < 200; i++) {
		pthread_create(&t[0], NULL, count, NULL);
		pthread_join(t[0], NULL);
	}
	printf("200 more, %d\n", counter);
	return 0;
}
