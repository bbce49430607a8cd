/*
 * loopback.c: what the loopback costs: a byte there and back over TCP and UDP on
 * 127.0.0.1, with one thread and with two, connections, and a stream of data.
 * bench/native.sh runs it natively and in the guest.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000
#define CONNECTIONS 2000
#define BLOCK 65536
#define BLOCKS 2000

static int listener, client, server;
static struct sockaddr_in name = { .sin_family = AF_INET };
static char block[BLOCK];

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void need(int good)
{
	if (good)
		return;
	perror("loopback");
	exit(1);
}

static void open_listener(void)
{
	socklen_t size = sizeof(name);

	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	need(!bind(listener, (void *)&name, size));
	need(!listen(listener, 100));
	need(!getsockname(listener, (void *)&name, &size));
}

static void open_tcp(void)
{
	client = socket(AF_INET, SOCK_STREAM, 0);
	need(!connect(client, (void *)&name, sizeof(name)));
	server = accept(listener, NULL, NULL);
	need(server >= 0);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
}

static void open_udp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET }, b = a;
	socklen_t size = sizeof(a);

	a.sin_addr.s_addr = b.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client = socket(AF_INET, SOCK_DGRAM, 0);
	server = socket(AF_INET, SOCK_DGRAM, 0);
	need(!bind(client, (void *)&a, size) &&
	     !bind(server, (void *)&b, size));
	getsockname(client, (void *)&a, &size);
	getsockname(server, (void *)&b, &size);
	need(!connect(client, (void *)&b, size) &&
	     !connect(server, (void *)&a, size));
}

static void close_both(void)
{
	close(client);
	close(server);
}

/* ---- what is measured ---- */

static void one_thread(void)
{
	char byte = 1;

	for (int i = 0; i < ROUNDS; i++) {
		need(send(client, &byte, 1, 0) == 1);
		need(recv(server, &byte, 1, 0) == 1);
		need(send(server, &byte, 1, 0) == 1);
		need(recv(client, &byte, 1, 0) == 1);
	}
}

static void *echo(void *arg)
{
	char byte;

	for (int i = 0; i < ROUNDS; i++) {
		need(recv(server, &byte, 1, 0) == 1);
		need(send(server, &byte, 1, 0) == 1);
	}
	return arg;
}

static void two_threads(void)
{
	pthread_t thread;
	char byte = 1;

	need(!pthread_create(&thread, NULL, echo, NULL));
	for (int i = 0; i < ROUNDS; i++) {
		need(send(client, &byte, 1, 0) == 1);
		need(recv(client, &byte, 1, 0) == 1);
	}
	pthread_join(thread, NULL);
}

static void polled(void)
{
	struct pollfd p = { .events = POLLIN };
	char byte = 1;

	for (int i = 0; i < ROUNDS; i++) {
		need(send(client, &byte, 1, 0) == 1);
		p.fd = server;
		need(poll(&p, 1, -1) == 1);
		need(recv(server, &byte, 1, 0) == 1);
	}
}

static void connections(void)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		open_tcp();
		close_both();
	}
}

static void *sink(void *arg)
{
	static char room[BLOCK];

	while (recv(server, room, BLOCK, 0) > 0)
		;
	return arg;
}

static void stream(void)
{
	pthread_t thread;

	need(!pthread_create(&thread, NULL, sink, NULL));
	for (int i = 0; i < BLOCKS; i++)
		need(send(client, block, BLOCK, 0) == BLOCK);
	shutdown(client, SHUT_WR);
	pthread_join(thread, NULL);
}

static void measure(const char *what, void (*begin)(void), void (*run)(void),
		    int count)
{
	double start;

	if (begin)
		begin();
	start = now_us();
	run();
	printf("%-44s %8.2f us\n", what, (now_us() - start) / count);
	if (begin)
		close_both();
}

int main(void)
{
	open_listener();
	measure("TCP, there and back, one thread", open_tcp, one_thread,
		ROUNDS);
	measure("TCP, there and back, two threads", open_tcp, two_threads,
		ROUNDS);
	measure("TCP, one way, with poll", open_tcp, polled, ROUNDS);
	measure("UDP, there and back, one thread", open_udp, one_thread,
		ROUNDS);
	measure("UDP, there and back, two threads", open_udp, two_threads,
		ROUNDS);
	measure("TCP, a connection", NULL, connections, CONNECTIONS);
	measure("TCP, 64 KiB through two threads", open_tcp, stream, BLOCKS);
	return 0;
}
