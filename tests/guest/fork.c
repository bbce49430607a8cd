/* fork.c: what a child gets of its parent's memory and descriptors. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

#define AREA (8 << 20)
#define PAGE 4096

static int value = 1;
static __thread int own = 5;
static volatile double real = 1.5;
static char *area, *common;
static struct gate child_on, parent_on;

static long sum(const char *from, size_t size)
{
	long total = 0;

	for (size_t i = 0; i < size; i += PAGE)
		total += from[i];
	return total;
}

static int changes_memory(void)
{
	printf("child: %d %d %.1f, sum %ld\n", value, own, real,
	       sum(area, AREA));
	value = 2, own = 6, real = 2.5;
	for (size_t i = 0; i < AREA; i += 2 * PAGE)
		area[i] = 3;
	common[0] = 'c';
	gate_open(&parent_on);
	gate_pass(&child_on);
	printf("child: %d %d %.1f, sum %ld, common %c\n", value, own, real,
	       sum(area, AREA), common[0]);
	return 0;
}

static void memory(void)
{
	pid_t pid;

	memset(area, 1, AREA);
	pid = child_start(changes_memory);
	gate_pass(&parent_on);
	printf("parent: %d %d %.1f, sum %ld, common %c\n", value, own, real,
	       sum(area, AREA), common[0]);
	for (size_t i = PAGE; i < AREA; i += 4 * PAGE)
		area[i] = 7;
	common[0] = 'p';
	gate_open(&child_on);
	child_end("changes memory", pid);
	printf("parent: sum %ld\n", sum(area, AREA));
}

/* Every generation has pages of its own. */
static int descend(void)
{
	int depth = ++value;

	memset(area, depth, 16 * PAGE);
	if (depth < 8)
		child_run("generation", descend);
	return (int)sum(area, 16 * PAGE);
}

static int changes_mappings(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	SHOW(p == MAP_FAILED);
	SHOW(munmap(area, 16 * PAGE));
	SHOW(mprotect(area + 16 * PAGE, 16 * PAGE, PROT_READ));
	SHOW(munmap(common, PAGE));
	SHOW(sbrk(1 << 20) == (void *)-1);
	area[16 * PAGE] = 1;
	return 0;
}

static int reads_kept_out(void)
{
	return area[0];
}

static int sees_wiped(void)
{
	return area[0] + area[PAGE];
}

static void mappings(void)
{
	char *end = sbrk(0);

	child_run("writes to what it made read-only", changes_mappings);
	SHOW(sbrk(0) == end);
	SHOW(sum(area, 32 * PAGE) > 0);
	area[0] = area[16 * PAGE] = common[0] = 1;
	SHOW(madvise(area, PAGE, MADV_DONTFORK));
	child_run("MADV_DONTFORK", reads_kept_out);
	SHOW(madvise(area, PAGE, MADV_DOFORK));
	SHOW(madvise(area, PAGE, MADV_WIPEONFORK));
	area[PAGE] = 9;
	child_run("MADV_WIPEONFORK", sees_wiped);
	SHOW(area[0]);
	SHOW(madvise(area, PAGE, MADV_KEEPONFORK));
	SHOW(madvise(common, PAGE, MADV_WIPEONFORK));
}

static int kernel_writes(void)
{
	int fd = open("text", O_RDONLY);

	SHOW(pread(fd, area, 6 * PAGE, 0));
	SHOW(sum(area, 6 * PAGE));
	SHOW(pipe((int *)(area + 8 * PAGE)));
	return 0;
}

/* What system calls write goes to the child's copy, too. */
static void by_the_kernel(void)
{
	int fd = open("text", O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(area, 4, 16 * PAGE);
	SHOW(write(fd, area, 8 * PAGE));
	memset(area, 1, 16 * PAGE);
	child_run("kernel writes", kernel_writes);
	SHOW(sum(area, 16 * PAGE));
	SHOW(*(int *)(area + 8 * PAGE) == 0x01010101);
	close(fd);
}

static int changes_file_mappings(void)
{
	int fd = open("text", O_RDWR);
	char *private =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *shared =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid_t pid = fork();

	if (pid == 0) {
		private[0] = 'p';
		shared[1] = 's';
		SHOW(msync(shared, PAGE, MS_SYNC));
		_exit(private[0] == 'p' && shared[0] == 4);
	}
	child_end("file mappings", pid);
	printf("%d %d\n", private[0], shared[1]);
	return 0;
}

static int moves_offset(int file, int twin, int appending)
{
	SHOW(lseek(file, 10, SEEK_SET));
	SHOW(fcntl(twin, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(appending, F_SETFL, O_NONBLOCK));
	SHOW(close(twin));
	SHOW(write(file, "xyz", 3));
	return 0;
}

static void descriptors(void)
{
	int file = open("text", O_RDWR | O_TRUNC), twin = dup(file);
	int appending = open("text", O_WRONLY | O_APPEND);
	pid_t pid = fork();

	if (pid == 0)
		_exit(moves_offset(file, twin, appending));
	child_end("moves offset", pid);
	SHOW(lseek(twin, 0, SEEK_CUR));
	SHOW(fcntl(twin, F_GETFD));
	SHOW((fcntl(appending, F_GETFL) & (O_NONBLOCK | O_APPEND)) ==
	     O_NONBLOCK);
	SHOW(close(twin));
	SHOW(close(appending));
	SHOW(close(file));
}

static void directories(void)
{
	DIR *d = opendir(".");
	int fd = dirfd(d);
	char names[1024];
	pid_t pid = fork();

	if (pid == 0)
		_exit(RAW(getdents64, fd, names, sizeof(names)) <= 0);
	child_end("reads a directory", pid);
	SHOW(RAW(getdents64, fd, names, sizeof(names)));
	closedir(d);
}

static void *forks(void *unused)
{
	pid_t pid;

	own = 77;
	pid = fork();
	if (pid == 0) {
		DIR *d = opendir("/proc/self/task");
		int threads = 0;

		for (struct dirent *e; (e = readdir(d));)
			threads += e->d_name[0] != '.';
		printf("in a thread's child: %d threads, own %d, first %d\n",
		       threads, own, getpid() == gettid());
		pthread_exit(NULL);
	}
	child_end("the child's only thread", pid);
	return unused;
}

static void *waits(void *unused)
{
	gate_pass(&child_on);
	return unused;
}

static void from_a_thread(void)
{
	pthread_t other, forker;

	pthread_create(&other, NULL, waits, NULL);
	pthread_create(&forker, NULL, forks, NULL);
	pthread_join(forker, NULL);
	gate_open(&child_on);
	pthread_join(other, NULL);
}

static void before(void)
{
	value *= 10;
}

static void in_the_parent(void)
{
	value += 1;
}

static void in_the_child(void)
{
	value += 2;
}

static int numbers(void)
{
	SHOW(getpid() == gettid());
	SHOW(getppid() == value);
	SHOW(syscall(SYS_getpid) == getpid());
	return 0;
}

static int tells_value(void)
{
	return value;
}

/* The C library's fork is a clone. */
static void by_its_number(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	int status;

	if (pid == 0)
		_exit(3);
	waitpid(pid, &status, 0);
	printf("SYS_fork: %d\n", WEXITSTATUS(status));
}

int main(void)
{
	setbuf(stdout, NULL);
	scratch_enter();
	child_on = gate_make(), parent_on = gate_make();
	area = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	common = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memory();
	value = 1;
	child_run("generation", descend);
	printf("parent: %ld\n", sum(area, 16 * PAGE));
	mappings();
	by_the_kernel();
	changes_file_mappings();
	descriptors();
	directories();
	from_a_thread();
	value = getpid();
	child_run("numbers", numbers);
	by_its_number();
	value = 3;
	pthread_atfork(before, in_the_parent, in_the_child);
	child_run("atfork", tells_value);
	SHOW(value);
	return 0;
}
