#include "document.h"

#include <stdio.h>
#include <string.h>

#include "sha256.h"

void document_seal(struct document *d, const char *more)
{
	char hex[SHA256_HEX + 1];
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, d->data, d->size);
	sha256_end(&s, hex);
	snprintf(d->tag, sizeof(d->tag), "\"%.32s\"", hex);
	/* no-cache: kept, but asked after each time. */
	snprintf(d->headers, sizeof(d->headers),
		 "ETag: %s\r\nCache-Control: no-cache\r\n%s", d->tag, more);
}

bool document_known(const struct document *d, struct http_span tags)
{
	return http_is(tags, "*") ||
	       (tags.size &&
		memmem(tags.data, tags.size, d->tag, strlen(d->tag)));
}
