/* sockets.c: Unix sockets with descriptors, TCP and UDP. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "crowd.h"

static void pass_descriptor(int over, int fd)
{
	char data = 'x', control[CMSG_SPACE(3 * sizeof(int))] = { 0 };
	struct iovec v = { &data, 1 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(3 * sizeof(int));
	((int *)CMSG_DATA(c))[0] = fd;
	((int *)CMSG_DATA(c))[1] = over;
	((int *)CMSG_DATA(c))[2] = 1;
	sendmsg(over, &m, MSG_DONTWAIT);
}

void do_unix(void)
{
	char buffer[256], control[256];
	struct iovec v = { buffer, sizeof(buffer) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM + (int)below(2), 0, pair))
		return;
	pass_descriptor(pair[0], (int)below(2) ? pair[1] : (int)below(20));
	pass_descriptor(pair[1], pair[0]);
	if (below(2))
		recvmsg(pair[1], &m, MSG_DONTWAIT | (int)below(8));
	if (below(4))
		close(pair[0]);
	if (below(4))
		close(pair[1]);
}

void do_socket(void)
{
	bool six = below(2);
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in a4 = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)below(3))
	};
	void *a = six ? (void *)&a6 : (void *)&a4;
	socklen_t size = six ? sizeof(a6) : sizeof(a4);
	int type = (int)below(2) ? SOCK_STREAM : SOCK_DGRAM;
	int fd = below(3) ? socket(six ? AF_INET6 : AF_INET,
				   type | SOCK_NONBLOCK, 0) :
			    3 + (int)below(20);
	char buffer[3000];

	a6.sin6_port = a4.sin_port = htons((uint16_t)(4000 + below(6)));
	for (int i = 0; i < 6; i++)
		switch (below(11)) {
		case 0:
			bind(fd, a, size);
			break;
		case 1:
			listen(fd, (int)below(4));
			break;
		case 2:
			connect(fd, a, size);
			break;
		case 3:
			accept4(fd, NULL, NULL, SOCK_NONBLOCK);
			break;
		case 4:
			send(fd, area, below(PAGES * PAGE),
			     MSG_DONTWAIT | MSG_NOSIGNAL |
				     (int)(1u << below(20)));
			break;
		case 5:
			recv(fd, buffer, below(sizeof(buffer)),
			     MSG_DONTWAIT | (int)(1u << below(20)));
			break;
		case 6:
			shutdown(fd, (int)below(4));
			break;
		case 7:
			setsockopt(fd,
				   (int)below(3) ? SOL_SOCKET : (int)below(60),
				   (int)below(60), &(int){ (int)argument() },
				   4);
			break;
		case 8:
			sendto(fd, buffer, below(sizeof(buffer)), MSG_DONTWAIT,
			       a, size);
			break;
		case 9:
			size = below(sizeof(buffer));
			getsockopt(fd, (int)below(60), (int)below(60), buffer,
				   &size);
			size = six ? sizeof(a6) : sizeof(a4);
			break;
		case 10:
			if (below(2))
				close(fd);
			break;
		}
}
