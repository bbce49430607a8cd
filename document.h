/* document.h: what is answered as it is, whoever asks, and known by an ETag. */
#ifndef ZEROBOOT_DOCUMENT_H
#define ZEROBOOT_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "http.h"

#define DOCUMENT_HEADERS_MAX 640

struct document {
	const char *type;
	const char *data;
	size_t size;
	char tag[35];                       /* with its quotes */
	char headers[DOCUMENT_HEADERS_MAX]; /* lines, the ETag's too */
};

/* Sets tag and headers of what has data; more: header lines of its own. */
void document_seal(struct document *d, const char *more);
/* Whether a client that says If-None-Match has it (RFC 9110, 13.1.2). */
bool document_known(const struct document *d, struct http_span tags);

#endif
