/*
 * Makes system calls with random numbers and arguments: random SEED COUNT. For
 * the guest only: as root on a real machine it would do harm. The kernel must
 * live, must not touch the program's memory beside its gate, and must still work
 * at the end.
 *
 * Memory that is unmapped at random is of the zone, where an access afterwards
 * is a fault; calls that end the program, or wait without an end, are left out,
 * and an alarm ends waits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "draw.h"

#define PAGE 4096
#define PAGES 16
#define NUMBERS 463

static char *area;      /* PAGES pages, some of them gone after a while */
static char *read_only; /* two pages of a file of one byte */
static sigjmp_buf next;

/* What ends the program, leaves it without a stack or the means to go on, or
 * waits for what does not come. */
static const int left_out[] = {
	SYS_exit,
	SYS_exit_group,
	SYS_rt_sigreturn,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_sigaltstack,
	SYS_pause,
	SYS_rt_sigsuspend,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_alarm,
	SYS_setitimer,
	SYS_timer_settime,
	SYS_clone,
	SYS_clone3,
	SYS_fork,
	SYS_vfork,
	SYS_execve,
	SYS_execveat,
	SYS_kill,
	SYS_tkill,
	SYS_tgkill,
	SYS_rt_sigqueueinfo,
	SYS_rt_tgsigqueueinfo,
	SYS_pidfd_send_signal,
	SYS_arch_prctl,
	SYS_brk,
	SYS_prlimit64,
	SYS_setrlimit,
	SYS_set_robust_list,
	SYS_process_vm_writev,
	SYS_close_range,
	SYS_shmat,
};

static void on_signal(int signo)
{
	(void)signo;
	siglongjmp(next, 1);
}

static bool is_left_out(int number)
{
	return is_one_of(number, left_out,
			 sizeof(left_out) / sizeof(left_out[0]));
}

/* A path in the area, unless that page is gone: then on_signal goes on. */
static uint64_t path(void)
{
	static const char *const paths[] = { "/tmp/a",
					     "/tmp/b",
					     "/tmp/d",
					     "/tmp/d/x",
					     "/tmp/l",
					     "/tmp/f",
					     "/dev/zero",
					     "/dev/null",
					     "/dev/shm/q",
					     "/proc/self/maps",
					     "/proc/self/fd/3",
					     "/proc/self/mem",
					     ".",
					     "" };
	char *p = area + below(PAGES * PAGE / 2);

	strcpy(p, paths[below(sizeof(paths) / sizeof(paths[0]))]);
	return (uint64_t)p;
}

static uint64_t argument(void)
{
	uint64_t kind = below(14);

	switch (kind) {
	case 1:
		return (uint64_t)(area + below(PAGES * PAGE));
	case 4: /* about a border of pages */
		return (uint64_t)(area + below(PAGES) * PAGE - below(16));
	case 5:
		return path();
	case 9:
		return (uint64_t)(read_only + below(2 * PAGE));
	default:
		return number(kind);
	}
}

static uint64_t page(void)
{
	return (uint64_t)area + PAGE * below(PAGES);
}

/* Calls that change mappings change those of the area. */
static void choose(int number, uint64_t a[6])
{
	for (int i = 0; i < 6; i++)
		a[i] = argument();
	switch (number) {
	case SYS_mmap:
		a[0] = below(2) ? 0 : page();
		a[1] = below(PAGES * PAGE);
		a[2] = below(8);
		a[3] = below(4) | (below(2) ? MAP_ANONYMOUS : 0) |
		       (below(3) ? 0 : MAP_FIXED);
		a[4] = below(8);
		a[5] = PAGE * below(3);
		break;
	case SYS_mremap:
		a[2] = PAGE * below(9);
		a[3] = below(4);
		a[4] = page();
		/* fall through */
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
	case SYS_madvise:
		a[0] = page();
		a[1] = PAGE * below(5);
		break;
	case SYS_close:
	case SYS_dup2:
	case SYS_dup3: /* standard output is needed at the end */
		a[0] += a[0] == 1;
		a[1] += a[1] == 1;
		break;
	}
}

static void prepare(uint64_t seed)
{
	static const int caught[] = { SIGSEGV, SIGBUS, SIGALRM };
	int fd;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	fd = open("/tmp/a", O_RDWR | O_CREAT, 0666);
	if (write(fd, "x", 1) != 1 || mkdir("/tmp/d", 0777) ||
	    symlink("a", "/tmp/l"))
		exit(1);
	read_only = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	for (int i = 0; i < 3; i++)
		signal(caught[i], on_signal);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
	int count = argc == 3 ? atoi(argv[2]) : 0;

	prepare(argc == 3 ? strtoull(argv[1], NULL, 0) : 0);
	for (volatile int i = 0; i < count; i++) {
		uint64_t a[6];
		int number = (int)below(NUMBERS);

		if (is_left_out(number) || sigsetjmp(next, 1))
			continue;
		choose(number, a);
		alarm(1);
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		alarm(0);
	}
	syscall(SYS_write, 1, "done\n", 5);
	_exit(0);
}
