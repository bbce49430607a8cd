#include "jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "proc.h"

#define NOBODY 65534
#define ACCOUNT "zeroboot"

/* Descriptors in a worker: below those of jail_spawn's caller and stderr, then
 * these, closed by jail_enter. Sources are kept above all targets. */
#define FD_SPACES 10
#define FD_ROOT 15
#define FD_SELF 16
#define FD_FREE 17
#define FD_SOURCES 32

/* Of a locked worker: it has six open and may open one VM after another. */
#define WORKER_FILES 16
/* Address space that a worker may take beyond what it has when locked. */
#define WORKER_SPARE (64ull << 20)
#define END_NS 2000000000ull /* jail_end */

static const struct space {
	int flag;
	const char *file, *name; /* in /proc/PID/ns; for people */
} spaces[] = {
	/* The mount namespace last: entering it takes the old root away. */
	{ CLONE_NEWCGROUP, "cgroup", "cgroup" },
	{ CLONE_NEWIPC, "ipc", "IPC" },
	{ CLONE_NEWUTS, "uts", "UTS" },
	{ CLONE_NEWNET, "net", "network" },
	{ CLONE_NEWNS, "mnt", "mount" },
};
#define SPACES (sizeof(spaces) / sizeof(spaces[0]))

static struct {
	int self, root;
	int spaces[SPACES];
	int clone_flags; /* CLONE_NEWPID when the host allows it */
	char user[32];   /* UID:GID; empty: the same as the front end */
	char missing[256];
	int error; /* the reason of the first that is missing */
} jail = { .self = -1, .root = -1, .spaces = { -1, -1, -1, -1, -1 } };
_Static_assert(SPACES == 5, "jail.spaces, FD_SPACES and FD_ROOT");

const char *jail_missing(int *error)
{
	*error = jail.error;
	return jail.missing[0] ? jail.missing : NULL;
}

const char *jail_user(void)
{
	return jail.user[0] ? jail.user : NULL;
}

int jail_file(size_t n)
{
	return (int)n + (n >= STDERR_FILENO);
}

static void miss(const char *what, int error)
{
	size_t n = strlen(jail.missing);

	snprintf(jail.missing + n, sizeof(jail.missing) - n, "%s%s",
		 n ? ", " : "", what);
	if (!jail.error)
		jail.error = error;
}

/* ---- who ---- */

static pid_t fork_into(int flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static bool has_capability(int capability)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { { 0 } };

	if (syscall(SYS_capget, &head, data) < 0)
		return false;
	return data[CAP_TO_INDEX(capability)].effective &
	       CAP_TO_MASK(capability);
}

static bool parse_id(const char *text, char end, unsigned *id,
		     const char **rest)
{
	char *stop;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &stop, 10);
	if (text[0] < '0' || text[0] > '9' || errno || n >= UINT_MAX ||
	    (*stop && *stop != end))
		return false;
	*id = (unsigned)n;
	*rest = *stop ? stop + 1 : NULL;
	return true;
}

/* NAME, UID or UID:GID. 0 or -errno. */
static int find_user(const char *text, unsigned *uid, unsigned *gid,
		     struct err *e)
{
	const struct passwd *account;
	const char *group = NULL, *rest;
	bool number = parse_id(text, ':', uid, &group);

	if (group) {
		if (!parse_id(group, 0, gid, &rest))
			return err_set(e, -EINVAL, "--user: %s: bad group",
				       text);
	} else {
		account = number ? getpwuid(*uid) : getpwnam(text);
		if (!account && !number)
			return err_set(e, -EINVAL, "--user: %s: no such user",
				       text);
		*uid = account ? account->pw_uid : *uid;
		*gid = account ? account->pw_gid : *uid;
	}
	if (*uid == 0 || *gid == 0)
		return err_set(e, -EINVAL,
			       "--user: %s: workers must not be root", text);
	return 0;
}

/* 0 or -errno. */
static int become(unsigned uid, unsigned gid)
{
	/* Who has no other groups has none to give up, where that is denied:
	 * user_namespaces(7). */
	if ((setgroups(0, NULL) < 0 && getgroups(0, NULL) != 0) ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

/* Whether a process may become that user here: a user namespace may not have it,
 * or nobody but its root. 0 or -errno. */
static int try_user(unsigned uid, unsigned gid)
{
	int status = 0;
	pid_t pid;

	/* The front end could not end them. */
	if (!has_capability(CAP_KILL))
		return -EPERM;
	pid = fork_into(0);
	if (pid == 0)
		_exit(-become(uid, gid));
	if (pid < 0)
		return -errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

static int choose_user(const char *text, struct err *e)
{
	const char *account = text ? text : getpwnam(ACCOUNT) ? ACCOUNT : NULL;
	unsigned uid = NOBODY, gid = NOBODY;
	int r;

	if (geteuid() != 0)
		return text ? err_set(e, -EPERM, "--user: only root can") : 0;
	r = account ? find_user(account, &uid, &gid, e) : 0;
	if (r)
		return r;
	r = try_user(uid, gid);
	if (r && text)
		return err_set(e, r, "--user: %s: %s", text, strerror(-r));
	if (r)
		miss("user", -r);
	else
		snprintf(jail.user, sizeof(jail.user), "%u:%u", uid, gid);
	return 0;
}

/* ---- the place ---- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

/* The right to make the others, for who is not root. Only its own user is in it,
 * as root, who keeps that right in the workers that are executed. 0 or -errno. */
static int enter_user_space(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];
	int r;

	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	/* user_namespaces(7): before gid_map, for who is not privileged. */
	r = write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (r == 0)
		r = write_file("/proc/self/gid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (r == 0)
		r = write_file("/proc/self/uid_map", map);
	return r;
}

/* Makes an empty read-only file system the root of this mount namespace. */
static int empty_root(void)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV |
				    MS_NOEXEC;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", flags, "size=4k,mode=555") < 0 ||
	    chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* Makes the namespaces, tells how each went, and holds them until done closes. */
_Noreturn static void hold_spaces(int told, int done)
{
	int results[SPACES];
	char c;

	for (size_t i = 0; i < SPACES; i++) {
		results[i] = unshare(spaces[i].flag) < 0 ? errno : 0;
		if (results[i] == 0 && spaces[i].flag == CLONE_NEWNS)
			results[i] = -empty_root();
	}
	if (write(told, results, sizeof(results)) == sizeof(results))
		while (read(done, &c, 1) < 0 && errno == EINTR)
			;
	_exit(0);
}

/* The same descriptor out of the targets' way, or -errno. */
static int move_away(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_SOURCES);
	int r = high < 0 ? -errno : high;

	close(fd);
	return r;
}

/* Opens a namespace, out of the targets' way; it lives as long as this does. A
 * descriptor or -errno. */
static int open_space(pid_t pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, file);
	fd = proc_open(path, O_RDONLY);
	return fd < 0 ? -errno : move_away(fd);
}

/* A directory that has been removed is empty, and nothing can be made in it: a
 * root for who may not make namespaces. A descriptor or -errno. */
static int open_removed(void)
{
	char usual[] = "/tmp/zeroboot-XXXXXX", bare[] = "/zeroboot-XXXXXX";
	const char *name;
	int r;

	if (!has_capability(CAP_SYS_CHROOT))
		return -EPERM;
	name = mkdtemp(usual);
	if (!name) /* an empty root has no /tmp */
		name = mkdtemp(bare);
	if (!name)
		return -errno;
	r = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = r < 0 ? -errno : move_away(r);
	rmdir(name);
	return r;
}

static void take_spaces(pid_t pid, const int results[SPACES])
{
	char name[64];

	for (size_t i = 0; i < SPACES; i++) {
		int error = results[i];

		if (error == 0) {
			jail.spaces[i] = open_space(pid, spaces[i].file);
			if (jail.spaces[i] < 0)
				error = -jail.spaces[i];
		}
		if (error == 0)
			continue;
		snprintf(name, sizeof(name), "%s namespace", spaces[i].name);
		miss(name, error);
	}
	if (jail.spaces[SPACES - 1] >= 0)
		return;
	jail.root = open_removed();
	if (jail.root < 0)
		miss("empty root", -jail.root);
}

static int make_spaces(struct err *e)
{
	int results[SPACES], told[2] = { -1, -1 }, done[2] = { -1, -1 }, r = 0;
	pid_t pid;

	if (pipe2(told, O_CLOEXEC) < 0 || pipe2(done, O_CLOEXEC) < 0) {
		r = err_set(e, -errno, "pipe: %s", strerror(errno));
		goto out;
	}
	jail.clone_flags = CLONE_NEWPID;
	pid = fork_into(jail.clone_flags);
	if (pid < 0) {
		miss("PID namespace", errno);
		jail.clone_flags = 0;
		pid = fork_into(0);
	}
	if (pid == 0) {
		close(told[0]);
		close(done[1]);
		hold_spaces(told[1], done[0]);
	}
	if (pid < 0) {
		r = err_set(e, -errno, "fork: %s", strerror(errno));
		goto out;
	}
	close(told[1]);
	told[1] = -1;
	if (read(told[0], results, sizeof(results)) != sizeof(results))
		r = err_set(e, -EIO, "namespaces: the helper ended");
	else
		take_spaces(pid, results);
	close(done[1]);
	done[1] = -1;
	waitpid(pid, NULL, 0);
out:
	for (int i = 0; i < 2; i++) {
		if (told[i] >= 0)
			close(told[i]);
		if (done[i] >= 0)
			close(done[i]);
	}
	return r;
}

/* This program's file, which may have another name by the time of use. */
static int open_self(struct err *e)
{
	int fd = proc_open("self/exe", O_PATH);

	if (fd < 0)
		fd = open((const char *)getauxval(AT_EXECFN),
			  O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "/proc/self/exe: %s",
			       strerror(errno));
	jail.self = fcntl(fd, F_DUPFD_CLOEXEC, FD_SOURCES);
	close(fd);
	return jail.self < 0 ? err_set(e, -errno, "too few descriptors") : 0;
}

int jail_open(const char *user, struct err *e)
{
	int r = open_self(e);

	if (r == 0)
		r = choose_user(user, e);
	if (r)
		return r;
	if (geteuid() != 0 && !has_capability(CAP_SYS_ADMIN)) {
		r = enter_user_space();
		if (r)
			miss("user namespace", -r);
	}
	return make_spaces(e);
}

void jail_close(void)
{
	for (size_t i = 0; i < SPACES; i++)
		if (jail.spaces[i] >= 0)
			close(jail.spaces[i]);
	if (jail.root >= 0)
		close(jail.root);
	if (jail.self >= 0)
		close(jail.self);
}

/* ---- starting ---- */

struct spawn {
	char *const *argv;
	const int *files;
	size_t count;
};

static void close_from(unsigned first)
{
	long limit = sysconf(_SC_OPEN_MAX);

	if (syscall(SYS_close_range, first, ~0u, 0) == 0)
		return;
	for (long fd = first; fd < limit; fd++)
		close((int)fd);
}

/* Puts a descriptor where it belongs, or leaves that place empty. */
static bool place(int from, int to)
{
	if (from < 0)
		return close(to) == 0 || errno == EBADF;
	return dup2(from, to) == to;
}

/*
 * The child, in a copy of the parent's memory until execve: it makes system calls
 * and nothing else.
 */
static int spawn_child(void *argument)
{
#ifdef __SANITIZE_ADDRESS__
	char **environment = environ; /* has options for its run time */
#else
	char *environment[] = { NULL };
#endif
	const struct spawn *s = argument;
	int files[JAIL_FILES_MAX];
	bool ok = true;

	for (size_t i = 0; i < s->count; i++) {
		files[i] = fcntl(s->files[i], F_DUPFD, FD_SOURCES);
		ok = ok && (files[i] >= 0 || s->files[i] < 0);
	}
	for (size_t i = 0; jail_file(i) < FD_SPACES; i++)
		ok = ok && place(i < s->count ? files[i] : -1, jail_file(i));
	for (size_t i = 0; i < SPACES; i++)
		ok = ok && place(jail.spaces[i], FD_SPACES + (int)i);
	ok = ok && place(jail.root, FD_ROOT) && place(jail.self, FD_SELF) &&
	     fcntl(FD_SELF, F_SETFD, FD_CLOEXEC) == 0;
	if (ok) {
		close_from(FD_FREE);
		syscall(SYS_execveat, FD_SELF, "", s->argv, environment,
			AT_EMPTY_PATH);
	}
	dprintf(STDERR_FILENO, "zeroboot: worker: cannot be executed: %s\n",
		strerror(errno));
	_exit(127);
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	static char stack[16384] __attribute__((aligned(16)));
	struct spawn s = { argv, files, count };
	pid_t pid;

	if (count > JAIL_FILES_MAX)
		return -E2BIG;
	/* Not as vfork(2): who stops the child would stop the front end. */
	pid = clone(spawn_child, stack + sizeof(stack),
		    jail.clone_flags | SIGCHLD, &s);
	return pid < 0 ? -errno : pid;
}

void jail_end(pid_t pid, int signal)
{
	uint64_t until = clock_mono() + END_NS;

	kill(pid, signal);
	while (waitpid(pid, NULL, WNOHANG) == 0 && clock_mono() < until)
		poll(NULL, 0, 1);
}

/* ---- shutting the door ---- */

static int enter_spaces(struct err *e)
{
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < SPACES && r == 0; i++) {
		int fd = FD_SPACES + (int)i;

		if (fstat(fd, &st) < 0)
			continue;
		if (setns(fd, spaces[i].flag) < 0)
			r = err_set(e, -errno, "%s namespace: %s",
				    spaces[i].name, strerror(errno));
		close(fd);
	}
	if (r || fstat(FD_ROOT, &st) < 0)
		return r;
	if (fchdir(FD_ROOT) < 0 || chroot(".") < 0)
		r = err_set(e, -errno, "chroot: %s", strerror(errno));
	close(FD_ROOT);
	return r;
}

/* Who may not do these has none of the capabilities that they are about. */
static void drop_bounds(void)
{
	for (unsigned long c = 0; c < 64; c++)
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			break;
	prctl(PR_SET_SECUREBITS,
	      SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
		      SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
		      SECBIT_NO_CAP_AMBIENT_RAISE |
		      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
	      0, 0, 0);
}

static int become_user(const char *user, struct err *e)
{
	unsigned uid, gid;
	int r;

	if (!user)
		return 0;
	r = find_user(user, &uid, &gid, e);
	if (r)
		return r;
	r = become(uid, gid);
	return r ? err_set(e, r, "user %s: %s", user, strerror(-r)) : 0;
}

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[2] = { { 0 } };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(e, -errno, "capabilities: %s", strerror(errno));
	return 0;
}

/* Bytes of address space, or 0 where /proc does not say. */
static unsigned long long address_space(void)
{
	unsigned long long pages = 0;
	FILE *f = proc_read("self/statm");

	if (!f)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * 4096;
}

static unsigned long long spare = WORKER_SPARE;

void jail_spare(unsigned long long more)
{
	spare = WORKER_SPARE + more;
}

/* 0 or -errno. */
static int set_limit(int which, rlim_t value)
{
	struct rlimit limit = { value, value };

	return setrlimit(which, &limit) < 0 ? -errno : 0;
}

/*
 * RLIMIT_NPROC stays: KVM may start a kernel thread in the process, and the
 * limit counts all of the user's processes. RLIMIT_SIGPENDING likewise: timers
 * count against it.
 */
static int set_limits(unsigned long long size, struct err *e)
{
	static const int none[] = { RLIMIT_CORE,     RLIMIT_MEMLOCK,
				    RLIMIT_MSGQUEUE, RLIMIT_NICE,
				    RLIMIT_RTPRIO,   RLIMIT_LOCKS };
	struct stat st;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(none) / sizeof(none[0]); i++)
		r = set_limit(none[i], 0);
	/* Only the log may be a file. */
	if (r == 0 && (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode)))
		r = set_limit(RLIMIT_FSIZE, 0);
	if (r == 0)
		r = set_limit(RLIMIT_NOFILE, WORKER_FILES);
#ifndef __SANITIZE_ADDRESS__
	if (r == 0 && size)
		r = set_limit(RLIMIT_AS, size + spare);
#else
	(void)size;
#endif
	return r ? err_set(e, r, "limits: %s", strerror(-r)) : 0;
}

int jail_enter(const char *user, const struct seccomp_files *files,
	       struct err *e)
{
	unsigned long long size = address_space(); /* while there is a /proc */
	int r = enter_spaces(e);

	if (r)
		return r;
	drop_bounds();
	r = become_user(user, e);
	if (r == 0)
		r = drop_capabilities(e);
	if (r == 0)
		r = set_limits(size, e);
	if (r)
		return r;
	/* After the last change of user, which takes these back. A parent that
	 * ended before shows as a closed channel. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "prctl: %s", strerror(errno));
	return seccomp_enter(files, e);
}
