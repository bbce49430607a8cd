/* select.c: select and pselect: sets, timeouts, errors. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
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

static int p[2];

static void *writer(void *arg)
{
	(void)arg;
	usleep(20000);
	if (write(p[1], "x", 1) != 1)
		puts("short");
	return NULL;
}

static void wait_for(const char *what, struct timeval *tv)
{
	fd_set r, w, e;
	int n;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[0], &e);
	/* not through libc: musl's hides the time that is left */
	n = (int)syscall(SYS_select, p[1] + 1, &r, &w, &e, tv);
	printf("%s: %d %d %d\n", what, n, n >= 0 && FD_ISSET(p[0], &r),
	       n >= 0 && FD_ISSET(p[0], &e));
}

int main(void)
{
	struct timeval tv = { 0, 0 };
	struct timespec ts = { 0, 10000000 };
	pthread_t t;
	fd_set r, w;

	SHOW(pipe(p));
	wait_for("now", &tv);
	tv.tv_usec = 10000;
	wait_for("10 ms", &tv);
	printf("left %ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	pthread_create(&t, NULL, writer, NULL);
	tv.tv_sec = 1000;
	wait_for("woken", &tv);
	printf("left some %d\n", tv.tv_sec > 900 && tv.tv_sec < 1000);
	pthread_join(t, NULL);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	FD_SET(p[0], &w);
	SHOW(select(p[1] + 1, &r, &w, NULL, NULL));
	printf("%d %d %d\n", !!FD_ISSET(p[0], &r), !!FD_ISSET(p[1], &w),
	       !!FD_ISSET(p[0], &w));
	SHOW(pselect(0, NULL, NULL, NULL, &ts, NULL));
	FD_ZERO(&r);
	FD_SET(60, &r);
	SHOW(select(61, &r, NULL, NULL, NULL));
	SHOW(select(-1, NULL, NULL, NULL, NULL));
	tv.tv_sec = -1;
	SHOW(select(0, NULL, NULL, NULL, &tv));
	close(p[1]);
	tv = (struct timeval){ 5, 0 };
	wait_for("end of data", &tv);
	return 0;
}
