/* What files take: holes, fallocate, truncation, and mappings of it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>

#include "check.h"
#include "scratch.h"

#define PAGE 4096l

static int fd;

static void blocks(const char *when)
{
	struct stat st;

	fstat(fd, &st);
	printf("%s: size %lld blocks %lld\n", when, (long long)st.st_size,
	       (long long)st.st_blocks);
}

static int byte_at(long at)
{
	unsigned char c = 99;

	return pread(fd, &c, 1, at) == 1 ? c : -1;
}

static void holes(void)
{
	SHOW(pwrite(fd, "x", 1, 1l << 40));
	blocks("one byte far away");
	SHOW(byte_at(1 << 20));
	SHOW(lseek(fd, 0, SEEK_DATA) == 1l << 40);
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, (1l << 40) + 1, SEEK_DATA));
	SHOW(lseek(fd, 1l << 40, SEEK_HOLE) == (1l << 40) + 1);
	SHOW(lseek(fd, -1, SEEK_DATA));
	SHOW(ftruncate(fd, 1l << 62));
	blocks("truncated up");
	SHOW(lseek(fd, (1l << 40) + PAGE, SEEK_DATA));
	SHOW(ftruncate(fd, 3 * PAGE + 5));
	blocks("truncated down");
	SHOW(pwrite(fd, "yy", 2, PAGE - 1));
	blocks("two pages");
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 10, SEEK_DATA));
	SHOW(lseek(fd, 2 * PAGE, SEEK_DATA));
	SHOW(lseek(fd, 2 * PAGE, SEEK_HOLE));
	SHOW(ftruncate(fd, -1));
	SHOW(ftruncate(fd, 0));
	blocks("empty");
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 0, 5));
	SHOW(lseek(fd, 1l << 62, SEEK_SET) == 1l << 62);
	SHOW(lseek(fd, 1l << 62, SEEK_CUR));
	SHOW(write(fd, "", 0));
	blocks("nothing written");
}

static void allocation(void)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	SHOW(fallocate(fd, 0, 0, 10 * PAGE));
	blocks("allocated");
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20 * PAGE));
	blocks("more, size kept");
	SHOW(ftruncate(fd, 10 * PAGE));
	blocks("cut to its size");
	SHOW(lseek(fd, 0, SEEK_DATA)); /* allocated is not written */
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(pwrite(fd, "x", 1, 2 * PAGE));
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 2 * PAGE, SEEK_HOLE));
	for (int i = 0; i < 10; i++)
		if (pwrite(fd, "0123456789", 10, i * PAGE) != 10)
			printf("no write\n");
	SHOW(fallocate(fd, punch, PAGE + 1, 3 * PAGE));
	blocks("punched");
	printf("%d %d %d %d %d\n", byte_at(PAGE), byte_at(PAGE + 1),
	       byte_at(2 * PAGE), byte_at(4 * PAGE), byte_at(4 * PAGE + 1));
	SHOW(fallocate(fd, punch, 5 * PAGE + 2, 3));
	printf("%d %d %d %d\n", byte_at(5 * PAGE + 1), byte_at(5 * PAGE + 2),
	       byte_at(5 * PAGE + 4), byte_at(5 * PAGE + 5));
	SHOW(fallocate(fd, punch, 9 * PAGE, 100 * PAGE));
	blocks("punched to beyond its end");
	SHOW(lseek(fd, PAGE, SEEK_HOLE));
	SHOW(lseek(fd, 2 * PAGE, SEEK_DATA));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE));
	SHOW(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE));
	SHOW(fallocate(fd, 0, -1, PAGE));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, 1l << 62, 1l << 62));
	SHOW(fallocate(0x7fff, 0, 0, 1));
	int reader = open("file", O_RDONLY), pipes[2];
	SHOW(fallocate(reader, 0, 0, 1));
	SHOW(ftruncate(reader, 0));
	SHOW(pipe(pipes));
	SHOW(fallocate(pipes[1], 0, 0, 1));
	SHOW(ftruncate(pipes[1], 0));
	close(reader);
	SHOW(truncate("file", PAGE + 1));
	SHOW(truncate("file", -1));
	SHOW(truncate(".", 0));
	SHOW(truncate("missing", 0));
	SHOW(truncate("file/", 0));
	blocks("by its path");
}

/* Mappings see what happens to the file. */
static void mappings(void)
{
	char *shared, *private;

	SHOW(ftruncate(fd, 0));
	SHOW(ftruncate(fd, 4 * PAGE));
	shared =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		       0);
	shared[0] = 'a';
	shared[2 * PAGE] = 'c';
	private[PAGE] = 'p';
	printf("%c %c %d\n", byte_at(0), byte_at(2 * PAGE), byte_at(PAGE));
	SHOW(pwrite(fd, "b", 1, PAGE));
	printf("%c %c\n", shared[PAGE], private[PAGE]);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		       3 * PAGE));
	printf("%d %c %d\n", shared[0], private[PAGE], shared[2 * PAGE]);
	shared[0] = 'n';
	printf("%c\n", byte_at(0));
	SHOW(ftruncate(fd, 1));
	SHOW(ftruncate(fd, 4 * PAGE));
	printf("%c %d\n", shared[0], shared[PAGE]);
	/* its memory is nobody else's */
	SHOW(ftruncate(fd, 0));
	int other = open("other", O_CREAT | O_RDWR, 0600);
	char page[4096];
	memset(page, 'o', sizeof(page));
	for (int i = 0; i < 64; i++)
		if (write(other, page, sizeof(page)) != PAGE)
			printf("no write\n");
	SHOW(ftruncate(fd, 4 * PAGE));
	memset(shared, 'z', 4 * PAGE);
	SHOW(lseek(other, 0, SEEK_SET));
	long wrong = 0;
	while (read(other, page, sizeof(page)) == PAGE)
		for (int i = 0; i < PAGE; i++)
			wrong += page[i] != 'o';
	SHOW(wrong);
	munmap(shared, 4 * PAGE);
	munmap(private, 4 * PAGE);
	close(other);
	unlink("other");
}

static volatile sig_atomic_t signals;

static void count(int signo)
{
	(void)signo;
	signals++;
}

static void limit(void)
{
	struct rlimit l = { 100, RLIM_INFINITY };
	char text[200];

	memset(text, 'l', sizeof(text));
	SHOW(ftruncate(fd, 0));
	signal(SIGXFSZ, count);
	SHOW(setrlimit(RLIMIT_FSIZE, &l));
	SHOW(pwrite(fd, text, 200, 0));
	SHOW(pwrite(fd, text, 1, 100));
	SHOW(signals);
	SHOW(pwrite(fd, text, 0, 200));
	SHOW(ftruncate(fd, 101));
	SHOW(signals);
	SHOW(ftruncate(fd, 100));
	SHOW(truncate("file", 200));
	SHOW(fallocate(fd, 0, 0, 200));
	SHOW(signals);
	blocks("limited");
	signal(SIGXFSZ, SIG_IGN);
	SHOW(pwrite(fd, text, 1, 100));
	l.rlim_cur = RLIM_INFINITY;
	SHOW(setrlimit(RLIMIT_FSIZE, &l));
	SHOW(pwrite(fd, text, 200, 0));
	SHOW(ftruncate(fd, 0x7fffffffffffffff));
	SHOW(pwrite(fd, text, 2, 0x7ffffffffffffffe));
	SHOW(pwrite(fd, text, 1, 0x7ffffffffffffffe));
	SHOW(pwrite(fd, text, 1, 0x7fffffffffffffff));
}

static void appending(void)
{
	int log = open("log", O_CREAT | O_RDWR | O_APPEND, 0600);
	char text[16] = "";

	SHOW(write(log, "one", 3));
	SHOW(lseek(log, 0, SEEK_SET));
	SHOW(write(log, "two", 3));
	SHOW(lseek(log, 0, SEEK_CUR));
	SHOW(pwrite(log, "!", 1, 0)); /* to the end all the same */
	SHOW(pread(log, text, 16, 0));
	printf("%s\n", text);
	close(log);
}

/* The program's own file, which is in the image. */
static void copied_up(void)
{
	char first[4] = "", *map;
	struct stat st, st2;
	int self = open("/proc/self/exe", O_RDONLY), copy;

	fstat(self, &st);
	copy = open("copy", O_CREAT | O_RDWR, 0700);
	while (sendfile(copy, self, NULL, 1 << 20) > 0)
		;
	fstat(copy, &st2);
	SHOW(st.st_size == st2.st_size);
	SHOW(st2.st_blocks == (st2.st_size + 4095) / 4096 * 8);
	map = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, copy, 0);
	SHOW(pwrite(copy, "abcd", 4, 0));
	memcpy(first, map, 4);
	printf("%.4s\n", first);
	SHOW(!memcmp(map + 4, "\2\1\1", 3));
	close(self);
	close(copy);
}

int main(void)
{
	scratch_enter();
	fd = open("file", O_CREAT | O_RDWR, 0600);
	holes();
	allocation();
	mappings();
	limit();
	appending();
	copied_up();
	return 0;
}
