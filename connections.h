/*
 * connections.h: all clients together: whose turn it is, how much may be held for
 * them, and how they end. Everything that clients may take of time and memory is
 * bounded here and in connection.c.
 */
#ifndef ZEROBOOT_CONNECTIONS_H
#define ZEROBOOT_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define CLIENT_NAME_SIZE 56

/* Times in seconds: for a whole request to arrive, and between requests.
 * output_total: bytes of output that may be held for clients. */
void connections_open(int epoll, unsigned request_seconds,
		      unsigned idle_seconds, size_t output_total);
/* Takes over an accepted, non-blocking socket. local: see listen.h. 0 or -errno: fd
 * stays open. */
int connections_add(int fd, const char *client, bool local);
/* Sends what has been answered in the meantime; after each round of events. */
void connections_work(void);
/* After slices of work: what they have answered is for the next turn, which is not
 * waited for then. */
void connections_hurry(void);
/* Cuts off who is too slow; every some 100 ms. */
void connections_tick(void);
/* From now on every answer is its connection's last. */
void connections_retire(void);
/* And who waits for nothing is closed, in slices; then everything new is answered
 * with 503, and after is called. */
void connections_drain(void (*after)(void));
/* True while anyone waits for an answer or reads one. */
bool connections_active(void);
struct connections_state {
	unsigned all, busy; /* with runs */
	unsigned sending;   /* us a request */
	unsigned answering;
	size_t input; /* bytes of all input buffers */
};
struct connections_state connections_look(void);
/* Ends them all. */
void connections_close(void);

#endif
