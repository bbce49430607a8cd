/* policy.c: memory policies where there is one node. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL }; /* <linux/mempolicy.h> */
enum { NODE = 1, ADDR = 2, ALLOWED = 4 };

int main(void)
{
	unsigned long mask[16];
	int mode = -1, status = -1;
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *page = p;

	SHOW(RAW(get_mempolicy, &mode, mask, 1024, 0, 0));
	printf("%d\n", mode);
	SHOW(RAW(get_mempolicy, &mode, mask, 1024, 0, ALLOWED));
	printf("%lx\n", mask[0]);
	SHOW(RAW(get_mempolicy, &mode, mask, 1024, &mode, NODE | ADDR));
	printf("%d\n", mode);
	SHOW(RAW(get_mempolicy, &mode, mask, 1024, 8, NODE | ADDR));
	SHOW(RAW(get_mempolicy, &mode, NULL, 0, 0, 8));
	SHOW(RAW(get_mempolicy, &mode, NULL, 0, 0, NODE));
	mask[0] = 1;
	SHOW(RAW(set_mempolicy, BIND, mask, 64));
	mask[0] = 0;
	SHOW(RAW(get_mempolicy, &mode, mask, 1024, 0, 0));
	printf("%d %lx\n", mode, mask[0]);
	mask[0] = 2;
	SHOW(RAW(set_mempolicy, BIND, mask, 64));
	mask[0] = 0;
	SHOW(RAW(set_mempolicy, BIND, mask, 64));
	SHOW(RAW(set_mempolicy, 99, NULL, 0));
	SHOW(RAW(set_mempolicy, PREFERRED, NULL, 0));
	SHOW(RAW(set_mempolicy, LOCAL, NULL, 0));
	SHOW(RAW(set_mempolicy, DEFAULT, NULL, 0));
	mask[0] = 1;
	SHOW(RAW(mbind, p, 8192, BIND, mask, 64, 0));
	SHOW(RAW(mbind, p, 8192, DEFAULT, NULL, 0, 0));
	SHOW(RAW(mbind, p + 1, 8192, DEFAULT, NULL, 0, 0));
	SHOW(RAW(mbind, p, 8192, BIND, mask, 64, 99));
	munmap(p + 4096, 4096);
	SHOW(RAW(mbind, p, 8192, BIND, mask, 64, 0));
	p[0] = 1;
	SHOW(RAW(move_pages, 0, 1, &page, NULL, &status, 0));
	printf("%d\n", status);
	SHOW(RAW(move_pages, 99999, 1, &page, NULL, &status, 0));
	SHOW(RAW(pkey_alloc, 1, 0));
	SHOW(RAW(pkey_mprotect, p, 4096, PROT_READ, -1));
	SHOW(RAW(pkey_mprotect, p, 4096, PROT_READ, 5));
	SHOW(RAW(pkey_free, 9));
	return 0;
}
