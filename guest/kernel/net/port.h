/*
 * port.h: the local ports that TCP and UDP sockets have, and who is found behind
 * one. A connection that has ended keeps its port for a while (TIME_WAIT).
 */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "net/endpoint.h"

struct socket;
struct ended;

/* One user of a local port: a socket, or a connection that has ended. */
struct binding {
	struct binding *next, **link; /* of a chain; link NULL: has no port */
	struct binding *listen_next, **listen_link; /* while it listens */
	struct endpoint local, remote; /* remote.port 0: not connected */
	struct socket *socket;         /* NULL: a connection that has ended */
	u16 protocol;
	bool v6only;
	bool automatic; /* a connection chose the port */
};

/* The port for s, whose local address is set; 0: one that is free. 0 or
 * -EADDRINUSE. */
long port_bind(struct socket *s, u16 port);
/* A port for the connection from and to the addresses that s has, or whether
 * the one it has will do: 0 or -EADDRNOTAVAIL. */
long port_connect(struct socket *s);
/* An accepted connection has its listener's port. */
void port_share(struct socket *s);
/* Nothing is found there any more. Harmless where nothing is. */
void port_drop(struct socket *s);

/* From now on s is found by port_listener: 0 or -EADDRINUSE. */
long port_listen(struct socket *s);
void port_unlisten(struct socket *s);
/* Who accepts connections at `to`, or NULL; of several that share the port one
 * by chance, the same for the same `from`. */
struct socket *port_listener(const struct endpoint *from,
			     const struct endpoint *to);
/* Who gets datagrams; likewise. */
struct socket *port_receiver(u16 protocol, const struct endpoint *from,
			     const struct endpoint *to);
/* All sockets that have the port and may be meant by the group's address. */
void port_each(u16 protocol, u16 port, void (*fn)(struct socket *s, void *arg),
	       void *arg);

/* The connection of s has ended, and its port stays taken for a while. */
void port_end(struct socket *s);
/* That while begins now, or is over. Harmless where none was. */
void port_end_renew(struct socket *s);
void port_end_forget(struct socket *s);
/* s is freed. */
void port_end_detach(struct socket *s);
/* Those that have ended, one after the other; NULL: the first, and after the
 * last. */
const struct ended *port_next_ended(const struct ended *e);
const struct binding *port_ended_binding(const struct ended *e);
u64 port_ended_left(const struct ended *e); /* ns */

#endif
