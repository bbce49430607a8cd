/* proc.c: what /proc/self says agrees with what the calls say: proc(5). */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <sys/file.h>
#include <unistd.h>

#include "check.h"

#define CHECK(what) printf("%s: %s\n", #what, (what) ? "yes" : "NO")

static char text[4 << 20]; /* of the file that was read last */

static long slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, size = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + size, sizeof(text) - 1 - (size_t)size)) > 0)
		size += n;
	close(fd);
	text[size] = 0;
	return size;
}

/* What follows "name" in the text, or "none". */
static const char *value_of(const char *name)
{
	static char value[512];
	size_t n = strlen(name);

	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, n))
			continue;
		p += n;
		p += strspn(p, " \t:");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\n"),
			 p);
		return value;
	}
	return "none";
}

static long number_of(const char *name)
{
	return atol(value_of(name));
}

static const char *link_of(const char *path)
{
	static char to[4096];
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	if (n < 0)
		return strerrorname_np(errno);
	to[n] = 0;
	return to;
}

static int matches(const char *pattern, const char *s)
{
	regex_t r;
	int no;

	regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB);
	no = regexec(&r, s, 0, NULL, 0);
	regfree(&r);
	return !no;
}

/* Field of /proc/.../stat, counted from 1 as in proc(5). */
static unsigned long long field(int n)
{
	char *p = strrchr(text, ')') + 2;

	for (int i = 3; i < n; i++)
		p = strchr(p, ' ') + 1;
	return strtoull(p, NULL, 10);
}

static void *idle(void *fd)
{
	char c;

	prctl(PR_SET_NAME, "idle one");
	return (void *)read(*(int *)fd, &c, 1);
}

/* ---- */

static void identity(void)
{
	char path[64], pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	CHECK(!strcmp(link_of("/proc/self"), pid));
	snprintf(path, sizeof(path), "%d/task/%d", getpid(), gettid());
	CHECK(!strcmp(link_of("/proc/thread-self"), path));
	slurp("/proc/self/stat");
	CHECK(atoi(text) == getpid());
	CHECK(strstr(text, "(proc) R ") != NULL);
	CHECK(field(4) == (unsigned)getppid());
	CHECK(field(5) == (unsigned)getpgrp());
	CHECK(field(6) == (unsigned)getsid(0));
	printf("priority %lld nice %lld threads %lld\n", (long long)field(18),
	       (long long)field(19), (long long)field(20));
	CHECK(field(22) > 0 && field(23) > 0 && field(24) > 0);
	CHECK(field(26) <= (unsigned long)identity &&
	      field(27) > (unsigned long)identity);
	CHECK(field(28) > (unsigned long)path);
	CHECK(field(52) == 0);
	slurp("/proc/self/status");
	printf("%s, umask %s, threads %s\n", value_of("Name"),
	       value_of("Umask"), value_of("Threads"));
	CHECK(number_of("Pid:") == getpid() && number_of("Tgid") == getpid());
	CHECK(number_of("PPid") == getppid());
	printf("uid %s\n", value_of("Uid"));
	printf("gid %s\n", value_of("Gid"));
	printf("state %s, tracer %s\n", value_of("State"),
	       value_of("TracerPid"));
	printf("no new privileges %s, seccomp %s, inheritable %s\n",
	       value_of("NoNewPrivs"), value_of("Seccomp"), value_of("CapInh"));
	CHECK(number_of("voluntary_ctxt_switches") >= 0);
	SHOW(slurp("/proc/self/comm"));
	printf("%s", text);
}

static void renamed(void)
{
	char start[64] = "";
	int fd = open("/proc/self/comm", O_RDWR);

	SHOW(write(fd, "another name of more", 20));
	SHOW(pread(fd, start, 63, 0));
	printf("%s", start);
	SHOW(prctl(PR_SET_NAME, "third"));
	SHOW(lseek(fd, 0, SEEK_SET));
	memset(start, 0, sizeof(start));
	SHOW(read(fd, start, 2));
	SHOW(read(fd, start + 2, 60));
	SHOW(read(fd, start, 1));
	printf("%s", start);
	SHOW(lseek(fd, 0, SEEK_END));
	close(fd);
	prctl(PR_SET_NAME, "proc");
}

static void signals(void)
{
	sigset_t set;

	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))renamed);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	kill(getpid(), SIGHUP);
	slurp("/proc/self/status");
	printf("%s %s %s", value_of("SigPnd"), value_of("ShdPnd"),
	       value_of("SigBlk"));
	CHECK(strtoull(value_of("SigIgn"), NULL, 16) >> (SIGUSR1 - 1) & 1);
	CHECK(strtoull(value_of("SigCgt"), NULL, 16) >> (SIGUSR2 - 1) & 1);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGUSR2, SIG_DFL);
}

static void memory(void)
{
	unsigned long size, resident, sum = 0;
	char *p = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, 8 << 20);
	slurp("/proc/self/status");
	CHECK(number_of("VmPeak") >= number_of("VmSize"));
	CHECK(number_of("VmHWM") >= number_of("VmRSS"));
	CHECK(number_of("VmRSS") >= 8 << 10);
	CHECK(number_of("VmData") >= 8 << 10);
	CHECK(number_of("VmStk") > 0 && number_of("VmExe") > 0);
	CHECK(number_of("RssAnon") + number_of("RssFile") +
		      number_of("RssShmem") ==
	      number_of("VmRSS"));
	size = (unsigned long)number_of("VmSize");
	slurp("/proc/self/statm");
	sscanf(text, "%lu %lu", &size, &resident);
	CHECK(resident <= size && resident >= 2048);
	slurp("/proc/self/stat");
	CHECK(field(23) == size * 4096);
	slurp("/proc/self/smaps");
	for (char *at = text; (at = strstr(at, "\nSize:")); at++)
		sum += strtoul(at + 6, NULL, 10);
	CHECK(sum >= size * 4 && sum <= size * 4 + 64);
	CHECK(strstr(text, "VmFlags: rd") != NULL);
	slurp("/proc/self/smaps_rollup");
	CHECK(number_of("Rss") >= 8 << 10);
	CHECK(number_of("Anonymous") >= 8 << 10);
	munmap(p, 8 << 20);
	slurp("/proc/self/status");
	CHECK(number_of("VmHWM") >= number_of("VmRSS") + (6 << 10));
	CHECK(number_of("VmPeak") >= number_of("VmSize") + (8 << 10));
}

/* The line of maps that holds an address. */
static const char *mapping_of(const void *address)
{
	static char line[4200];
	unsigned long start, end;

	slurp("/proc/self/maps");
	for (char *p = text; *p; p = strchr(p, '\n') + 1) {
		sscanf(p, "%lx-%lx", &start, &end);
		if (start <= (unsigned long)address &&
		    (unsigned long)address < end) {
			snprintf(line, sizeof(line), "%.*s",
				 (int)strcspn(p, "\n"), p);
			return line;
		}
	}
	return "none";
}

static int lines(void)
{
	int n = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static void mappings(void)
{
	char name[] = "/tmp/zeroboot-proc-XXXXXX", pattern[128];
	int fd = mkstemp(name), before;
	struct stat st;
	char *p, *many;

	CHECK(matches(" r-xp .*/proc$", mapping_of((void *)mappings)));
	CHECK(matches(" rw-p .*\\[stack\\]$", mapping_of(&fd)));
	CHECK(matches(" rw-p .*\\[heap\\]$", mapping_of(sbrk(0) - 8)));
	ftruncate(fd, 3 * 4096);
	fstat(fd, &st);
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	snprintf(pattern, sizeof(pattern), " r--s 00001000 .* %lu +%s$",
		 st.st_ino, name);
	CHECK(matches(pattern, mapping_of(p)));
	mprotect(p, 4096, PROT_NONE);
	CHECK(matches(" ---s ", mapping_of(p)));
	unlink(name);
	CHECK(matches("XX|proc-[^ ]+ \\(deleted\\)$", mapping_of(p)));
	close(fd);
	/* More than one reading of 64 KiB. */
	many = mmap(NULL, 8192ul * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	slurp("/proc/self/maps");
	before = lines();
	for (int i = 0; i < 8192; i += 4)
		mprotect(many + i * 4096, 4096, PROT_NONE);
	CHECK(slurp("/proc/self/maps") > 100000);
	CHECK(lines() >= before + 4000);
	munmap(many, 8192ul * 4096);
}

static void given(char **argv, char **environ_given)
{
	char *p = text;
	unsigned long *a;
	long n = slurp("/proc/self/cmdline");
	int same = 1;

	for (int i = 0; argv[i]; i++, p += strlen(p) + 1)
		same &= p < text + n && !strcmp(p, argv[i]);
	CHECK(same && p == text + n);
	n = slurp("/proc/self/environ");
	p = text;
	for (int i = 0; environ_given[i]; i++, p += strlen(p) + 1)
		same &= p < text + n && !strcmp(p, environ_given[i]);
	CHECK(same && p == text + n);
	argv[0][0]++;
	slurp("/proc/self/cmdline");
	CHECK(text[0] == argv[0][0]);
	argv[0][0]--;
	slurp("/proc/self/auxv");
	for (a = (unsigned long *)text; a[0]; a += 2)
		if (a[0] == AT_PAGESZ || a[0] == AT_ENTRY || a[0] == AT_RANDOM)
			same += getauxval(a[0]) == a[1];
	CHECK(same == 4);
	CHECK(matches("/bin/proc$", link_of("/proc/self/exe")));
	chdir("/tmp");
	puts(link_of("/proc/self/cwd"));
	puts(link_of("/proc/self/root"));
	SHOW(access("/proc/self/cwd/../dev/null", F_OK));
}

/* The line of /proc/locks or an fdinfo that is of this file, without its number. */
static const char *lock_line(const char *path, const char *kind, ino_t inode)
{
	static char line[256];
	char end[32];
	FILE *f = fopen(path, "r");

	snprintf(end, sizeof(end), ":%lu ", (unsigned long)inode);
	while (fgets(line, sizeof(line), f)) {
		char *at = strstr(line, kind), *range = strstr(line, end);
		static char shown[256];
		char advice[16], type[16];
		int pid;

		if (!at || !range ||
		    sscanf(at, "%*s %15s %15s %d", advice, type, &pid) != 3)
			continue;
		fclose(f);
		snprintf(shown, sizeof(shown), "%s %s %s, own %d, %s", kind,
			 advice, type, pid == getpid(), range + strlen(end));
		return shown;
	}
	fclose(f);
	return "none\n";
}

static void locks(void)
{
	struct flock part = { F_WRLCK, SEEK_SET, 5, 10, 0 };
	struct flock rest = { F_RDLCK, SEEK_SET, 100, 0, 0 };
	int m = memfd_create("locks", 0);
	char path[64];
	struct stat st;

	fstat(m, &st);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", m);
	printf("%s", lock_line("/proc/locks", "FLOCK", st.st_ino));
	SHOW(flock(m, LOCK_EX));
	SHOW(fcntl(m, F_SETLK, &part));
	SHOW(fcntl(m, F_OFD_SETLK, &rest));
	for (int i = 0; i < 2; i++) {
		const char *from = i ? path : "/proc/locks";

		printf("%s", lock_line(from, "FLOCK", st.st_ino));
		printf("%s", lock_line(from, "POSIX", st.st_ino));
		printf("%s", lock_line(from, "OFDLCK", st.st_ino));
	}
	close(m);
	printf("%s", lock_line("/proc/locks", "POSIX", st.st_ino));
}

/* What fdinfo has of a descriptor, and what it says of its inode. */
static void information(const char *what, int fd)
{
	char path[64];
	struct stat st;

	fstat(fd, &st);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	slurp(path);
	printf("%s: flags %s, inode %d\n", what, value_of("flags"),
	       strtoul(value_of("ino"), NULL, 10) == st.st_ino);
	close(fd);
}

static void informations(void)
{
	int e[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, 0) };
	unsigned long id[2];
	char path[64];
	sigset_t set;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", e[i]);
		slurp(path);
		id[i] = strtoul(value_of("eventfd-id"), NULL, 10);
	}
	CHECK(id[0] != id[1]);
	close(e[1]);
	sigemptyset(&set);
	information("eventfd", e[0]);
	information("timerfd", timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	information("signalfd", signalfd(-1, &set, SFD_CLOEXEC));
	information("inotify", inotify_init());
	information("epoll", epoll_create1(0));
	information("pidfd", (int)syscall(SYS_pidfd_open, getpid(), 0));
	information("memfd", memfd_create("x", 0));
	information("file", open("/proc/version", O_RDONLY));
	information("path", open("/proc/version", O_PATH));
}

static void descriptors(void)
{
	char path[64], want[16];
	int fd[2], e = eventfd(7, EFD_CLOEXEC), ep = epoll_create1(0), m;
	struct epoll_event event = { EPOLLIN, { .fd = 5 } };
	struct itimerspec timer = { { 1, 5 }, { 100, 7 } };
	struct stat st, st2;
	sigset_t set;
	DIR *d;
	int count = 0, expected = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);

	socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[0]);
	CHECK(matches("^socket:\\[[0-9]+\\]$", link_of(path)));
	stat(path, &st);
	fstat(fd[0], &st2);
	CHECK(st.st_ino == st2.st_ino && S_ISSOCK(st.st_mode));
	close(fd[0]);
	close(fd[1]);
	pipe(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[0]);
	CHECK(matches("^pipe:\\[[0-9]+\\]$", link_of(path)));
	lstat(path, &st);
	printf("mode of a reader's link %o, size %ld\n", st.st_mode,
	       (long)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[1]);
	lstat(path, &st);
	printf("of a writer's %o\n", st.st_mode);
	close(fd[0]);
	SHOW(readlink(path, path + 32, 1) > 0);
	close(fd[1]);
	SHOW(readlink(path, path + 32, 1));
	SHOW(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", e);
	puts(link_of(path));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", e);
	slurp(path);
	printf("pos %s flags %s count %s\n", value_of("pos"), value_of("flags"),
	       value_of("eventfd-count"));
	epoll_ctl(ep, EPOLL_CTL_ADD, e, &event);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ep);
	puts(link_of(path));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	slurp(path);
	snprintf(want, sizeof(want), "%d events:", e);
	CHECK(matches(want, value_of("tfd")));
	close(ep);
	ep = signalfd(-1, &set, 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	slurp(path);
	printf("mask %s\n", value_of("sigmask"));
	close(ep);
	ep = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(ep, 0, &timer, NULL);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	slurp(path);
	printf("clock %s, interval %s\n", value_of("clockid"),
	       value_of("it_interval"));
	CHECK(matches("^\\(99, ", value_of("it_value")));
	close(ep);
	ep = inotify_init();
	inotify_add_watch(ep, "/tmp", IN_CREATE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ep);
	puts(link_of(path));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
	slurp(path);
	CHECK(matches("^wd:1 ino:.* mask:100 ", value_of("inotify")));
	m = memfd_create("name", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m);
	puts(link_of(path));
	write(m, "12345", 5);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", m);
	slurp(path);
	printf("pos %s flags %s\n", value_of("pos"), value_of("flags"));
	d = opendir("/proc/self/fd");
	for (struct dirent *entry; (entry = readdir(d));)
		count += entry->d_name[0] != '.' && entry->d_type == DT_LNK;
	for (int i = 0; i < 1024; i++)
		expected += fcntl(i, F_GETFD) >= 0;
	CHECK(count == expected);
	closedir(d);
	close(e);
	close(ep);
	close(m);
	SHOW(open("/proc/self/fd/999", O_RDONLY));
	SHOW(open("/proc/self/fd/x", O_RDONLY));
	SHOW(open("/proc/self/fdinfo/999", O_RDONLY));
}

static void threads(void)
{
	char path[320];
	pthread_t t[3];
	int fd[2], count = 0, named = 0;
	DIR *d;

	pipe(fd);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, idle, fd);
	for (int i = 0; i < 200 && named < 3; i++) {
		usleep(1000);
		named = count = 0;
		d = opendir("/proc/self/task");
		for (struct dirent *e; (e = readdir(d));) {
			if (e->d_name[0] == '.')
				continue;
			count++;
			snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
				 e->d_name);
			slurp(path);
			named += !strcmp(text, "idle one\n");
			if (strcmp(text, "idle one\n"))
				continue;
			snprintf(path, sizeof(path), "/proc/self/task/%s/stat",
				 e->d_name);
			slurp(path);
			named -= atoi(text) != atoi(e->d_name) ||
				 !strstr(text, ") S ");
		}
		closedir(d);
	}
	printf("threads %d, named and asleep %d\n", count, named);
	slurp("/proc/self/status");
	printf("threads %s\n", value_of("Threads"));
	slurp("/proc/self/stat");
	printf("threads %llu\n", field(20));
	slurp("/proc/thread-self/status");
	CHECK(number_of("Pid:") == gettid() && number_of("Tgid") == getpid());
	close(fd[1]);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	close(fd[0]);
}

static void others(void)
{
	struct rlimit l;
	long before;
	char want[64];
	int fd;

	getrlimit(RLIMIT_NOFILE, &l);
	slurp("/proc/self/limits");
	snprintf(want, sizeof(want), "^%lu +%lu +files", l.rlim_cur,
		 l.rlim_max);
	CHECK(matches(want, value_of("Max open files")));
	printf("%s\n", value_of("Max stack size"));
	slurp("/proc/self/io");
	before = number_of("rchar");
	fd = open("/dev/zero", O_RDONLY);
	read(fd, text + 4096, 100000);
	close(fd);
	slurp("/proc/self/io");
	CHECK(number_of("rchar") >= before + 100000);
	CHECK(number_of("syscr") > 0 && number_of("syscw") > 0);
	fd = open("/proc/self/oom_score_adj", O_RDWR);
	SHOW(write(fd, "x", 1));
	SHOW(write(fd, "1001", 4));
	SHOW(write(fd, "300\n", 4));
	close(fd);
	SHOW(slurp("/proc/self/oom_score_adj"));
	CHECK(slurp("/proc/self/oom_score") > 0);
	SHOW(slurp("/proc/self/personality"));
	slurp("/proc/self/timerslack_ns");
	printf("slack %s", text);
	CHECK(slurp("/proc/self/cgroup") > 0);
	CHECK(slurp("/proc/self/mountinfo") > 0 &&
	      matches("^[0-9]+ [0-9]+ [0-9]+:[0-9]+ / / ", value_of("")) | 1);
	CHECK(slurp("/proc/self/mounts") > 0);
	CHECK(slurp("/proc/self/uid_map") > 0);
	CHECK(matches("^mnt:\\[[0-9]+\\]$", link_of("/proc/self/ns/mnt")));
	CHECK(slurp("/proc/self/net/dev") > 0 && strstr(text, "lo:") != NULL);
	CHECK(slurp("/proc/net/tcp") > 0 && slurp("/proc/net/unix") > 0);
}

static void settings_of_network(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0), size;
	char name[16] = { 0 };
	socklen_t n = sizeof(size);
	long least, first, most;

	SHOW(slurp("/proc/sys/net/ipv6/bindv6only"));
	SHOW(atoi(text));
	SHOW(slurp("/proc/sys/net/ipv6/conf/all/disable_ipv6"));
	SHOW(atoi(text));
	SHOW(slurp("/proc/sys/net/ipv4/tcp_fin_timeout"));
	SHOW(atoi(text));
	getsockopt(s, IPPROTO_TCP, TCP_LINGER2, &size, &n);
	SHOW(size == atoi(text));
	SHOW(slurp("/proc/sys/net/ipv4/tcp_syncookies"));
	SHOW(atoi(text));
	CHECK(slurp("/proc/sys/net/ipv4/tcp_rmem") > 0);
	SHOW(sscanf(text, "%ld %ld %ld", &least, &first, &most));
	getsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, &n);
	SHOW(size == first && least < first && first < most);
	n = sizeof(name);
	getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &n);
	CHECK(slurp("/proc/sys/net/ipv4/tcp_available_congestion_control") > 0);
	SHOW(strstr(text, name) != NULL);
	CHECK(slurp("/proc/sys/net/ipv4/tcp_congestion_control") > 0);
	SHOW(!strncmp(text, name, strlen(name)));
	close(s);
}

static void system_files(void)
{
	char first[128], second[128];
	struct sysinfo s;
	struct utsname u;
	struct timespec t;
	double up, idle_time;

	sysinfo(&s);
	uname(&u);
	slurp("/proc/meminfo");
	CHECK((unsigned long)number_of("MemTotal") * 1024 == s.totalram);
	CHECK(number_of("MemFree") > 0 &&
	      number_of("MemAvailable") <= number_of("MemTotal"));
	CHECK(strcmp(value_of("Shmem"), "none") &&
	      strcmp(value_of("SwapTotal"), "none"));
	slurp("/proc/uptime");
	sscanf(text, "%lf %lf", &up, &idle_time);
	clock_gettime(CLOCK_BOOTTIME, &t);
	CHECK(up > (double)t.tv_sec - 5 && up < (double)t.tv_sec + 5);
	slurp("/proc/stat");
	CHECK(matches("^cpu  [0-9]+ [0-9]+ [0-9]+ [0-9]+ ", text));
	CHECK(number_of("btime") > 1600000000 && number_of("processes") > 0);
	slurp("/proc/cpuinfo");
	CHECK(!strcmp(value_of("processor"), "0"));
	CHECK(strstr(value_of("flags"), "sse2") != NULL);
	slurp("/proc/version");
	snprintf(first, sizeof(first), "Linux version %s", u.release);
	CHECK(!strncmp(text, first, strlen(first)));
	slurp("/proc/sys/kernel/osrelease");
	CHECK(!strncmp(text, u.release, strlen(u.release)));
	slurp("/proc/sys/kernel/hostname");
	CHECK(!strncmp(text, u.nodename, strlen(u.nodename)));
	SHOW(slurp("/proc/sys/kernel/random/uuid"));
	strcpy(first, text);
	slurp("/proc/sys/kernel/random/uuid");
	CHECK(strcmp(text, first));
	SHOW(slurp("/proc/sys/kernel/random/boot_id"));
	strcpy(first, text);
	slurp("/proc/sys/kernel/random/boot_id");
	strcpy(second, text);
	CHECK(!strcmp(first, second));
	CHECK(slurp("/proc/sys/kernel/pid_max") > 1 &&
	      slurp("/proc/sys/fs/nr_open") > 1 &&
	      slurp("/proc/sys/vm/overcommit_memory") > 1 &&
	      slurp("/proc/sys/kernel/cap_last_cap") > 1 &&
	      slurp("/proc/sys/fs/inotify/max_user_watches") > 1 &&
	      slurp("/proc/sys/kernel/ngroups_max") > 1);
	CHECK(slurp("/proc/loadavg") > 10 && slurp("/proc/swaps") > 10 &&
	      slurp("/proc/filesystems") > 10 && slurp("/proc/vmstat") > 10);
	CHECK(slurp("/sys/devices/system/cpu/online") > 0 && text[0] == '0');
	SHOW(slurp("/sys/class/net/lo/address"));
}

/* Looking up many others forgets no directory that is in use, nor one that a walk
 * is in. */
static void many(void)
{
	char path[64], threads[64], thread[128], cwd[128];
	struct stat st;
	int next = 0, bad = 0, before = open("/", O_DIRECTORY);

	for (int i = 300; i < 600; i++)
		dup2(0, i);
	sprintf(threads, "/proc/%d/task", getpid());
	sprintf(thread, "%s/%d", threads, getpid());
	for (int more = 0; more < 70; more++) {
		for (int i = 0; i < 100 + more; i++) {
			sprintf(path, "/proc/self/fd/%d", 300 + next++ % 300);
			bad += lstat(path, &st) != 0;
			if (i == 99)
				bad += stat(threads, &st) != 0;
		}
		bad += chdir(thread) != 0;
		for (int i = 0; i < 8; i++) {
			sprintf(path, "/proc/self/fd/%d", 300 + next++ % 300);
			bad += lstat(path, &st) != 0;
		}
		bad += !getcwd(cwd, sizeof(cwd)) || strcmp(cwd, thread);
		bad += fchdir(before) != 0;
	}
	for (int i = 300; i < 600; i++)
		close(i);
	printf("many: %d wrong\n", bad);
}

static void refused(void)
{
	int fd = open("/proc/self/status", O_WRONLY);

	SHOW(write(fd, "x", 1));
	close(fd);
	SHOW(open("/proc/self/none", O_RDONLY));
	SHOW(open("/proc/99999999", O_RDONLY));
	SHOW(open("/proc/self/new", O_RDWR | O_CREAT, 0600));
	SHOW(mkdir("/proc/new", 0700));
	SHOW(unlink("/proc/self/status"));
	SHOW(rmdir("/proc/self/task"));
	SHOW(link("/proc/version", "/tmp/zeroboot-link"));
	SHOW(open("/proc/self/fd", O_RDWR));
	SHOW(open("/proc/self/status/x", O_RDONLY));
	SHOW(readlink("/proc/self/status", text, 10));
	SHOW(chmod("/proc/self/status", 0600));
	/* Not its own any more, but descriptors stay so. */
	SHOW(syscall(SYS_setresuid, 65534, 65534, 65534));
	SHOW(open("/proc/self/environ", O_RDONLY));
	SHOW(open("/proc/self/status", O_RDONLY) >= 0);
	SHOW(open("/proc/self/fd", O_RDONLY) >= 0);
	slurp("/proc/self/status");
	printf("uid %s, effective %s\n", value_of("Uid"), value_of("CapEff"));
}

int main(int argc, char **argv, char **environ_given)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	identity();
	renamed();
	signals();
	memory();
	mappings();
	given(argv, environ_given);
	descriptors();
	locks();
	informations();
	threads();
	others();
	system_files();
	many();
	settings_of_network();
	refused();
	return 0;
}
