#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

#define PAGE 4096u
#define MAX_DATA (1ull << 40) /* bytes of all files */
#define CHUNK (1u << 20)

static uint64_t pages(uint64_t size)
{
	return (size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

int store_begin(struct store *s, uint64_t size, uint64_t *at)
{
	if (size > MAX_DATA || pages(size) > MAX_DATA - s->end)
		return -EFBIG;
	*at = s->end;
	s->end += pages(size);
	return 0;
}

static bool is_zero(const uint8_t *p, size_t size)
{
	return p[0] == 0 && memcmp(p, p + 1, size - 1) == 0;
}

int store_write(struct store *s, const void *data, size_t size, uint64_t at)
{
	const uint8_t *p = data;
	size_t start = 0, n;
	int r;

	for (size_t i = 0; i < size; i += n) {
		n = PAGE - (size_t)((at + i) % PAGE);
		if (n > size - i)
			n = size - i;
		if (!is_zero(p + i, n))
			continue;
		r = file_write_at(s->fd, p + start, i - start, at + start);
		if (r)
			return r;
		start = i + n;
	}
	return file_write_at(s->fd, p + start, size - start, at + start);
}

static int punch(const struct store *s, uint64_t at, uint64_t size)
{
	return fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)at, (off_t)size) < 0 ?
		       -errno :
		       0;
}

void store_drop(struct store *s, uint64_t at, uint64_t size)
{
	if (size == 0)
		return;
	s->dead += pages(size);
	/* Where that cannot be done the room is lost until the image is whole. */
	(void)punch(s, at, pages(size));
}

static int read_at(int fd, uint8_t *to, size_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pread(fd, to, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) { /* the file's end is a hole, too */
			memset(to, 0, size);
			return 0;
		}
		to += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* What has been read of the source may be overwritten by now, what has not is
 * behind it. */
int store_move(struct store *s, uint64_t from, uint64_t to, uint64_t size)
{
	uint8_t *chunk = malloc(CHUNK);
	int r = chunk ? 0 : -ENOMEM;

	size = pages(size);
	for (uint64_t done = 0; done < size && r == 0;) {
		size_t n = size - done < CHUNK ? (size_t)(size - done) : CHUNK;

		r = read_at(s->fd, chunk, n, from + done);
		if (r)
			break;
		if (punch(s, to + done, n) == 0)
			r = store_write(s, chunk, n, to + done);
		else
			r = file_write_at(s->fd, chunk, n, to + done);
		done += n;
	}
	free(chunk);
	return r;
}
