/* mcp_tools.h: the tools of the Model Context Protocol: one for each language,
 * and what is done to sessions. */
#ifndef ZEROBOOT_MCP_TOOLS_H
#define ZEROBOOT_MCP_TOOLS_H

#include "text.h"

#define MCP_TOOL_FORK "fork_session"
#define MCP_TOOL_END "end_session"

/* What a client may tell its model of all of them. */
extern const char mcp_instructions[];

/* Adds an array of JSON. */
void mcp_tools_write(struct text *t);
/* The number of the language that a tool runs, or -1. */
int mcp_tool_language(const char *tool);

#endif
