/*
 * What is kept of sessions is there after a start that fails, or that had no memory for all:
 * with a directory and keepers that are real.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/abi.h"
#include "jail.h"
#include "keeper.h"
#include "language.h"
#include "log.h"
#include "session.h"
#include "session_record.h"
#include "template.h"

#define HEX16 "0123456789abcdef"
#define NAME HEX16 HEX16 HEX16 HEX16 /* of a template */
#define TEMPLATE "kept/" NAME ".zbt"
#define IMAGE "kept/0000000000000001-1000.img"
#define SESSION "01234567-89ab-cdef-0123-456789abcdef"
#define MADE "01234567-89ab-cdef-0123-456789abcdee"

/* ---- in the place of other nouns ---- */

static bool unreadable; /* the directory in which "kept" is */

/* One name by each call of the kernel, so that rewinddir has nothing to forget. */
struct dirent *readdir(DIR *d)
{
	static struct dirent entry;

	if (unreadable && faccessat(dirfd(d), "kept", F_OK, 0) == 0) {
		errno = EIO;
		return NULL;
	}
	errno = 0;
	if (syscall(SYS_getdents64, dirfd(d), &entry, sizeof(entry)) <= 0)
		return NULL;
	lseek(dirfd(d), entry.d_off, SEEK_SET);
	return &entry;
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	pid_t pid;

	(void)argv, (void)count;
	pid = fork();
	if (pid)
		return pid;
	if (dup2(files[0], 200) < 0 || dup2(files[1], 201) < 0)
		_exit(2);
	for (int fd = 3; fd < 200; fd++)
		close(fd);
	_exit(keeper_main(200, 201));
}

void log_event(const char *level, const char *format, ...)
{
	(void)level, (void)format;
}

/* These need not be: no crew has anything to do. */

void jail_end(pid_t pid, int signal)
{
	(void)pid, (void)signal;
}

const char *jail_user(void)
{
	return NULL;
}

const char *language_of_alias(const char *name, size_t size)
{
	(void)name, (void)size;
	return NULL;
}

/* ---- a directory ---- */

static char directory[] = "/tmp/zeroboot-unit-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[sizeof(directory) + KEEPER_NAME];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void put(const char *name, const void *data, size_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static bool is_there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static void put_record(const char *id, uint32_t flags)
{
	struct session_record r = { .magic = RECORD_MAGIC,
				    .version = RECORD_VERSION,
				    .abi_version = ZB_ABI_VERSION,
				    .language = "sh",
				    .template = NAME,
				    .flags = flags };
	char name[RECORD_NAME];

	memcpy(r.id, id, ID_SIZE);
	if (flags & RECORD_TEMPLATE)
		strcpy(r.name, "with-data");
	r.checksum = record_checksum(&r);
	record_name(name, id);
	put(name, &r, sizeof(r));
}

/* With a template that is kept, and its image; and what is of it. */
static void make_place(const char *id, uint32_t flags)
{
	static const struct template_head head = { .image = { 1, 0x1000 } };

	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(directory) != NULL);
	EQUAL(mkdir(path_of("kept"), 0700), 0);
	put(TEMPLATE, &head, sizeof(head));
	put(IMAGE, "", 0);
	put_record(id, flags);
}

static void remove_place(const char *id)
{
	char name[RECORD_NAME];

	record_name(name, id);
	CHECK(is_there(name));
	CHECK(is_there(TEMPLATE) && is_there(IMAGE));
	unlink(path_of(name));
	unlink(path_of(TEMPLATE));
	unlink(path_of(IMAGE));
	EQUAL(rmdir(path_of("kept")), 0);
	EQUAL(rmdir(directory), 0); /* nothing else was there */
}

/* A server's start, and its end at once. In a process of its own: what was not to be had
 * comes back with the next. 0, or the errno for which it has not started; fails: how many
 * allocations have failed. */
static int begin_and_end(int64_t *fails)
{
	const struct session_options options = { .templates = 4,
						 .directory = directory,
						 .host = "" };
	int words[2], status = 0;
	pid_t pid;

	CHECK(pipe(words) == 0);
	pid = fork();
	if (pid == 0) {
		struct err e = { "" };
		int r = session_open(&options, epoll_create1(EPOLL_CLOEXEC),
				     &e);

		session_close();
		if (write(words[1], &fail_plan->failed,
			  sizeof(fail_plan->failed)) < 0)
			_exit(2);
		_exit(-r);
	}
	close(words[1]);
	CHECK(read(words[0], fails, sizeof(*fails)) == sizeof(*fails));
	close(words[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- tests ---- */

static void test_unread(void)
{
	int64_t fails;

	make_place(SESSION, 0);
	unreadable = true;
	EQUAL(begin_and_end(&fails), EIO);
	unreadable = false;
	CHECK(is_there(TEMPLATE) && is_there(IMAGE));
	EQUAL(begin_and_end(&fails), 0);
	remove_place(SESSION);
}

static void lacks_memory(const char *id, uint32_t flags)
{
	int64_t fails = 1, nth = 1;

	for (; fails; nth++) {
		make_place(id, flags);
		*fail_plan = (struct fail_plan){ .countdown = nth };
		begin_and_end(&fails);
		*fail_plan = (struct fail_plan){ 0 };
		remove_place(id);
	}
	CHECK(nth > 5); /* for it, too */
}

static void test_session(void)
{
	lacks_memory(SESSION, 0);
}

static void test_template(void)
{
	lacks_memory(MADE, RECORD_TEMPLATE);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a start that cannot read all names removes nothing",
		  test_unread },
		{ "nor one that has no memory for a session", test_session },
		{ "nor for what is to be a language again", test_template },
	};

	return UNIT_RUN("session_store", tests);
}
