/*
 * listen.h: where clients come in: TCP over IPv4 and IPv6, Unix sockets, and
 * sockets handed over by a service manager (sd_listen_fds(3)), which is told
 * about the server's state (sd_notify(3)).
 */
#ifndef ZEROBOOT_LISTEN_H
#define ZEROBOOT_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define LISTENERS_MAX 16
#define LISTEN_BACKLOG 4096

struct listener {
	int fd;
	bool unix_socket, inherited;
	bool local;     /* a loopback address: who asks is on this machine */
	char name[160]; /* the address as it is bound, for people */
	char path[108]; /* of a Unix socket that is removed at the end */
	int file; /* O_PATH of it: nobody else's has its number meanwhile */
};

/* It has the form of an address for listen_open. 0 or -EINVAL with a message. */
int listen_check(const char *address, struct err *e);
/*
 * Opens ADDR:PORT, [ADDR6]:PORT, :PORT or unix:PATH, non-blocking. A Unix
 * socket nobody listens on any more is replaced; of two that try at once, one
 * has it. 0 or -errno.
 */
int listen_open(struct listener *l, const char *address, struct err *e);
/* Takes what $LISTEN_FDS hands over; the count, 0 without any, or -errno. */
int listen_inherit(struct listener *list, size_t room, struct err *e);
/* Nobody connects any more. Who has done so is accepted here, unless the socket is
 * inherited: then the next server does. */
void listen_stop(struct listener *l);
void listen_close(struct listener *l);

/* Tells $NOTIFY_SOCKET, if there is one; state as in sd_notify(3). */
void notify(const char *state);

#endif
