/*
 * readonly.c: memory that nobody may write to, across forks: pages and their tables
 * are the same in all processes until one changes something there, which no other
 * one sees.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "child.h"

#define PAGE 4096ul
#define SIZE (8ul << 20) /* whole tables are in it, wherever it begins */
#define PAGES (SIZE / PAGE)
#define MIDDLE (SIZE / 2)

static unsigned char *memory;
static struct gate go, done;

/* Pages that are not as they were made. */
static int changed(void)
{
	int count = 0;

	for (size_t i = 0; i < PAGES; i++)
		count += memory[i * PAGE] != (i & 127) + 1 ||
			 memory[i * PAGE + PAGE - 1] != (i & 127) + 1;
	return count;
}

static void make(void)
{
	for (size_t i = 0; i < PAGES; i++)
		memset(memory + i * PAGE, (int)(i & 127) + 1, PAGE);
	mprotect(memory, SIZE, PROT_READ);
}

/* ---- what a process may do there ---- */

static void nothing(void)
{
}

static void write_one(void)
{
	mprotect(memory + MIDDLE, PAGE, PROT_READ | PROT_WRITE);
	memset(memory + MIDDLE, 255, PAGE);
	mprotect(memory + MIDDLE, PAGE, PROT_READ);
}

static void write_all(void)
{
	mprotect(memory, SIZE, PROT_READ | PROT_WRITE);
	memset(memory, 255, SIZE);
}

static void unmap(void)
{
	munmap(memory + MIDDLE, 3 * PAGE);
	if (mmap(memory + MIDDLE, 3 * PAGE, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != memory + MIDDLE)
		perror("mmap");
}

static void discard(void)
{
	madvise(memory + MIDDLE, 3 * PAGE, MADV_DONTNEED);
}

static void hide(void)
{
	mprotect(memory + MIDDLE, 3 * PAGE, PROT_NONE);
	mprotect(memory + MIDDLE, 3 * PAGE, PROT_READ);
	write_one();
}

static void move(void)
{
	void *room =
		mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mremap(memory + MIDDLE, 3 * PAGE, 3 * PAGE,
	       MREMAP_MAYMOVE | MREMAP_FIXED, room);
	mremap(room, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
	       memory + MIDDLE);
	write_one();
}

static void (*act)(void);

static int child(void)
{
	int before = changed(), after;

	act();
	after = changed();
	gate_open(&done);
	gate_pass(&go);
	return before ? 99 : changed() == after ? after % 90 : 98;
}

/* A child changes something while the others look on; a grandchild has what its
 * parent has made of it. */
static int parent(void)
{
	pid_t pid = child_start(child);

	gate_pass(&done);
	if (changed())
		return 97;
	gate_open(&go);
	child_end("  child", pid);
	if (changed())
		return 96;
	act();
	child_run("  grandchild", changed);
	return changed() % 90;
}

static void try(const char *name, void (*what)(void))
{
	printf("%s\n", name);
	fflush(stdout);
	act = what;
	child_run("  parent", parent);
	printf("  wrong: %d\n", changed());
}

/* ---- many at once ---- */

static int generation(void)
{
	static int depth;
	int status;
	pid_t pid;

	if (depth++ == 12)
		return changed();
	pid = child_start(generation);
	if (depth % 3 == 0)
		write_one();
	waitpid(pid, &status, 0);
	return status || changed() != (depth % 3 == 0);
}

static int wait_at_gate(void)
{
	gate_pass(&go);
	return changed();
}

static void test_many(void)
{
	pid_t pid[20];
	int status, wrong = 0;

	for (size_t i = 0; i < 20; i++)
		pid[i] = child_start(wait_at_gate);
	write_all();
	for (size_t i = 0; i < 20; i++)
		gate_open(&go);
	for (size_t i = 0; i < 20; i++)
		wrong += waitpid(pid[i], &status, 0) != pid[i] || status;
	printf("twenty children, wrong: %d\n", wrong);
	make();
}

/* A file that is cut takes its pages from all. */
static int beyond(void)
{
	gate_open(&done);
	gate_pass(&go);
	return memory[0] + *(volatile unsigned char *)(memory + MIDDLE);
}

static void test_file(void)
{
	int fd = memfd_create("f", 0);
	pid_t pid;

	if (write(fd, memory, SIZE) != (ssize_t)SIZE)
		perror("write");
	mmap(memory, SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	printf("file, wrong: %d\n", changed());
	child_run("reading it", changed);
	pid = child_start(beyond);
	gate_pass(&done);
	SHOW(ftruncate(fd, MIDDLE));
	gate_open(&go);
	child_end("reading what was cut", pid);
	SHOW(ftruncate(fd, SIZE));
	child_run("reading it again", changed);
}

/* Parts of a file over the whole of it, as a loader maps a library: what is the same
 * stays, what a process has made of it goes. */
static void test_parts(void)
{
	const int flags = MAP_PRIVATE | MAP_FIXED;
	int fd = memfd_create("f", 0), self = open("/proc/self/exe", O_RDONLY);
	unsigned char *p;

	mmap(memory, SIZE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1,
	     0);
	make();
	if (write(fd, memory, SIZE) != (ssize_t)SIZE)
		perror("write");
	mmap(memory, SIZE, PROT_READ, flags, fd, 0);
	SHOW(mmap(memory + MIDDLE, 8 * PAGE, PROT_READ | PROT_EXEC, flags, fd,
		  MIDDLE) == memory + MIDDLE);
	printf("the same: %d\n", changed());
	write_one();
	printf("written: %d\n", changed());
	SHOW(mmap(memory + MIDDLE, 8 * PAGE, PROT_READ, flags, fd, MIDDLE) ==
	     memory + MIDDLE);
	printf("the same again: %d\n", changed());
	SHOW(mmap(memory + MIDDLE, PAGE, PROT_READ, flags, fd, MIDDLE + PAGE) ==
	     memory + MIDDLE);
	printf("another page: %d\n", changed());
	SHOW(mmap(memory, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0) ==
	     memory);
	memory[5 * PAGE] = 255;
	SHOW(mmap(memory + PAGE, 8 * PAGE, PROT_READ, flags, fd, PAGE) ==
	     memory + PAGE);
	printf("after a write: %d\n", changed());
	child_run("a child", changed);
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, self, 0);
	SHOW(mmap(p, PAGE, PROT_NONE, flags, self, 0) == p);
	SHOW(write(fd, p, 1));
	SHOW(mmap(p, PAGE, PROT_READ, flags, self, 0) == p);
	SHOW(memcmp(p, "\177ELF", 4));
	close(self);
	close(fd);
}

/* ---- small copies of files ---- */

#define FILES 12
#define FILE_SIZE (1ul << 20)

static unsigned char *files[FILES];
static int at_file;

static int write_file(void)
{
	*(volatile unsigned char *)(files[at_file] + PAGE) = 255;
	return 0;
}

static int files_changed(void)
{
	int count = 0;

	for (size_t i = 0; i < FILES * FILE_SIZE; i++)
		count += files[i / FILE_SIZE][i % FILE_SIZE] != 7;
	return count;
}

/* Before the first fork: whole tables of what nobody may write to. */
static void test_files(void)
{
	static unsigned char data[FILE_SIZE];
	int fd = memfd_create("f", 0);

	memset(data, 7, FILE_SIZE);
	if (write(fd, data, FILE_SIZE) != (ssize_t)FILE_SIZE)
		perror("write");
	for (size_t i = 0; i < FILES; i++)
		files[i] = mmap(NULL, FILE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	for (at_file = 0; at_file < FILES; at_file++)
		child_run("writing to a file", write_file);
	printf("files, wrong: %d\n", files_changed());
	at_file = FILES / 2;
	mprotect(files[at_file], FILE_SIZE, PROT_READ | PROT_WRITE);
	child_run("writing to one's own", write_file);
	printf("files, wrong: %d\n", files_changed());
	child_run("the parent writes to it", write_file);
	write_file();
	printf("files, wrong: %d\n", files_changed());
	for (size_t i = 0; i < FILES; i++)
		munmap(files[i], FILE_SIZE);
	close(fd);
}

/* As a loader maps a library. */
static unsigned char *map_code(int prot)
{
	int self = open("/proc/self/exe", O_RDONLY);
	unsigned char *p = mmap(NULL, (size_t)lseek(self, 0, SEEK_END), prot,
				MAP_PRIVATE | MAP_DENYWRITE, self, 0);

	close(self);
	return p;
}

static int read_hidden(void)
{
	return *(volatile unsigned char *)map_code(PROT_NONE);
}

static int read_twice(void)
{
	unsigned char *one = map_code(PROT_READ), *other = map_code(PROT_READ);

	munmap(one, 8 * PAGE);
	return memcmp(other, "\177ELF", 4) ||
	       memcmp(one + 8 * PAGE, other + 8 * PAGE, 8 * PAGE);
}

int main(void)
{
	go = gate_make();
	done = gate_make();
	test_files();
	child_run("reading what is hidden", read_hidden);
	child_run("mapped twice", read_twice);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	make();
	try("nothing", nothing);
	try("one page written", write_one);
	try("all written", write_all);
	try("unmapped", unmap);
	try("discarded", discard);
	try("hidden", hide);
	try("moved", move);
	child_run("generations", generation);
	test_many();
	test_file();
	test_parts();
	return 0;
}
