/* ids.c: users, groups and capabilities of a process: credentials(7). RAW changes
 * those of one thread, the C library those of all. */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/securebits.h>

#include "check.h"

static void users(void)
{
	unsigned r, e, s;

	RAW(getresuid, &r, &e, &s);
	printf("users %u %u %u fs %d", r, e, s, setfsuid(-1));
	RAW(getresgid, &r, &e, &s);
	printf(" groups %u %u %u fs %d\n", r, e, s, setfsgid(-1));
}

/* Those that may be had in a container, too. */
#define COMMON                                                                 \
	((1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER |        \
	  1u << CAP_FSETID | 1u << CAP_KILL | 1u << CAP_SETGID |               \
	  1u << CAP_SETUID | 1u << CAP_SETPCAP))

static void capabilities(const char *when)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { 0 };

	RAW(capget, &h, d);
	printf("%s: effective %x permitted %x inheritable %x\n", when,
	       d[0].effective & COMMON, d[0].permitted & COMMON,
	       d[0].inheritable & COMMON);
}

static long set_capabilities(unsigned effective, unsigned permitted,
			     unsigned inheritable)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { effective, permitted,
						 inheritable } };

	return RAW(capset, &h, d);
}

/* Each in a thread of its own, so that what it loses is lost to it only. */
static void in_thread(void *(*part)(void *))
{
	pthread_t t;

	pthread_create(&t, NULL, part, NULL);
	pthread_join(t, NULL);
}

static void *saved_users(void *unused)
{
	(void)unused;
	SHOW(RAW(setresuid, 1000, 1001, 0));
	users();
	SHOW(RAW(setresuid, -1, 1002, -1));
	SHOW(RAW(setuid, 1001));
	SHOW(RAW(setreuid, 1001, 1000));
	users();
	SHOW(RAW(setreuid, 1002, -1));
	SHOW(RAW(setreuid, -1, 1002));
	SHOW(RAW(setfsuid, 1001));
	SHOW(RAW(setfsuid, 1003));
	users();
	SHOW(RAW(setresuid, -1, 0, -1));
	SHOW(RAW(setuid, -1));
	capabilities("a user");
	return NULL;
}

static void *back_to_root(void *unused)
{
	(void)unused;
	SHOW(RAW(setreuid, -1, 1000));
	users();
	capabilities("effectively a user");
	SHOW(RAW(setgid, 5));
	SHOW(RAW(setuid, 7));
	SHOW(RAW(setuid, 0));
	capabilities("root again");
	SHOW(RAW(setreuid, 1000, 0));
	users();
	SHOW(RAW(setuid, 1000));
	users();
	SHOW(RAW(setuid, 0));
	return NULL;
}

static void *file_user(void *unused)
{
	(void)unused;
	SHOW(RAW(setfsuid, 1000));
	capabilities("a user of files");
	users();
	SHOW(RAW(setfsuid, 0));
	capabilities("root of files");
	SHOW(RAW(setfsgid, 1000));
	SHOW(RAW(setfsgid, -1));
	SHOW(RAW(setfsgid, 0));
	return NULL;
}

static void *kept(void *unused)
{
	(void)unused;
	SHOW(prctl(PR_SET_KEEPCAPS, 2));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_KEEPCAPS));
	SHOW(RAW(setresuid, 1000, 1000, 1000));
	capabilities("kept");
	SHOW(set_capabilities(1u << CAP_KILL, 1u << CAP_KILL, 0));
	capabilities("a part");
	SHOW(set_capabilities(1u << CAP_CHOWN, 1u << CAP_CHOWN, 0));
	SHOW(set_capabilities(1u << CAP_KILL, 0, 0));
	SHOW(RAW(setuid, 0));
	return NULL;
}

static void *groups_of_a_user(void *unused)
{
	gid_t g[4] = { 30, 10, 20, 10 };

	(void)unused;
	SHOW(RAW(setgroups, 4, g));
	memset(g, 0, sizeof(g));
	SHOW(RAW(getgroups, 0, NULL));
	SHOW(RAW(getgroups, 3, g));
	SHOW(RAW(getgroups, -1, g));
	SHOW(RAW(getgroups, 4, g));
	printf("%u %u %u %u\n", g[0], g[1], g[2], g[3]);
	SHOW(RAW(setgroups, 65537, g));
	SHOW(RAW(setgroups, 2, (void *)8));
	SHOW(RAW(setresgid, 100, 101, 102));
	users();
	SHOW(RAW(setresuid, 1000, 1000, 1000));
	SHOW(RAW(setgroups, 0, NULL));
	SHOW(RAW(setgid, 0));
	SHOW(RAW(setgid, 102));
	users();
	SHOW(RAW(setregid, 102, 100));
	SHOW(RAW(setregid, 101, -1));
	SHOW(RAW(setregid, -1, 103));
	SHOW(RAW(setresgid, 100, 100, 102));
	SHOW(RAW(setresgid, 100, 0, 102));
	SHOW(RAW(setfsgid, 102));
	SHOW(RAW(setfsgid, 5));
	users();
	SHOW(RAW(setgid, -1));
	return NULL;
}

static void *sets(void *unused)
{
	struct __user_cap_header_struct h = { 1, 0 };
	struct __user_cap_data_struct d[2] = { 0 };

	(void)unused;
	SHOW(RAW(capget, &h, d));
	printf("version %x\n", h.version);
	h.version = 2;
	SHOW(RAW(capget, &h, NULL));
	h.pid = -1;
	SHOW(RAW(capget, &h, d));
	h.pid = 99999;
	SHOW(RAW(capget, &h, d));
	SHOW(RAW(capset, &h, d));
	SHOW(RAW(capget, (void *)8, d));
	SHOW(prctl(PR_CAPBSET_READ, CAP_CHOWN));
	SHOW(prctl(PR_CAPBSET_READ, 64));
	SHOW(prctl(PR_CAPBSET_DROP, 64));
	SHOW(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
	SHOW(prctl(PR_CAPBSET_READ, CAP_CHOWN));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	SHOW(set_capabilities(COMMON, COMMON, 1u << CAP_KILL));
	capabilities("inheritable");
	SHOW(set_capabilities(COMMON, COMMON, 1u << CAP_CHOWN));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 1, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	SHOW(prctl(PR_CAP_AMBIENT, 9, CAP_KILL, 0, 0));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(prctl(PR_SET_SECUREBITS,
		   SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED));
	SHOW(prctl(PR_SET_SECUREBITS, 0));
	SHOW(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP |
					      SECBIT_NO_SETUID_FIXUP_LOCKED |
					      SECBIT_KEEP_CAPS_LOCKED));
	SHOW(prctl(PR_SET_KEEPCAPS, 1));
	SHOW(prctl(PR_GET_SECUREBITS));
	SHOW(RAW(setresuid, 1000, 1000, 1000));
	capabilities("not fixed up");
	SHOW(set_capabilities(0, 0, 0));
	SHOW(prctl(PR_CAPBSET_DROP, CAP_KILL));
	SHOW(prctl(PR_SET_SECUREBITS, 0));
	SHOW(RAW(setuid, 5));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	return NULL;
}

static void *wait_for_word(void *fd)
{
	char c;

	while (read(*(int *)fd, &c, 1) == 1)
		printf("the other thread: %d %d\n", getuid(), getegid());
	return NULL;
}

/* The C library's change all threads. */
static void for_all(void)
{
	pthread_t t;
	int fd[2];

	pipe(fd);
	pthread_create(&t, NULL, wait_for_word, &fd[0]);
	SHOW(setgroups(0, NULL));
	SHOW(setresgid(65534, 65534, 65534));
	SHOW(setuid(65534));
	write(fd[1], "x", 1);
	close(fd[1]);
	pthread_join(t, NULL);
	SHOW(getuid());
	SHOW(geteuid());
	SHOW(getgid());
	SHOW(getegid());
	SHOW(setuid(0));
	SHOW(seteuid(0));
	SHOW(setgid(0));
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(kill(getpid(), 0));
}

static void groups_and_sessions(void)
{
	/* Leads a session afterwards, as the first process does. */
	if (getsid(0) != getpid() && setsid() < 0)
		puts("no session");
	SHOW(getsid(0) == getpid());
	SHOW(getpgrp() == getpid());
	SHOW(getpgid(0) == getpid());
	SHOW(getpgid(99999));
	SHOW(getsid(99999));
	SHOW(getsid(-1));
	SHOW(setsid());
	SHOW(setpgid(0, 0));
	SHOW(setpgid(0, -1));
	SHOW(setpgid(99999, 0));
	SHOW(RAW(wait4, -1, NULL, 0, NULL));
	SHOW(RAW(wait4, 5, NULL, WNOHANG, NULL));
	SHOW(RAW(wait4, -1, NULL, 0x100, NULL));
	SHOW(RAW(wait4, (int)0x80000000, NULL, 0, NULL));
	SHOW(RAW(waitid, P_ALL, 0, NULL, WEXITED, NULL));
	SHOW(RAW(waitid, P_ALL, 0, NULL, WNOHANG, NULL));
	SHOW(RAW(waitid, P_ALL, 0, NULL, WEXITED | 0x100, NULL));
	SHOW(RAW(waitid, P_PID, 0, NULL, WEXITED, NULL));
	SHOW(RAW(waitid, P_PGID, -1, NULL, WEXITED, NULL));
	SHOW(RAW(waitid, 9, 0, NULL, WEXITED, NULL));
	SHOW(RAW(waitid, P_PIDFD, 999, NULL, WEXITED, NULL));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	setgroups(0, NULL);
	groups_and_sessions();
	users();
	capabilities("root");
	in_thread(saved_users);
	in_thread(back_to_root);
	in_thread(file_user);
	in_thread(kept);
	in_thread(groups_of_a_user);
	in_thread(sets);
	users();
	for_all();
	return 0;
}
