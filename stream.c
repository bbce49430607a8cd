#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAW_SIZE (256u << 10)

/* Some bytes into s->raw behind the first have; *size 0 at the end. */
static int fetch(struct stream *s, size_t have, size_t *size)
{
	size_t want = RAW_SIZE - have;
	ssize_t n;

	if (s->part && s->left < want)
		want = (size_t)s->left;
	for (;;) {
		if (s->part)
			n = pread(s->fd, s->raw + have, want, (off_t)s->offset);
		else
			n = read(s->fd, s->raw + have, want);
		if (n >= 0)
			break;
		if (errno == EAGAIN) {
			struct pollfd p = { .fd = s->fd, .events = POLLIN };

			(void)poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return err_set(s->e, -errno, "%s: %s", s->name,
				       strerror(errno));
		}
	}
	if (s->part && n == 0) { /* a hole at the file's end */
		memset(s->raw + have, 0, want);
		n = (ssize_t)want;
	}
	if (s->part) {
		s->offset += (uint64_t)n;
		s->left -= (uint64_t)n;
	}
	*size = (size_t)n;
	return 0;
}

static int fill(void *context, const uint8_t **data, size_t *size)
{
	struct stream *s = context;

	*data = s->raw;
	return fetch(s, 0, size);
}

/* How what is not taken is packed, by its first bytes. */
static const char *packed_how(const uint8_t *p, size_t size)
{
	static const struct {
		const char *name, *magic;
		size_t size;
	} formats[] = { { "zstd", "\x28\xb5\x2f\xfd", 4 },
			{ "xz",
			  "\xfd"
			  "7zXZ",
			  5 },
			{ "bzip2", "BZh", 3 },
			{ "lzip", "LZIP", 4 },
			{ "compress", "\x1f\x9d", 2 } };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (size >= formats[i].size &&
		    !memcmp(p, formats[i].magic, formats[i].size))
			return formats[i].name;
	return NULL;
}

static int begin(struct stream *s)
{
	const char *how;
	size_t have = 0, n = 1;
	int r = 0;

	s->raw = malloc(RAW_SIZE);
	if (!s->raw)
		return err_set(s->e, -ENOMEM, "%s: no memory", s->name);
	while (have < 6 && n && r == 0) {
		r = fetch(s, have, &n);
		have += r ? 0 : n;
	}
	if (r)
		return r;
	s->ready = have;
	s->data = s->raw;
	how = packed_how(s->raw, have);
	if (how)
		return err_set(s->e, -EINVAL,
			       "%s: packed by %s, only gzip is unpacked",
			       s->name, how);
	if (have < 2 || s->raw[0] != 0x1f || s->raw[1] != 0x8b)
		return 0;
	s->z = malloc(sizeof(*s->z));
	if (!s->z)
		return err_set(s->e, -ENOMEM, "%s: no memory", s->name);
	inflate_open(s->z, fill, s);
	s->z->in = s->raw;
	s->z->in_end = s->raw + have;
	s->ready = 0;
	return 0;
}

int stream_open(struct stream *s, int fd, const char *name, struct err *e)
{
	*s = (struct stream){ .fd = fd, .name = name, .e = e };
	return begin(s);
}

int stream_open_part(struct stream *s, int fd, uint64_t offset, uint64_t size,
		     const char *name, struct err *e)
{
	*s = (struct stream){ .fd = fd,
			      .part = true,
			      .offset = offset,
			      .left = size,
			      .name = name,
			      .e = e };
	return begin(s);
}

void stream_close(struct stream *s)
{
	free(s->z);
	free(s->raw);
	s->z = NULL;
	s->raw = NULL;
}

static int unpack(struct stream *s, const uint8_t **data, size_t *size)
{
	int r = inflate_more(s->z, data, size);

	if (r == -EINVAL && s->z->why)
		err_set(s->e, r, "%s: gzip: %s", s->name, s->z->why);
	return r;
}

int stream_next(struct stream *s, const uint8_t **data, size_t *size)
{
	const uint8_t *p = s->data;
	size_t n = s->ready;
	int r = 0;

	if (n == 0 && s->z) {
		r = unpack(s, &p, &n);
	} else if (n == 0) {
		p = s->raw;
		r = fetch(s, 0, &n);
	}
	if (r)
		return r;
	if (*size > n)
		*size = n;
	*data = p;
	s->data = p + *size;
	s->ready = n - *size;
	return 0;
}

int stream_read(struct stream *s, void *to, size_t size, size_t *got)
{
	const uint8_t *data;

	for (*got = 0; *got < size;) {
		size_t n = size - *got;
		int r = stream_next(s, &data, &n);

		if (r)
			return r;
		if (n == 0)
			break;
		memcpy((uint8_t *)to + *got, data, n);
		*got += n;
	}
	return 0;
}

int stream_skip(struct stream *s, uint64_t size, uint64_t *got)
{
	const uint8_t *data;

	for (*got = 0; *got < size;) {
		size_t n = size - *got < RAW_SIZE ? (size_t)(size - *got) :
						    RAW_SIZE;
		int r = stream_next(s, &data, &n);

		if (r)
			return r;
		if (n == 0)
			break;
		*got += n;
	}
	return 0;
}
