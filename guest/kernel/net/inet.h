/*
 * inet.h: AF_INET and AF_INET6, over the loopback: what inet.c, tcp.c, stream.c,
 * udp.c, inet_option.c, inet_control.c and port.c share.
 *
 * Nothing is ever on its way. What a socket sends is in its receiver's queue when
 * the call returns, a connection is there or refused, and its end is known to
 * both sides.
 */
#ifndef NET_INET_H
#define NET_INET_H

#include "net/port.h"
#include "net/socket.h"

#include <linux/tcp.h>

/* Options whose value is a number: the rows of inet_option.c. */
enum inet_value {
	VALUE_IP_TOS,
	VALUE_IP_TTL,
	VALUE_IP_RECVOPTS,
	VALUE_IP_RETOPTS,
	VALUE_IP_PKTINFO,
	VALUE_IP_MTU_DISCOVER,
	VALUE_IP_RECVERR,
	VALUE_IP_RECVTTL,
	VALUE_IP_RECVTOS,
	VALUE_IP_FREEBIND,
	VALUE_IP_RECVORIGDSTADDR,
	VALUE_IP_MINTTL,
	VALUE_IP_BIND_ADDRESS_NO_PORT,
	VALUE_IP_MULTICAST_IF, /* 1: the loopback */
	VALUE_IP_MULTICAST_TTL,
	VALUE_IP_MULTICAST_LOOP,
	VALUE_IP_MULTICAST_ALL,
	VALUE_IPV6_HOPS,
	VALUE_IPV6_MULTICAST_IF,
	VALUE_IPV6_MULTICAST_HOPS,
	VALUE_IPV6_MULTICAST_LOOP,
	VALUE_IPV6_MULTICAST_ALL,
	VALUE_IPV6_MTU_DISCOVER,
	VALUE_IPV6_RECVERR,
	VALUE_IPV6_RECVPKTINFO,
	VALUE_IPV6_RECVHOPLIMIT,
	VALUE_IPV6_RECVTCLASS,
	VALUE_IPV6_TCLASS,
	VALUE_IPV6_DONTFRAG,
	VALUE_IPV6_AUTOFLOWLABEL,
	VALUE_IPV6_FREEBIND,
	VALUE_TCP_NODELAY,
	VALUE_TCP_MAXSEG,
	VALUE_TCP_CORK,
	VALUE_TCP_KEEPIDLE,
	VALUE_TCP_KEEPINTVL,
	VALUE_TCP_KEEPCNT,
	VALUE_TCP_SYNCNT,
	VALUE_TCP_LINGER2,
	VALUE_TCP_DEFER_ACCEPT,
	VALUE_TCP_WINDOW_CLAMP,
	VALUE_TCP_QUICKACK,
	VALUE_TCP_THIN_LINEAR,
	VALUE_TCP_THIN_DUPACK,
	VALUE_TCP_USER_TIMEOUT,
	VALUE_TCP_FASTOPEN,
	VALUE_TCP_NOTSENT_LOWAT,
	VALUE_TCP_SAVE_SYN,
	VALUE_TCP_FASTOPEN_CONNECT,
	VALUE_TCP_INQ,
	VALUE_UDP_CORK,
	VALUE_COUNT,
};
struct inet {
	struct binding binding;
	bool address_bound,
		port_bound; /* by bind(): they outlast connections */
	u64 set;            /* bit n: values[n] was set (inet_option.c) */
	s32 values[VALUE_COUNT];
	char congestion[16]; /* TCP_CONGESTION; empty: the system's */
	struct membership *groups;
};

s32 inet_value(const struct socket *s, enum inet_value value);
bool inet_wants(const struct socket *s, enum inet_value value); /* != 0 */

/* Local and remote end of a socket. */
static inline struct endpoint *inet_local(struct socket *s)
{
	return &s->inet->binding.local;
}

static inline struct endpoint *inet_remote(struct socket *s)
{
	return &s->inet->binding.remote;
}

/* inet.c */
long inet_alloc(struct socket *s); /* its struct inet: 0 or -ENOMEM */
long inet_bind(struct socket *s, const struct address *a);
long inet_peer_name(struct socket *s, struct address *a);
void inet_name(struct socket *s); /* after a change of its local end */
/* Gives s a port when it has none: 0 or -errno. */
long inet_autobind(struct socket *s);
/* s is not connected any more: its address goes, if bind() did not give it. */
void inet_unname(struct socket *s);
/* Takes the address of a peer, "any" as the loopback: 0 or -errno. */
long inet_target(struct socket *s, const struct address *a,
		 struct endpoint *to);
/* The local address that s has in a conversation with `to`. */
void inet_source(struct socket *s, const struct endpoint *to,
		 struct endpoint *from);
long inet_ioctl(struct socket *s, u32 command, u64 arg);
/* Bytes in all queues of the family, and whether there may be more. */
extern u64 inet_buffered;
bool inet_crowded(void);

/* inet_option.c */
long inet_option_set(struct socket *s, s32 level, s32 name, u64 user, s32 size);
long inet_option_get(struct socket *s, s32 level, s32 name, u32 room,
		     void *value);
/* inet_control.c */
long inet_control_take(struct socket *s, struct transfer *t, s32 level,
		       s32 type, u64 data, u64 size);
void inet_control_store(struct socket *s, struct transfer *t,
			struct control_room *room);

void inet_proc_init(void); /* inet_proc.c: /proc/net */

/* group.c: 0 or -errno */
long group_join(struct socket *s, const struct endpoint *group);
long group_leave(struct socket *s, const struct endpoint *group);
void group_drop(struct socket *s); /* leaves all */
/* Groups lead somewhere for s: it has said that the loopback is meant. */
bool group_reachable(const struct socket *s, const struct endpoint *group);
/* s gets what goes to this group, or to all. */
bool group_takes(struct socket *s, const struct endpoint *to,
		 const struct endpoint *from);

/* ---- TCP ---- */

/* TCP_ESTABLISHED and so on, as TCP_INFO and /proc/net/tcp have them. */
enum tcp_state {
	STATE_ESTABLISHED = 1,
	STATE_SYN_SENT,
	STATE_SYN_RECV,
	STATE_FIN_WAIT1,
	STATE_FIN_WAIT2,
	STATE_TIME_WAIT,
	STATE_CLOSE,
	STATE_CLOSE_WAIT,
	STATE_LAST_ACK,
	STATE_LISTEN,
	STATE_CLOSING,
};

/* How far connect() has come, as far as connect() is concerned. */
enum tcp_phase {
	PHASE_NONE,
	PHASE_CONNECTING,
	PHASE_CONNECTED,
	PHASE_LOST, /* shut after it was refused: good for nothing */
};

enum urgent { URGENT_NONE, URGENT_THERE, URGENT_READ };

struct segment;

struct tcp {
	enum tcp_state state;
	enum tcp_phase phase;
	bool finished; /* the other side has sent its end */
	bool blocked;  /* somebody has found no room to send */
	/* stream.c: bytes that came and are not read; socket.queued of them */
	struct segment *head, *tail;
	u64 read_at; /* bytes read so far */
	u64 sent, received;
	u32 segments_sent, segments_received;
	u64 last_sent, last_received; /* mono ns */
	/* The urgent byte that came last, and where in the stream it is. */
	enum urgent urgent;
	u64 urgent_at;
	u8 urgent_byte;
	/* Of a listener: those that found no room. Of one of them: the next. */
	struct socket *waiting, *waiting_last, *waiting_next, *waiting_prev;
	struct socket *listener; /* at which it waits; it takes no reference */
	struct socket *call_next, *call_prev; /* tcp.c: all that wait */
	u64 give_up;                          /* when it does */
	struct ended *ended;                  /* its connection in port.c */
};

extern const struct family tcp_family, udp_family;

/* stream.c */
long tcp_send(struct socket *s, struct transfer *t);
long tcp_receive(struct socket *s, struct transfer *t);
u32 tcp_poll(struct socket *s);
void tcp_resized(struct socket *s, s32 name); /* as struct family has it */
long tcp_pending_bytes(struct socket *s);
void tcp_control_store(struct socket *s, struct transfer *t,
		       struct control_room *room);
bool tcp_at_mark(const struct socket *s); /* SIOCATMARK */
void stream_empty(struct socket *s);      /* forgets what came */
/* tcp.c: a reset arrives at s */
void tcp_reset(struct socket *s);
void tcp_wake(struct socket *s); /* its state has changed */
/* inet_option.c: how the two ends start; child as its listener is */
void inet_inherit(struct socket *child, const struct socket *listener);

/* ---- UDP ---- */

struct datagram {
	struct datagram *next;
	struct endpoint from, to;
	u64 time;   /* wall ns, 0: nobody asked */
	u64 charge; /* what it counts in the receiver's buffer */
	s32 ttl, tos;
	s32 error; /* in the error queue: why it did not arrive */
	u32 size;
	u8 data[];
};

struct udp {
	struct datagram *head, *tail;
	struct datagram *errors, *errors_tail; /* IP_RECVERR */
	struct datagram *corked; /* MSG_MORE: what is sent later */
	u32 drops;
};

void udp_uncork(struct socket *s); /* sends what was held back */

#endif
