/*
 * load.c: an HTTP client that measures: N clients, each sends one fixed POST
 * after the other, on a connection that it keeps or on a new one each.
 * Usage: load PORT PATH BODY EXPECTED CLIENTS SECONDS keep|new
 * EXPECTED: what a right answer contains; others count as errors. One line:
 * requests errors requests_per_second p50 p90 p99 max, times in microseconds.
 * BODY may be @FILE: each line is a body, they are sent in turn, each once, and a
 * line of the answer is the time of each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 1024
#define MAX_SAMPLES (4 << 20)
#define ANSWER_SIZE (1 << 20)
#define MAX_BODIES 65536

struct client {
	int fd;
	size_t body; /* its number */
	uint64_t started;
	size_t size;
	char answer[ANSWER_SIZE];
};

static struct client clients[MAX_CLIENTS];
static uint32_t samples[MAX_SAMPLES];
static size_t sample_count, errors;
static char request[1 << 20];
static char *bodies[MAX_BODIES];
static size_t body_count = 1, next_body, waiting;
static bool once;
static uint32_t times[MAX_BODIES];
static const char *path;
static const char *expected;
static struct sockaddr_in address = { .sin_family = AF_INET };
static bool keep;
static int epoll;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void open_connection(struct client *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
}

static void ask(struct client *c)
{
	int n;

	if (once && next_body == body_count)
		return;
	c->body = next_body++ % body_count;
	c->size = 0;
	n = snprintf(request, sizeof(request),
		     "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		     "application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
		     path, keep ? "" : "Connection: close\r\n",
		     strlen(bodies[c->body]), bodies[c->body]);
	if (n < 0 || (size_t)n >= sizeof(request))
		die("body");
	c->started = now_ns();
	if (!keep)
		open_connection(c);
	if (send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		die("send");
	waiting++;
}

/* Head and body have come. */
static bool complete(const struct client *c)
{
	const char *end = memmem(c->answer, c->size, "\r\n\r\n", 4);
	const char *length;

	if (!end)
		return false;
	length = strcasestr(c->answer, "\r\ncontent-length:");
	if (!length || length > end)
		return false;
	return c->size >=
	       (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void answered(struct client *c, bool whole)
{
	waiting--;
	times[c->body] = (uint32_t)((now_ns() - c->started) / 1000);
	if (sample_count < MAX_SAMPLES)
		samples[sample_count++] = times[c->body];
	if (!whole || !strstr(c->answer, expected))
		errors++;
	if (!keep || !whole)
		close(c->fd);
	if (keep && !whole)
		open_connection(c);
	ask(c);
}

static void receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->answer + c->size,
			 sizeof(c->answer) - 1 - c->size, 0);

	if (n < 0 && errno == EINTR)
		return;
	if (n > 0) {
		c->size += (size_t)n;
		c->answer[c->size] = 0;
	}
	if (n <= 0 || complete(c))
		answered(c, n > 0);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void read_bodies(const char *name)
{
	FILE *f = fopen(name, "r");
	size_t size = 0;

	if (!f)
		die(name);
	for (body_count = 0; body_count < MAX_BODIES; body_count++) {
		ssize_t n = getline(&bodies[body_count], &size, f);

		if (n <= 0)
			break;
		bodies[body_count][n - 1] = 0;
		size = 0;
	}
	fclose(f);
	once = true;
}

int main(int argc, char **argv)
{
	uint64_t start, end;
	unsigned count;
	double seconds;

	if (argc != 8) {
		fputs("usage: load PORT PATH BODY EXPECTED CLIENTS SECONDS "
		      "keep|new\n",
		      stderr);
		return 2;
	}
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	expected = argv[4];
	count = (unsigned)atoi(argv[5]);
	seconds = atof(argv[6]);
	keep = !strcmp(argv[7], "keep");
	path = argv[2];
	bodies[0] = argv[3];
	if (argv[3][0] == '@')
		read_bodies(argv[3] + 1);
	if (body_count == 0 || count == 0 || count > MAX_CLIENTS)
		return 2;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; keep && i < count; i++)
		open_connection(&clients[i]);
	start = now_ns();
	end = start + (uint64_t)(seconds * 1e9);
	for (unsigned i = 0; i < count; i++)
		ask(&clients[i]);
	while (now_ns() < end && waiting) {
		struct epoll_event events[64];
		int ready = epoll_wait(epoll, events, 64, 100);

		for (int i = 0; i < ready; i++)
			receive(events[i].data.ptr);
	}
	if (sample_count == 0)
		return 1;
	seconds = (double)(now_ns() - start) / 1e9;
	qsort(samples, sample_count, sizeof(samples[0]), by_size);
	printf("%zu %zu %.0f %u %u %u %u\n", sample_count, errors,
	       (double)sample_count / seconds, samples[sample_count / 2],
	       samples[sample_count * 9 / 10], samples[sample_count * 99 / 100],
	       samples[sample_count - 1]);
	for (size_t i = 0; once && i < body_count; i++)
		printf("%u%c", times[i], i + 1 < body_count ? ' ' : '\n');
	return 0;
}
