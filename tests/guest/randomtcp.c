/*
 * randomtcp.c: random operations on a few sockets of TCP and UDP, with what each
 * says and what poll says after it. Arguments: the seed, and
 * a second one for urgent data.
 */
#include "net.h"

#include <sys/ioctl.h>

#define SLOTS 8
#define STEPS 600

static int fds[SLOTS], urgent;
static unsigned long state = 1;

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(state >> 33) % n;
}

static void say(const char *what, int slot, long r)
{
	static const struct {
		int bit;
		char name;
	} bits[] = { { POLLIN, 'i' },  { POLLPRI, 'p' }, { POLLOUT, 'o' },
		     { POLLERR, 'e' }, { POLLHUP, 'h' }, { POLLRDHUP, 'r' } };

	if (r < 0)
		printf("%s %d: %s;", what, slot, strerrorname_np(errno));
	else
		printf("%s %d: %ld;", what, slot, r);
	usleep(100);
	for (int i = 0; i < SLOTS; i++) {
		struct pollfd p = { fds[i], 0x3fff, 0 };

		poll(&p, 1, 0);
		printf(" ");
		for (unsigned b = 0; b < sizeof(bits) / sizeof(bits[0]); b++)
			if (p.revents & bits[b].bit)
				printf("%c", bits[b].name);
		if (fds[i] < 0)
			printf("-");
	}
	printf("\n");
}

static int family_of(int fd)
{
	return number(fd, SOL_SOCKET, SO_DOMAIN);
}

/* The first free slot, or -1. */
static int slot_free(void)
{
	for (int i = 0; i < SLOTS; i++)
		if (fds[i] < 0)
			return i;
	return -1;
}

static void make(void)
{
	int slot = slot_free();

	if (slot < 0)
		return;
	fds[slot] = socket(pick(4) ? AF_INET : AF_INET6,
			   SOCK_STREAM | SOCK_NONBLOCK, 0);
	set(fds[slot], IPPROTO_TCP, TCP_NODELAY,
	    1); /* nothing waits for an acknowledgement */
	if (!pick(3))
		set(fds[slot], SOL_SOCKET, SO_REUSEADDR, 1);
	say("socket", slot, fds[slot] >= 0);
}

/* None is mapped: Linux breaks a socket that goes from such a one to another. */
static const char *address_for(int fd)
{
	static const char *const four[] = { "127.0.0.1", "0.0.0.0",
					    "127.0.0.2" };
	static const char *const six[] = { "::1", "::" };

	return family_of(fd) == AF_INET ? four[pick(3)] : six[pick(2)];
}

static void accept_one(int slot)
{
	int to = slot_free();

	if (to < 0)
		return;
	fds[to] = accept4(fds[slot], NULL, NULL, SOCK_NONBLOCK);
	if (fds[to] >= 0 && family_of(fds[to]) == AF_INET6) {
		/* it may be mapped, see below */
		close(fds[to]);
		fds[to] = -1;
		errno = EAGAIN;
	}
	say("accept", slot, fds[to] < 0 ? -1 : to);
}

static void receive(int slot)
{
	static const int flags[] = { 0,       0,         0,          MSG_PEEK,
				     MSG_OOB, MSG_TRUNC, MSG_WAITALL };
	char text[64];
	ssize_t r;
	int flag = flags[pick(7)];

	memset(text, 0, sizeof(text));
	r = recv(fds[slot], text, pick(10) + 1, flag);
	printf("%.10s ", flag == MSG_TRUNC ? "" : text);
	say("recv", slot, r);
}

static void send_some(int slot)
{
	static char text[] = "abcdefghijklmnopqrstuvwxyz";

	say("send", slot,
	    send(fds[slot], text + pick(10), pick(9) + 1,
		 MSG_NOSIGNAL | (urgent && !pick(12) ? MSG_OOB : 0)));
}

static void ask(int slot)
{
	union name n;
	socklen_t size = sizeof(n);
	int left = -1;

	switch (pick(4)) {
	case 0:
		say("error", slot, number(fds[slot], SOL_SOCKET, SO_ERROR));
		break;
	case 1:
		say("peer", slot, getpeername(fds[slot], &n.any, &size));
		break;
	case 2:
		ioctl(fds[slot], FIONREAD, &left);
		say("unread", slot, left);
		break;
	default:
		say("mark", slot, ioctl(fds[slot], SIOCATMARK, &left));
		printf("%d\n", left);
	}
}

static void step(void)
{
	int slot = (int)pick(SLOTS), other = (int)pick(SLOTS);

	if (fds[slot] < 0) {
		make();
		return;
	}
	switch (pick(16)) {
	case 0:
		say("bind", slot,
		    bind_to(fds[slot], address_for(fds[slot]),
			    pick(3) || fds[other] < 0 ? 0 :
							port_of(fds[other])));
		break;
	case 1:
		say("listen", slot, listen(fds[slot], SLOTS));
		break;
	case 2:
	case 3:
	case 4:
		if (fds[other] >= 0 && port_of(fds[other]))
			say("connect", slot,
			    connect_to(fds[slot], address_for(fds[slot]),
				       port_of(fds[other])));
		break;
	case 5:
	case 6:
	case 7:
		accept_one(slot);
		break;
	case 8:
	case 9:
	case 10:
		send_some(slot);
		break;
	case 11:
	case 12:
		receive(slot);
		break;
	case 13: {
		struct tcp_info info;
		socklen_t size = sizeof(info);

		/* a socket that is shut before it listens makes odd children */
		getsockopt(fds[slot], IPPROTO_TCP, TCP_INFO, &info, &size);
		if (info.tcpi_state == TCP_CLOSE)
			break;
		say("shutdown", slot, shutdown(fds[slot], (int)pick(3)));
		break;
	}
	case 14:
		if (!pick(3))
			setsockopt(fds[slot], SOL_SOCKET, SO_LINGER,
				   &(struct linger){ 1, 0 },
				   sizeof(struct linger));
		if (!pick(4)) {
			say("disconnect", slot, disconnect(fds[slot]));
			break;
		}
		close(fds[slot]);
		fds[slot] = -1;
		say("close", slot, 0);
		break;
	default:
		ask(slot);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		state = strtoul(argv[1], NULL, 10);
	urgent = argc > 2;
	for (int i = 0; i < SLOTS; i++)
		fds[i] = -1;
	for (int i = 0; i < STEPS; i++)
		step();
	return 0;
}
