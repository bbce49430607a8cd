/*
 * Connections whose requests end while others of them do: what api.c and the pool
 * would do is done here.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "clock.h"
#include "connections.h"
#include "endpoint.h"
#include "live.h"
#include "loop.h"

#define CLIENTS 4
#define STAYING 2 /* of them, when the others go; one has its answer by then */

/* What the next send to a client takes, at most; 0: it fails. */
#define ALL SIZE_MAX
static size_t room = ALL;

ssize_t send(int fd, const void *data, size_t size, int flags)
{
	size_t most = room;

	room = ALL;
	if (!most) {
		errno = EAGAIN;
		return -1;
	}
	return sendto(fd, data, size < most ? size : most, flags, NULL, 0);
}

static uint64_t now = 1000000000;
static struct exchange *asked[CLIENTS];
static int ask_count, abandoned;

uint64_t clock_mono(void)
{
	return now += 1000000; /* no turn has time for two of anything */
}

uint64_t clock_wall(void)
{
	return now;
}

uint64_t clock_thread(void)
{
	return now;
}

/* The paths by which metrics are named. */
const struct endpoint endpoints[METRICS_PATHS] = { { .path = { 0 } } };

int api_admit(struct exchange *x, const struct http_request *r)
{
	(void)x, (void)r;
	return 0;
}

void api_handle(struct exchange *x, const char *body, size_t body_size)
{
	(void)body, (void)body_size;
	asked[ask_count++] = x;
}

void api_error(struct exchange *x, int status, const char *extra,
	       const char *message)
{
	struct answer_head h = { .status = status,
				 .cors = "",
				 .extra = extra,
				 .id = "",
				 .close = x->close };

	text_put(answer_begin(&x->answer), message);
	answer_end(&x->answer, &h);
}

void api_sent(struct exchange *x)
{
	(void)x;
}

void live_probe(struct live *l)
{
	(void)l;
}

size_t api_held(const struct exchange *x)
{
	return x->answer.text.room;
}

void api_abandon(struct exchange *x)
{
	abandoned++;
	answer_drop(&x->answer);
	free(x->answer.text.data);
	x->answer.text = (struct text){ 0 };
}

static int connect_one(void)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	int pair[2];

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	EQUAL(connections_add(pair[0], "test", true), 0);
	EQUAL(send(pair[1], request, sizeof(request) - 1, 0),
	      sizeof(request) - 1);
	return pair[1];
}

/* Answers what was asked; it is sent when connections_work comes to it. */
static void finish(struct exchange *x)
{
	struct answer_head h = { .status = 200,
				 .type = "text/plain",
				 .cors = "",
				 .extra = "",
				 .id = "" };

	x->read(x);
	text_put(answer_begin(&x->answer), "done");
	answer_end(&x->answer, &h);
	x->finished(x);
}

static void turn(void)
{
	for (int i = 0; i < 2 * CLIENTS; i++)
		loop_events(0);
}

static void open_clients(int clients[CLIENTS])
{
	ask_count = abandoned = 0;
	connections_open(loop_open(), 30, 75, SIZE_MAX);
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = connect_one();
	turn();
	EQUAL(ask_count, CLIENTS);
	for (int i = 0; i < ask_count; i++)
		finish(asked[i]);
	connections_work(); /* to one of them */
}

static void close_clients(const int clients[CLIENTS], int first)
{
	for (int i = first; i < CLIENTS; i++)
		close(clients[i]);
	connections_close();
	loop_close();
}

/* They stand in the list of those that have an answer, and are closed. */
static void test_gone(void)
{
	char answer[4096];
	int clients[CLIENTS];

	open_clients(clients);
	for (int i = STAYING; i < CLIENTS; i++)
		close(clients[i]);
	turn();
	EQUAL(abandoned, CLIENTS - STAYING);
	for (int i = 0; i < CLIENTS; i++)
		connections_work();
	EQUAL(connections_look().all, STAYING);
	for (int i = 0; i < STAYING; i++) {
		CHECK(recv(clients[i], answer, sizeof(answer), MSG_DONTWAIT) >
		      0);
		close(clients[i]);
	}
	close_clients(clients, CLIENTS);
}

static void test_close(void)
{
	int clients[CLIENTS];

	open_clients(clients);
	close_clients(clients, 0);
	EQUAL(connections_look().all, 0);
}

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

/* A client that waits for leave to send its body, and how much of it is taken at
 * once. */
static int expect(size_t taken)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: x\r\n"
				   "Content-Length: 2\r\n"
				   "Expect: 100-continue\r\n\r\n";
	int pair[2];

	ask_count = abandoned = 0;
	connections_open(loop_open(), 30, 75, SIZE_MAX);
	EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	EQUAL(connections_add(pair[0], "test", true), 0);
	EQUAL(write(pair[1], head, sizeof(head) - 1), sizeof(head) - 1);
	room = taken;
	turn();
	room = ALL;
	return pair[1];
}

static void end(int client)
{
	close(client);
	connections_close();
	loop_close();
}

static void test_continue(void)
{
	char got[4096];
	int client = expect(ALL);

	SAME(got, (size_t)recv(client, got, sizeof(got), MSG_DONTWAIT),
	     CONTINUE, sizeof(CONTINUE) - 1);
	EQUAL(write(client, "{}", 2), 2);
	turn();
	EQUAL(ask_count, 1);
	EQUAL(recv(client, got, sizeof(got), MSG_DONTWAIT), -1);
	end(client);
}

static void test_no_room(void)
{
	char got[4096];
	int client = expect(0);

	EQUAL(recv(client, got, sizeof(got), MSG_DONTWAIT), -1);
	EQUAL(write(client, "{", 1), 1);
	turn();
	SAME(got, (size_t)recv(client, got, sizeof(got), MSG_DONTWAIT),
	     CONTINUE, sizeof(CONTINUE) - 1);
	EQUAL(write(client, "}", 1), 1);
	turn();
	EQUAL(ask_count, 1);
	end(client);
}

static void test_cut(void)
{
	char got[4096];
	int client = expect(10);

	EQUAL(recv(client, got, sizeof(got), MSG_DONTWAIT), 10);
	EQUAL(recv(client, got, sizeof(got), MSG_DONTWAIT), 0);
	EQUAL(abandoned, 1);
	end(client);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "clients that go while their answers wait for their turn",
		  test_gone },
		{ "the server ends while answers wait for their turn",
		  test_close },
		{ "who asks is told to go on, once", test_continue },
		{ "where there is no room for that, when more of the body "
		  "comes",
		  test_no_room },
		{ "where it is cut the connection ends", test_cut },
	};

	return UNIT_RUN("connection", tests);
}
