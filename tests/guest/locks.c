/* locks.c: record locks, locks of open files and flock between processes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

static struct gate gate, back;
static int fd;

static long lock(int command, short type, long start, long length)
{
	struct flock l = { .l_type = type,
			   .l_whence = SEEK_SET,
			   .l_start = start,
			   .l_len = length };

	return fcntl(fd, command, &l);
}

/* Whose lock is in the way: 0 nobody's, 1 the parent's, 2 an open file's, 3. */
static long asked(int command, short type, long start, long length)
{
	struct flock l = { .l_type = type,
			   .l_whence = SEEK_SET,
			   .l_start = start,
			   .l_len = length };

	if (fcntl(fd, command, &l))
		return -1;
	if (l.l_type == F_UNLCK)
		return 0;
	printf("  type %d, %ld and %ld\n", l.l_type, (long)l.l_start,
	       (long)l.l_len);
	return l.l_pid == getppid() ? 1 : l.l_pid == -1 ? 2 : 3;
}

static int sees_records(void)
{
	SHOW(lock(F_SETLK, F_WRLCK, 0, 10));
	SHOW(lock(F_SETLK, F_RDLCK, 5, 1));
	SHOW(lock(F_SETLK, F_WRLCK, 10, 10));
	SHOW(asked(F_GETLK, F_WRLCK, 0, 0));
	SHOW(lock(F_SETLK, F_RDLCK, 50, 5));
	SHOW(lock(F_SETLK, F_WRLCK, 50, 5));
	/* Not inherited: what is let go here is the parent's still. */
	SHOW(lock(F_SETLK, F_UNLCK, 0, 0));
	SHOW(lock(F_SETLK, F_WRLCK, 0, 1));
	SHOW(close(fd));
	return 0;
}

static int waits_for_record(void)
{
	gate_open(&back);
	return lock(F_SETLKW, F_WRLCK, 0, 10) ? 1 : 5;
}

static int holds_then_waits(void)
{
	SHOW(lock(F_SETLK, F_WRLCK, 100, 1));
	gate_open(&back);
	SHOW(lock(F_SETLKW, F_WRLCK, 0, 10));
	return 0;
}

static int holds_record(void)
{
	lock(F_SETLK, F_WRLCK, 200, 1);
	gate_open(&back);
	pause();
	return 0;
}

static void records(void)
{
	pid_t pid;

	SHOW(lock(F_SETLK, F_WRLCK, 0, 10));
	SHOW(lock(F_SETLK, F_RDLCK, 50, 5));
	child_run("sees records", sees_records);
	pid = child_start(waits_for_record);
	gate_pass(&back);
	child_until(pid, 'S');
	lock(F_SETLK, F_UNLCK, 0, 10);
	child_end("waited for it", pid);
	SHOW(lock(F_SETLK, F_WRLCK, 0, 10));
	pid = child_start(holds_then_waits);
	gate_pass(&back);
	child_until(pid, 'S');
	SHOW(lock(F_SETLKW, F_WRLCK, 100, 1));
	lock(F_SETLK, F_UNLCK, 0, 0);
	child_end("the other of a deadlock", pid);
	pid = child_start(holds_record);
	gate_pass(&back);
	SHOW(lock(F_SETLK, F_WRLCK, 200, 1));
	kill(pid, SIGKILL);
	SHOW(lock(F_SETLKW, F_WRLCK, 200, 1));
	child_end("its end lets go", pid);
	SHOW(lock(F_SETLK, F_UNLCK, 0, 0));
}

static int third_of_three(void)
{
	lock(F_SETLK, F_WRLCK, 2, 1);
	gate_open(&back);
	return lock(F_SETLKW, F_WRLCK, 0, 1) ? 1 : 0;
}

static int second_of_three(void)
{
	lock(F_SETLK, F_WRLCK, 1, 1);
	gate_open(&back);
	return lock(F_SETLKW, F_WRLCK, 2, 1) ? 1 : 0;
}

/* First waits for second, that for third, that for first. */
static void round_of_three(void)
{
	pid_t second, third;

	SHOW(lock(F_SETLK, F_WRLCK, 0, 1));
	third = child_start(third_of_three);
	gate_pass(&back);
	second = child_start(second_of_three);
	gate_pass(&back);
	child_until(third, 'S'), child_until(second, 'S');
	SHOW(lock(F_SETLKW, F_WRLCK, 1, 1));
	lock(F_SETLK, F_UNLCK, 0, 1);
	child_end("third", third);
	child_end("second", second);
}

static int sees_file_locks(void)
{
	int other = open("file", O_RDWR);

	/* The same open file: the lock is its own as well. */
	SHOW(lock(F_OFD_SETLK, F_WRLCK, 0, 10));
	SHOW(lock(F_SETLK, F_WRLCK, 0, 10));
	SHOW(asked(F_GETLK, F_WRLCK, 0, 10));
	close(fd);
	fd = other;
	SHOW(lock(F_OFD_SETLK, F_WRLCK, 0, 10));
	SHOW(asked(F_OFD_GETLK, F_RDLCK, 0, 10));
	return 0;
}

static int waits_for_file_lock(void)
{
	fd = open("file", O_RDWR);
	gate_open(&back);
	return lock(F_OFD_SETLKW, F_WRLCK, 0, 10) ? 1 : 5;
}

static void file_locks(void)
{
	pid_t pid;

	SHOW(lock(F_OFD_SETLK, F_WRLCK, 0, 10));
	child_run("sees file locks", sees_file_locks);
	SHOW(lock(F_SETLK, F_RDLCK, 0, 1));
	pid = child_start(waits_for_file_lock);
	gate_pass(&back);
	child_until(pid, 'S');
	lock(F_OFD_SETLK, F_UNLCK, 0, 10);
	child_end("waited for it", pid);
}

static int flocks_same(void)
{
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	SHOW(flock(fd, LOCK_SH | LOCK_NB));
	SHOW(close(fd));
	return 0;
}

static int flocks_another(void)
{
	fd = open("file", O_RDWR);
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	SHOW(flock(fd, LOCK_SH | LOCK_NB));
	gate_open(&back);
	SHOW(flock(fd, LOCK_EX));
	return 0;
}

static void whole_files(void)
{
	pid_t pid;

	SHOW(flock(fd, LOCK_EX));
	child_run("the same open file", flocks_same);
	pid = child_start(flocks_another);
	gate_pass(&back);
	child_until(pid, 'S');
	flock(fd, LOCK_UN);
	child_end("another open file", pid);
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	pid = fork();
	if (pid == 0) {
		gate_pass(&gate);
		_exit(0);
	}
	close(fd);
	fd = open("file", O_RDWR);
	/* The child has the open file still. */
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	gate_open(&gate);
	child_end("lets go of it", pid);
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
}

static int counts(void)
{
	fd = open("count", O_RDWR);
	for (int i = 0; i < 50; i++) {
		int n = 0;

		flock(fd, LOCK_EX);
		pread(fd, &n, sizeof(n), 0);
		sched_yield();
		n++;
		pwrite(fd, &n, sizeof(n), 0);
		flock(fd, LOCK_UN);
	}
	return 0;
}

static void counting(void)
{
	int count = open("count", O_RDWR | O_CREAT, 0600), n;
	pid_t children[4];

	for (int i = 0; i < 4; i++)
		children[i] = child_start(counts);
	for (int i = 0; i < 4; i++)
		child_end("counts", children[i]);
	SHOW(pread(count, &n, sizeof(n), 0));
	SHOW(n);
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	gate = gate_make(), back = gate_make();
	fd = open("file", O_RDWR | O_CREAT, 0600);
	records();
	round_of_three();
	file_locks();
	whole_files();
	counting();
	return 0;
}
