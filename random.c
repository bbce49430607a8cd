#include "random.h"

#include <errno.h>
#include <sys/random.h>

int random_fill(void *to, size_t size)
{
	char *at = to;

	while (size) {
		ssize_t n = getrandom(at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}
