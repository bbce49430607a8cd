/*
 * mapmodel.c: random operations on files that are mapped shared, beside memory of the
 * process's own, after each of which everything is as a model of it says. Arguments: a
 * number the operations follow from (and from where the system puts mappings), and what
 * else there is: "fork" children, "scarce" memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <spawn.h>
#include <sys/mman.h>

#include "child.h"
#include "scratch.h"
#include "touch.h"

#define PAGE 4096l
#define FILES 6
#define LARGEST 300 /* pages of a file: more than are shown where they are */
#define SLOTS 700
#define STEPS 800
#define WRITES 8
#define PIECES 15
#define PIECE (16l << 20)
#define RW (PROT_READ | PROT_WRITE)

/* A page that is mapped: of a file, or one that begins and ends with a byte. */
struct slot {
	char *at;
	int file; /* -1: anonymous */
	long index;
	int prot;
	int mapping; /* those made together */
	char byte;
};

static struct slot slots[SLOTS];
static int slot_count;
static int fds[FILES];
static char *model[FILES];
static long sizes[FILES];
static char *pieces[PIECES];
static unsigned long state;
static int errors, step;
static char *self;

static long any(long below)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (long)((state >> 33) % (unsigned long)below);
}

static void wrong(const char *what, long where)
{
	if (errors++ < 10)
		printf("step %d: %s %ld\n", step, what, where);
}

/* ---- the model ---- */

static int slot_at(const char *at)
{
	for (int i = 0; i < slot_count; i++)
		if (slots[i].at == at)
			return i;
	return -1;
}

static void forget(char *at, long pages)
{
	for (int i = slot_count; i-- > 0;)
		if (slots[i].at >= at && slots[i].at < at + pages * PAGE)
			slots[i] = slots[--slot_count];
}

static void note(char *at, long pages, int file, long index, int prot)
{
	static int mappings;

	mappings++;
	for (long i = 0; i < pages; i++)
		slots[slot_count++] = (struct slot){ at + i * PAGE, file,
						     index + i,     prot,
						     mappings,      0 };
}

static int room(long pages)
{
	return slot_count + pages <= SLOTS;
}

/* Up to so many pages that follow each other, from some page on. */
static char *some(long *pages)
{
	long most = *pages;
	char *at;

	*pages = 0;
	if (!slot_count)
		return NULL;
	at = slots[any(slot_count)].at;
	while (*pages < most && slot_at(at + *pages * PAGE) >= 0)
		++*pages;
	return at;
}

/* Bytes of the page that are the file's. */
static long within(const struct slot *s)
{
	long n = sizes[s->file] - s->index * PAGE;

	return n < 0 ? 0 : n > PAGE ? PAGE : n;
}

static void check_page(const struct slot *s)
{
	static const char zeroes[PAGE];
	long n;

	if (!(s->prot & PROT_READ))
		return;
	if (s->file < 0) {
		if (s->at[0] != s->byte || s->at[PAGE - 1] != s->byte)
			wrong("memory", s->at[0]);
		return;
	}
	n = within(s);
	if (n == 0) {
		if (any(16) == 0 &&
		    touch(s->at, 0) != SIGBUS * 100 + BUS_ADRERR)
			wrong("beyond the end", s->index);
		return;
	}
	if (memcmp(s->at, model[s->file] + s->index * PAGE, (size_t)n) ||
	    memcmp(s->at + n, zeroes, (size_t)(PAGE - n)))
		wrong("mapped page", s->index);
}

/* What is not zero is data to who looks for it. */
static void check_holes(int f)
{
	long at = 0, data;

	for (; at < sizes[f]; at = lseek(fds[f], data, SEEK_HOLE)) {
		data = lseek(fds[f], at, SEEK_DATA);
		if (data < 0)
			data = sizes[f];
		for (long i = at; i < data; i++)
			if (model[f][i])
				return wrong("data in a hole", i);
		if (data == sizes[f])
			return;
	}
}

static void check_file(int f)
{
	static char content[LARGEST * PAGE];

	if (pread(fds[f], content, sizeof(content), 0) != sizes[f])
		wrong("size", f);
	if (memcmp(content, model[f], (size_t)sizes[f]))
		wrong("content", f);
	check_holes(f);
}

static void check_all(void)
{
	for (int i = 0; i < slot_count; i++)
		check_page(&slots[i]);
	check_file((int)any(FILES));
}

/* ---- operations ---- */

static void *place(void *at, long pages, int prot, int flags, int f, long index)
{
	void *p = mmap(at, (size_t)(pages * PAGE), prot, flags,
		       f < 0 ? -1 : fds[f], index * PAGE);

	if (p == MAP_FAILED)
		wrong("mmap", errno);
	return p;
}

static long map_size(void)
{
	return any(8) ? 1 + any(12) : 1 + any(LARGEST);
}

static void map_file(void)
{
	long pages = map_size(), index = any(3) ? 0 : any(40);
	int f = (int)any(FILES), prot = any(6) ? RW : PROT_READ;
	char *p;

	if (index + pages > LARGEST || !room(pages))
		return;
	p = place(NULL, pages, prot, MAP_SHARED, f, index);
	if (p != MAP_FAILED)
		note(p, pages, f, index, prot);
}

static void fill(char *at, long pages)
{
	for (long i = 0; i < pages; i++) {
		struct slot *s = &slots[slot_at(at + i * PAGE)];

		s->byte = (char)any(100);
		s->at[0] = s->at[PAGE - 1] = s->byte;
	}
}

static void map_memory(void)
{
	long pages = map_size();
	char *p;

	if (!room(pages))
		return;
	p = place(NULL, pages, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	note(p, pages, -1, 0, RW);
	if (any(4))
		fill(p, pages);
}

static void unmap(void)
{
	long pages = any(3) ? 1 + any(10) : SLOTS;
	char *at = some(&pages);

	if (!at)
		return;
	if (munmap(at, (size_t)(pages * PAGE)))
		wrong("munmap", errno);
	forget(at, pages);
}

static void over(void)
{
	long pages = 1 + any(6), index = any(20);
	char *at = some(&pages);
	int f = any(2) ? (int)any(FILES) : -1;

	if (!at)
		return;
	if (place(at, pages, RW,
		  MAP_FIXED |
			  (f < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED),
		  f, f < 0 ? 0 : index) != at)
		return wrong("place", pages);
	forget(at, pages);
	note(at, pages, f, index, RW);
	if (f < 0)
		fill(at, pages);
}

static void protect(void)
{
	static const int kinds[] = { PROT_NONE, PROT_READ, RW, RW };
	long pages = 1 + any(10);
	char *at = some(&pages);
	int prot = kinds[any(4)];

	if (!at)
		return;
	if (mprotect(at, (size_t)(pages * PAGE), prot))
		wrong("mprotect", errno);
	for (long i = 0; i < pages; i++)
		slots[slot_at(at + i * PAGE)].prot = prot;
}

/* A part of one mapping, which may become longer. */
static void move(void)
{
	long pages = 1 + any(20), size = 1 + any(20), n = 1;
	char *at = some(&pages), *to;
	struct slot s;

	if (!at)
		return;
	s = slots[slot_at(at)];
	if (s.file < 0 || s.index + size > LARGEST || !room(size))
		return;
	for (; n < pages; n++) {
		const struct slot *next = &slots[slot_at(at + n * PAGE)];

		if (next->mapping != s.mapping || next->prot != s.prot)
			break;
	}
	to = mremap(at, (size_t)(n * PAGE), (size_t)(size * PAGE),
		    MREMAP_MAYMOVE);
	if (to == MAP_FAILED)
		return wrong("mremap", errno);
	forget(at, n);
	note(to, size, s.file, s.index, s.prot);
}

static void advise(void)
{
	static const int kinds[] = { MADV_DONTNEED, MADV_WILLNEED, MADV_COLD };
	long pages = 1 + any(10);
	char *at = some(&pages);

	for (long i = 0; i < pages; i++)
		if (slots[slot_at(at + i * PAGE)].file < 0)
			return;
	if (at && madvise(at, (size_t)(pages * PAGE), kinds[any(3)]))
		wrong("madvise", errno);
}

static void write_mapped(void)
{
	for (int i = 0; i < 8 && slot_count; i++) {
		struct slot *s = &slots[any(slot_count)];
		char byte = (char)any(100);
		long at;

		if (!(s->prot & PROT_WRITE))
			continue;
		if (s->file < 0) {
			s->byte = byte;
			s->at[0] = s->at[PAGE - 1] = byte;
			continue;
		}
		if (!within(s))
			continue;
		at = any(within(s));
		s->at[at] = byte;
		model[s->file][s->index * PAGE + at] = byte;
	}
}

static void write_file(void)
{
	static char content[3 * PAGE];
	int f = (int)any(FILES);
	long at = any(any(4) ? 20 * PAGE : (LARGEST - 3) * PAGE);
	long n = 1 + any(any(2) ? 3 * PAGE : 20);

	memset(content, (int)any(100), (size_t)n);
	if (pwrite(fds[f], content, (size_t)n, at) != n)
		wrong("pwrite", errno);
	memcpy(model[f] + at, content, (size_t)n);
	if (sizes[f] < at + n)
		sizes[f] = at + n;
}

/* A file's own pages into it. */
static void copy_mapped(void)
{
	long pages = 1 + any(2), at = any(20) * PAGE, n;
	char *from = some(&pages);
	const struct slot *s = from ? &slots[slot_at(from)] : NULL;
	int f = (int)any(FILES);

	if (!s || s->file < 0 || !(s->prot & PROT_READ) || !within(s))
		return;
	n = 1 + any(within(s));
	if (pwrite(fds[f], from, (size_t)n, at) != n)
		return wrong("pwrite of a mapping", errno);
	memmove(model[f] + at, model[s->file] + s->index * PAGE, (size_t)n);
	if (sizes[f] < at + n)
		sizes[f] = at + n;
}

static void cut(void)
{
	int f = (int)any(FILES);
	long size = any(5) ? any(24 * PAGE) : any(LARGEST) * PAGE;

	if (ftruncate(fds[f], size))
		wrong("ftruncate", errno);
	if (size < sizes[f])
		memset(model[f] + size, 0, (size_t)(sizes[f] - size));
	sizes[f] = size;
}

static void punch(void)
{
	int f = (int)any(FILES);
	long at = any(20 * PAGE), n = 1 + any(8 * PAGE);

	if (any(2)) {
		at = at / PAGE * PAGE;
		n = (n + PAGE - 1) / PAGE * PAGE;
	}
	if (fallocate(fds[f], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
		      n))
		wrong("punch", errno);
	memset(model[f] + at, 0, (size_t)n);
}

static void allocate(void)
{
	int f = (int)any(FILES);
	long at = any(20 * PAGE), n = 1 + any(10 * PAGE);

	if (fallocate(fds[f], 0, at, n))
		wrong("fallocate", errno);
	if (sizes[f] < at + n)
		sizes[f] = at + n;
}

/* Another file takes its place, and its descriptor's. */
static void renew(void)
{
	char name[] = "0";
	int f = (int)any(FILES), new;

	for (int i = 0; i < slot_count; i++)
		if (slots[i].file == f)
			return;
	name[0] = (char)('0' + f);
	unlink(name);
	new = open(name, O_RDWR | O_CREAT, 0600);
	if (new < 0 || dup2(new, fds[f]) < 0)
		wrong("open", errno);
	close(new);
	memset(model[f], 0, LARGEST * PAGE);
	sizes[f] = 0;
}

/* Memory that nobody has touched yet. */
static void touch_piece(void)
{
	char *p = pieces[any(PIECES)];

	if (p)
		p[any(PIECE / PAGE) * PAGE + 8] = 1;
}

/* Another program writes, by a mapping of its own. */
static void other_program(void)
{
	int f = (int)any(FILES), status;
	char name[2] = { (char)('0' + f) }, at[24], byte[8];
	char *arguments[] = { self, name, at, byte, NULL };
	char *environment[] = { NULL };
	pid_t pid;

	if (sizes[f] == 0)
		return;
	snprintf(at, sizeof(at), "%ld", any(sizes[f]));
	snprintf(byte, sizeof(byte), "%ld", any(100));
	if (posix_spawn(&pid, self, NULL, NULL, arguments, environment))
		return wrong("posix_spawn", errno);
	waitpid(pid, &status, 0);
	if (status)
		wrong("a program ended with", status);
	model[f][atol(at)] = (char)atol(byte);
}

static int run_other(char **arguments)
{
	long at = atol(arguments[2]);
	int f = open(arguments[1], O_RDWR);
	char *p = mmap(NULL, (size_t)(at + 1), RW, MAP_SHARED, f, 0);

	if (p == MAP_FAILED)
		return 1;
	p[at] = (char)atol(arguments[3]);
	return 0;
}

/* A child has the same mappings, and they the same files; but memory of its own. */
static void child(void)
{
	struct slot *written[WRITES] = { 0 };
	long at[WRITES];
	int status;
	pid_t pid;

	for (int i = 0; i < WRITES && slot_count; i++) {
		struct slot *s = &slots[any(slot_count)];

		if (s->file < 0 || !(s->prot & PROT_WRITE) || !within(s))
			continue;
		written[i] = s;
		at[i] = any(within(s));
	}
	pid = fork();
	if (pid < 0)
		return wrong("fork", errno);
	if (pid == 0) {
		check_all();
		for (int i = 0; i < WRITES; i++)
			if (written[i])
				written[i]->at[at[i]] = (char)(i + 1);
		for (int i = 0; i < slot_count; i++)
			if (slots[i].file < 0 && slots[i].prot & PROT_WRITE)
				slots[i].at[0] = 'c';
		unmap();
		map_file();
		_exit(errors != 0);
	}
	waitpid(pid, &status, 0);
	if (status)
		wrong("a child ended with", status);
	for (int i = 0; i < WRITES; i++)
		if (written[i])
			model[written[i]->file]
			     [written[i]->index * PAGE + at[i]] = (char)(i + 1);
}

static void (*const operations[])(void) = {
	map_file, map_file,     map_file,     map_memory,  map_memory,
	unmap,    unmap,        unmap,        unmap,       unmap,
	unmap,    over,         protect,      move,        advise,
	cut,      punch,        allocate,     write_file,  renew,
	renew,    write_mapped, write_mapped, copy_mapped, touch_piece,
};

#define OPERATIONS ((long)(sizeof(operations) / sizeof(*operations)))

/* ---- all of it ---- */

static void start(int scarce)
{
	char name[] = "0";

	for (int f = 0; f < FILES; f++) {
		name[0] = (char)('0' + f);
		fds[f] = open(name, O_RDWR | O_CREAT, 0600);
		model[f] = calloc(LARGEST, PAGE);
	}
	for (int i = 0; i < PIECES && scarce; i++)
		pieces[i] = mmap(NULL, PIECE, RW, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
}

static int has(int argc, char **argv, const char *word)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int forks = has(argc, argv, "fork"), scarce = has(argc, argv, "scarce");

	if (argc == 4 && strlen(argv[1]) == 1 && !forks && !scarce)
		return run_other(argv);
	self = realpath("/proc/self/exe", NULL);
	state = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	touch_catch();
	scratch_enter();
	start(scarce);
	for (step = 0; step < STEPS; step++) {
		long kind = any(OPERATIONS * 4 + 1);

		if (kind < OPERATIONS * 4)
			operations[kind / 4]();
		else if (any(2) || !forks)
			other_program();
		else
			child();
		check_all();
	}
	for (int f = 0; f < FILES; f++)
		check_file(f);
	printf("%d steps, %d errors\n", step, errors);
	return 0;
}
