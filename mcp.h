/*
 * mcp.h: the Model Context Protocol: what a message asks for, and what is answered,
 * as JSON-RPC 2.0. Knows nothing of how messages come (mcp_http.c, mcp_stdio.c).
 */
#ifndef ZEROBOOT_MCP_H
#define ZEROBOOT_MCP_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"
#include "id.h"
#include "pieces.h"
#include "request.h"
#include "text.h"

#define MCP_ID_MAX 256 /* bytes of a request's id, as it is written */

enum mcp_kind {
	MCP_NOTHING, /* it wants no answer */
	MCP_ANSWER,  /* it is there */
	MCP_RUN,     /* the answer is what a job comes to */
	MCP_FORK,    /* copies of a session are wanted: mcp_session.h */
	MCP_END,     /* and its end */
	MCP_CANCEL,  /* the request with this id is not wanted any more */
};

/* Zeroed before it is read. */
struct mcp_message {
	enum mcp_kind kind;
	bool refused; /* the answer is that it is no request */
	bool begins;  /* it has been an initialize that is answered */
	char id[MCP_ID_MAX];
	size_t id_size;
	char session[ID_SIZE]; /* that it names; empty: none */
	bool made;             /* it is new */
	const char *failed;    /* why its state could not be had; or NULL */
	uint32_t copies;
	struct text answer;
};

/*
 * Reads one. q is as for request_parse (but the language, which is the tool's) and
 * has the job of MCP_RUN. begun: initialize has been answered. 0 or -ENOMEM.
 */
int mcp_read(struct mcp_message *m, struct request *q, bool begun,
	     const char *body, size_t size);
/* The answer of one that is not read: too large. */
int mcp_refuse(struct mcp_message *m, const char *why);
/* Whether there is such a revision of the protocol. */
bool mcp_knows_version(struct http_span version);

/*
 * The answer of MCP_RUN: what the job came to, which has ended or was never begun.
 * p is zeroed, and is opened by the caller; m and the job stay as they are until it
 * is dropped. p->failed: no memory.
 */
void mcp_result(struct pieces *p, const struct mcp_message *m,
		const struct job *job);

#endif
