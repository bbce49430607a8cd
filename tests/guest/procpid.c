/* procpid.c: /proc/PID of another process, its memory, its clocks. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "scratch.h"

static struct gate gate, back;
static char self[4096], *common;
static char secret[64] = "the parent's";
static pid_t pid;

static const char *file(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return path;
}

static long text_of(const char *name, char *text, size_t size)
{
	int fd = open(file(name), O_RDONLY);
	long total = 0, n;

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + total, size - 1 - (size_t)total)) > 0)
		total += n;
	text[total] = 0;
	close(fd);
	return n < 0 ? n : total;
}

/* The line of status that begins so. */
static void show_status(const char *name)
{
	static char text[16384];
	char *line;

	text_of("status", text, sizeof(text));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			puts(line);
}

static long status_number(const char *name)
{
	static char text[16384];
	char *line;

	text_of("status", text, sizeof(text));
	line = strstr(text, name);
	return line ? atol(line + strlen(name) + 1) : -1;
}

static long entries(const char *name)
{
	DIR *d = opendir(file(name));
	long n = 0;

	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static int waits(void)
{
	gate_open(&back);
	gate_pass(&gate);
	return 0;
}

static int shows_itself(void)
{
	strcpy(secret, "the child's");
	prctl(PR_SET_NAME, "shows (it) self");
	signal(SIGUSR1, SIG_IGN);
	umask(027);
	mkdir("below", 0700);
	if (chdir("below"))
		return 1;
	for (int fd = 3; fd < 40; fd++)
		if (fd != gate.ends[0] && fd != back.ends[1])
			close(fd);
	dup2(open("file", O_RDWR | O_CREAT, 0600), 45);
	lseek(45, 3, SEEK_SET);
	return waits();
}

static void show_stat(void)
{
	char text[1024] = "", *end, state;
	int parent, group, session;

	SHOW(text_of("stat", text, sizeof(text)) > 100);
	end = strrchr(text, ')');
	*end = 0;
	sscanf(end + 2, "%c %d %d %d", &state, &parent, &group, &session);
	printf("%s), %c, parent %d, group %d, session %d\n", strchr(text, '('),
	       state, parent == getpid(), group == getpgrp(),
	       session == getsid(0));
	SHOW(atoi(text) == pid);
}

static void of_another(void)
{
	char text[4096] = "", link[300] = "";
	struct stat st;
	int fd;

	pid = child_start(shows_itself);
	gate_pass(&back);
	child_until(pid, 'S');
	show_stat();
	show_status("Name");
	show_status("Umask");
	show_status("State");
	show_status("Threads");
	show_status("SigIgn");
	SHOW(status_number("\nPPid:") == getpid());
	SHOW(status_number("\nTgid:") == pid);
	SHOW(status_number("\nVmRSS:") > 10);
	SHOW(text_of("comm", text, sizeof(text)));
	printf("%s", text);
	SHOW(text_of("cmdline", text, sizeof(text)) > 0);
	SHOW(!strcmp(strrchr(text, '/') ? strrchr(text, '/') : text, "/procpi"
								     "d"));
	SHOW(readlink(file("cwd"), link, sizeof(link) - 1) > 0);
	SHOW(strcmp(strrchr(link, '/'), "/below"));
	memset(link, 0, sizeof(link));
	SHOW(readlink(file("exe"), link, sizeof(link) - 1) > 0);
	SHOW(strcmp(link, self));
	SHOW(readlink(file("root"), link, sizeof(link)));
	memset(link, 0, sizeof(link));
	SHOW(readlink(file("fd/45"), link, sizeof(link) - 1) > 0);
	SHOW(strcmp(strrchr(link, '/'), "/file"));
	SHOW(entries("fd") > 3);
	SHOW(entries("task"));
	SHOW(text_of("fdinfo/45", text, sizeof(text)) > 0);
	printf("%.6s\n", text);
	SHOW(stat(file("fd/45"), &st));
	SHOW((fd = open(file("fd/45"), O_RDWR)) >= 0);
	SHOW(write(fd, "through", 7));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	SHOW(open(file("fd/46"), O_RDONLY));
	SHOW(text_of("maps", text, sizeof(text)) > 100);
	SHOW(strstr(text, "procpid") != NULL);
	SHOW(text_of("limits", text, sizeof(text)) > 100);
	SHOW(text_of("statm", text, sizeof(text)) > 5);
	SHOW(text_of("environ", text, sizeof(text)) >= 0);
	SHOW(kill(pid, SIGSTOP));
	child_until(pid, 'T');
	show_stat();
	SHOW(kill(pid, SIGCONT));
	gate_open(&gate);
	child_until(pid, 'Z');
	show_stat();
	show_status("State");
	SHOW(text_of("cmdline", text, sizeof(text)));
	SHOW(text_of("maps", text, sizeof(text)));
	SHOW(entries("fd"));
	SHOW(readlink(file("cwd"), link, sizeof(link)));
	fd = open(file("stat"), O_RDONLY);
	child_end("shows itself", pid);
	SHOW(read(fd, text, sizeof(text)));
	close(fd);
	SHOW(open(file("stat"), O_RDONLY));
	SHOW(access(file("."), F_OK));
}

static void all_of_them(void)
{
	DIR *d = opendir("/proc");
	int found = 0, own = 0, first = 0;
	char name[20], mine[20];

	pid = child_start(waits);
	gate_pass(&back);
	snprintf(name, sizeof(name), "%d", pid);
	snprintf(mine, sizeof(mine), "%d", getpid());
	for (struct dirent *e; (e = readdir(d));) {
		found += !strcmp(e->d_name, name);
		own += !strcmp(e->d_name, mine);
		first += !strcmp(e->d_name, "1");
	}
	closedir(d);
	printf("listed: the child %d, its parent %d, the first %d\n", found,
	       own, first);
	gate_open(&gate);
	child_end("waits", pid);
}

static int waits_with_memory(void)
{
	strcpy(secret, "the child's");
	mprotect(common, 4096, PROT_NONE);
	waits();
	puts(secret);
	return 0;
}

static void memory(void)
{
	char text[64] = "";
	struct iovec here = { text, sizeof(text) },
		     there[2] = { { secret, 5 }, { secret + 5, 7 } };
	struct iovec closed = { common, 1 }, nowhere = { (void *)8, 1 };
	int fd;

	pid = child_start(waits_with_memory);
	gate_pass(&back);
	SHOW(process_vm_readv(pid, &here, 1, there, 2, 0));
	puts(text);
	SHOW(process_vm_readv(pid, &here, 1, &nowhere, 1, 0));
	SHOW(process_vm_readv(pid, &here, 1, &closed, 1, 0));
	SHOW(process_vm_readv(1 << 22, &here, 1, there, 2, 0));
	SHOW(process_vm_readv(pid, &here, 1, there, 2, 1));
	strcpy(text, "by the parent");
	here.iov_len = 14, there[0].iov_len = 14;
	SHOW(process_vm_writev(pid, &here, 1, there, 1, 0));
	puts(secret);
	SHOW((fd = open(file("mem"), O_RDWR)) >= 0);
	SHOW(pread(fd, text, 6, (off_t)secret));
	SHOW(pwrite(fd, "BY", 2, (off_t)secret));
	SHOW(pread(fd, text, 6, 8));
	close(fd);
	gate_open(&gate);
	child_end("waits with memory", pid);
}

static int burns(void)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec == 0 && t.tv_nsec < 150000000);
	return waits();
}

static void clocks(void)
{
	struct timespec t;
	clockid_t clock;

	pid = child_start(burns);
	gate_pass(&back);
	SHOW(clock_getcpuclockid(pid, &clock));
	SHOW(clock_gettime(clock, &t));
	SHOW(t.tv_sec == 0 && t.tv_nsec >= 150000000);
	SHOW(clock_getres(clock, &t));
	SHOW(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t));
	SHOW(t.tv_sec == 0 && t.tv_nsec < 140000000);
	gate_open(&gate);
	child_end("burns", pid);
	SHOW(clock_gettime(clock, &t));
	SHOW(clock_getcpuclockid(pid, &clock));
}

/* As the system call has it. */
struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

/* The names of the lines that a zombie has in status. */
static void of_a_zombie(void)
{
	static const char *const lines[] = { "Umask",       "State",
					     "VmSize",      "VmStk",
					     "CoreDumping", "THP_enabled",
					     "Threads" };
	static char text[16384];

	pid = fork();
	if (pid == 0)
		_exit(0);
	waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOWAIT);
	for (int i = 0; i < 7; i++) {
		text_of("status", text, sizeof(text));
		printf("a zombie's %s: %d\n", lines[i],
		       strstr(text, lines[i]) != NULL);
	}
	waitpid(pid, NULL, 0);
}

int main(void)
{
	setbuf(stdout, NULL);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	/* Which the C library keeps for itself, and somebody may have ignored. */
	RAW(rt_sigaction, 32, &(struct kernel_action){ 0 }, NULL, 8);
	RAW(rt_sigaction, 33, &(struct kernel_action){ 0 }, NULL, 8);
	scratch_enter();
	gate = gate_make(), back = gate_make();
	common = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	of_another();
	all_of_them();
	memory();
	clocks();
	of_a_zombie();
	return 0;
}
