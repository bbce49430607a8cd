/*
 * Files that are to be removed are, whatever the keeper or the disk does first: with
 * keepers that are real, in a directory of its own.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "archive.h"
#include "clock.h"
#include "jail.h"
#include "keeper.h"
#include "log.h"

#define SECOND 1000000000ull
#define PATIENCE (120 * SECOND)
#define MANY 600 /* more than a keeper has at a time */

/* ---- in the place of other nouns ---- */

static uint64_t skew; /* of the clock */
static bool spawn_fails;
static bool slow;  /* a keeper says half of what it says */
static pid_t last; /* keeper that was started */
static unsigned warned;

uint64_t clock_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec + skew;
}

uint64_t clock_mono(void)
{
	return clock_wall();
}

/* One removal and one reading, the answers of which come in halves. */
static int keep_slowly(int channel)
{
	struct keeper_answer answers[] = { { .work = KEEPER_REMOVE },
					   { .work = KEEPER_READ,
					     .result = -ENOENT } };
	const size_t half = sizeof(answers[0]) / 2;
	struct keeper_order o;

	for (int i = 0; i < 2; i++) {
		const char *from = (char *)answers + half * (size_t)i;
		size_t size = i ? 3 * half : half;

		if (read(channel, &o, sizeof(o)) != sizeof(o) ||
		    write(channel, from, size) != (ssize_t)size)
			return 1;
	}
	return read(channel, &o, sizeof(o)) != 0;
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	(void)argv, (void)count;
	if (spawn_fails)
		return -EAGAIN;
	last = fork();
	if (last)
		return last;
	/* What the front end has of the channel is not its own. */
	if (dup2(files[0], 200) < 0 || dup2(files[1], 201) < 0)
		_exit(2);
	for (int fd = 3; fd < 200; fd++)
		close(fd);
	_exit(slow ? keep_slowly(200) : keeper_main(200, 201));
}

void log_event(const char *level, const char *format, ...)
{
	(void)format;
	warned += !strcmp(level, "warning");
}

static int sync_error; /* of a directory */

int fsync(int fd)
{
	struct stat st;

	errno = sync_error;
	return sync_error && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? -1 :
									  0;
}

/* ---- a directory ---- */

static char directory[] = "/tmp/zeroboot-unit-XXXXXX";
static int epoll;

static void nothing_written(int r)
{
	(void)r;
}

static int read_result;

static void nothing_read(int r, char *payload, size_t size)
{
	(void)size;
	read_result = r;
	free(payload);
}

static void open_place(void)
{
	static const struct archive_events events = { nothing_written,
						      nothing_read };
	struct err e = { "" };

	spawn_fails = false;
	warned = 0;
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(directory) != NULL);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	EQUAL(archive_open(directory, epoll, &events, &e), 0);
}

static void close_place(void)
{
	archive_close(5000);
	close(epoll);
	EQUAL(rmdir(directory), 0); /* nothing is left */
}

static const char *path_of(const char *name)
{
	static char path[sizeof(directory) + KEEPER_NAME];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void make(const char *name)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static void turn(void)
{
	archive_tick();
	archive_wait(10);
}

/* As the front end, until so many are left and so much was complained. */
static void go_on(size_t left, unsigned complaints)
{
	uint64_t until = clock_mono() + PATIENCE;

	while ((archive_unremoved() != left || warned != complaints) &&
	       clock_mono() < until)
		turn();
	EQUAL(archive_unremoved(), left);
	EQUAL(warned, complaints);
}

/* The same where nothing is to come of it, for a while. */
static void go_on_in_vain(void)
{
	uint64_t until = clock_mono() + SECOND / 5;

	while (clock_mono() < until)
		turn();
}

static void test_refused(void)
{
	open_place();
	/* What the disk refuses: it is no file. */
	EQUAL(mkdir(path_of("a"), 0700), 0);
	make("b");
	archive_remove_file("a");
	archive_remove_file("b");
	archive_remove_file("was-never-there");
	go_on(1, 1);
	CHECK(!is_there("b"));
	/* Again, without another word. */
	skew += 6 * SECOND;
	go_on_in_vain();
	EQUAL(warned, 1);
	EQUAL(rmdir(path_of("a")), 0);
	make("a");
	go_on_in_vain();
	CHECK(is_there("a"));
	skew += 6 * SECOND;
	go_on(0, 1);
	CHECK(!is_there("a"));
	close_place();
}

/* It has its orders, and has not come to them. */
static void test_killed(void)
{
	char name[16];

	open_place();
	kill(last, SIGSTOP);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "%d", i);
		make(name);
		archive_remove_file(name);
	}
	EQUAL(archive_unremoved(), MANY);
	kill(last, SIGKILL);
	go_on(0, 0);
	close_place();
}

static void test_not_started(void)
{
	open_place();
	kill(last, SIGKILL);
	archive_wait(1000);
	spawn_fails = true;
	skew += 2 * SECOND;
	make("a");
	archive_remove_file("a");
	EQUAL(archive_unremoved(), 1);
	EQUAL(warned, 1);
	spawn_fails = false;
	skew += 6 * SECOND;
	go_on(0, 1);
	CHECK(!is_there("a"));
	close_place();
}

/* Also when it has failed before. */
static void test_end(void)
{
	open_place();
	EQUAL(mkdir(path_of("a"), 0700), 0);
	archive_remove_file("a");
	go_on(1, 1);
	EQUAL(rmdir(path_of("a")), 0);
	make("a");
	make("b");
	archive_remove_file("b");
	close_place();
}

/* What is wanted again is not removed later. */
static void test_kept(void)
{
	open_place();
	EQUAL(mkdir(path_of("kept"), 0700), 0);
	EQUAL(mkdir(path_of("kept/a"), 0700), 0);
	make("kept/b");
	kill(last, SIGSTOP);
	archive_remove_file("kept/a");
	archive_remove_file("kept/b");
	CHECK(archive_is_removing("kept/a"));
	kill(last, SIGCONT);
	go_on(1, 1);
	CHECK(!archive_is_removing("kept/a") && !is_there("kept/b"));
	archive_keep("kept/a");
	EQUAL(archive_unremoved(), 0);
	/* What fails next is said. */
	archive_remove_file("kept/a");
	go_on(1, 2);
	archive_keep("kept/a");
	EQUAL(rmdir(path_of("kept/a")), 0);
	make("kept/a");
	skew += 6 * SECOND;
	go_on_in_vain();
	CHECK(is_there("kept/a"));
	unlink(path_of("kept/a"));
	rmdir(path_of("kept"));
	close_place();
}

/* Of whose answer some has come when something is read. */
static void test_halves(void)
{
	slow = true;
	open_place();
	archive_remove_file("a");
	go_on_in_vain();
	EQUAL(archive_unremoved(), 1);
	EQUAL(archive_read("01234567-89ab-cdef-0123-456789abcdef", 8), 0);
	for (int i = 0; i < 10 && archive_is_reading(); i++)
		archive_wait(1000);
	EQUAL(archive_unremoved(), 0);
	EQUAL(read_result, -ENOENT);
	EQUAL(warned, 0);
	close_place();
	slow = false;
}

/* Removals fail on a disk that fails, and not on a file system that has nothing to
 * synchronise. */
static void test_sync(void)
{
	static const int errors[] = { 0, EINVAL, EROFS };

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		bool bad = errors[i] == EROFS;

		sync_error = errors[i]; /* the keeper's, too */
		open_place();
		EQUAL(mkdir(path_of("kept"), 0700), 0);
		make("kept/a");
		make("b");
		archive_remove_file("kept/a");
		archive_remove_file("b");
		go_on(bad ? 2 : 0, bad);
		rmdir(path_of("kept"));
		close_place();
	}
	sync_error = 0;
}

/* Nor is one a failure whose directory is gone. */
static void test_gone(void)
{
	open_place();
	archive_remove_file("kept/a");
	go_on(0, 0);
	close_place();
}

static unsigned visited;

static bool count_visit(const struct session_record *record, int r,
			uint64_t touched, const struct err *e)
{
	(void)record, (void)r, (void)touched, (void)e;
	visited++;
	return true;
}

/* A directory that cannot be read is no empty one. */
static void test_unseen(void)
{
	static const char name[] = "01234567-89ab-cdef-0123-456789abcdef.zbs";
	struct rlimit before, none;

	open_place();
	make(name);
	EQUAL(archive_each(count_visit), 0);
	EQUAL(visited, 1);
	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	EQUAL(archive_each(count_visit), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &before);
	EQUAL(visited, 1);
	archive_remove_file(name);
	close_place();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what the disk does not remove is tried again",
		  test_refused },
		{ "what a keeper that is killed has not removed, the next does",
		  test_killed },
		{ "one that cannot be started is later", test_not_started },
		{ "an end waits for removals", test_end },
		{ "what is wanted again is not removed", test_kept },
		{ "a reading that begins meanwhile loses nothing of an answer",
		  test_halves },
		{ "what a file system cannot synchronise is removed",
		  test_sync },
		{ "so is what is in a directory that is gone", test_gone },
		{ "a directory that cannot be read is no empty one",
		  test_unseen },
	};

	return UNIT_RUN("archive", tests);
}
