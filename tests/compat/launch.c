/*
 * Runs a program natively in a root file system, in a place like the guest's:
 * mounts, devices, names, processes and a loopback network of its own, and the
 * capabilities that the guest's root has.
 * Usage: launch ROOT DIRECTORY PROGRAM [ARGUMENT...]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(126);
	}
}

static void device(const char *path, unsigned major, unsigned minor)
{
	check(mknod(path, S_IFCHR | 0666, makedev(major, minor)), path);
}

static void mount_tmpfs(const char *path, const char *options)
{
	check(mount("tmpfs", path, "tmpfs", 0, options), path);
}

static void make_devices(void)
{
	mount_tmpfs("dev", "mode=755");
	umask(0);
	device("dev/null", 1, 3);
	device("dev/zero", 1, 5);
	device("dev/full", 1, 7);
	device("dev/random", 1, 8);
	device("dev/urandom", 1, 9);
	device("dev/tty", 5, 0);
	check(mkdir("dev/pts", 0755), "dev/pts");
	check(mkdir("dev/shm", 01777), "dev/shm");
	check(mount("devpts", "dev/pts", "devpts", 0,
		    "newinstance,ptmxmode=0666"),
	      "devpts");
	mount_tmpfs("dev/shm", "mode=1777");
	check(symlink("pts/ptmx", "dev/ptmx"), "dev/ptmx");
	check(symlink("/proc/self/fd", "dev/fd"), "dev/fd");
	check(symlink("/proc/self/fd/0", "dev/stdin"), "dev/stdin");
	check(symlink("/proc/self/fd/1", "dev/stdout"), "dev/stdout");
	check(symlink("/proc/self/fd/2", "dev/stderr"), "dev/stderr");
	umask(022);
}

static void make_place(const char *root)
{
	check(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC),
	      "unshare");
	check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount");
	check(chdir(root), root);
	check(mount("proc", "proc", "proc", 0, NULL), "proc");
	mount_tmpfs("tmp", "mode=1777");
	mount_tmpfs("var/tmp", "mode=1777");
	make_devices();
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	check(ioctl(s, SIOCSIFFLAGS, &request), "lo");
	close(s);
}

/* Those of the guest's root, guest/kernel/task/ids.c: no others are kept. */
static void drop_capabilities(void)
{
	static const int kept[] = {
		CAP_CHOWN,           CAP_DAC_OVERRIDE,
		CAP_DAC_READ_SEARCH, CAP_FOWNER,
		CAP_FSETID,          CAP_KILL,
		CAP_SETGID,          CAP_SETUID,
		CAP_SETPCAP,         CAP_NET_BIND_SERVICE,
		CAP_IPC_LOCK,        CAP_IPC_OWNER,
		CAP_SYS_NICE,        CAP_MKNOD,
		CAP_SETFCAP,
	};

	for (int capability = 0; capability <= CAP_LAST_CAP; capability++) {
		bool keep = false;

		for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
			keep = keep || kept[i] == capability;
		if (!keep && prctl(PR_CAPBSET_READ, capability) == 1)
			check(prctl(PR_CAPBSET_DROP, capability), "capability");
	}
}

/* The exit code that a shell would give. */
static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	check(pid, "fork");
	return pid;
}

/* Process 2, the first of a session. */
static int run_program(char **argv)
{
	static char *environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/"
				       "usr/sbin:/usr/bin:/sbin:/bin",
				       "HOME=/root", "LANG=C.UTF-8", NULL };

	check(setsid(), "setsid");
	check(setpriority(PRIO_PROCESS, 0, 0), "setpriority");
	drop_capabilities();
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	execve(argv[0], argv, environment);
	perror(argv[0]);
	return 127;
}

/* Process 1, as the guest's kernel is: all end when the program does. */
static int run_place(const char *root, const char *directory, char **program)
{
	pid_t first;

	check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
	make_place(root);
	raise_loopback();
	check(chroot("."), "chroot");
	check(chdir(directory), directory);
	first = start_child();
	if (first == 0)
		return run_program(program);
	for (;;) {
		siginfo_t info;

		check(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), "waitid");
		if (info.si_pid == first)
			return wait_for(first);
		wait_for(info.si_pid);
	}
}

int main(int argc, char **argv)
{
	pid_t place;

	if (argc < 4) {
		fprintf(stderr, "usage: launch ROOT DIRECTORY PROGRAM "
				"[ARGUMENT...]\n");
		return 126;
	}
	check(unshare(CLONE_NEWPID), "unshare");
	place = start_child();
	if (place == 0)
		return run_place(argv[1], argv[2], argv + 3);
	return wait_for(place);
}
