/* looking.c: what a process may see of one that is another user's, or does not
 * want to be looked at: ptrace(2), access mode checking; proc(5). */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "child.h"

#define NOBODY 65534

static pid_t other;

static const char *path_of(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", other, name);
	return path;
}

static void read_file(const char *name)
{
	char text[64];
	int fd = open(path_of(name), O_RDONLY);

	printf("%s: %s", name, fd < 0 ? strerrorname_np(errno) : "open");
	if (fd >= 0)
		printf(", %s", read(fd, text, sizeof(text)) > 0 ? "read" : "");
	printf("\n");
	close(fd);
}

static void read_link(const char *name)
{
	char text[64];
	long r = readlink(path_of(name), text, sizeof(text));

	printf("%s: %s\n", name, r < 0 ? strerrorname_np(errno) : "read");
}

static void list(const char *name)
{
	DIR *d = opendir(path_of(name));

	printf("%s/: %s\n", name, d ? "open" : strerrorname_np(errno));
	if (d)
		closedir(d);
}

static void call(void)
{
	struct iovec part = { &other, sizeof(other) }, there = part;
	long head, size;
	int fd = (int)RAW(pidfd_open, other, 0);

	SHOW(process_vm_readv(other, &part, 1, &there, 1, 0));
	SHOW(RAW(kcmp, other, getpid(), 0, 0, 0));
	SHOW(RAW(get_robust_list, other, &head, &size));
	SHOW(RAW(move_pages, other, 0, NULL, NULL, NULL, 0));
	SHOW(RAW(pidfd_getfd, fd, 1, 0) >= 0);
	SHOW(RAW(pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(prlimit(other, RLIMIT_CORE, NULL, NULL));
	SHOW(getpriority(PRIO_PROCESS, other));
	SHOW(setpriority(PRIO_PROCESS, other, 1));
	SHOW(sched_getscheduler(other));
}

static int look(void)
{
	static const char *const files[] = {
		"maps", "smaps",   "smaps_rollup", "environ", "auxv",   "io",
		"comm", "cmdline", "stat",         "statm",   "status", "limits"
	};
	static const char *const links[] = { "exe", "cwd", "root", "fd/1",
					     "ns/pid" };
	static const char *const directories[] = { "fd", "fdinfo", "ns",
						   "task" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		read_file(files[i]);
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		read_link(links[i]);
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]);
	     i++)
		list(directories[i]);
	call();
	return 0;
}

static void become_nobody(void)
{
	if (setgid(NOBODY) || setuid(NOBODY))
		perror("setuid");
}

static int look_as_nobody(void)
{
	become_nobody();
	return look();
}

static int look_at_self(void)
{
	other = getpid();
	prctl(PR_SET_DUMPABLE, 0);
	read_link("exe");
	read_link("fd/1");
	list("fdinfo");
	read_file("maps");
	return 0;
}

/* Looked at by another of its user. */
static int be_nobody(void)
{
	other = getpid();
	become_nobody();
	printf("not dumpable\n");
	waitpid(child_start(look), NULL, 0);
	printf("dumpable\n");
	prctl(PR_SET_DUMPABLE, 1);
	waitpid(child_start(look), NULL, 0);
	return 0;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	other = getpid();
	printf("root's\n");
	waitpid(child_start(look_as_nobody), NULL, 0);
	waitpid(child_start(be_nobody), NULL, 0);
	printf("one's own\n");
	waitpid(child_start(look_at_self), NULL, 0);
	return 0;
}
