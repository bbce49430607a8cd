/*
 * Both ends of a channel: whatever the pieces in which a stream arrives, its
 * messages are the same. A message is its own bytes, so what is received, put
 * together again, is the stream.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "inbox.h"
#include "text.h"

#define PIECE_MAX 30000u      /* a socket takes it */
#define SENT_MAX (128u << 10) /* by a call: SEND_MAX of channel.c */

static void put(struct text *t, enum message_kind kind, size_t size)
{
	struct message m = { kind, (uint32_t)size };
	uint32_t first = 0;

	text_add(t, &m, sizeof(m));
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = unit_random(UINT32_MAX) + i + first;

		text_add(t, &word, sizeof(word));
	}
}

/* All that comes in one is put together again in got; true until an error. */
static bool drain(struct channel *c, struct text *got, bool take)
{
	struct message m;
	const char *body;
	int r;

	while ((r = channel_receive(c, &m, &body)) == 1) {
		char *taken = take ? channel_take(c, &m, &body) : NULL;

		CHECK(!take || taken);
		CHECK((uintptr_t)body % 8 == 0);
		text_add(got, &m, sizeof(m));
		text_add(got, body, m.size);
		free(taken);
	}
	return EQUAL(r, 0);
}

/* Sends a stream in pieces that end where cut says and are then as long as
 * pieces may be. Two channels at once receive it: they share a buffer. */
static void split(const struct text *stream, size_t cut, uint32_t most,
		  bool take)
{
	struct text got[2] = { { 0 }, { 0 } };
	struct channel c[2];
	int other[2];
	size_t at = 0;
	bool good = true;

	for (int i = 0; i < 2; i++)
		EQUAL(channel_open(&c[i], &other[i]), 0);
	/* What is not received would fill the socket. */
	while (at < stream->size && good) {
		size_t left = stream->size - at, n = cut;

		if (at >= cut)
			n = 1 + unit_random(most);
		if (n > left)
			n = left;
		for (int i = 0; i < 2; i++)
			EQUAL(send(other[i], stream->data + at, n, 0), n);
		for (int i = 0; i < 2; i++)
			good &= drain(&c[i], &got[i], take);
		at += n;
	}
	for (int i = 0; i < 2; i++) {
		/* A call receives so much and no more. */
		for (int again = 0; again < 100 && good; again++)
			drain(&c[i], &got[i], take);
		SAME(got[i].data, got[i].size, stream->data, stream->size);
		close(other[i]);
		EQUAL(channel_receive(&c[i], &(struct message){ 0 },
				      &(const char *){ NULL }),
		      -EPIPE);
		channel_close(&c[i]);
		free(got[i].data);
	}
}

static void short_ones_split_anywhere(void)
{
	struct text t = { 0 };

	put(&t, MESSAGE_READY, 0);
	put(&t, MESSAGE_RESULT, sizeof(struct result));
	put(&t, MESSAGE_IDLE, 16);
	put(&t, MESSAGE_READY, 0);
	put(&t, MESSAGE_WARM, 16);
	put(&t, MESSAGE_RESULT, sizeof(struct result) + 16);
	for (size_t cut = 1; cut < t.size; cut++)
		split(&t, cut, PIECE_MAX, cut % 2);
	split(&t, 1, 1, false);
	split(&t, 1, 1, true);
	free(t.data);
}

static void long_ones_split_at_random(void)
{
	/* Around what fits into the buffer that all share, and the largest. */
	static const size_t sizes[] = { 65512,   65520, 65528, 65536,  131072,
					2105888, 136,   70000, 131064, 16 };
	struct text t = { 0 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		put(&t, sizes[i] == 16 ? MESSAGE_IDLE : MESSAGE_RESULT,
		    sizes[i]);
		if (i % 2)
			put(&t, MESSAGE_WARM, 16);
	}
	for (int round = 0; round < 6; round++)
		split(&t, 1 + unit_random(100), round % 2 ? PIECE_MAX : 5000,
		      round & 2);
	free(t.data);
}

static void broken_rules(void)
{
	struct channel c;
	struct message m;
	const char *body;
	int other;

	for (uint32_t kind = 0; kind < MESSAGE_KINDS + 2; kind++) {
		struct message bad = { kind, 4 };

		EQUAL(channel_open(&c, &other), 0);
		EQUAL(send(other, &bad, sizeof(bad), 0), sizeof(bad));
		EQUAL(channel_receive(&c, &m, &body), -EPROTO);
		channel_close(&c);
		close(other);
	}
}

static void no_memory(void)
{
	struct text t = { 0 };
	struct message m;
	const char *body;

	put(&t, MESSAGE_RESULT, 20000);
	WITH_FAILING_ALLOCATIONS
	{
		struct channel c;
		char *taken = NULL;
		int other, r;

		EQUAL(channel_open(&c, &other), 0);
		EQUAL(send(other, t.data, 10000, 0), 10000);
		r = channel_receive(&c, &m, &body);
		CHECK(r == 0 || (r == -ENOMEM && fail_plan->failed));
		if (r == 0) {
			EQUAL(send(other, t.data + 10000, 10008, 0), 10008);
			EQUAL(channel_receive(&c, &m, &body), 1);
			taken = channel_take(&c, &m, &body);
			CHECK(taken || fail_plan->failed);
			if (taken)
				SAME(body, m.size, t.data + 8, 20000);
		}
		free(taken);
		channel_close(&c);
		close(other);
	}
	free(t.data);
}

/* What has come at the other end and was not received. */
static size_t arrived(int other)
{
	int size = 0;

	EQUAL(ioctl(other, FIONREAD, &size), 0);
	return (size_t)size;
}

/* However much the socket takes. */
static void large_requests_in_slices(void)
{
	static char parts[SENT_MAX * 8], got[sizeof(parts) + 128];
	size_t at = 0, calls = 1, more;
	int other, r, large = 1 << 24;
	struct channel c;
	struct run run = { .id = 1 };

	EQUAL(channel_open(&c, &other), 0);
	setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	for (size_t i = 0; i < sizeof(parts); i++)
		parts[i] = (char)unit_random(256);
	r = channel_run(&c, &run, NULL, parts, sizeof(parts));
	EQUAL(r, 0);
	EQUAL(channel_send(&c, MESSAGE_TRAIN, NULL, 0), 0);
	CHECK(arrived(other) > SENT_MAX); /* it did take more */
	while (r == 0 && (more = arrived(other)) > 0) {
		CHECK(more <= SENT_MAX * (calls == 1 ? 2 : 1));
		EQUAL(recv(other, got + at, sizeof(got) - at, 0), more);
		at += more;
		r = channel_flush(&c);
		calls++;
	}
	EQUAL(r, 1);
	at += (size_t)recv(other, got + at, sizeof(got) - at, 0);
	more = sizeof(struct message) + sizeof(run);
	SAME(got + more, at - more - sizeof(struct message), parts,
	     sizeof(parts));
	CHECK(!channel_unsent(&c));
	channel_close(&c);
	close(other);
}

/* ---- the worker's end ---- */

static void inbox_split(const struct text *stream, size_t cut, uint32_t most)
{
	struct text got = { 0 };
	struct inbox in;
	int pair[2], r = 0;

	EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	EQUAL(inbox_open(&in, pair[0]), 0);
	for (size_t at = 0, n = cut; at < stream->size && !r; at += n) {
		struct message m;
		const char *body;

		if (at)
			n = 1 + unit_random(most);
		if (n > stream->size - at)
			n = stream->size - at;
		EQUAL(send(pair[1], stream->data + at, n, 0), n);
		while ((r = inbox_look(&in, INBOX_POLL, &m, &body)) == 1) {
			/* It stays until it is dropped. */
			EQUAL(inbox_look(&in, INBOX_PEEK, &m, &body), 1);
			text_add(&got, &m, sizeof(m));
			text_add(&got, body, m.size);
			inbox_drop(&in, &m);
		}
		EQUAL(r, 0);
	}
	CHECK(!inbox_pending(&in));
	SAME(got.data, got.size, stream->data, stream->size);
	close(pair[1]);
	EQUAL(inbox_look(&in, INBOX_WAIT, &(struct message){ 0 },
			 &(const char *){ NULL }),
	      -EPIPE);
	close(pair[0]);
	free(in.data);
	free(got.data);
}

static void inbox_splits(void)
{
	struct text t = { 0 };

	put(&t, MESSAGE_RUN, sizeof(struct run) + 16 + 8);
	put(&t, MESSAGE_TRAIN, 0);
	put(&t, MESSAGE_CANCEL, 8);
	put(&t, MESSAGE_INTERRUPT, 16);
	for (size_t cut = 1; cut < t.size; cut++)
		inbox_split(&t, cut, PIECE_MAX);
	inbox_split(&t, 1, 1);
	for (int i = 0; i < 3; i++) {
		put(&t, MESSAGE_RUN, sizeof(struct run) + 16 + (4u << 20));
		put(&t, MESSAGE_CANCEL, 8);
		inbox_split(&t, 1 + unit_random(100), PIECE_MAX);
	}
	free(t.data);
}

/* ---- out ---- */

/* Reads what is there. */
static void take_all(int fd, struct text *got)
{
	char part[4096];
	ssize_t n;

	while ((n = recv(fd, part, sizeof(part), MSG_DONTWAIT)) > 0)
		text_add(got, part, (size_t)n);
}

/* Runs of all sizes go out whole, a message behind one after it, as the worker's
 * end reads them. */
static void what_is_sent(void)
{
	static const size_t sizes[] = { 0, 8, 16, 100000, 4u << 20 };
	struct about about = { 77 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i];
		struct {
			struct message m;
			struct run run;
		} head = { { MESSAGE_RUN,
			     (uint32_t)(sizeof(struct run) + size) },
			   { .id = 77, .timeout_ms = 5 } };
		struct message cancel = { MESSAGE_CANCEL, 8 };
		struct text expected = { 0 }, got = { 0 };
		char *parts = malloc(size + 1);
		struct channel c;
		int other, r;

		for (size_t k = 0; k < size; k++)
			parts[k] = (char)unit_random(256);
		text_add(&expected, &head, sizeof(head));
		text_add(&expected, parts, size);
		text_add(&expected, &cancel, sizeof(cancel));
		text_add(&expected, &about, sizeof(about));
		EQUAL(channel_open(&c, &other), 0);
		r = channel_run(&c, &head.run, NULL, parts, size);
		EQUAL(channel_unsent(&c), r == 0);
		r = channel_send(&c, MESSAGE_CANCEL, &about, sizeof(about));
		while (r == 0) {
			take_all(other, &got);
			r = channel_flush(&c);
		}
		EQUAL(r, 1);
		CHECK(!channel_unsent(&c));
		take_all(other, &got);
		SAME(got.data, got.size, expected.data, expected.size);
		close(other);
		channel_close(&c);
		free(parts);
		free(expected.data);
		free(got.data);
	}
}

/* Who does not read gets so much and no more. */
static void the_rest_is_bounded(void)
{
	struct about about = { 1 };
	size_t size = 4u << 20;
	char *code = calloc(1, size);
	struct channel c;
	int other, r = 0, sent = 0;

	EQUAL(channel_open(&c, &other), 0);
	EQUAL(channel_run(&c, &(struct run){ .id = 1 }, NULL, code, size), 0);
	for (; r == 0 && sent < 1000; sent++)
		r = channel_send(&c, MESSAGE_CANCEL, &about, sizeof(about));
	EQUAL(r, -ENOBUFS);
	CHECK(sent > 1);
	channel_close(&c);
	close(other);
	free(code);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "short messages, split anywhere, are the same",
		  short_ones_split_anywhere },
		{ "long messages, split at random, are the same",
		  long_ones_split_at_random },
		{ "a message that breaks the rules ends it", broken_rules },
		{ "without memory nothing is lost that was received",
		  no_memory },
		{ "a large request is sent in slices, whatever the socket "
		  "takes",
		  large_requests_in_slices },
		{ "the worker's end: all splits, the same messages",
		  inbox_splits },
		{ "what is sent arrives whole and in order", what_is_sent },
		{ "what waits behind an unsent run is bounded",
		  the_rest_is_bounded },
	};

	return UNIT_RUN("channel", tests);
}
