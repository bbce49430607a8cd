#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES 100 /* this long apart: */
#define LOCK_PAUSE_MS 20
#define FIRST_INHERITED 3 /* sd_listen_fds(3) */

/* ---- addresses ---- */

static bool is_loopback(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

	if (a->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return a->ss_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		(IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		 v6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET));
}

/* What is bound, with the port the kernel chose. */
static void name_listener(struct listener *l)
{
	struct sockaddr_storage a = { 0 };
	socklen_t size = sizeof(a);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(l->fd, (struct sockaddr *)&a, &size) < 0)
		return;
	l->local = is_loopback(&a);
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
	if (bind(l->fd, a, size) < 0 || listen(l->fd, LISTEN_BACKLOG) < 0) {
		int r = -errno;

		close(l->fd);
		l->fd = -1;
		return r;
	}
	name_listener(l);
	return 0;
}

/* ---- Unix sockets ---- */

/*
 * Whoever looks at a socket file in order to make, replace or remove it holds
 * this lock of its directory, so that nobody else does. It is not waited for
 * without an end, as whoever may read the directory may hold it. A descriptor,
 * which is closed to give it back; -EAGAIN: somebody has it; -1: there is none to
 * be had here.
 */
static int lock_directory(const char *path, int tries)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	const char *slash = strrchr(path, '/');
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)] = ".";
	int fd;

	if (slash)
		snprintf(directory, sizeof(directory), "%.*s",
			 slash == path ? 1 : (int)(slash - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		bool taken = errno == EWOULDBLOCK;

		if (!taken || --tries == 0) {
			close(fd);
			return taken ? -EAGAIN : -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* Whether a server has the socket: 0: nobody, or -EADDRINUSE with who it is. */
static int look_for_server(const struct sockaddr_un *a, struct err *e)
{
	struct ucred who = { .pid = 0 };
	socklen_t size = sizeof(who);
	/* Nobody may be accepting there: not waited for. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = 0;

	if (fd < 0)
		return err_set(e, -errno, "listen: unix:%s: %s", a->sun_path,
			       strerror(errno));
	if (connect(fd, (const struct sockaddr *)a, sizeof(*a)) < 0)
		error = errno;
	else
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	close(fd);
	if (error == ECONNREFUSED || error == ENOENT)
		return 0;
	if (who.pid)
		return err_set(e, -EADDRINUSE,
			       "listen: unix:%s: in use: process %ld serves "
			       "there",
			       a->sun_path, (long)who.pid);
	return err_set(e, -EADDRINUSE, "listen: unix:%s: in use%s%s",
		       a->sun_path, error && error != EAGAIN ? ": " : "",
		       error && error != EAGAIN ? strerror(error) : "");
}

/* Removes a socket file that its server left behind; never anything else. */
static int remove_stale(const struct sockaddr_un *a, struct err *e)
{
	struct stat st;
	int r;

	if (lstat(a->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST,
			       "listen: unix:%s: there is something else than "
			       "a socket",
			       a->sun_path);
	r = look_for_server(a, e);
	if (r == 0)
		unlink(a->sun_path);
	return r;
}

static int open_unix(struct listener *l, const char *path, struct err *e)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int lock, r;

	if (!*path || strlen(path) >= sizeof(a.sun_path))
		return err_set(e, -EINVAL,
			       "listen: unix:%s: a path has 1 to %zu bytes",
			       path, sizeof(a.sun_path) - 1);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	lock = lock_directory(path, LOCK_TRIES);
	if (lock == -EAGAIN)
		return err_set(e, lock,
			       "listen: unix:%s: somebody keeps its directory "
			       "locked",
			       path);
	r = remove_stale(&a, e);
	if (r)
		goto out;
	r = bind_and_listen(l, (struct sockaddr *)&a, sizeof(a));
	if (r) {
		err_set(e, r, "listen: unix:%s: %s", path, strerror(-r));
		goto out;
	}
	snprintf(l->path, sizeof(l->path), "%s", path);
	l->file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
out:
	if (lock >= 0)
		close(lock);
	return r;
}

/* Only if it is still this listener's: another server may have its place. */
static void remove_unix(struct listener *l)
{
	int lock = lock_directory(l->path, 1);
	struct stat own, there;

	if (l->file >= 0 && fstat(l->file, &own) == 0 &&
	    lstat(l->path, &there) == 0 && own.st_dev == there.st_dev &&
	    own.st_ino == there.st_ino)
		unlink(l->path);
	if (l->file >= 0)
		close(l->file);
	if (lock >= 0)
		close(lock);
	l->file = -1;
	l->path[0] = 0;
}

/* ---- any address ---- */

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

int listen_check(const char *address, struct err *e)
{
	const char *colon = strrchr(address, ':');

	if (!strncmp(address, "unix:", 5) ||
	    (colon && number_ok(colon + 1, 65535) &&
	     colon - address < NI_MAXHOST))
		return 0;
	return err_set(e, -EINVAL,
		       "%s: not ADDR:PORT, [ADDR6]:PORT or unix:PATH", address);
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

	*l = (struct listener){ .fd = -1, .file = -1 };
	if (!strncmp(address, "unix:", 5))
		return open_unix(l, address + 5, e);
	if (listen_check(address, e))
		return -EINVAL;
	memcpy(host, address, size);
	host[size] = 0;
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = 0;
		memmove(host, host + 1, size - 1);
	}
	r = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list);
	if (r)
		return err_set(e, -EINVAL, "listen: %s: %s", address,
			       r == EAI_AGAIN || r == EAI_NONAME ?
				       "not an address of this machine, nor a "
				       "name that can be found" :
				       gai_strerror(r));
	r = bind_and_listen(l, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return r ? err_set(e, r, "listen: %s: %s", address, strerror(-r)) : 0;
}

void listen_stop(struct listener *l)
{
	/* Who tries to connect from now on is not heard, and tries again after a
	 * second (RFC 6298): it finds the next server, or none. */
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { 1, &nothing };

	if (l->path[0])
		remove_unix(l);
	else if (!l->inherited)
		setsockopt(l->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
			   sizeof(filter));
}

void listen_close(struct listener *l)
{
	if (l->path[0])
		remove_unix(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
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

		*l = (struct listener){ .fd = FIRST_INHERITED + (int)i,
					.file = -1,
					.inherited = true };
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
	/* A manager that does not read must not stop the server. */
	sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
	       (struct sockaddr *)&a,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size));
	close(fd);
}
