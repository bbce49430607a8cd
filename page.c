#include "page.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "content.h"
#include "sha256.h"

#define HASH_BYTES (SHA256_HEX / 2)
#define HASH_TEXT 45 /* in base64, with a NUL */

/* blobs.S: all of it, of which these are between their tags */
extern const char page[], page_end[];
extern const char page_style[], page_style_end[];
extern const char page_script[], page_script_end[];

/* As Content-Security-Policy has it. */
static void hash(const char *from, const char *end, char to[HASH_TEXT])
{
	char hex[SHA256_HEX + 1];
	uint8_t bytes[HASH_BYTES];
	struct sha256 s;
	size_t at = 0;

	sha256_begin(&s);
	sha256_add(&s, from, (size_t)(end - from));
	sha256_end(&s, hex);
	for (size_t i = 0; i < HASH_BYTES; i++) {
		char digits[3] = { hex[2 * i], hex[2 * i + 1], 0 };

		bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	to[content_encode(to, HASH_TEXT - 1, bytes, sizeof(bytes), &at)] = 0;
}

const struct document *page_document(void)
{
	static struct document d = { .type = "text/html; charset=utf-8" };
	char style[HASH_TEXT], script[HASH_TEXT], more[400];

	if (d.data)
		return &d;
	hash(page_style, page_style_end, style);
	hash(page_script, page_script_end, script);
	snprintf(more, sizeof(more),
		 "Content-Security-Policy: default-src 'none'; "
		 "style-src 'sha256-%s'; script-src 'sha256-%s'; "
		 "connect-src 'self'; img-src data: blob:; base-uri 'none'; "
		 "form-action 'none'; frame-ancestors 'none'\r\n"
		 "X-Content-Type-Options: nosniff\r\n"
		 "Referrer-Policy: no-referrer\r\n",
		 style, script);
	d.data = page;
	d.size = (size_t)(page_end - page);
	document_seal(&d, more);
	return &d;
}
