/*
 * socket.h: what the files of this folder share: socket.c (files and calls),
 * message.c, option.c, and the families: unix.c, with name.c, netlink.c, and
 * what inet.h tells of.
 *
 * Numbers that Linux keeps in include/linux/socket.h and net.h, outside uapi,
 * are defined here.
 */
#ifndef SOCKET_H
#define SOCKET_H

#include "kernel.h"
#include "io/poll.h"
#include "net/endpoint.h"

#include <asm/socket.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_MAX 11
#define SOCK_TYPE_MASK 0xf
#define SOCK_NONBLOCK 04000
#define SOCK_CLOEXEC 02000000

#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_CTRUNC 8
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_WAITALL 0x100
#define MSG_ERRQUEUE 0x2000
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define MSG_FASTOPEN 0x20000000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD 253

#define SHUT_READ 1 /* bits: shutdown's argument plus one */
#define SHUT_WRITE 2
#define SHUT_BOTH 3

#define SOMAXCONN 4096
#define BUFFER_DEFAULT 212992 /* net.core.wmem_default */
#define ADDRESS_MAX 128       /* struct sockaddr_storage */

struct iovec64 {
	u64 base, size;
};

/* A place in a list of user buffers. */
struct io {
	const struct iovec64 *v; /* in kernel memory */
	u64 done;                /* bytes of *v that are through */
	u64 left;                /* bytes in all that are not */
	bool trusted;            /* checked, and nothing has waited since */
	bool kernel;             /* the kernel's own buffer: outlives a wait */
};
/* n <= left bytes; 0 or -EFAULT. They advance only on success. */
long io_copy_in(struct io *io, void *to, u64 n);
long io_copy_out(struct io *io, const void *from, u64 n);
/* Passes over n <= left bytes. */
void io_skip(struct io *io, u64 n);

/* Open files on their way through a socket. */
struct rights {
	struct rights *next; /* while they are given up */
	u32 count;
	struct file *files[];
};
struct rights *rights_copy(const struct rights *r);
void rights_free(struct rights *r); /* NULL allowed */

struct address {
	u32 size; /* 0: none */
	union {
		u16 family;
		u8 bytes[ADDRESS_MAX];
	};
};

struct credentials { /* struct ucred of the ABI */
	s32 pid;
	u32 uid, gid;
};
/* The running thread's, for others to see. */
struct credentials credentials_current(void);

/* What goes along with a datagram, or shall: inet_control.c. */
struct packet_info {
	struct endpoint local; /* here it came to, or goes out from */
	s32 ttl, tos;
	u64 time; /* wall ns; 0: not known */
	bool has_local, has_ttl, has_tos;
	s32 error; /* of the error queue: why it did not arrive */
};

/* Room for control messages of the program's: message.c. */
struct control_room {
	u64 user, size, used;
	bool cut;
};
/* Appends; what does not fit is cut, and what cannot be written is left out. */
void control_put(struct control_room *room, s32 level, s32 type,
		 const void *data, u64 size);

/* One send or receive. */
struct transfer {
	struct io io;
	u32 flags;              /* MSG_* in */
	u32 out_flags;          /* MSG_* out */
	struct address address; /* send: to; receive: from */
	struct rights *rights; /* a send takes it (sets NULL), a receive gives */
	struct credentials credentials; /* of the sender, with has_credentials */
	bool has_credentials;
	u64 deadline; /* 0: do not wait */
	struct packet_info info;
};

struct message {
	struct message *next;
	struct rights *rights;
	struct address *from; /* NULL: unnamed */
	struct credentials credentials;
	bool has_credentials;
	u64 size, offset; /* offset: consumed by a stream's reader */
	u8 data[];
};

struct socket {
	const struct family *family;
	s32 domain, type, protocol;
	u32 uid;           /* who made it */
	struct file *file; /* NULL while it waits to be accepted */
	u32 refs;
	u64 inode, cookie;
	u32 shut;  /* SHUT_* bits */
	s32 error; /* SO_ERROR, positive */
	bool listening, dead;
	u64 options; /* SO_* that are a flag, as bits */
	s32 priority;
	u64 send_buffer, receive_buffer;
	bool send_fixed, receive_fixed;    /* as the program wants them */
	u64 send_timeout, receive_timeout; /* ns, FOREVER */
	struct {
		s32 on, seconds;
	} linger;
	struct {
		s32 name, value;
	} other[3];           /* options of SOL_SOCKET without an effect */
	struct address name;  /* bound to */
	struct waitq readers; /* wait for data or a connection */
	struct waitq senders; /* wait for room in this socket's queue */
	/* unix.c */
	struct socket *peer;      /* referenced */
	struct socket *followers; /* those whose peer this one is */
	struct socket *follow_next, **follow_link;
	struct message *head, *tail;
	u64 queued;      /* bytes in the queue, with overhead */
	u32 queue_count; /* messages in it */
	s32 low;         /* SO_RCVLOWAT */
	struct credentials peer_credentials; /* as they were when it connected */
	/* name.c */
	struct node *node; /* its file, referenced; NULL: none */
	struct socket *name_next,
		**name_link; /* of one hash, with an abstract name */
	struct socket *pending, *pending_last, *pending_next; /* to accept */
	u32 pending_count, backlog;
	/* garbage.c */
	u32 in_flight, held; /* how often its file lies in queues */
	bool candidate;
	struct socket *flight_next, **flight_link, *live_next;
	/* netlink.c */
	struct socket *port_next, **port_link; /* those with a port */
	/* inet.h */
	struct inet *inet;
	struct tcp *tcp;
	struct udp *udp;
	struct socket *all_next, **all_link;
};
extern struct socket *sockets; /* all of them */

/* What differs; each returns >= 0 or -errno. */
struct family {
	long (*create)(struct socket *s);
	long (*bind)(struct socket *s, const struct address *a);
	long (*listen)(struct socket *s, s32 backlog);
	long (*connect)(struct socket *s, const struct address *a,
			u64 deadline);
	/* a referenced socket without a file */
	long (*accept)(struct socket *s, u64 deadline,
		       struct socket **accepted);
	long (*send)(struct socket *s, struct transfer *t);
	long (*receive)(struct socket *s, struct transfer *t);
	long (*peer_name)(struct socket *s, struct address *a);
	long (*shut)(struct socket *s, u32 how);
	long (*pending_bytes)(struct socket *s);
	u32 (*poll)(struct socket *s);
	void (*release)(struct socket *s);
	/* NULL where there is none: */
	void (*free)(struct socket *s); /* the last reference is gone */
	long (*ioctl)(struct socket *s, u32 command, u64 arg);
	/* SO_SNDBUF, SO_RCVBUF or SO_RCVLOWAT has changed: who can go on now is
	 * told. */
	void (*resized)(struct socket *s, s32 name);
	long (*option_set)(struct socket *s, s32 level, s32 name, u64 user,
			   s32 size);
	/* The size of the value, at most OPTION_MAX bytes. */
	long (*option_get)(struct socket *s, s32 level, s32 name, u32 room,
			   void *value);
	/* Control messages of the family's own: see control.h. */
	long (*control_take)(struct socket *s, struct transfer *t, s32 level,
			     s32 type, u64 data, u64 size);
	void (*control_store)(struct socket *s, struct transfer *t,
			      struct control_room *room);
};
extern const struct family unix_family, inet_family, netlink_family;
#define OPTION_MAX 256

struct socket *socket_new(const struct family *family, s32 domain, s32 type,
			  s32 protocol);
void socket_ref(struct socket *s);
void socket_unref(struct socket *s);
/* The socket of an open file, or NULL. */
struct socket *socket_of(const struct file *f);
/* The socket behind a descriptor: 0, -EBADF, -ENOTSOCK. */
long socket_find(u64 fd, struct socket **s);
/* When a call with these MSG_* flags gives up: 0 at once, FOREVER never. */
u64 socket_deadline(const struct socket *s, u64 timeout, u32 flags);
/* An address of the program's: 0, -EINVAL, -EFAULT. */
long address_take(struct address *a, u64 user, s32 size);
/* Stores as much as *size_user says there is room for, and the true size. */
long address_put(const struct address *a, u64 user, u64 size_user);
/* File operations (message.c). */
long socket_read(struct file *f, void *buf, size_t n, u64 *pos);
long socket_write(struct file *f, const void *buf, size_t n, u64 *pos);
long socket_read_vector(struct file *f, const struct iovec *v, u64 count);
long socket_write_vector(struct file *f, const struct iovec *v, u64 count);
/* 0, -EAGAIN when the time is over, -EINTR or -ERESTARTSYS. s stays valid. */
long socket_wait(struct socket *s, struct waitq *q, u64 deadline);
/* -EPIPE, with the signal unless the flags say no. */
long socket_broken(u32 flags);
/* The values of setsockopt and getsockopt (option.c). */
long option_set(struct socket *s, s32 level, s32 name, u64 user, s32 size);
long option_get(struct socket *s, s32 level, s32 name, u64 user, u64 user_size);
/* True when the flag option is on. */
bool socket_option(const struct socket *s, int option);
/* Connections that wait to be accepted (pending.c), each with a reference. */
void pending_add(struct socket *listener, struct socket *s);
struct socket *pending_take(struct socket *listener); /* or NULL */
/* Waits for one: 0 or -errno. */
long pending_wait(struct socket *listener, u64 deadline, struct socket **s);

/* Makes two unix sockets each other's peer. */
void unix_pair(struct socket *a, struct socket *b);

/* Drops all that was sent to s and is not yet received. */
void unix_empty(struct socket *s);

/* Files enter a queue, or leave it (garbage.c). */
void garbage_sent(const struct rights *r);
void garbage_received(const struct rights *r);
/* A socket was closed: frees those that can be reached from queues only. */
void garbage_collect(void);

/* Names of unix sockets (name.c): 0 or -errno. */
long name_bind(struct socket *s, const struct address *a);
long name_auto(struct socket *s);
/* The socket of s's type that is bound to a. */
long name_resolve(const struct socket *s, const struct address *a,
		  struct socket **found);
/* Nobody finds s any more. */
void name_drop(struct socket *s);

#endif
