/* eventfd.c: eventfd: counter, semaphore, limits, blocking. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void show(const char *what, long r)
{
	if (r < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, r);
	fflush(stdout);
}
#define SHOW(call) show(#call, (long)(call))

static int fd;

static long put(uint64_t v)
{
	return write(fd, &v, sizeof(v));
}

static long get(void)
{
	uint64_t v = 0;
	long r = read(fd, &v, sizeof(v));

	return r < 0 ? r : (long)v;
}

static int events(void)
{
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static void *producer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		put(1);
	return NULL;
}

static void *consumer(void *arg)
{
	(void)arg;
	usleep(20000);
	get();
	return NULL;
}

int main(void)
{
	pthread_t t;
	uint64_t v = 0;
	long sum = 0;

	SHOW((fd = eventfd(0, EFD_NONBLOCK)) >= 0);
	SHOW(get());
	SHOW(events());
	SHOW(put(3));
	SHOW(put(4));
	SHOW(events());
	SHOW(get());
	SHOW(put(UINT64_MAX));
	SHOW(put(UINT64_MAX - 1));
	SHOW(events());
	SHOW(put(1));
	SHOW(put(0));
	SHOW(write(fd, &v, 4));
	SHOW(read(fd, &v, 7));
	SHOW(lseek(fd, 0, SEEK_CUR) <= 0);
	close(fd);
	SHOW((fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK)) >= 0);
	SHOW(get());
	SHOW(get());
	SHOW(get());
	close(fd);
	SHOW(eventfd(0, 2));
	SHOW((fd = eventfd(0, 0)) >= 0);
	pthread_create(&t, NULL, producer, NULL);
	while (sum < 100)
		sum += get();
	pthread_join(t, NULL);
	printf("sum %ld\n", sum);
	SHOW(put(UINT64_MAX - 1));
	pthread_create(&t, NULL, consumer, NULL);
	SHOW(put(5));
	pthread_join(t, NULL);
	SHOW(get());
	return 0;
}
