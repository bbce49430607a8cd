/* unixname.c: unix sockets with a name: files, abstract names, credentials. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static socklen_t name_of(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path, path, strlen(path));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			   strlen(path) + (strlen(path) < sizeof(a->sun_path)));
}

static long bind_to(int fd, const char *path)
{
	struct sockaddr_un a;
	socklen_t size = name_of(&a, path);

	return bind(fd, (void *)&a, size);
}

static long connect_to(int fd, const char *path)
{
	struct sockaddr_un a;
	socklen_t size = name_of(&a, path);

	return connect(fd, (void *)&a, size);
}

static void show_name(int fd)
{
	struct sockaddr_un a = { 0 };
	socklen_t room = sizeof(a);

	errno = 0;
	SHOW(getsockname(fd, (void *)&a, &room));
	printf("name %d <%.108s>\n", (int)room, a.sun_path);
}

static int stream(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void files(void)
{
	int l = stream(), c = stream(), d = socket(AF_UNIX, SOCK_DGRAM, 0), x;
	struct stat st;

	umask(027);
	SHOW(bind_to(l, "server"));
	show_name(l);
	SHOW(stat("server", &st));
	printf("mode %o links %d size %ld\n", st.st_mode, (int)st.st_nlink,
	       (long)st.st_size);
	SHOW(fstat(l, &st));
	printf("mode %o\n", st.st_mode);
	SHOW(open("server", O_RDWR));
	SHOW(bind_to(c, "server"));
	SHOW(connect_to(c, "server"));
	SHOW(listen(l, 2));
	SHOW(connect_to(d, "server"));
	SHOW(connect_to(c, "server"));
	x = accept(l, NULL, NULL);
	show_name(x);
	show_name(c);
	close(c);
	close(x);
	SHOW(chmod("server", 0600));
	SHOW(stat("server", &st));
	printf("mode %o\n", st.st_mode);
	SHOW(symlink("server", "link"));
	c = stream();
	SHOW(connect_to(c, "link"));
	close(c);
	c = stream();
	SHOW(bind_to(c, "link"));
	SHOW(rename("server", "renamed"));
	SHOW(connect_to(c, "server"));
	SHOW(connect_to(c, "renamed"));
	close(c);
	SHOW(link("renamed", "server"));
	c = stream();
	SHOW(connect_to(c, "server"));
	close(c);
	SHOW(unlink("renamed"));
	SHOW(unlink("server"));
	c = stream();
	SHOW(connect_to(c, "server"));
	SHOW(bind_to(c, "server"));
	show_name(l);
	close(l);
	close(c);
	c = stream();
	SHOW(connect_to(c, "server"));
	SHOW(bind_to(c, "server"));
	SHOW(unlink("server"));
	SHOW(bind_to(c, "server"));
	SHOW(bind_to(c, "other"));
	close(c);
	close(d);
	SHOW(unlink("server"));
	SHOW(unlink("link"));
}

static void paths(void)
{
	char longest[109];
	int c = stream(), f;
	struct sockaddr_un a;

	SHOW(bind_to(c, "/nowhere/at/all"));
	SHOW(bind_to(c, "."));
	f = open("file", O_CREAT | O_WRONLY, 0600);
	SHOW(bind_to(c, "file"));
	SHOW(bind_to(c, "file/x"));
	SHOW(connect_to(c, "file"));
	SHOW(connect_to(c, "."));
	SHOW(connect_to(c, "file/x"));
	close(f);
	SHOW(unlink("file"));
	name_of(&a, "x");
	SHOW(bind(c, (void *)&a, 1));
	SHOW(bind(c, (void *)&a, sizeof(a) + 1));
	a.sun_family = AF_INET;
	SHOW(bind(c, (void *)&a, sizeof(a)));
	SHOW(connect(c, (void *)&a, sizeof(a)));
	a.sun_family = AF_UNIX;
	SHOW(connect(c, (void *)&a, 2));
	/* a name that fills its field ends without a NUL */
	memset(longest, 'n', 108);
	longest[108] = 0;
	SHOW(bind_to(c, longest));
	show_name(c);
	close(c);
	c = stream();
	SHOW(connect_to(c, longest));
	close(c);
	SHOW(unlink(longest));
	c = stream();
	SHOW(mkdir("below", 0700));
	SHOW(bind_to(c, "below/../below/s"));
	SHOW(chdir("below"));
	show_name(c);
	SHOW(listen(c, 1));
	f = stream();
	SHOW(connect_to(f, "s"));
	close(f);
	close(c);
	SHOW(unlink("s"));
	SHOW(chdir(".."));
	SHOW(rmdir("below"));
}

static socklen_t abstract(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(name));
}

static void abstracts(void)
{
	struct sockaddr_un a;
	socklen_t n = abstract(&a, "zeroboot-unixname");
	int l = stream(), d = socket(AF_UNIX, SOCK_DGRAM, 0), c = stream();

	SHOW(bind(l, (void *)&a, n));
	SHOW(bind(c, (void *)&a, n));
	SHOW(bind(d, (void *)&a, n)); /* each type has its own names */
	SHOW(bind(c, (void *)&a, n + 1));
	close(c);
	c = stream();
	SHOW(connect(c, (void *)&a, n));
	SHOW(listen(l, 0));
	SHOW(connect(c, (void *)&a, n + 2));
	SHOW(connect(c, (void *)&a, n));
	close(l);
	close(c);
	c = stream();
	SHOW(connect(c, (void *)&a, n));
	SHOW(bind(c, (void *)&a, n));
	close(c);
	close(d);
	c = stream();
	SHOW(bind(c, (void *)&a, 2));
	n = sizeof(a);
	SHOW(getsockname(c, (void *)&a, &n));
	printf("automatic %d\n", (int)n);
	SHOW(bind(c, (void *)&a, 2));
	close(c);
}

static void cred_of(int fd)
{
	struct ucred c = { 7, 7, 7 };
	socklen_t n = sizeof(c);

	SHOW(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
	printf("own %d uid %d gid %d\n", c.pid == getpid(), (int)c.uid,
	       (int)c.gid);
}

static void receive(int fd)
{
	char data[16] = "", room[128];
	struct iovec v = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct sockaddr_un from = { 0 };
	struct cmsghdr *h;
	struct ucred c;

	m.msg_name = &from;
	m.msg_namelen = sizeof(from);
	errno = 0;
	SHOW(recvmsg(fd, &m, MSG_DONTWAIT));
	h = m.msg_controllen ? CMSG_FIRSTHDR(&m) : NULL;
	printf("<%s> control %d from %d\n", data, (int)m.msg_controllen,
	       (int)m.msg_namelen);
	if (h && h->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&c, CMSG_DATA(h), sizeof(c));
		printf("credentials %d: own %d uid %d gid %d\n",
		       (int)h->cmsg_len, c.pid == getpid(), (int)c.uid,
		       (int)c.gid);
	}
}

static long send_as(int fd, int pid, int uid, int gid)
{
	char room[CMSG_SPACE(sizeof(struct ucred))] = "";
	struct iovec v = { "as", 2 };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = room,
			    .msg_controllen = sizeof(room) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	struct ucred c = { pid, (uid_t)uid, (gid_t)gid };

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof(c));
	memcpy(CMSG_DATA(h), &c, sizeof(c));
	return sendmsg(fd, &m, 0);
}

static void credentials(int type)
{
	int s[2], on = 1;

	printf("type %d\n", type);
	cred_of(stream());
	SHOW(socketpair(AF_UNIX, type, 0, s));
	cred_of(s[0]);
	SHOW(send(s[0], "a", 1, 0));
	SHOW(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	SHOW(send(s[0], "b", 1, 0));
	receive(s[1]);
	receive(s[1]);
	SHOW(send_as(s[0], getpid(), 0, 0));
	SHOW(send_as(s[0], getpid(), 12, 13));
	receive(s[1]);
	receive(s[1]);
	SHOW(setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	SHOW(send(s[1], "c", 1, 0));
	receive(s[0]);
	close(s[0]);
	close(s[1]);
}

static void listener_credentials(void)
{
	struct sockaddr_un a;
	socklen_t n = abstract(&a, "zeroboot-credentials");
	int l = stream(), c = stream(), s;

	bind(l, (void *)&a, n);
	cred_of(l);
	listen(l, 1);
	cred_of(l);
	connect(c, (void *)&a, n);
	s = accept(l, NULL, NULL);
	cred_of(c);
	cred_of(s);
	close(l);
	close(c);
	close(s);
}

/* A receiver that nobody is connected with takes a few datagrams only. */
static void datagrams(void)
{
	int r = socket(AF_UNIX, SOCK_DGRAM, 0);
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), t, n = 0;
	struct pollfd w;
	char buf[8];

	SHOW(bind_to(r, "receiver"));
	SHOW(connect_to(s, "receiver"));
	while (send(s, "x", 1, 0) == 1)
		n++;
	SHOW(send(s, "x", 1, 0));
	printf("took %d\n", n);
	w = (struct pollfd){ s, POLLOUT, 0 };
	SHOW(poll(&w, 1, 0));
	SHOW(recv(r, buf, sizeof(buf), 0));
	SHOW(poll(&w, 1, 0));
	SHOW(send(s, "x", 1, 0));
	t = socket(AF_UNIX, SOCK_DGRAM, 0);
	SHOW(connect(t, &(struct sockaddr){ AF_UNSPEC },
		     sizeof(struct sockaddr)));
	SHOW(send(t, "x", 1, 0));
	SHOW(bind_to(t, "third"));
	SHOW(connect_to(r, "third"));
	SHOW(send(s, "x", 1, 0));
	SHOW(connect_to(s, "receiver"));
	SHOW(unlink("receiver"));
	SHOW(connect_to(t, "receiver"));
	SHOW(unlink("third"));
	close(r);
	SHOW(send(s, "x", 1, MSG_NOSIGNAL));
	SHOW(send(s, "x", 1, MSG_NOSIGNAL));
	close(s);
	close(t);
}

static void options(void)
{
	int s[2], v;
	socklen_t n = sizeof(v);
	char buf[8];
	unsigned long cookie[2] = { 0, 0 };

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	v = 3;
	SHOW(setsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &v, n));
	v = 0;
	SHOW(getsockopt(s[1], SOL_SOCKET, SO_RCVLOWAT, &v, &n) ? -1 : v);
	SHOW(send(s[0], "ab", 2, 0));
	SHOW(recv(s[1], buf, 8, MSG_DONTWAIT));
	v = 99;
	SHOW(setsockopt(s[1], SOL_SOCKET, SO_MARK, &v, n));
	v = 0;
	SHOW(getsockopt(s[1], SOL_SOCKET, SO_MARK, &v, &n) ? -1 : v);
	SHOW(setsockopt(s[1], SOL_SOCKET, 999, &v, n));
	SHOW(getsockopt(s[1], SOL_SOCKET, 999, &v, &n));
	SHOW(setsockopt(s[1], 6, 1, &v, n));
	n = sizeof(cookie[0]);
	SHOW(getsockopt(s[0], SOL_SOCKET, SO_COOKIE, &cookie[0], &n));
	SHOW(getsockopt(s[1], SOL_SOCKET, SO_COOKIE, &cookie[1], &n));
	printf("cookies differ %d size %d\n", cookie[0] != cookie[1], (int)n);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	SHOW(mkdir("/tmp/zeroboot-unixname", 0755));
	SHOW(chdir("/tmp/zeroboot-unixname"));
	files();
	paths();
	abstracts();
	credentials(SOCK_STREAM);
	credentials(SOCK_DGRAM);
	credentials(SOCK_SEQPACKET);
	listener_credentials();
	datagrams();
	options();
	SHOW(rmdir("/tmp/zeroboot-unixname"));
	return 0;
}
