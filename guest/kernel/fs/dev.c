/* dev.c: character devices. */
#include <linux/eventpoll.h>
#include <linux/random.h>

#include "fs/dev.h"
#include "fs/mount.h"
#include "heap.h"
#include "host.h"
#include "mm/user.h"
#include "random.h"
#include "request.h"
#include "session.h"
#include "syscalls.h"
#include "task/kill.h"
#include "task/process.h"

#define RDEV(major, minor) ((major) << 8 | (minor)) /* of small numbers */
#define SERVED_MAX 4
#define GRND_EITHER (GRND_RANDOM | GRND_INSECURE)
#define RDEV_REQUEST RDEV(240, 0) /* local use: Linux, devices.txt */

static long null_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	(void)f, (void)buf, (void)n, (void)pos;
	return 0;
}

static long sink_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	(void)f, (void)buf, (void)pos;
	return (long)n;
}

static long zero_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	size_t done = user_clear(buf, n);

	(void)f, (void)pos;
	return done || !n ? (long)done : -EFAULT;
}

static long full_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	(void)f, (void)buf, (void)pos;
	(void)n;
	return -ENOSPC;
}

static long random_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	size_t done = random_give(buf, n, user_copy);

	(void)f, (void)pos;
	return done || !n ? (long)done : -EFAULT;
}

/*
 * What reads of the request come to: once ESTRPIPE when output is taken as it comes,
 * EMSGSIZE when else there is more than code, or EISCONN when it is of a session
 * (ENOTUNIQ: of one that was forked); then each of these, with a read of nothing at
 * its end. EINPROGRESS: the session is to become a template, in the next read, of which
 * ESHUTDOWN is a run of code alone, EMSGSIZE and ESTRPIPE are others, as above.
 */
static enum { UNREAD, ARGUMENTS, ENVIRONMENT, CODE } stage;

static long strings_read(void *buf, size_t n, u64 *pos)
{
	u32 kind = stage == ARGUMENTS ? ZB_PART_ARGUMENT : ZB_PART_ENVIRONMENT;
	size_t done;

	if (!request_strings(kind, *pos, buf, n, &done))
		return -EFAULT;
	*pos += done;
	if (done == 0) {
		stage++;
		*pos = 0;
	}
	return (long)done;
}

static bool has_strings(void)
{
	return request_has(ZB_PART_ARGUMENT) ||
	       request_has(ZB_PART_ENVIRONMENT);
}

static long exec_error(void)
{
	if (!session_once())
		return session_forked() ? -ENOTUNIQ : -EISCONN;
	if (output_streams())
		return -ESTRPIPE;
	if (has_strings())
		return -EMSGSIZE;
	stage = CODE;
	return -ESHUTDOWN;
}

/* The first read stops the VM until there is a request; in a session the first one
 * after a report does. */
static long request_read(struct file *f, void *buf, size_t n, u64 *pos)
{
	const u8 *code;
	size_t size;

	(void)f;
	if (request_wait()) {
		stage = UNREAD;
		*pos = 0;
	}
	if (session_settles())
		return -EINPROGRESS;
	if (stage == UNREAD) {
		stage = ARGUMENTS;
		if (session_open())
			return exec_error();
		if (output_streams())
			return -ESTRPIPE;
		if (has_strings())
			return -EMSGSIZE;
		stage = CODE;
	}
	if (stage != CODE)
		return strings_read(buf, n, pos);
	request_code(&code, &size);
	n = MIN(n, size - MIN(*pos, size));
	if (user_put(buf, code + *pos, n) != n)
		return -EFAULT;
	*pos += n;
	if (*pos >= size && session_open())
		kill_release();
	return (long)n;
}

/* The command line that the program is to be seen with: an agent stands for
 * what it will run. In a session a report, or nothing: the request is read from its
 * start again, whatever a signal has cut off. */
static long request_write(struct file *f, const void *buf, size_t n, u64 *pos)
{
	(void)f;
	if (!session_open())
		return process_set_command(buf, n);
	if (n)
		return session_report(buf, n);
	stage = UNREAD;
	*pos = 0;
	kill_hold();
	return 0;
}

static u32 request_poll(struct file *f)
{
	(void)f;
	return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
}

/* The only one of them that Linux would let wait. */
static u32 random_poll(struct file *f)
{
	(void)f;
	return EPOLLIN | EPOLLRDNORM;
}

/* As Linux: what reads nothing is not spliced from. */
#define DEVICE(name, reader, writer, poller, ...)                              \
	static const struct file_ops name = { .read = reader,                  \
					      .write = writer,                 \
					      .poll = poller,                  \
					      NODE_FILE,                       \
					      __VA_ARGS__ }
DEVICE(null_ops, null_read, sink_write, NULL, .unspliced = true);
static const struct file_ops zero_ops = {
	.read = zero_read,
	.write = sink_write,
	.maps_zeroes = true,
	NODE_FILE,
};
DEVICE(full_ops, zero_read, full_write, NULL);
DEVICE(random_ops, random_read, sink_write, random_poll);
DEVICE(urandom_ops, random_read, sink_write, NULL);
DEVICE(request_ops, request_read, request_write, request_poll);

long sys_getrandom(u64 buf, u64 size, u64 flags)
{
	u64 room, done;

	if ((u32)flags & ~(u32)(GRND_NONBLOCK | GRND_EITHER) ||
	    (flags & GRND_EITHER) == GRND_EITHER)
		return -EINVAL;
	size = MIN(size, MAX_RW_COUNT);
	room = user_writable_size(buf, size);
	if (!user_range(buf, size))
		return -EFAULT;
	done = random_give((void *)buf, room, user_copy);
	return done || !size ? (long)done : -EFAULT;
}

static const struct {
	const char *path;
	u64 rdev;
	const struct file_ops *ops;
} devices[] = {
	/* numbers: Linux, devices.txt */
	{ "/dev/null", RDEV(1, 3), &null_ops },
	{ "/dev/zero", RDEV(1, 5), &zero_ops },
	{ "/dev/full", RDEV(1, 7), &full_ops },
	{ "/dev/random", RDEV(1, 8), &random_ops },
	{ "/dev/urandom", RDEV(1, 9), &urandom_ops },
	{ "/dev/tty", RDEV(5, 0), NULL },
	{ "/dev/zeroboot", RDEV_REQUEST, &request_ops },
};

/* Those whose kind lives above. */
static struct {
	u32 major, minor;
	const struct file_ops *ops;
} served[SERVED_MAX];
static u32 served_count;

void dev_serve(u32 major, u32 minor, const struct file_ops *ops)
{
	if (served_count == SERVED_MAX)
		panic("no room for device %u", major);
	served[served_count].major = major;
	served[served_count].minor = minor;
	served[served_count++].ops = ops;
}

u32 dev_number(u32 major, u32 minor)
{
	return (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

const struct file_ops *dev_ops(u64 rdev)
{
	for (u32 i = 0; i < served_count; i++) {
		u32 minor = served[i].minor;

		if ((rdev >> 8 & 0xfff) == served[i].major &&
		    (minor == DEV_ANY ||
		     rdev == dev_number(served[i].major, minor)))
			return served[i].ops;
	}
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].rdev == rdev)
			return devices[i].ops;
	return NULL;
}

static void make_link(const char *path, const char *target)
{
	struct node *n = vfs_make(path, S_IFLNK | 0777);

	if (!n)
		return;
	n->target = kstrdup(target);
	n->size = strlen(target);
}

/* For everybody, as the file system that is mounted there: what is exported of a
 * container has a directory of root's. */
static void make_shm(void)
{
	struct node *n = vfs_make("/dev/shm", S_IFDIR | 01777);

	if (n && is_dir(n))
		n->mode = S_IFDIR | 01777;
}

void dev_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		struct node *n = vfs_make(devices[i].path, S_IFCHR | 0666);

		if (n)
			n->rdev = devices[i].rdev;
	}
	make_shm();
	make_link("/dev/fd", "/proc/self/fd");
	make_link("/dev/stdin", "/proc/self/fd/0");
	make_link("/dev/stdout", "/proc/self/fd/1");
	make_link("/dev/stderr", "/proc/self/fd/2");
}
