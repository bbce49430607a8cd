/*
 * mcp_http.h: POST /mcp, the Model Context Protocol's streamable HTTP transport: a
 * message a request, without a session; answers are JSON.
 */
#ifndef ZEROBOOT_MCP_HTTP_H
#define ZEROBOOT_MCP_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

struct exchange;
struct mcp_exchange; /* one under way */
struct object;
struct producer;

extern const struct object mcp_http_message;

/* Whether there is such a path; there is. */
void mcp_http_set(bool on);
bool mcp_http_is_on(void);
/* Why a request is refused by its head, with *status; NULL: it is not. */
const char *mcp_http_problem(const struct http_request *r, int *status);
/* Handles an admitted one. */
void mcp_http_post(struct exchange *x, const char *body, size_t size);
/* What answers a call, of which the job has ended and is x's no more. NULL: no
 * memory. */
struct producer *mcp_http_result(struct exchange *x);
/* Bytes of output that it holds. */
size_t mcp_http_held(const struct mcp_exchange *m);
/* Frees what x has of it. */
void mcp_http_drop(struct exchange *x);

#endif
