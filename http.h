/*
 * http.h: the head of an HTTP/1.1 request (RFC 9112), parsed in place from a
 * buffer. Allocates nothing and keeps nothing between calls.
 */
#ifndef ZEROBOOT_HTTP_H
#define ZEROBOOT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define HTTP_HEAD_MAX 16384 /* bytes of request line and headers */
#define HTTP_HEADERS_MAX 100
#define HTTP_BODY_MIB 16      /* of a body at most, unless it is set */
#define HTTP_BODY_MIB_MOST 32 /* it may be set to */

/* Bytes of a body at most, and what is said of a larger one. */
size_t http_body_max(void);
const char *http_body_complaint(void);
void http_set_body_max(unsigned mib);

struct http_span { /* a part of the buffer */
	const char *data;
	size_t size;
};

struct http_request {
	struct http_span method, path; /* path without query, or * */
	struct http_span authorization, content_type, request_id, origin;
	struct http_span host;  /* with its port; may be empty */
	struct http_span known; /* If-None-Match */
	struct http_span mcp_version;
	size_t head_size; /* where the body begins */
	uint64_t body_size;
	bool old; /* HTTP/1.0 */
	bool has_length, chunked;
	bool close;   /* the connection ends after the answer */
	bool encoded; /* the body has a content encoding */
	bool expect_continue;
	/* Thousandths of a weight that Accept gives to server-sent events, to JSON. */
	int events, json;
	int status; /* of a refusal */
	const char *reason;
};

/*
 * 1: a whole head is there; 0: more is needed; -1: refused, with status and
 * reason, and the connection must be closed.
 */
int http_parse(const char *data, size_t size, struct http_request *r);

struct http_chunks {       /* all zero before the first call */
	size_t used, body; /* bytes of input taken, bytes of body they held */
	size_t left; /* bytes of the chunk that have not come, with its end */
	bool in_trailers;
	unsigned trailers; /* fields of them */
};

/*
 * Decodes a chunked body in place at data as far as it has come; goes on where
 * the last call ended, so that data may only have grown behind it. 1: complete;
 * 0: more is needed; -1: malformed; -2: over http_body_max().
 */
int http_dechunk(char *data, size_t size, struct http_chunks *c);

/* As it is, and in any case. */
static inline bool http_is(struct http_span s, const char *text)
{
	return s.size == strlen(text) && !memcmp(s.data, text, s.size);
}
static inline bool http_is_word(struct http_span s, const char *text)
{
	return s.size == strlen(text) && !strncasecmp(s.data, text, s.size);
}
/* The byte that the %XX at this place is; -1: it is none. */
int http_escaped(struct http_span s, size_t at);
/* An address as it is written; family: AF_INET or AF_INET6. */
bool http_is_address(struct http_span s, int family);
const char *http_status_text(int status);

#endif
