/*
 * sharedfile.c: files that are mapped shared, small enough to be shown where their
 * pages are: what is written on one side is read on the other, whatever becomes of
 * file, mapping and process. That they are shown so, where that counts, is what
 * recycle-python tells (tests/recycle/python.txt): their runs keep their VMs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "child.h"
#include "scratch.h"
#include "touch.h"

#define PAGE 4096ul
#define PAGES 8ul
#define SIZE (PAGES * PAGE)
#define RW (PROT_READ | PROT_WRITE)

static int fd;
static unsigned char *memory;

static int open_file(const char *name)
{
	int f = open(name, O_RDWR | O_CREAT, 0644);

	if (f < 0)
		perror(name);
	return f;
}

/* Of count pages, from the given one on. */
static void *map(int f, size_t page, size_t count)
{
	void *p = mmap(NULL, count * PAGE, RW, MAP_SHARED, f,
		       (off_t)(page * PAGE));

	if (p == MAP_FAILED)
		perror("mmap");
	return p;
}

static void fill(int f)
{
	char page[PAGE];

	for (size_t i = 0; i < PAGES; i++) {
		memset(page, 'a' + (int)i, PAGE);
		if (pwrite(f, page, PAGE, (off_t)(i * PAGE)) != (ssize_t)PAGE)
			perror("pwrite");
	}
}

static int byte_of(size_t page)
{
	unsigned char c = 99;

	return pread(fd, &c, 1, (off_t)(page * PAGE)) == 1 ? c : -1;
}

static int put(size_t page, int byte)
{
	unsigned char c = (unsigned char)byte;

	return (int)pwrite(fd, &c, 1, (off_t)(page * PAGE));
}

/* As many pages of the mapping begin as those of the file do. */
static int alike(void)
{
	int count = 0;

	for (size_t i = 0; i < PAGES; i++)
		count += memory[i * PAGE] == byte_of(i);
	return count;
}

static void both_ways(void)
{
	fd = open_file("f");
	fill(fd);
	memory = map(fd, 0, PAGES);
	SHOW(alike());
	memory[3 * PAGE] = 'X';
	SHOW(byte_of(3));
	SHOW(put(4, 'Y'));
	SHOW(memory[4 * PAGE]);
	SHOW(msync(memory, SIZE, MS_SYNC));
	SHOW(alike());
}

static void two_mappings(void)
{
	unsigned char *other = map(fd, 2, 4), *again;

	other[0] = 'Z';
	SHOW(memory[2 * PAGE]);
	SHOW(munmap(memory, SIZE));
	other[PAGE] = 'Q';
	SHOW(byte_of(3));
	again = map(fd, 0, PAGES);
	SHOW(again[3 * PAGE]);
	again[2 * PAGE] = 'R';
	SHOW(other[0]);
	SHOW(munmap(other, 4 * PAGE));
	memory = again;
	SHOW(alike());
}

static void rights(void)
{
	SHOW(mprotect(memory + PAGE, PAGE, PROT_READ));
	SHOW(touch((char *)memory + PAGE, 1));
	SHOW(mprotect(memory + PAGE, PAGE, PROT_NONE));
	SHOW(touch((char *)memory + PAGE, 0));
	SHOW(touch((char *)memory, 1));
	SHOW(touch((char *)memory + 2 * PAGE, 1));
	SHOW(mprotect(memory + PAGE, PAGE, RW));
	SHOW(touch((char *)memory + PAGE, 1));
	SHOW(alike());
}

static void sizes(void)
{
	SHOW(ftruncate(fd, 5 * PAGE + 10));
	SHOW(touch((char *)memory + 5 * PAGE, 1));
	SHOW(touch((char *)memory + 6 * PAGE, 0));
	SHOW(ftruncate(fd, SIZE));
	SHOW(memory[5 * PAGE + 100]);
	SHOW(touch((char *)memory + 6 * PAGE, 1));
	SHOW(alike());
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE,
		       2 * PAGE));
	SHOW(memory[PAGE]);
	memory[2 * PAGE] = 'p';
	SHOW(byte_of(2));
	SHOW(alike());
	fill(fd);
	SHOW(alike());
}

static void parts(void)
{
	SHOW(munmap(memory + 2 * PAGE, 2 * PAGE));
	SHOW(touch((char *)memory + PAGE, 1));
	SHOW(touch((char *)memory + 4 * PAGE, 1));
	SHOW(byte_of(1) * 1000 + byte_of(4));
	SHOW(mmap(memory + 2 * PAGE, PAGE, RW,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		  0) == memory + 2 * PAGE);
	memory[2 * PAGE] = 'n';
	SHOW(byte_of(2));
	SHOW(madvise(memory + 4 * PAGE, PAGE, MADV_DONTNEED));
	SHOW(memory[4 * PAGE]);
	SHOW(madvise(memory + 5 * PAGE, PAGE, MADV_REMOVE));
	SHOW(byte_of(5));
	SHOW(munmap(memory, SIZE));
}

static void moved(void)
{
	unsigned char *p, *place;

	fill(fd);
	p = map(fd, 0, 2);
	place = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	p = mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	SHOW(p == place);
	p[PAGE] = 'm';
	SHOW(byte_of(1));
	p = mremap(p, 2 * PAGE, PAGES * PAGE, MREMAP_MAYMOVE);
	SHOW(p != MAP_FAILED);
	p[7 * PAGE] = 'e';
	SHOW(byte_of(7));
	p = mremap(p, PAGES * PAGE, PAGE, 0);
	SHOW(p[0]);
	SHOW(munmap(p, PAGE));
}

/* Beyond the end in the same call: what is there has pages, what is not faults. */
static void beyond(void)
{
	unsigned char *p;

	SHOW(ftruncate(fd, PAGE + 1));
	p = map(fd, 0, 4);
	SHOW(touch((char *)p + PAGE, 1));
	SHOW(touch((char *)p + 2 * PAGE, 0));
	SHOW(munmap(p, 4 * PAGE));
}

static void holes(void)
{
	int f = open_file("sparse");
	unsigned char *p;

	SHOW(ftruncate(f, SIZE));
	SHOW(pwrite(f, "x", 1, 3 * PAGE));
	p = map(f, 0, PAGES);
	SHOW(lseek(f, 0, SEEK_DATA));
	p[PAGE] = 'h';
	SHOW(lseek(f, 0, SEEK_DATA));
	SHOW(lseek(f, PAGE, SEEK_HOLE));
	SHOW(p[3 * PAGE]);
	SHOW(sum((char *)p + 4 * PAGE, 4 * PAGE));
	SHOW(munmap(p, SIZE));
	p = map(f, 1, 1);
	SHOW(p[0]);
	SHOW(munmap(p, PAGE));
	close(f);
}

static void without_a_name(void)
{
	int f = open_file("gone");
	unsigned char *p;

	fill(f);
	p = map(f, 0, PAGES);
	unlink("gone");
	close(f);
	SHOW(sum((char *)p, SIZE));
	p[0] = 'l';
	SHOW(p[0]);
	SHOW(munmap(p, SIZE));
	f = memfd_create("m", 0);
	SHOW(ftruncate(f, SIZE));
	p = map(f, 0, PAGES);
	p[PAGE] = 'z';
	SHOW(lseek(f, 0, SEEK_DATA));
	SHOW(munmap(p, SIZE));
	close(f);
}

static int write_there(void)
{
	memory[0] = 'C';
	SHOW(munmap(memory + PAGE, PAGE));
	memory[2 * PAGE] = 'D';
	return put(3, 'E');
}

static void processes(void)
{
	fill(fd);
	memory = map(fd, 0, PAGES);
	memory[5 * PAGE] = 'P';
	child_run("a child writes", write_there);
	SHOW(memory[0]);
	SHOW(memory[PAGE]);
	SHOW(memory[2 * PAGE]);
	SHOW(memory[3 * PAGE]);
	SHOW(alike());
	SHOW(ftruncate(fd, PAGE));
	SHOW(touch((char *)memory + PAGE, 0));
	SHOW(munmap(memory, SIZE));
	fill(fd);
	memory = map(fd, 0, PAGES);
	child_run("and another one", write_there);
	SHOW(alike());
}

static void blocks(const char *when, int f)
{
	struct stat st;

	fstat(f, &st);
	printf("%s: %lld blocks\n", when, (long long)st.st_blocks);
}

/* What was allocated is data once a mapping has written to it. */
static void allocated(void)
{
	int f = open_file("allocated");
	unsigned char *p;

	SHOW(fallocate(f, 0, 0, SIZE));
	p = map(f, 0, PAGES);
	SHOW(lseek(f, 0, SEEK_DATA));
	p[2 * PAGE] = 'w';
	SHOW(lseek(f, 0, SEEK_DATA));
	SHOW(lseek(f, 2 * PAGE, SEEK_HOLE));
	SHOW(munmap(p, SIZE));
	SHOW(lseek(f, 0, SEEK_DATA));
	blocks("allocated", f);
	SHOW(ftruncate(f, 0));
	SHOW(fallocate(f, 0, 0, PAGE));
	p = map(f, 0, 1);
	p[5] = 'o';
	SHOW(lseek(f, 0, SEEK_DATA));
	SHOW(munmap(p, PAGE));
	close(f);
}

/* Mappings of holes, which nobody touches. */
static void untouched(void)
{
	int f = open_file("untouched"), copy = open_file("copy");
	unsigned char *p, *q;

	SHOW(ftruncate(f, SIZE));
	p = map(f, 0, PAGES);
	blocks("mapped", f);
	q = map(f, 0, PAGES);
	blocks("mapped twice", f);
	SHOW(lseek(f, 0, SEEK_DATA));
	q[PAGE] = 'q';
	SHOW(p[PAGE]);
	blocks("one touched", f);
	SHOW(lseek(f, 0, SEEK_DATA));
	SHOW(fallocate(f, 0, 2 * PAGE, 2 * PAGE));
	blocks("two allocated", f);
	SHOW(lseek(f, 2 * PAGE, SEEK_DATA));
	p[3 * PAGE] = 'p';
	SHOW(lseek(f, 2 * PAGE, SEEK_DATA));
	SHOW(munmap(p, SIZE));
	SHOW(munmap(q, SIZE));
	blocks("not mapped any more", f);
	SHOW(copy_file_range(f, NULL, copy, NULL, SIZE, 0));
	SHOW(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE));
	blocks("punched", f);
	close(copy);
	close(f);
}

/* Mappings that were there before, which show what is written by the later one. */
static void earlier(void)
{
	int f = open_file("earlier"), again;
	unsigned char *reader, *code, *p, *end;

	fill(f);
	again = open("earlier", O_RDONLY);
	reader = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, again, 0);
	code = mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, f, 0);
	SHOW(reader[3 * PAGE] + code[3 * PAGE]);
	p = map(f, 0, PAGES);
	SHOW(reader[3 * PAGE] + code[3 * PAGE]);
	p[3 * PAGE] = 'L';
	SHOW(reader[3 * PAGE] + code[3 * PAGE]);
	SHOW(pwrite(f, "M", 1, 3 * PAGE));
	SHOW(p[3 * PAGE] + reader[3 * PAGE] + code[3 * PAGE]);
	SHOW(touch((char *)reader, 1));
	SHOW(mprotect(reader, PAGE, RW));
	SHOW(mprotect(code, PAGE, RW));
	code[0] = 'N';
	SHOW(p[0] * 1000 + reader[0]);
	end = map(f, 4, PAGES);
	SHOW(touch((char *)end + 3 * PAGE, 1));
	SHOW(touch((char *)end + 4 * PAGE, 1));
	SHOW(ftruncate(f, 12 * PAGE));
	SHOW(touch((char *)end + 4 * PAGE, 1));
	SHOW(end[3 * PAGE] + p[7 * PAGE]);
	SHOW(munmap(p, SIZE));
	SHOW(munmap(code, SIZE));
	SHOW(munmap(end, SIZE));
	SHOW(reader[0]);
	SHOW(munmap(reader, SIZE));
	close(again);
	close(f);
}

/* A file of more than is shown where it is, and windows on it. */
static void large(void)
{
	const size_t pages = 400;
	int f = open_file("large");
	unsigned char *all, *window, c;

	SHOW(ftruncate(f, 3 * PAGE));
	window = map(f, 0, 3);
	window[PAGE] = 'w';
	SHOW(ftruncate(f, (off_t)(pages * PAGE)));
	all = map(f, 0, pages);
	SHOW(all[PAGE]);
	for (size_t i = 0; i < pages; i++)
		all[i * PAGE] = (unsigned char)i;
	SHOW(window[2 * PAGE]);
	SHOW(munmap(all, pages * PAGE));
	for (size_t i = 3; i < pages; i += 97) {
		unsigned char *p = map(f, i, 2);

		SHOW(p[PAGE]);
		p[0] = 'x';
		SHOW(pread(f, &c, 1, (off_t)(i * PAGE)) == 1 && c == 'x');
		SHOW(munmap(p, 2 * PAGE));
	}
	window[0] = 'W';
	SHOW(pread(f, &c, 1, 0) == 1 && c == 'W');
	SHOW(munmap(window, 3 * PAGE));
	close(f);
}

/* What was given up is others' soon; the file's pages are not. */
static void others(void)
{
	unsigned char *p, *more[64];
	int wrong = 0;

	fill(fd);
	for (int round = 0; round < 20; round++) {
		p = map(fd, (size_t)round % 4, 4);
		p[10] = (unsigned char)round;
		SHOW(munmap(p, 4 * PAGE) + byte_of((size_t)round % 4));
		for (size_t i = 0; i < 64; i++) {
			more[i] = mmap(NULL, (i % 5 + 1) * PAGE, RW,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			wrong += more[i][0] != 0;
			memset(more[i], 0xee, (i % 5 + 1) * PAGE);
		}
		memory = map(fd, 0, PAGES);
		wrong += memory[7 * PAGE] != 'h' || memory[5 * PAGE + 9] != 'f';
		for (size_t i = 0; i < 64; i++)
			munmap(more[i], (i % 5 + 1) * PAGE);
		munmap(memory, SIZE);
	}
	SHOW(wrong);
}

/* Over a part of it, and once more. */
static void over(void)
{
	unsigned char *p;

	fill(fd);
	p = map(fd, 0, PAGES);
	SHOW(mmap(p + 2 * PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd,
		  6 * PAGE) == p + 2 * PAGE);
	p[2 * PAGE] = 'o';
	SHOW(byte_of(6) * 1000 + p[6 * PAGE]);
	SHOW(p[3 * PAGE]);
	SHOW(byte_of(2));
	SHOW(mmap(p + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
		  0) == p + 2 * PAGE);
	SHOW(p[2 * PAGE]);
	SHOW(mprotect(p, SIZE, PROT_READ));
	SHOW(touch((char *)p + 5 * PAGE, 1));
	SHOW(mprotect(p, SIZE, RW));
	p[2 * PAGE] = 'P';
	SHOW(byte_of(0));
	memory = map(fd, 0, PAGES);
	SHOW(alike());
	SHOW(munmap(p, SIZE));
	SHOW(alike());
	memory[2 * PAGE] = 'z';
	SHOW(byte_of(2));
	SHOW(munmap(memory, SIZE));
}

static void sealed(void)
{
	int f = memfd_create("sealed", MFD_ALLOW_SEALING);
	unsigned char *p;

	SHOW(ftruncate(f, SIZE));
	p = map(f, 0, PAGES);
	SHOW(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(f, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	SHOW(ftruncate(f, PAGE));
	p[7 * PAGE] = 's';
	SHOW(fcntl(f, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	p[6 * PAGE] = 'S';
	SHOW(pwrite(f, "x", 1, 0));
	SHOW(map(f, 0, 1) == MAP_FAILED);
	SHOW(madvise(p, PAGE, MADV_REMOVE));
	SHOW(munmap(p, SIZE));
	SHOW(fcntl(f, F_ADD_SEALS, F_SEAL_WRITE));
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, f, 0);
	SHOW(p[7 * PAGE] + p[6 * PAGE]);
	SHOW(mprotect(p, SIZE, RW));
	SHOW(munmap(p, SIZE));
	close(f);
}

/* The kernel's own accesses: into a mapping, and out of it. */
static void by_calls(void)
{
	struct iovec io[2];
	int ends[2];

	fill(fd);
	memory = map(fd, 0, PAGES);
	SHOW(pipe(ends));
	io[0] = (struct iovec){ memory + 5, 100 };
	io[1] = (struct iovec){ memory + 3 * PAGE - 50, 100 };
	SHOW(writev(ends[1], io, 2));
	SHOW(read(ends[0], memory + 6 * PAGE, 200));
	SHOW(sum((char *)memory + 6 * PAGE, 200));
	SHOW(alike());
	SHOW(pread(fd, memory + PAGE, 2 * PAGE, 0));
	SHOW(sum((char *)memory, SIZE));
	SHOW(pwrite(fd, memory + 2 * PAGE, 3 * PAGE, 4 * PAGE + 100));
	SHOW(sum((char *)memory, SIZE));
	SHOW(ftruncate(fd, 2 * PAGE));
	SHOW(write(ends[1], memory + 2 * PAGE, 20));
	SHOW(pread(fd, memory + 3 * PAGE, 5, 0));
	SHOW(munmap(memory, SIZE));
	SHOW(close(ends[0]) + close(ends[1]));
}

int main(void)
{
	touch_catch();
	scratch_enter();
	both_ways();
	two_mappings();
	rights();
	sizes();
	parts();
	moved();
	beyond();
	holes();
	without_a_name();
	allocated();
	untouched();
	earlier();
	large();
	others();
	over();
	sealed();
	by_calls();
	processes();
	/* The same where no page is shown but by its mapping. */
	both_ways();
	two_mappings();
	rights();
	sizes();
	parts();
	moved();
	holes();
	earlier();
	over();
	return 0;
}
