/* prctl.c: what a process says of itself, and what nobody may do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"

static void *slack_of_thread(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 5));
	SHOW(prctl(PR_SET_TIMERSLACK, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	return NULL;
}

static void names(void)
{
	char name[16] = "";

	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(prctl(PR_SET_NAME, "a name of more than fifteen"));
	SHOW(prctl(PR_GET_NAME, name));
	puts(name);
	SHOW(prctl(PR_SET_NAME, (char *)8));
	SHOW(prctl(PR_GET_NAME, (char *)8));
}

static void flags(void)
{
	int value = 99;
	pthread_t t;

	SHOW(prctl(PR_SET_PDEATHSIG, 10));
	SHOW(prctl(PR_GET_PDEATHSIG, &value));
	SHOW(value);
	SHOW(prctl(PR_SET_PDEATHSIG, 65));
	SHOW(prctl(PR_SET_PDEATHSIG, -1));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	SHOW(prctl(PR_GET_PDEATHSIG, (void *)8));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 2));
	SHOW(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_DUMPABLE, 1));
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 7));
	SHOW(prctl(PR_GET_CHILD_SUBREAPER, &value));
	SHOW(value);
	SHOW(prctl(PR_SET_CHILD_SUBREAPER, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_SET_TIMERSLACK, 70000));
	SHOW(prctl(PR_GET_TIMERSLACK));
	pthread_create(&t, NULL, slack_of_thread, NULL);
	pthread_join(t, NULL);
	SHOW(prctl(PR_SET_TIMERSLACK, 0));
	SHOW(prctl(PR_GET_TIMERSLACK));
	SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0));
	SHOW(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_TIMING));
	SHOW(prctl(PR_SET_TIMING, 1));
	SHOW(prctl(PR_GET_TSC, &value));
	SHOW(value);
	SHOW(prctl(PR_GET_SECCOMP));
	SHOW(prctl(PR_SET_SECCOMP, 0, 0));
	SHOW(prctl(PR_SET_MM, 1, 0, 0, 0));
	SHOW(prctl(PR_SET_VMA, 9, 0, 4096, "x"));
	SHOW(prctl(9999));
	SHOW(RAW(personality, 0xffffffff));
	SHOW(RAW(personality, 0x0040000));
	SHOW(RAW(personality, 0xffffffff));
	SHOW(RAW(personality, 0));
}

static void compare(void)
{
	int a = open("/dev/null", O_RDONLY), b = dup(a);
	int c = open("/dev/null", O_RDONLY);
	pid_t me = getpid();

	SHOW(RAW(kcmp, me, me, KCMP_FILE, a, b));
	SHOW(RAW(kcmp, me, me, KCMP_FILE, a, c) != 0);
	SHOW(RAW(kcmp, me, me, KCMP_FILE, a, c) +
	     RAW(kcmp, me, me, KCMP_FILE, c, a));
	SHOW(RAW(kcmp, me, me, KCMP_FILE, a, 99));
	SHOW(RAW(kcmp, me, me, KCMP_VM, 0, 0));
	SHOW(RAW(kcmp, me, me, KCMP_FILES, 0, 0));
	SHOW(RAW(kcmp, me, 99999, KCMP_VM, 0, 0));
	SHOW(RAW(kcmp, me, me, 99, 0, 0));
}

static void copy_of_memory(void)
{
	char from[] = "one two three", to[16] = "", *edge;
	struct iovec local[2] = { { to, 4 }, { to + 8, 6 } };
	struct iovec remote[2] = { { from, 7 }, { from + 7, 7 } };
	pid_t me = getpid();

	SHOW(process_vm_readv(me, local, 2, remote, 2, 0));
	printf("%.4s|%.6s\n", to, to + 8);
	SHOW(process_vm_writev(me, remote, 1, local, 1, 0));
	puts(to);
	SHOW(process_vm_readv(99999, local, 1, remote, 1, 0));
	SHOW(process_vm_readv(me, local, 1, remote, 1, 1));
	SHOW(process_vm_readv(me, local, 1025, remote, 1, 0));
	SHOW(process_vm_readv(me, local, 0, remote, 1, 0));
	remote[0] = (struct iovec){ (void *)8, 4 };
	SHOW(process_vm_readv(me, local, 1, remote, 1, 0));
	edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(edge + 4096, 4096);
	remote[0] = (struct iovec){ from, 4 };
	remote[1] = (struct iovec){ edge + 4096, 4 };
	local[0].iov_len = 8;
	SHOW(process_vm_readv(me, local, 1, remote, 2, 0));
}

/* As in a container; natively as the user nobody. */
static void refused(void)
{
	SHOW(RAW(sethostname, "x", 1));
	SHOW(RAW(setdomainname, "x", 1));
	SHOW(RAW(syslog, 3, NULL, 0));
	SHOW(RAW(reboot, 0xfee1dead, 672274793, 0x1234567, NULL));
	SHOW(RAW(mount, "/", "/", "tmpfs", 0, NULL));
	SHOW(RAW(umount2, "/tmp", 0));
	SHOW(RAW(chroot, "/"));
	SHOW(RAW(pivot_root, "/", "/"));
	SHOW(RAW(swapon, "/dev/null", 0));
	SHOW(RAW(swapoff, "/dev/null"));
	SHOW(RAW(acct, NULL));
	SHOW(RAW(vhangup));
	SHOW(RAW(setns, 99, 0));
	SHOW(RAW(unshare, 0));
	SHOW(RAW(unshare, 0x400));      /* CLONE_FILES */
	SHOW(RAW(unshare, 0x20000000)); /* CLONE_NEWPID */
	SHOW(RAW(seccomp, 9, 0, NULL));
}

int main(void)
{
	struct utsname u;
	struct sysinfo s;

	setvbuf(stdout, NULL, _IOLBF, 0);
	names();
	flags();
	compare();
	copy_of_memory();
	SHOW(uname(&u));
	printf("%s %s\n", u.sysname, u.machine);
	SHOW(RAW(uname, (void *)8));
	SHOW(sysinfo(&s));
	printf("%d %d %d\n", s.totalram >= s.freeram, s.procs > 0, s.mem_unit);
	SHOW(getppid() > 0);
	SHOW(RAW(setresuid, 65534, 65534, 65534));
	refused();
	return 0;
}
