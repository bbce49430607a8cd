/*
 * cors.h: which web pages' scripts may read answers (the Fetch standard's CORS
 * protocol), by the origins that the command line names. None is named: no header
 * of it is sent.
 */
#ifndef ZEROBOOT_CORS_H
#define ZEROBOOT_CORS_H

#include "err.h"
#include "http.h"

#define CORS_ORIGINS_MAX 16
#define CORS_ORIGIN_SIZE 128

/* Adds an origin, SCHEME://HOST[:PORT], or * for all. 0 or -errno. */
int cors_allow(const char *origin, struct err *e);

/* Whether a page of that origin may ask. */
bool cors_allows(struct http_span origin);
/* Header lines of each answer to that origin, which may be empty. */
const char *cors_lines(struct http_span origin);
/* More of them, for what it asks before it dares: OPTIONS. */
const char *cors_permissions(struct http_span origin);

#endif
