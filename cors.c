#include "cors.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define EXPOSED "Access-Control-Expose-Headers: Retry-After, X-Request-Id\r\n"

struct origin {
	char text[CORS_ORIGIN_SIZE + 1];
	char lines[CORS_ORIGIN_SIZE + 128];
};

static struct {
	struct origin list[CORS_ORIGINS_MAX];
	unsigned count;
	bool all;
} cors;

/* As browsers write it: in lower case, without a path. */
static bool origin_ok(const char *text)
{
	const char *host = strstr(text, "://");
	size_t size = strlen(text);

	return host && host > text && host[3] && size <= CORS_ORIGIN_SIZE &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.:/[]_") ==
		       size &&
	       !strchr(host + 3, '/');
}

int cors_allow(const char *origin, struct err *e)
{
	struct origin *o = &cors.list[cors.count];

	if (!strcmp(origin, "*")) {
		cors.all = true;
		return 0;
	}
	if (!origin_ok(origin))
		return err_set(e, -EINVAL,
			       "%s is not * or SCHEME://HOST[:PORT] in lower "
			       "case",
			       origin);
	if (cors.count == CORS_ORIGINS_MAX)
		return err_set(e, -E2BIG, "more than %d origins",
			       CORS_ORIGINS_MAX);
	snprintf(o->text, sizeof(o->text), "%s", origin);
	snprintf(o->lines, sizeof(o->lines),
		 "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n" EXPOSED,
		 origin);
	cors.count++;
	return 0;
}

static const struct origin *find(struct http_span origin)
{
	for (unsigned i = 0; i < cors.count; i++)
		if (http_is(origin, cors.list[i].text))
			return &cors.list[i];
	return NULL;
}

const char *cors_lines(struct http_span origin)
{
	const struct origin *o = find(origin);

	if (cors.all)
		return "Access-Control-Allow-Origin: *\r\n" EXPOSED;
	if (o)
		return o->lines;
	/* A cache must not give one origin's answer to another. */
	return cors.count ? "Vary: Origin\r\n" : "";
}

bool cors_allows(struct http_span origin)
{
	return cors.all || find(origin);
}

const char *cors_permissions(struct http_span origin)
{
	if (!cors_allows(origin))
		return "";
	return "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, "
	       "DELETE, OPTIONS\r\n"
	       "Access-Control-Allow-Headers: Authorization, Content-Type, "
	       "X-Request-Id, MCP-Protocol-Version\r\n"
	       "Access-Control-Max-Age: 3600\r\n";
}
