/* seals.c: memfd seals. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static int make(void)
{
	int m = memfd_create("sealed", MFD_ALLOW_SEALING);

	if (ftruncate(m, 5000) || pwrite(m, "data", 4, 0) != 4)
		puts("cannot make");
	return m;
}

static void try(int m)
{
	void *p;

	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(pwrite(m, "x", 1, 0));
	SHOW(pwrite(m, "xyz", 3, 4999));
	SHOW(pwrite(m, "x", 1, 9000));
	SHOW(ftruncate(m, 4000));
	SHOW(ftruncate(m, 6000));
	SHOW(ftruncate(m, 6000));
	SHOW(fallocate(m, 0, 0, 100));
	SHOW(fallocate(m, 0, 0, 20000));
	SHOW(fallocate(m, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	SHOW(p == MAP_FAILED ? -1 : 0);
	if (p != MAP_FAILED)
		munmap(p, 4096);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, m, 0);
	SHOW(p == MAP_FAILED ? -1 : 0);
	if (p != MAP_FAILED) {
		SHOW(mprotect(p, 4096, PROT_READ | PROT_WRITE));
		munmap(p, 4096);
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, m, 0);
	SHOW(p == MAP_FAILED ? -1 : 0);
	if (p != MAP_FAILED)
		munmap(p, 4096);
	SHOW(fchmod(m, 0600));
	SHOW(fchmod(m, 0700));
}

int main(void)
{
	static const int sets[] = { 0,
				    F_SEAL_SHRINK,
				    F_SEAL_GROW,
				    F_SEAL_GROW | F_SEAL_SHRINK,
				    F_SEAL_WRITE,
				    F_SEAL_FUTURE_WRITE };
	void *p;
	int m, r;
	char link[64];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		m = make();
		printf("seals %d\n", sets[i]);
		SHOW(fcntl(m, F_ADD_SEALS, sets[i]));
		try(m);
		close(m);
	}
	m = make();
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	*(char *)p = 'X';
	munmap(p, 4096);
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(m, F_GET_SEALS));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", m);
	r = open(link, O_RDONLY);
	SHOW(fcntl(r, F_GET_SEALS));
	SHOW(fcntl(r, F_ADD_SEALS, F_SEAL_SHRINK));
	close(m);
	m = make();
	SHOW(fcntl(m, F_ADD_SEALS, 0x1000));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(m, F_GET_SEALS));
	m = memfd_create("plain", 0);
	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(0, F_GET_SEALS));
	SHOW(fcntl(99, F_GET_SEALS));
	m = make();
	fchmod(m, 0644);
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_EXEC));
	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(fchmod(m, 0600));
	SHOW(fchmod(m, 0700));
	m = make();
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_EXEC));
	SHOW(fcntl(m, F_GET_SEALS));
	m = memfd_create("bits", 8);
	SHOW(fcntl(m, F_GET_SEALS));
	SHOW(fchmod(m, 0700));
	SHOW(fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(memfd_create("bits", 8 | 16));
	SHOW(memfd_create("bits", 64));
	return 0;
}
