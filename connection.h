/*
 * connection.h: one client: bytes in, requests in order, answers out. All that
 * there are: connections.h.
 */
#ifndef ZEROBOOT_CONNECTION_H
#define ZEROBOOT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "connections.h"
#include "http.h"
#include "input.h"
#include "loop.h"
#include "text.h"

struct connection {
	struct watch watch; /* first */
	struct task task;   /* more of its answer, or of what has arrived */
	struct connection *next, *previous, *next_done; /* connections.c's */
	int fd;
	uint32_t events; /* that are watched for */
	struct input in;
	size_t need; /* bytes that the request under way has at least */
	size_t used; /* bytes of the request that is being handled */
	struct http_chunks chunks;
	struct exchange x;
	size_t sent, taken; /* bytes of the answer, of the request */
	size_t slice;       /* counted in clients.slices */
	size_t got;     /* of the answer, by the client when it was judged */
	uint64_t moved; /* when some of the answer went out: loop_clock */
	bool busy;      /* jobs are running; of its answer there may be some */
	bool answering; /* x.answer is being sent */
	bool done;      /* in the list of those that were busy */
	bool admitted;  /* api_admit has passed the head */
	bool continued; /* 100 Continue has been sent */
	bool ended;     /* the client has sent all it will */
	bool half;      /* so it has while its run goes on */
	bool probed;    /* the first byte of its answer is out: see probe */
	bool lingering; /* answered for the last time */
	bool closed;    /* freed when no event is left for it */
	bool local;     /* see listen.h */
	uint64_t deadline; /* loop_clock */
	char client[CLIENT_NAME_SIZE];
};

/* For all connections: connections.c sets it. */
struct clients {
	int epoll;
	uint64_t request_ns, idle_ns;
	/* Every answer is its connection's last, closes it, or is a refusal. */
	bool retiring, closing, draining;
	/* Its answer is there: connection_answer is called when it is its turn. */
	void (*answered)(struct connection *c);
	/* It is closed; who is called frees it when no event is left for it. */
	void (*closed)(struct connection *c);
	size_t slices;     /* bytes of all answers' slices */
	struct text spare; /* the last answer's buffer */
};
extern struct clients clients;

/* Takes over an accepted, non-blocking socket. 0 or -errno: fd stays open. */
int connection_open(int fd, const char *client, struct connection **opened);
void connection_close(struct connection *c);
/* Sends the answer to what was run, and goes on with what else has come. */
void connection_answer(struct connection *c);
/* Its answer will not be held for it any longer. */
void connection_give_up(struct connection *c);
/* Whoever is too slow is cut off. */
void connection_judge(struct connection *c, uint64_t now);
/* What has come in until now is answered, read or not; who waits for nothing is
 * closed. */
void connection_drain(struct connection *c);

#endif
