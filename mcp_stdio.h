/*
 * mcp_stdio.h: the Model Context Protocol over standard input and output, a message
 * a line; a part of the event loop, in the place of a server's listeners.
 */
#ifndef ZEROBOOT_MCP_STDIO_H
#define ZEROBOOT_MCP_STDIO_H

#include <stdbool.h>

#include "err.h"

/* outputs_mib: of files that a run returns. 0 or -errno. */
int mcp_stdio_open(int epoll, unsigned outputs_mib, struct err *e);
/* The input has ended and all that it asked for is answered, or nobody takes
 * answers any more. */
bool mcp_stdio_ended(void);
void mcp_stdio_close(void);

#endif
