/* api.h: the endpoints: from a parsed request to an answer's bytes. */
#ifndef ZEROBOOT_API_H
#define ZEROBOOT_API_H

#include "http.h"
#include "json.h"
#include "pool.h"

/* One request under way; its jobs are answered one by one. */
struct exchange {
	void (*finished)(struct exchange *x); /* answer is complete */
	void *context;
	struct job **jobs;
	size_t count, open; /* jobs in all, not yet done */
	bool batch, close, head_only, draining;
	uint64_t start_ns;
	struct text answer; /* the whole response */
};

/*
 * Handles a request whose body is there. Either answers at once (finished has
 * been called when this returns) or when its jobs are done.
 */
void api_handle(struct exchange *x, const struct http_request *r,
		const char *body, size_t body_size);
/* Writes an error answer into x->answer; does not call finished. */
void api_error(struct exchange *x, int status, const char *extra_header,
	       const char *message);
/* The client is gone: its jobs are cancelled. Frees what x holds, not x. */
void api_abandon(struct exchange *x);

#endif
