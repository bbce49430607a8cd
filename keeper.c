#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "file.h"

#define CHUNK (256u << 10) /* stays in a CPU's cache */
#define REMOVED 64         /* files, for which the disk is waited once */

static struct {
	int channel, directory;
	int removed[REMOVED]; /* what it has come to, and is not answered */
	int removals;
	uint8_t buffer[CHUNK];
} keeper;

/* ---- the channel ---- */

/* 0; -EPIPE: it has ended; -errno. */
static int take(void *to, size_t size)
{
	char *at = to;

	while (size) {
		ssize_t n = recv(keeper.channel, at, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* 0; -EPIPE: nobody is there any more. */
static int put(const void *from, size_t size)
{
	const char *at = from;

	while (size) {
		ssize_t n = send(keeper.channel, at, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -EPIPE;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int answer(enum keeper_work work, int result, uint64_t size)
{
	struct keeper_answer a = { .result = result,
				   .work = work,
				   .size = size };

	return put(&a, sizeof(a));
}

static bool is_calm(void)
{
	struct pollfd p = { .fd = keeper.channel, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* ---- orders ---- */

/* Of size bytes that come; *r: what of them has failed. 0: all have come. */
static int take_state(int fd, uint64_t size, uint32_t *sum, int *r)
{
	uint64_t at = sizeof(struct session_record);
	int n = 0;

	*sum = 0;
	while (size && n == 0) {
		size_t some = size < CHUNK ? (size_t)size : CHUNK;

		n = take(keeper.buffer, some);
		if (n == 0 && *r == 0) {
			*sum = crc32c(*sum, keeper.buffer, some);
			*r = file_write_at(fd, keeper.buffer, some, at);
		}
		at += some;
		size -= some;
	}
	return n;
}

/* The head last: until then it is none. */
static int finish(int fd, struct session_record *head, const char *draft,
		  const char *name)
{
	int r;

	head->checksum = record_checksum(head);
	r = file_write_at(fd, head, sizeof(*head), 0);
	if (r == 0 && (fsync(fd) < 0 || renameat(keeper.directory, draft,
						 keeper.directory, name) < 0))
		r = -errno;
	return r ? r : file_sync_directory(keeper.directory);
}

static int write_file(const struct keeper_order *o)
{
	struct session_record head;
	char draft[KEEPER_NAME + sizeof(KEEPER_DRAFT)];
	int r = 0, fd, n;

	if (o->size < sizeof(head))
		return -EPROTO;
	n = take(&head, sizeof(head));
	if (n)
		return n;
	snprintf(draft, sizeof(draft), "%s" KEEPER_DRAFT, o->name);
	fd = openat(keeper.directory, draft,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		r = -errno;
	n = take_state(fd, o->size - sizeof(head), &head.state_checksum, &r);
	if (n == 0 && r == 0)
		r = finish(fd, &head, draft, o->name);
	if (fd >= 0)
		close(fd);
	if (n || r)
		unlinkat(keeper.directory, draft, 0);
	return n ? n : answer(KEEPER_WRITE, r, 0);
}

/* The bytes of a file, and what they are worth. */
static int send_state(int fd, const struct session_record *head)
{
	uint64_t at = sizeof(*head), end = at + head->size;
	uint32_t sum = 0;
	int n = put(head, sizeof(*head)), r = 0;

	while (at < end && n == 0) {
		size_t some = end - at < CHUNK ? (size_t)(end - at) : CHUNK;

		/* What cannot be read was announced. */
		if (r == 0)
			r = file_read_at(fd, keeper.buffer, some, at);
		sum = crc32c(sum, keeper.buffer, some);
		n = put(keeper.buffer, some);
		at += some;
	}
	if (r == 0 && sum != head->state_checksum)
		r = -EILSEQ;
	return n ? n : answer(KEEPER_READ, r, 0);
}

static int read_file(const struct keeper_order *o)
{
	struct session_record head = { .size = 0 };
	int fd = openat(keeper.directory, o->name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r = fd < 0 ? -errno : 0, n;

	if (r == 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		r = -EILSEQ;
	if (r == 0)
		r = file_read_at(fd, &head, sizeof(head), 0);
	if (r == 0 && record_check(&head, o->name, (uint64_t)st.st_size, NULL))
		r = -EILSEQ;
	n = answer(KEEPER_READ, r, r ? 0 : sizeof(head) + head.size);
	if (n == 0 && r == 0)
		n = send_state(fd, &head);
	if (fd >= 0)
		close(fd);
	return n;
}

/* Of one that is beneath the directory. What is not there has no names. */
static int sync_parent(const char *name)
{
	char parent[KEEPER_NAME];
	int fd, r;

	snprintf(parent, sizeof(parent), "%.*s",
		 (int)(strrchr(name, '/') - name), name);
	fd = openat(keeper.directory, parent,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = file_sync_directory(fd);
	close(fd);
	return r;
}

static int remove_file(const char *name)
{
	if (unlinkat(keeper.directory, name, 0) < 0 && errno != ENOENT)
		return -errno;
	/* What was removed before may not be on the disk. */
	return strchr(name, '/') ? sync_parent(name) : 0;
}

/* All that has been removed, at once. */
static int answer_removals(void)
{
	int synced = file_sync_directory(keeper.directory), n = 0;

	for (int i = 0; i < keeper.removals && n == 0; i++)
		n = answer(KEEPER_REMOVE,
			   keeper.removed[i] ? keeper.removed[i] : synced, 0);
	keeper.removals = 0;
	return n;
}

static void touch_file(const struct keeper_order *o)
{
	struct timespec at = { (time_t)(o->wall_ns / 1000000000),
			       (long)(o->wall_ns % 1000000000) };
	struct timespec times[] = { at, at };

	utimensat(keeper.directory, o->name, times, AT_SYMLINK_NOFOLLOW);
}

static int carry_out(const struct keeper_order *o)
{
	switch (o->work) {
	case KEEPER_WRITE:
		return write_file(o);
	case KEEPER_READ:
		return read_file(o);
	case KEEPER_REMOVE:
		keeper.removed[keeper.removals++] = remove_file(o->name);
		return keeper.removals < REMOVED ? 0 : answer_removals();
	case KEEPER_TOUCH:
		touch_file(o);
		return 0;
	default:
		return -EPROTO;
	}
}

/* Its end is the channel's, not that of all the front end's processes. */
static void set_signals(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int keeper_main(int channel, int directory)
{
	struct keeper_order o;
	int r = 0;

	set_signals();
	umask(077);
	keeper.channel = channel;
	keeper.directory = directory;
	while (r == 0) {
		/* Nobody hears an answer: what has come is done all the same. */
		if (keeper.removals && is_calm())
			answer_removals();
		r = take(&o, sizeof(o));
		if (r)
			break;
		r = memchr(o.name, 0, sizeof(o.name)) ? carry_out(&o) : -EPROTO;
		if (r == -EPIPE)
			r = 0;
	}
	if (keeper.removals)
		answer_removals();
	return r == -EPIPE ? 0 : 1;
}
