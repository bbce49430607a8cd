/* Directories with many entries: all are found, once, and go. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "check.h"
#include "scratch.h"

#define MANY 100000

static unsigned char seen[MANY];

static void name_of(char *name, int i)
{
	sprintf(name, "entry-%d", i);
}

static long make(void)
{
	char name[32];
	long made = 0;

	for (int i = 0; i < MANY; i++) {
		name_of(name, i);
		made += mknod(name, S_IFREG | 0644, 0) == 0;
	}
	return made;
}

static long find(void)
{
	char name[32];
	struct stat st;
	long found = 0;

	for (long i = 0; i < MANY; i++) {
		name_of(name, (int)(i * 7919 % MANY));
		found += stat(name, &st) == 0;
	}
	return found;
}

/* Removes as it lists, every `step`th entry. */
static void sweep(int step)
{
	DIR *d = opendir(".");
	long listed = 0, twice = 0, other = 0, removed = 0;
	struct dirent *e;
	int number;

	memset(seen, 0, sizeof(seen));
	while ((e = readdir(d))) {
		if (sscanf(e->d_name, "entry-%d", &number) != 1) {
			other++;
			continue;
		}
		listed++;
		twice += seen[number]++;
		if (step && number % step == 0)
			removed += unlink(e->d_name) == 0;
	}
	closedir(d);
	printf("listed %ld, twice %ld, other %ld, removed %ld\n", listed, twice,
	       other, removed);
}

/* In any order. */
static long unlink_rest(void)
{
	char name[32];
	long removed = 0;

	for (long i = 0; i < MANY; i++) {
		name_of(name, (int)(i * 48271 % MANY));
		removed += unlink(name) == 0;
	}
	return removed;
}

static void positions(void)
{
	struct dirent *e;
	DIR *d;
	long at;
	char first[256];

	for (int i = 0; i < 100; i++) {
		char name[32];

		name_of(name, i);
		mknod(name, S_IFREG | 0644, 0);
	}
	d = opendir(".");
	for (int i = 0; i < 50; i++)
		readdir(d);
	at = telldir(d);
	strcpy(first, readdir(d)->d_name);
	while (readdir(d))
		;
	seekdir(d, at);
	e = readdir(d);
	printf("the same again: %d\n", e && !strcmp(e->d_name, first));
	rewinddir(d);
	at = 0;
	while (readdir(d))
		at++;
	printf("from the start: %ld\n", at);
	closedir(d);
}

static void errors(void)
{
	char buf[512];
	int fd = open(".", O_RDONLY),
	    file = open("file", O_CREAT | O_RDWR, 0600);

	SHOW(RAW(getdents64, fd, buf, 8));
	SHOW(RAW(getdents64, fd, 8, sizeof(buf)));
	SHOW(RAW(getdents64, file, buf, sizeof(buf)));
	SHOW(RAW(getdents64, 99, buf, sizeof(buf)));
	SHOW(read(fd, buf, 1));
	SHOW(pread(fd, buf, 1, 0));
	SHOW(write(fd, buf, 1));
	SHOW(ftruncate(fd, 0));
	SHOW(fallocate(fd, 0, 0, 1));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(fsync(fd));
	close(fd);
	close(file);
}

/* Open files beyond what a table starts with, closed in any order. */
static void descriptors(void)
{
	static int fds[900];
	long closed = 0;

	for (int i = 0; i < 900; i++)
		fds[i] = open("file", O_RDONLY);
	for (int i = 0; i < 900; i++)
		closed += close(fds[i * 7 % 900]) == 0;
	printf("closed %ld\n", closed);
}

int main(void)
{
	struct stat st;

	scratch_enter();
	printf("made %ld\n", make());
	printf("found %ld\n", find());
	sweep(0);
	sweep(3);
	sweep(0);
	printf("removed %ld\n", unlink_rest());
	sweep(0);
	positions();
	errors();
	descriptors();
	stat(".", &st);
	printf("links %d\n", (int)st.st_nlink);
	for (int i = 0; i < 3000; i++) {
		char name[32];

		sprintf(name, "dir-%d", i);
		mkdir(name, 0755);
	}
	stat(".", &st);
	printf("links %d\n", (int)st.st_nlink);
	return 0;
}
