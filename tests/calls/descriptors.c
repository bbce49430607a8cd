/* descriptors.c: pidfds, timers, epoll and others as descriptors. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "crowd.h"

void do_descriptor(void)
{
	int fd = -1, other = (int)below(24);

	switch (below(10)) {
	case 0:
		fd = (int)syscall(SYS_pidfd_open, some_pid(),
				  below(2) ? 0 : O_NONBLOCK);
		break;
	case 1:
		fd = timerfd_create((int)below(10),
				    (int)below(2) ? TFD_NONBLOCK : 0);
		timerfd_settime(fd, 0,
				&(struct itimerspec){ { 0, 500000 },
						      { 0, 500000 } },
				NULL);
		break;
	case 2:
		fd = epoll_create1(0);
		epoll_ctl(fd, EPOLL_CTL_ADD, other,
			  &(struct epoll_event){ .events = (uint32_t)draw() });
		epoll_ctl(other, EPOLL_CTL_ADD, fd,
			  &(struct epoll_event){ .events = (uint32_t)draw() });
		break;
	case 3:
		fd = (int)syscall(SYS_pidfd_getfd,
				  syscall(SYS_pidfd_open, some_pid(), 0), other,
				  0);
		break;
	case 4:
		fd = (int)syscall(SYS_signalfd4, below(2) ? -1 : other,
				  &(uint64_t){ draw() }, 8, O_NONBLOCK);
		break;
	case 5:
		fd = (int)syscall(SYS_inotify_init1, O_NONBLOCK);
		syscall(SYS_inotify_add_watch, fd, path(), draw() & 0xfff);
		break;
	case 6:
		syscall(SYS_splice, other, NULL, below(24), NULL, below(9000),
			below(16));
		break;
	case 7:
		fcntl(other, F_SETFL, O_NONBLOCK);
		break;
	case 8:
		fd = dup(other);
		break;
	case 9:
		fd = open((const char *)path(), (int)(draw() & 0xfff), 0666);
		break;
	}
	if (below(2) && fd > 2)
		close(fd);
}
