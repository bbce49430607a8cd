/* inet.c: which addresses can be bound, and where nobody is. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static socklen_t fill(struct sockaddr_storage *s, int family, const char *text)
{
	struct sockaddr_in *four = (void *)s;
	struct sockaddr_in6 *six = (void *)s;

	memset(s, 0, sizeof(*s));
	s->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		inet_pton(family, text, &four->sin_addr);
		return sizeof(*four);
	}
	inet_pton(family, text, &six->sin6_addr);
	return sizeof(*six);
}

static void binds(int family, const char *text)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	for (int i = 0; i < 2; i++) {
		int fd = socket(family, types[i], 0);
		struct sockaddr_storage s;
		socklen_t size = fill(&s, family, text);

		printf("%s ", text);
		SHOW(bind(fd, (void *)&s, size));
		close(fd);
	}
}

static void refused(int family, const char *text)
{
	int fd = socket(family, SOCK_STREAM, 0);
	struct sockaddr_storage s;
	socklen_t size = fill(&s, family, text);

	((struct sockaddr_in *)&s)->sin_port = htons(1);
	printf("%s ", text);
	SHOW(connect(fd, (void *)&s, size));
	close(fd);
}

static void protocols(void)
{
	SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE) >= 0);
	SHOW(socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE) >= 0);
	SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) >= 0);
	SHOW(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDPLITE));
}

int main(void)
{
	static const char *const four[] = { "0.0.0.0",   "127.0.0.1",
					    "127.9.9.9", "192.0.2.1",
					    "224.0.0.1", "255.255.255.255" };
	static const char *const six[] = { "::", "::1", "2001:db8::1",
					   "::ffff:127.0.0.1",
					   "::ffff:192.0.2.1" };

	for (int i = 0; i < 6; i++)
		binds(AF_INET, four[i]);
	for (int i = 0; i < 5; i++)
		binds(AF_INET6, six[i]);
	refused(AF_INET, "127.0.0.1");
	refused(AF_INET, "0.0.0.0");
	refused(AF_INET6, "::1");
	refused(AF_INET6, "::");
	protocols();
	return 0;
}
