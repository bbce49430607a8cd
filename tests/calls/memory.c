/* memory.c: memory that is mapped, shared, looked at in others. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "crowd.h"

void do_memory(void)
{
	static const int advice[] = { MADV_DONTNEED,   MADV_REMOVE,
				      MADV_FREE,       MADV_DONTFORK,
				      MADV_DOFORK,     MADV_WIPEONFORK,
				      MADV_KEEPONFORK, MADV_WILLNEED };
	char *p = some_page();
	size_t size = PAGE * (1 + below(8));

	switch (below(9)) {
	case 0:
		mmap(p, size, PROT_READ | PROT_WRITE,
		     MAP_FIXED | MAP_ANONYMOUS |
			     (below(2) ? MAP_SHARED : MAP_PRIVATE),
		     -1, 0);
		break;
	case 1:
		syscall(SYS_mremap, p, below(4) ? size : 0,
			PAGE * (1 + below(8)), below(8), some_page());
		break;
	case 2:
		madvise(p, size, advice[below(8)]);
		break;
	case 3:
		mprotect(p, size, (int)below(8));
		break;
	case 4:
		munmap(p, size);
		break;
	case 5:
		for (size_t i = 0; i < PAGES; i++)
			area[i * PAGE + below(PAGE)] = (char)draw();
		break;
	case 6:
		p = mmap(NULL, size = PAGE * (1 + below(600)),
			 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
		if (p == MAP_FAILED)
			break;
		check_zero("map", p, size);
		memset(p, 0x5a, size);
		if (below(3))
			munmap(p, size);
		break;
	case 7:
		p = sbrk((long)(PAGE * below(40)));
		if (p != (void *)-1)
			memset(p, 0x33, (size_t)((char *)sbrk(0) - p));
		break;
	case 8:
		syscall(SYS_mlock, p, size);
		break;
	}
}

void do_memfd(void)
{
	char *p = some_page();
	int fd = (int)(below(2) ? memfd_create("m", MFD_ALLOW_SEALING) :
				  5 + (long)below(12));

	if (ftruncate(fd, (long)(PAGE * below(20))) == 0)
		mmap(p, PAGE * 4, PROT_READ | PROT_WRITE,
		     MAP_FIXED | (below(2) ? MAP_SHARED : MAP_PRIVATE), fd,
		     (long)(PAGE * below(12)));
	for (int i = 0; i < 4; i++)
		p[(size_t)i * PAGE] = 1;
	fallocate(fd, (int)below(4), (long)(PAGE * below(20)),
		  (long)(PAGE * below(20)));
	if (ftruncate(fd, (long)(PAGE * below(20))))
		return;
	for (int i = 0; i < 4; i++)
		p[(size_t)i * PAGE] = 1;
}

void do_peek(void)
{
	static const char *const names[] = {
		"mem",           "maps",    "smaps",    "stat",     "status",
		"cmdline",       "environ", "fd",       "task",     "exe",
		"cwd",           "auxv",    "limits",   "fdinfo/1", "io",
		"oom_score_adj", "comm",    "root",     "net/tcp",  "statm",
		"pagemap",       "wchan",   "children", "fd/0"
	};
	struct iovec local[3], remote[3];
	char text[64], buffer[4096];
	int fd, pid = some_pid();

	for (int i = 0; i < 3; i++) {
		local[i] = (struct iovec){ some_page() + below(PAGE),
					   below(3 * PAGE) };
		remote[i] = (struct iovec){ some_page() + below(PAGE),
					    below(3 * PAGE) };
	}
	switch (below(4)) {
	case 0:
		syscall(SYS_process_vm_readv, pid, local, 3, remote, 3, 0);
		break;
	case 1:
		syscall(SYS_process_vm_writev, pid, local, 3, remote, 3, 0);
		break;
	default:
		snprintf(text, sizeof(text), "/proc/%d/%s", pid,
			 names[below(sizeof(names) / sizeof(names[0]))]);
		fd = open(text, below(2) ? O_RDONLY : O_RDWR);
		if (strstr(text, "/mem"))
			lseek(fd, (long)(uint64_t)some_page(), SEEK_SET);
		if (read(fd, buffer, sizeof(buffer)) < 0)
			syscall(SYS_getdents64, fd, buffer, sizeof(buffer));
		if (strstr(text, "/mem"))
			pwrite(fd, buffer, below(sizeof(buffer)),
			       (long)(uint64_t)some_page());
		if (below(4))
			close(fd);
	}
}
