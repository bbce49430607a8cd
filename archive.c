#include "archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "clock.h"
#include "discard.h"
#include "file.h"
#include "jail.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"
#include "removals.h"
#include "text.h"

#define SLICE (256u << 10) /* bytes that are moved in a turn */
#define PIECES 64          /* of a state, at a time */
#define MARKS (64u << 10)  /* bytes of orders that wait, and no more times do */
#define LEAVING 8          /* keepers that are not wanted any more */
#define WINDOW 256         /* removals that a keeper has not answered */
#define HELD_MS 3000 /* the directory by keepers of a server that is gone */
#define AGAIN_NS 5000000000ull   /* after a removal has failed */
#define RESTART_NS 1000000000ull /* after the keeper has ended */

/* A keeper. */
struct link {
	struct watch watch; /* first */
	int fd;             /* -1: there is none */
	pid_t pid;
	bool output;     /* watched for that, too */
	struct text out; /* orders, and the head of what is written */
	size_t sent;     /* bytes of them and of the state behind them */
};

static struct {
	int epoll, directory;
	struct archive_events events;
	struct link writer, reader;
	bool writing, reading;
	bool unread; /* see archive_has_unread */
	/* Not given to the keeper yet; given, not answered; to be tried again. */
	struct removals waiting, sent, failed;
	uint64_t not_before; /* that is, or that a keeper is started for them */
	bool complained;     /* of what has failed */
	bool left_some;      /* a keeper that is leaving has removals */
	struct state state;  /* that is being written */
	pid_t leaving[LEAVING]; /* have not ended yet; 0: none */
	/* What is being read: an answer, the bytes it announces, another one. */
	struct keeper_answer answer;
	size_t answer_size;
	char *payload;
	size_t size, taken; /* of the payload */
} archive = { .directory = -1, .writer.fd = -1, .reader.fd = -1 };

/* ---- the directory ---- */

static void nap(int ms)
{
	poll(NULL, 0, ms);
}

/* The keepers of a server that was killed have it until they are done. */
static int lock(const char *path, struct err *e)
{
	for (int waited = 0; flock(archive.directory, LOCK_EX | LOCK_NB) < 0;
	     waited += 20) {
		if (errno != EWOULDBLOCK || waited >= HELD_MS)
			return err_set(e, -errno, "state: %s: %s", path,
				       errno == EWOULDBLOCK ? "another server "
							      "uses it" :
							      strerror(errno));
		nap(20);
	}
	return 0;
}

static void visit_file(const char *name, archive_visit *visit)
{
	int fd = openat(archive.directory, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct session_record record;
	struct err e = { "" };
	struct stat st = { 0 };
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		r = err_set(&e, -errno, "%s: %s", name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		r = err_set(&e, -EINVAL, "%s: not a session", name);
	else if ((r = file_read_at(fd, &record, sizeof(record), 0)))
		err_set(&e, r, "%s: not a session", name);
	else
		r = record_check(&record, name, (uint64_t)st.st_size, &e);
	if (fd >= 0)
		close(fd);
	archive.unread |= !visit(&record, r,
				 (uint64_t)st.st_mtim.tv_sec * 1000000000 +
					 (uint64_t)st.st_mtim.tv_nsec,
				 &e);
}

/* What somebody who was killed has begun to write. */
static bool is_draft(const char *name)
{
	const char *ending = strrchr(name, '.');
	char whole[RECORD_NAME], id[ID_SIZE];

	if (!ending || strcmp(ending, KEEPER_DRAFT) ||
	    ending - name >= RECORD_NAME)
		return false;
	snprintf(whole, sizeof(whole), "%.*s", (int)(ending - name), name);
	return record_named(whole, id);
}

/* The names of all, into text, one behind the other. 0 or -errno: what is not seen would be
 * taken for what is not there. */
static int list(struct text *names)
{
	int fd = openat(archive.directory, ".", O_RDONLY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char id[ID_SIZE], name[RECORD_NAME] = "";
	int r = d ? 0 : -errno;

	for (errno = 0; d && (entry = readdir(d)); errno = 0) {
		if (is_draft(entry->d_name))
			unlinkat(archive.directory, entry->d_name, 0);
		if (!record_named(entry->d_name, id))
			continue;
		record_name(name, id);
		text_add(names, name, sizeof(name));
	}
	if (d && errno)
		r = -errno;
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return r ? r : names->failed ? -ENOMEM : 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int archive_each(archive_visit *visit)
{
	struct text names = { 0 };
	int r = list(&names);

	if (r) {
		archive.unread = true;
		free(names.data);
		return r;
	}
	if (names.size)
		qsort(names.data, names.size / RECORD_NAME, RECORD_NAME,
		      compare);
	for (size_t at = 0; at < names.size; at += RECORD_NAME)
		visit_file(names.data + at, visit);
	free(names.data);
	return 0;
}

/* ---- keepers ---- */

static void watch_output(struct link *l, bool output)
{
	struct epoll_event event = {
		.events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = l
	};

	if (l->output != output)
		epoll_ctl(archive.epoll, EPOLL_CTL_MOD, l->fd, &event);
	l->output = output;
}

static void ready(struct watch *w, uint32_t events);

/* True: all have ended. */
static bool reap(void)
{
	bool all = true;

	for (int i = 0; i < LEAVING; i++) {
		pid_t *pid = &archive.leaving[i];

		if (*pid && waitpid(*pid, NULL, WNOHANG))
			*pid = 0;
		all = all && !*pid;
	}
	return all;
}

/* A reader and a writer more find places when they are left. */
static bool can_leave(void)
{
	int places = 0;

	reap();
	for (int i = 0; i < LEAVING; i++)
		places += !archive.leaving[i];
	return places >= 2;
}

/* Without waiting: who hangs at a disk does not end. */
static void leave(pid_t pid)
{
	int i = 0;

	while (i < LEAVING && archive.leaving[i])
		i++;
	if (i < LEAVING) /* start has seen to it */
		archive.leaving[i] = pid;
}

/* 0 or -errno; -EAGAIN: too many that were left hang. */
static int start(struct link *l)
{
	const char *const argv[] = { "zeroboot", "keep", NULL };
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = l };
	int pair[2], files[2];

	if (l->fd >= 0)
		return 0;
	if (!can_leave())
		return -EAGAIN;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	files[0] = pair[1];
	files[1] = archive.directory;
	l->pid = jail_spawn((char *const *)(uintptr_t)argv, files, 2);
	close(pair[1]);
	if (l->pid < 0 ||
	    epoll_ctl(archive.epoll, EPOLL_CTL_ADD, pair[0], &event) < 0) {
		int r = l->pid < 0 ? (int)l->pid : -errno;

		close(pair[0]); /* by which it ends, if it is there */
		if (l->pid > 0)
			leave(l->pid);
		return r;
	}
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	l->watch.ready = ready;
	l->fd = pair[0];
	l->output = false;
	return 0;
}

/* What it has not answered is for the next one, before all else. */
static void take_back_removals(void)
{
	archive.left_some |= archive.sent.first != NULL;
	removals_put_before(&archive.waiting, &archive.sent);
}

/* It ends when it has done what has gone to it. */
static void stop(struct link *l)
{
	if (l->fd < 0)
		return;
	epoll_ctl(archive.epoll, EPOLL_CTL_DEL, l->fd, NULL);
	close(l->fd);
	l->fd = -1;
	leave(l->pid);
	if (l == &archive.reader) {
		take_back_removals();
		archive.answer_size = 0;
	}
	l->out.size = l->sent = 0;
}

static void end_write(int r)
{
	archive.writing = false;
	state_drop(&archive.state);
	archive.events.written(r);
}

static void end_read(int r)
{
	char *payload = archive.payload;

	archive.reading = false;
	archive.payload = NULL;
	if (r) {
		discard(payload, archive.size);
		payload = NULL;
	}
	archive.events.read(r, payload, archive.size);
}

static void fail(struct link *l, int r)
{
	if (l == &archive.writer)
		kill(l->pid, SIGKILL);
	stop(l);
	if (l == &archive.reader && archive.waiting.first)
		archive.not_before = clock_mono() + RESTART_NS;
	if (l == &archive.writer && archive.writing)
		end_write(r);
	if (l == &archive.reader && archive.reading)
		end_read(r);
}

/* What is to go next, at most SLICE bytes; how many parts of it. */
static int next_pieces(const struct link *l, struct iovec *to)
{
	size_t skip = l->sent, room = SLICE;
	const struct state *s = l == &archive.writer ? &archive.state : NULL;
	int n = 0;

	for (size_t i = 0; room && n < PIECES; i++) {
		struct iovec v;

		if (i == 0)
			v = (struct iovec){ l->out.data, l->out.size };
		else if (s && i <= s->count)
			v = s->pieces[i - 1];
		else
			break;
		if (skip >= v.iov_len) {
			skip -= v.iov_len;
			continue;
		}
		v.iov_base = (char *)v.iov_base + skip;
		v.iov_len -= skip;
		skip = 0;
		v.iov_len = v.iov_len < room ? v.iov_len : room;
		room -= v.iov_len;
		to[n++] = v;
	}
	return n;
}

static void send_some(struct link *l)
{
	struct iovec pieces[PIECES];
	struct msghdr m = { .msg_iov = pieces };
	ssize_t n;

	m.msg_iovlen = (size_t)next_pieces(l, pieces);
	if (m.msg_iovlen == 0) {
		l->out.size = l->sent = 0;
		watch_output(l, false);
		return;
	}
	n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail(l, -EIO);
		return;
	}
	l->sent += n > 0 ? (size_t)n : 0;
	watch_output(l, true);
}

/* 1: so much has come; 0: not yet; -errno. */
static int take(struct link *l, void *to, size_t size, size_t *taken)
{
	size_t left = size - *taken;
	ssize_t n;

	if (left == 0)
		return 1;
	n = recv(l->fd, (char *)to + *taken, left < SLICE ? left : SLICE, 0);
	if (n == 0)
		return -EIO;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	*taken += (size_t)n;
	return *taken == size;
}

static void writer_ready(struct link *l)
{
	struct keeper_answer a;
	size_t taken = 0;
	int r = take(l, &a, sizeof(a), &taken);

	/* It is short, and goes by one call. */
	if (r < 0 || (taken && (r == 0 || !archive.writing))) {
		fail(l, r < 0 ? r : -EIO);
	} else if (r) {
		l->out.size = l->sent = 0;
		watch_output(l, false);
		end_write(a.result);
	}
}

/* The answer that announces it, or why there is none. */
static void begin_payload(struct link *l)
{
	const struct keeper_answer *a = &archive.answer;

	if (a->result)
		end_read(a->result);
	else if (a->size != archive.size)
		fail(l, -ESTALE); /* or it would all have to be taken */
	else if (!(archive.payload = malloc(archive.size)))
		fail(l, -ENOMEM);
	else
		buffer_keep(archive.payload, archive.size);
}

static void removed(int r);

static void answered(struct link *l)
{
	const struct keeper_answer *a = &archive.answer;

	archive.answer_size = 0;
	if (a->work == KEEPER_REMOVE)
		removed(a->result);
	else if (!archive.reading)
		fail(l, -EIO);
	else if (!archive.payload)
		begin_payload(l);
	else
		end_read(a->result);
}

static void reader_ready(struct link *l)
{
	bool payload = archive.payload && archive.taken < archive.size;
	int r;

	if (payload)
		r = take(l, archive.payload, archive.size, &archive.taken);
	else
		r = take(l, &archive.answer, sizeof(archive.answer),
			 &archive.answer_size);
	if (r < 0)
		fail(l, r);
	else if (r && !payload)
		answered(l);
}

static void ready(struct watch *w, uint32_t events)
{
	struct link *l = (struct link *)w;

	if (l->fd >= 0 && events & EPOLLOUT)
		send_some(l);
	if (l->fd < 0 || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	if (l == &archive.writer)
		writer_ready(l);
	else
		reader_ready(l);
}

static int order(struct link *l, enum keeper_work work, const char *name,
		 uint64_t size, uint64_t wall_ns)
{
	struct keeper_order o = { .work = work,
				  .size = size,
				  .wall_ns = wall_ns };
	int r;

	r = start(l);
	if (r)
		return r;
	snprintf(o.name, sizeof(o.name), "%s", name);
	if (!text_reserve(&l->out, sizeof(o) + sizeof(struct session_record))) {
		l->out.failed = false;
		return -ENOMEM;
	}
	text_add(&l->out, &o, sizeof(o));
	return 0;
}

/* ---- removals ---- */

static void complain(const char *name, int r)
{
	if (!archive.complained)
		log_event("warning",
			  "state: %s cannot be removed, and is used again "
			  "after a restart; tried again: %s",
			  name, strerror(-r));
	archive.complained = true;
	archive.not_before = clock_mono() + AGAIN_NS;
}

/* Of what was complained of nothing may be left. */
static void note_unremoved(void)
{
	if (!archive.complained || archive_unremoved())
		return;
	log_event("info", "state: nothing is to be removed any more");
	archive.complained = false;
}

/* Whose turn it is; NULL: nobody's. Those that have failed keep no other one from it. */
static struct removals *next_removal(uint64_t now)
{
	bool patient = now >= archive.not_before;

	if (archive.sent.count >= WINDOW || (archive.reader.fd < 0 && !patient))
		return NULL;
	if (archive.waiting.first)
		return &archive.waiting;
	return archive.failed.first && patient ? &archive.failed : NULL;
}

static void send_removals(void)
{
	uint64_t now = clock_mono();
	struct removals *from;
	bool some = false;

	while ((from = next_removal(now))) {
		int r = order(&archive.reader, KEEPER_REMOVE, from->first->name,
			      0, 0);

		if (r) {
			complain(from->first->name, r);
			break;
		}
		removals_append(&archive.sent, removals_take(from));
		some = true;
	}
	if (some)
		send_some(&archive.reader);
}

/* The first of those that were sent. */
static void removed(int r)
{
	struct removal *m;

	if (!archive.sent.first) {
		fail(&archive.reader, -EIO);
		return;
	}
	m = removals_take(&archive.sent);
	if (r) {
		complain(m->name, r);
		m->failed = true;
		removals_append(&archive.failed, m);
	} else {
		if (m->failed)
			archive.not_before = 0;
		free(m);
	}
	note_unremoved();
	send_removals();
}

/* ---- what is asked of them ---- */

int archive_check_owner(int fd, const char *path, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(e, -errno, "state: %s: %s", path,
			       strerror(errno));
	if (st.st_uid != geteuid())
		return err_set(e, -EPERM,
			       "state: %s: belongs to another user: who writes "
			       "there decides what runs",
			       path);
	if (st.st_mode & 022)
		return err_set(e, -EPERM,
			       "state: %s: others can write there (chmod go-w)",
			       path);
	return 0;
}

int archive_open(const char *path, int epoll,
		 const struct archive_events *events, struct err *e)
{
	int r;

	archive.epoll = epoll;
	archive.events = *events;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "state: %s: %s", path,
			       strerror(errno));
	archive.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (archive.directory < 0 ||
	    faccessat(archive.directory, ".", R_OK | W_OK | X_OK, AT_EACCESS))
		return err_set(e, -errno, "state: %s: %s", path,
			       strerror(errno));
	r = archive_check_owner(archive.directory, path, e);
	if (r == 0)
		r = lock(path, e);
	if (r)
		return r;
	/* Now: a copy of a process that has much memory takes long. */
	r = start(&archive.writer);
	if (r == 0)
		r = start(&archive.reader);
	return r ? err_set(e, r, "state: %s", strerror(-r)) : 0;
}

bool archive_has_unread(void)
{
	return archive.unread;
}

bool archive_is_writing(void)
{
	return archive.writing;
}

bool archive_is_reading(void)
{
	return archive.reading;
}

int archive_write(const struct session_record *record,
		  const struct state *state)
{
	struct link *l = &archive.writer;
	char name[RECORD_NAME];
	int r;

	record_name(name, record->id);
	r = order(l, KEEPER_WRITE, name, sizeof(*record) + state->size, 0);
	if (r)
		return r;
	text_add(&l->out, record, sizeof(*record));
	archive.state = state_copy(state);
	archive.writing = true;
	watch_output(l, true);
	return 0;
}

int archive_read(const char *id, size_t size)
{
	char name[RECORD_NAME];
	int r;

	record_name(name, id);
	r = order(&archive.reader, KEEPER_READ, name, 0, 0);
	if (r)
		return r;
	archive.reading = true;
	archive.payload = NULL;
	archive.size = sizeof(struct session_record) + size;
	archive.taken = 0; /* of an answer some may be there: of a removal */
	send_some(&archive.reader);
	return 0;
}

void archive_remove_file(const char *name)
{
	if (!removals_note(&archive.waiting, name)) {
		log_event("warning",
			  "state: %s is not removed, and is used again after a "
			  "restart: no memory",
			  name);
		return;
	}
	send_removals();
}

size_t archive_unremoved(void)
{
	return archive.waiting.count + archive.sent.count +
	       archive.failed.count;
}

bool archive_is_removing(const char *name)
{
	if (archive.left_some && reap())
		archive.left_some = false;
	return archive.left_some || removals_have(&archive.sent, name);
}

void archive_keep(const char *name)
{
	removals_forget(&archive.waiting, name);
	removals_forget(&archive.failed, name);
	note_unremoved();
}

void archive_tick(void)
{
	send_removals();
}

void archive_remove(const char *id)
{
	char name[RECORD_NAME];

	record_name(name, id);
	archive_remove_file(name);
}

void archive_touch(const char *id, uint64_t wall_ns)
{
	char name[RECORD_NAME];

	/* A disk that hangs would have them without end. */
	if (archive.reader.out.size >= MARKS)
		return;
	record_name(name, id);
	if (order(&archive.reader, KEEPER_TOUCH, name, 0, wall_ns) == 0)
		send_some(&archive.reader);
}

void archive_wait(int ms)
{
	struct link *links[] = { &archive.writer, &archive.reader };
	struct pollfd p[2];

	for (int i = 0; i < 2; i++)
		p[i] = (struct pollfd){ links[i]->fd,
					links[i]->output ? POLLIN | POLLOUT :
							   POLLIN,
					0 };
	poll(p, 2, ms);
	/* POLL* have the values of EPOLL*. */
	for (int i = 0; i < 2; i++)
		if (p[i].revents)
			ready(&links[i]->watch, (uint32_t)p[i].revents);
}

/* What has failed is tried once more. */
static void remove_rest(uint64_t until)
{
	while (archive.failed.first)
		removals_append(&archive.waiting,
				removals_take(&archive.failed));
	archive.not_before = 0;
	send_removals();
	while ((archive.waiting.first || archive.sent.first) &&
	       clock_mono() < until) {
		archive_wait(100);
		send_removals();
	}
	if (archive_unremoved())
		log_event("warning",
			  "state: %zu files that were to be removed may be "
			  "there still",
			  archive_unremoved());
}

void archive_close(int ms)
{
	struct link *links[] = { &archive.writer, &archive.reader };
	uint64_t until = clock_mono() + (uint64_t)ms * 1000000;

	/* What the writer has not got all of it gives up; orders of the other one
	 * that it has are done. */
	remove_rest(until);
	for (int i = 0; i < 2; i++) {
		stop(links[i]);
		free(links[i]->out.data);
		links[i]->out = (struct text){ 0 };
	}
	removals_drop(&archive.waiting);
	removals_drop(&archive.failed);
	while (!reap() && clock_mono() < until)
		nap(2);
	state_drop(&archive.state);
	discard(archive.payload, archive.size);
	if (archive.directory >= 0)
		close(archive.directory);
	archive.directory = -1;
}
