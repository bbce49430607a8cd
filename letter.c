#include "letter.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

void letter_begin(struct letter *l, enum message_kind kind)
{
	l->m = (struct message){ .kind = kind };
	l->v[0] = (struct iovec){ NULL, 0 };
	l->v[1] = (struct iovec){ &l->m, sizeof(l->m) };
	l->count = 2;
	l->part_count = 0;
}

void letter_put(struct letter *l, const void *data, size_t size)
{
	if (!size)
		return;
	l->v[l->count++] = (struct iovec){ (void *)(uintptr_t)data, size };
	l->m.size += (uint32_t)size;
}

void letter_part(struct letter *l, enum part_kind kind, const void *data,
		 size_t size, const void *more, size_t more_size)
{
	static const char zero[8];
	struct part *p = &l->parts[l->part_count];
	size_t all = size + more_size;

	if (!all)
		return;
	l->part_count++;
	*p = (struct part){ .kind = kind, .size = all };
	letter_put(l, p, sizeof(*p));
	letter_put(l, data, size);
	letter_put(l, more, more_size);
	letter_put(l, zero, PADDED(all) - all);
}

bool letter_hold(const struct letter *l, struct letter_held *held)
{
	if (sizeof(l->m) + l->m.size > sizeof(held->bytes))
		return false;
	held->size = 0;
	for (int i = 1; i < l->count; i++) {
		memcpy(held->bytes + held->size, l->v[i].iov_base,
		       l->v[i].iov_len);
		held->size += l->v[i].iov_len;
	}
	return true;
}

void letter_follow(struct letter *l, struct letter_held *held)
{
	l->v[0] = (struct iovec){ held->bytes, held->size };
	held->size = 0;
}

int letter_send(struct letter *l, int fd)
{
	int first = l->v[0].iov_len ? 0 : 1;
	struct iovec *v = l->v + first;
	int count = l->count - first;

	while (count) {
		struct msghdr message = { .msg_iov = v,
					  .msg_iovlen = (size_t)count };
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (count && (size_t)n >= v->iov_len) {
			n -= (ssize_t)v->iov_len;
			v++;
			count--;
		}
		if (count) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return 0;
}
