#include "unit.h"

#include <stdlib.h>

#include "http.h"

/* ---- heads ---- */

static const struct head {
	const char *text;
	int status; /* 0: taken */
	const char *method, *path;
	uint64_t body_size;
	bool close, chunked;
} heads[] = {
	{ "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "GET", "/", 0, 0, 0 },
	{ "POST /v1/exec?a=b HTTP/1.1\r\nhost:a\r\nContent-Length: 17\r\n\r\n",
	  0, "POST", "/v1/exec", 17, 0, 0 },
	{ "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0, "GET",
	  "/x", 0, 1, 0 },
	{ "GET /x HTTP/1.0\r\n\r\n", 0, "GET", "/x", 0, 1, 0 },
	{ "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
	  0, "POST", "/x", 0, 0, 1 },
	{ "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, "OPTIONS", "*", 0, 0, 0 },
	{ "GET / HTTP/1.1\r\n\r\n", 400, 0, 0, 0, 0, 0 },
	{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, 0, 0, 0, 0, 0 },
	{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, 0, 0, 0, 0, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, 0, 0, 0, 0, 0 },
	{ "GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n", 400, 0, 0, 0, 0, 0 },
	{ "GET / HTTP/1.1\nHost: a\n\n", 400, 0, 0, 0, 0, 0 },
	{ "G T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, 0, 0, 0, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, 0, 0,
	  0, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: "
	  "2\r\n\r\n",
	  400, 0, 0, 0, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding"
	  ": chunked\r\n\r\n",
	  400, 0, 0, 0, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n", 413,
	  0, 0, 0, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n", 0,
	  "POST", "/", 16777216, 0, 0 },
	{ "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: "
	  "18446744073709551617\r\n\r\n",
	  400, 0, 0, 0, 0, 0 },
};

/* A copy that ends where its bytes end, for the sanitizer to see. */
static char *copy_of(const char *text, size_t size)
{
	char *copy = malloc(size ? size : 1);

	memcpy(copy, text, size);
	return copy;
}

static void check_head(const struct head *h)
{
	size_t size = strlen(h->text);
	char *copy = copy_of(h->text, size);
	struct http_request r;

	if (!EQUAL(http_parse(copy, size, &r), h->status ? -1 : 1))
		printf("# %s\n", h->text);
	if (h->status) {
		EQUAL(r.status, h->status);
		CHECK(r.reason && r.reason[0]);
	} else {
		CHECK(http_is(r.method, h->method) && http_is(r.path, h->path));
		EQUAL(r.body_size, h->body_size);
		CHECK(r.close == h->close && r.chunked == h->chunked);
		EQUAL(r.head_size, size);
	}
	free(copy);
}

/* A beginning is waited for, or refused as the whole is. */
static void check_beginnings(const struct head *h)
{
	for (size_t cut = 0; cut < strlen(h->text); cut++) {
		char *copy = copy_of(h->text, cut);
		struct http_request r;
		int n = http_parse(copy, cut, &r);

		if (!CHECK(n == 0 || (n < 0 && r.status == h->status)))
			printf("# byte %zu of %s\n", cut, h->text);
		free(copy);
	}
}

static void heads_in_beginnings(void)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		check_head(&heads[i]);
		check_beginnings(&heads[i]);
	}
}

static void heads_have_an_end(void)
{
	static char text[HTTP_HEAD_MAX + 100];
	struct http_request r;
	size_t at;

	at = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP_HEADERS_MAX - 1; i++)
		at += (size_t)sprintf(text + at, "a%d: b\r\n", i);
	memcpy(text + at, "\r\n", 2);
	EQUAL(http_parse(text, at + 2, &r), 1);
	memcpy(text + at, "x: y\r\n\r\n", 8);
	EQUAL(http_parse(text, at + 8, &r), -1);
	EQUAL(r.status, 431);

	memset(text, 'a', sizeof(text));
	at = (size_t)sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (; at + 400 < sizeof(text); at += 400) {
		memcpy(text + at, "b: ", 3);
		memcpy(text + at + 398, "\r\n", 2);
	}
	EQUAL(http_parse(text, HTTP_HEAD_MAX - 1, &r), 0);
	EQUAL(http_parse(text, HTTP_HEAD_MAX, &r), -1);
	EQUAL(r.status, 431);
}

static void accept_has_weights(void)
{
	static const struct {
		const char *lines;
		int events, json;
	} cases[] = {
		{ "", 0, 0 },
		{ "Accept: text/event-stream\r\n", 1000, 0 },
		{ "Accept: Text/Event-Stream ; q=0.9\r\n", 900, 0 },
		{ "Accept: text/event-stream;charset=utf-8;Q=0.25\r\n", 250,
		  0 },
		{ "Accept: text/event-stream;a=\",;q=0\";q=0.001\r\n", 1, 0 },
		{ "Accept: text/event-stream;a=\"\\\",text/event-stream\r\n",
		  1000, 0 },
		{ "Accept: text/event-stream;q=0\r\n", 0, 0 },
		{ "Accept: text/event-stream;q=1.000\r\n", 1000, 0 },
		{ "Accept: text/event-stream;q=1.001\r\n", 0, 0 },
		{ "Accept: text/event-stream;q=0.0001\r\n", 0, 0 },
		{ "Accept: text/event-stream;q=.5\r\n", 0, 0 },
		{ "Accept: text/event-stream;q=x\r\n", 0, 0 },
		{ "Accept: text/event-stream;q=\r\n", 0, 0 },
		{ "Accept: text/event-streams, */*, text/*\r\n", 0, 0 },
		{ "Accept: application/json, text/event-stream\r\n", 1000,
		  1000 },
		{ "Accept: ,, text/event-stream;q=0.5 ,application/json;q=0.6"
		  ",\r\n",
		  500, 600 },
		{ "Accept: application/json;q=0.1\r\nX: y\r\n"
		  "Accept: text/event-stream\r\n",
		  1000, 100 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		int size = sprintf(text, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n",
				   cases[i].lines);
		char *copy = copy_of(text, (size_t)size);
		struct http_request r;

		EQUAL(http_parse(copy, (size_t)size, &r), 1);
		if (!EQUAL(r.events, cases[i].events) ||
		    !EQUAL(r.json, cases[i].json))
			printf("# %s\n", cases[i].lines);
		free(copy);
	}
}

/* ---- chunks ---- */

static const struct chunked {
	const char *text;
	int result;
	const char *body;
} bodies[] = {
	{ "0\r\n\r\n", 1, "" },
	{ "5\r\nhello\r\n0\r\n\r\n", 1, "hello" },
	{ "2\r\nhe\r\n00003\r\nllo\r\n0\r\nA: b\r\nC: d\r\n\r\n", 1, "hello" },
	{ "5;a=b;c=\"d;\\\"\"\r\nhello\r\n0;x\r\n\r\n", 1, "hello" },
	{ "A\r\n0123456789\r\n0\r\n\r\n", 1, "0123456789" },
	{ "5\r\nhello0\r\n\r\n", -1, "" },
	{ "5\nhello\r\n0\r\n\r\n", -1, "" },
	{ "g\r\n", -1, "" },
	{ "-1\r\n", -1, "" },
	{ "\r\n", -1, "" },
	{ "5 \r\nhello\r\n0\r\n\r\n", -1, "" },
	{ "000000005\r\nhello\r\n", -1, "" },
	{ "0\r\nGET /x HTTP/1.1\r\n\r\n", -1, "" },
	{ "1000001\r\n", -2, "" },
	{ "ffffffff\r\n", -2, "" },
	{ "5\r\nhel", 0, "" },
};

/* In two pieces, cut there; 0: at every byte. */
static void check_body(const struct chunked *b, size_t cut)
{
	size_t size = strlen(b->text), step = cut ? cut : 1, fed = 0;
	char *copy = malloc(size);
	struct http_chunks c = { 0 };
	int n = 0;

	while (n == 0 && fed < size) {
		size_t more = step < size - fed ? step : size - fed;

		memcpy(copy + fed, b->text + fed, more);
		fed += more;
		step = cut ? size : 1;
		n = http_dechunk(copy, fed, &c);
		CHECK(c.used <= fed && c.body <= c.used);
	}
	if (!EQUAL(n, b->result))
		printf("# cut at %zu: %s\n", cut, b->text);
	if (n == 1) {
		EQUAL(c.used, size);
		SAME(copy, c.body, b->body, strlen(b->body));
	}
	free(copy);
}

static void bodies_in_pieces(void)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t cut = 0; cut <= strlen(bodies[i].text); cut++)
			check_body(&bodies[i], cut);
}

/* A slice's work is what has come, not the end of a large chunk. */
static void chunks_move_as_they_come(void)
{
	char data[] = "a;b=c\r\n0123456789\r\n0\r\n\r\n";
	struct http_chunks c = { 0 };

	EQUAL(http_dechunk(data, 7 + 4, &c), 0);
	SAME(data, c.body, "0123", 4);
	EQUAL(http_dechunk(data, 7 + 11, &c), 0);
	SAME(data, c.body, "0123456789", 10);
	EQUAL(http_dechunk(data, sizeof(data) - 1, &c), 1);
	SAME(data, c.body, "0123456789", 10);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "heads, whole and cut at every byte", heads_in_beginnings },
		{ "heads have an end", heads_have_an_end },
		{ "Accept, with weights and what is none", accept_has_weights },
		{ "chunked bodies, cut at every byte", bodies_in_pieces },
		{ "a chunk is moved as it comes", chunks_move_as_they_come },
	};

	return UNIT_RUN("http", tests);
}
