/* Drafts: a file takes the place of another one once it is whole, or never. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

/* ---- in the place of the kernel ---- */

/* What has been synchronised, in turn: F a file, D a directory. */
static char synced[16];
static int sync_failure;

int fsync(int fd)
{
	size_t n = strlen(synced);
	struct stat st;
	bool is_directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	if (n < sizeof(synced) - 1)
		synced[n] = is_directory ? 'D' : 'F';
	errno = sync_failure;
	return is_directory && sync_failure ? -1 : 0;
}

static char directory[] = "/tmp/zeroboot-unit-XXXXXX";
static char path[sizeof(directory) + 8], draft[PATH_MAX];

static void open_place(void)
{
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/x", directory);
	snprintf(draft, sizeof(draft), "%s.%ld.tmp", path, (long)getpid());
}

static void close_place(void)
{
	unlink(path);
	EQUAL(rmdir(directory), 0); /* nothing else is left */
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
}

static void make(const char *content)
{
	char got[64] = "";
	struct err e = { "" };
	struct file_draft d;
	int fd;

	if (!EQUAL(file_draft(&d, path, &e), 0))
		return;
	EQUAL(file_write_at(d.fd, content, strlen(content), 0), 0);
	EQUAL(file_replace(&d, path, 0, &e), 0);
	fd = open(path, O_RDONLY);
	EQUAL(read(fd, got, sizeof(got)), strlen(content));
	CHECK(!strcmp(got, content));
	close(fd);
}

static void test_replace(void)
{
	open_place();
	make("one");
	make("another");
	close_place();
}

static int replace(int (*how)(struct file_draft *, const char *, int,
			      struct err *))
{
	struct file_draft d;
	struct err e;

	memset(synced, 0, sizeof(synced));
	if (!EQUAL(file_draft(&d, path, &e), 0))
		return 0;
	return how(&d, path, 0, &e);
}

/* A name is on the disk when its directory is. */
static void test_synced(void)
{
	open_place();
	EQUAL(replace(file_replace), 0);
	CHECK(!strcmp(synced, "FD"));
	EQUAL(replace(file_replace_spare), 0);
	CHECK(!strcmp(synced, "F"));
	sync_failure = EIO;
	EQUAL(replace(file_replace), -EIO);
	sync_failure = EROFS; /* one that has become so */
	EQUAL(replace(file_replace), -EROFS);
	sync_failure = EINVAL; /* a file system that has none */
	EQUAL(replace(file_replace), 0);
	sync_failure = 0;
	close_place();
}

/* Somebody has removed the draft, and makes one of that name. */
static void test_taken(void)
{
	struct err e = { "" };
	struct file_draft d;
	int fd;

	open_place();
	EQUAL(file_draft(&d, path, &e), 0);
	EQUAL(unlink(draft), 0);
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	close(fd);
	EQUAL(file_replace(&d, path, 0, &e), -ESTALE);
	EQUAL(access(path, F_OK), -1);
	EQUAL(unlink(draft), 0);
	close_place();
}

/* A process of the same number was killed over it. */
static void test_left_over(void)
{
	int fd;

	open_place();
	fd = open(draft, O_RDWR | O_CREAT, 0644);
	EQUAL(write(fd, "half of it", 10), 10);
	close(fd);
	make("new");
	close_place();
}

/* Another one of the same number is making it: in another namespace. */
static void test_in_use(void)
{
	int ready[2];
	char byte;
	struct err e = { "" };
	struct file_draft d;
	pid_t child;

	open_place();
	EQUAL(pipe(ready), 0);
	EQUAL(file_draft(&d, path, &e), 0);
	child = fork(); /* has the lock as well, and keeps it */
	if (child == 0) {
		(void)!write(ready[1], "", 1);
		pause();
	}
	EQUAL(read(ready[0], &byte, 1), 1);
	close(d.fd);
	EQUAL(file_draft(&d, path, &e), -EEXIST);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	make("after it");
	close(ready[0]);
	close(ready[1]);
	close_place();
}

static void test_others(void)
{
	struct err e = { "" };
	struct file_draft d;

	open_place();
	EQUAL(symlink("/etc/passwd", draft), 0);
	EQUAL(file_draft(&d, path, &e), -EEXIST);
	EQUAL(unlink(draft), 0);
	EQUAL(mkfifo(draft, 0600), 0);
	EQUAL(file_draft(&d, path, &e), -EEXIST);
	EQUAL(unlink(draft), 0);
	close_place();
}

/* The first process of a namespace makes one, and is told to end: how it did. */
static int end_first(void)
{
	struct file_draft d;
	struct err e = { "" };
	int ready[2], status = 0;
	pid_t first;
	char c;

	if (unshare(CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
	    pipe(ready) < 0)
		return 1;
	first = fork();
	if (first == 0) {
		if (file_draft(&d, path, &e) == 0 &&
		    write(ready[1], "", 1) == 1)
			sleep(100);
		_exit(2);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1 || kill(first, SIGTERM) < 0 ||
	    waitpid(first, &status, 0) != first)
		return 3;
	return WEXITSTATUS(status);
}

static void test_ended(void)
{
	int status = 0;
	pid_t child;

	open_place();
	child = fork();
	if (child == 0)
		_exit(end_first());
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(WEXITSTATUS(status), 128 + SIGTERM);
	close_place();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a draft takes the place of a file", test_replace },
		{ "its name is on the disk, too, if it is not to spare",
		  test_synced },
		{ "one that is another's by now does not", test_taken },
		{ "what a killed process left is taken away", test_left_over },
		{ "what another process is making is not", test_in_use },
		{ "nor what is no draft", test_others },
		{ "the first process of a namespace ends by a signal, too",
		  test_ended },
	};

	return UNIT_RUN("file", tests);
}
