/*
 * authority.h: the names by which a server may be called. A web page can make a name of
 * its own lead to its visitor's machine (DNS rebinding): to the browser our server is
 * that page's own then. What gives it away is the name, in Host.
 */
#ifndef ZEROBOOT_AUTHORITY_H
#define ZEROBOOT_AUTHORITY_H

#include <stdbool.h>

#include "err.h"
#include "http.h"

#define AUTHORITY_NAMES_MAX 16
#define AUTHORITY_NAME_SIZE 253 /* RFC 1035, 2.3.4 */

/* Adds a name, or * for all. 0 or -errno. */
int authority_allow(const char *name, struct err *e);

/*
 * Whether a Host may be ours: an address, localhost, a name that was added, or one that
 * the Internet cannot have, without a dot.
 */
bool authority_ok(struct http_span host);

#endif
