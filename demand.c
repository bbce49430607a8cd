#include "demand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "loop.h"
#include "proc.h"

#define LOOK_NS 30000000ull /* from the demand to the look */

static struct {
	struct watch watch; /* first */
	int fd;
	bool armed;
	int uptime;            /* /proc/uptime, -1: not there */
	uint64_t idle_ns, set; /* CPUs' idle time when it was set, and when */
} timer = { .fd = -1, .uptime = -1 };

/* Sum of all CPUs' idle time, in steps of 10 ms; 0: not known (proc(5)). */
static uint64_t idle_time(void)
{
	unsigned long long seconds, hundredths;
	char text[64];
	ssize_t n = pread(timer.uptime, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (sscanf(text, "%*s %llu.%2llu", &seconds, &hundredths) != 2)
		return 0;
	return seconds * 1000000000 + hundredths * 10000000;
}

void demand_watch(const struct crew *c)
{
	struct itimerspec t = { .it_value.tv_nsec = LOOK_NS };

	if (timer.armed || !c->short_since || c->count[STOPPED] == 0)
		return;
	timer.armed = timerfd_settime(timer.fd, 0, &t, NULL) == 0;
	timer.set = clock_mono();
	timer.idle_ns = idle_time();
}

static void timer_ready(struct watch *w, uint32_t events)
{
	uint64_t now = clock_mono(), expired;
	struct crew *c;
	bool idle;

	(void)w;
	(void)events;
	if (read(timer.fd, &expired, sizeof(expired)) < 0)
		return;
	timer.armed = false;
	/* Two thirds of a CPU: the steps are coarse. */
	idle = (idle_time() - timer.idle_ns) * 3 >= (now - timer.set) * 2;
	for (int i = 0; (c = catalog_crew(i)); i++) {
		if (crew_is_short(c, idle, now))
			crew_add(c, now);
		demand_watch(c);
	}
}

int demand_open(int epoll, struct err *e)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &timer };

	timer.watch.ready = timer_ready;
	timer.uptime = proc_open("uptime", O_RDONLY);
	timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer.fd < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, timer.fd, &event) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	return 0;
}

void demand_close(void)
{
	if (timer.fd >= 0)
		close(timer.fd);
	if (timer.uptime >= 0)
		close(timer.uptime);
	timer.fd = timer.uptime = -1;
}
