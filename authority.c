#include "authority.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

static struct {
	char list[AUTHORITY_NAMES_MAX][AUTHORITY_NAME_SIZE + 1];
	unsigned count;
	bool all;
} names;

int authority_allow(const char *name, struct err *e)
{
	size_t size = strlen(name);

	if (!strcmp(name, "*")) {
		names.all = true;
		return 0;
	}
	if (!size || size > AUTHORITY_NAME_SIZE ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-_") != size)
		return err_set(e, -EINVAL,
			       "%s is not * or a name, without a port", name);
	if (names.count == AUTHORITY_NAMES_MAX)
		return err_set(e, -E2BIG, "more than %d names",
			       AUTHORITY_NAMES_MAX);
	snprintf(names.list[names.count++], sizeof(names.list[0]), "%s", name);
	return 0;
}

/* Of a Host that http.c has taken: without the port, and the dot of the root. */
static struct http_span name_of(struct http_span host)
{
	const char *colon = memchr(host.data, ':', host.size);

	if (colon)
		host.size = (size_t)(colon - host.data);
	if (host.size && host.data[host.size - 1] == '.')
		host.size--;
	return host;
}

/* RFC 6761, 6.3: it and what is beneath it are the machine itself. */
static bool is_localhost(struct http_span name)
{
	static const char end[] = ".localhost";
	size_t size = sizeof(end) - 1;

	return name.size > size &&
	       !strncasecmp(name.data + name.size - size, end, size);
}

bool authority_ok(struct http_span host)
{
	struct http_span name;

	if (names.all || !host.size || host.data[0] == '[')
		return true;
	name = name_of(host);
	for (unsigned i = 0; i < names.count; i++)
		if (http_is_word(name, names.list[i]))
			return true;
	return !memchr(name.data, '.', name.size) ||
	       http_is_address(name, AF_INET) || is_localhost(name);
}
