/* mcp_session.h: sessions of the Model Context Protocol: what a call names, makes,
 * copies or ends. */
#ifndef ZEROBOOT_MCP_SESSION_H
#define ZEROBOOT_MCP_SESSION_H

#include "mcp.h"

#define MCP_SESSION_NEW "new" /* instead of one that there is */

/* The session that is to be read from the disk first (api_session_fetch); NULL: none. */
struct session *mcp_session_away(const struct mcp_message *m, uint64_t owner);

/*
 * Does what a message that has been read asks for: a run's job has its session then;
 * what is no run, or cannot be one, has its answer. idle_seconds: of what it makes.
 */
void mcp_session_prepare(struct mcp_message *m, struct job *job, uint64_t owner,
			 unsigned idle_seconds);

#endif
