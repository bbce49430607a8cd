#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define FIRST_INHERITED 3 /* sd_listen_fds(3) */

/* ---- addresses ---- */

/* What is bound, with the port the kernel chose. */
static void name_listener(struct listener *l)
{
	struct sockaddr_storage a = { 0 };
	socklen_t size = sizeof(a);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(l->fd, (struct sockaddr *)&a, &size) < 0)
		return;
	if (a.ss_family == AF_UNIX) {
		l->unix_socket = true;
		snprintf(l->name, sizeof(l->name), "unix:%.*s",
			 (int)sizeof(((struct sockaddr_un *)&a)->sun_path),
			 ((struct sockaddr_un *)&a)->sun_path);
		return;
	}
	if (getnameinfo((struct sockaddr *)&a, size, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(l->name, sizeof(l->name),
		 a.ss_family == AF_INET6 ? "[%.100s]:%s" : "%.100s:%s", host,
		 port);
}

static int bind_and_listen(struct listener *l, const struct sockaddr *a,
			   socklen_t size)
{
	int one = 1;

	l->fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		       0);
	if (l->fd < 0)
		return -errno;
	if (a->sa_family != AF_UNIX)
		setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l->fd, a, size) < 0 || listen(l->fd, BACKLOG) < 0) {
		int r = -errno;

		close(l->fd);
		l->fd = -1;
		return r;
	}
	name_listener(l);
	return 0;
}

/* Removes a socket file that its server left behind; never anything else. */
static void remove_stale(const struct sockaddr_un *a)
{
	struct stat st;
	int fd;

	if (lstat(a->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(a->sun_path);
	close(fd);
}

static int open_unix(struct listener *l, const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int r;

	if (!*path || strlen(path) >= sizeof(a.sun_path))
		return err_set(e, -EINVAL,
			       "listen: unix:%s: a path has 1 to %zu bytes",
			       path, sizeof(a.sun_path) - 1);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	remove_stale(&a);
	r = bind_and_listen(l, (struct sockaddr *)&a, sizeof(a));
	if (r)
		return err_set(e, r, "listen: unix:%s: %s", path, strerror(-r));
	snprintf(l->path, sizeof(l->path), "%s", path);
	return 0;
}

/* Decimal digits, at most limit: libc's own idea of a number may wrap. */
static bool number_ok(const char *text, unsigned long limit)
{
	unsigned long value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned long)(*text - '0');
		if (value > limit)
			return false;
	}
	return true;
}

int listen_open(struct listener *l, const char *address, struct err *e)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM },
			*list = NULL;
	const char *colon = strrchr(address, ':');
	size_t size = colon ? (size_t)(colon - address) : 0;
	char host[NI_MAXHOST];
	int r;

	*l = (struct listener){ .fd = -1 };
	if (!strncmp(address, "unix:", 5))
		return open_unix(l, address + 5, e);
	if (!colon || !number_ok(colon + 1, 65535) || size >= sizeof(host))
		return err_set(e, -EINVAL,
			       "listen: %s: not ADDR:PORT, [ADDR6]:PORT or "
			       "unix:PATH",
			       address);
	memcpy(host, address, size);
	host[size] = 0;
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = 0;
		memmove(host, host + 1, size - 1);
	}
	r = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list);
	if (r)
		return err_set(e, -EINVAL, "listen: %s: %s", address,
			       gai_strerror(r));
	r = bind_and_listen(l, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return r ? err_set(e, r, "listen: %s: %s", address, strerror(-r)) : 0;
}

void listen_close(struct listener *l)
{
	if (l->fd < 0)
		return;
	close(l->fd);
	l->fd = -1;
	if (l->path[0])
		unlink(l->path);
}

/* ---- service manager ---- */

int listen_inherit(struct listener *list, size_t room, struct err *e)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	char own[24];
	size_t count;

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	if (!pid || !fds || strcmp(pid, own))
		return 0;
	if (!number_ok(fds, INT_MAX))
		return err_set(e, -EINVAL, "LISTEN_FDS: not a number");
	count = strtoul(fds, NULL, 10);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count > room)
		return err_set(e, -E2BIG, "LISTEN_FDS: more than %zu sockets",
			       room);
	for (size_t i = 0; i < count; i++) {
		struct listener *l = &list[i];
		int accepts = 0;
		socklen_t size = sizeof(accepts);

		*l = (struct listener){ .fd = FIRST_INHERITED + (int)i };
		if (getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts,
			       &size) < 0 ||
		    !accepts)
			return err_set(e, -EINVAL,
				       "LISTEN_FDS: descriptor %d is not a "
				       "listening socket",
				       l->fd);
		fcntl(l->fd, F_SETFD, FD_CLOEXEC);
		fcntl(l->fd, F_SETFL, O_NONBLOCK);
		name_listener(l);
	}
	return (int)count;
}

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t size = path ? strlen(path) : 0;
	int fd;

	if (size < 2 || size >= sizeof(a.sun_path))
		return;
	memcpy(a.sun_path, path, size);
	if (a.sun_path[0] == '@')
		a.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
	close(fd);
}
