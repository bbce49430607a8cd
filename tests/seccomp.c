/*
 * The list of seccomp.c, rule by rule: each call is made by a child of its own
 * behind the filter. Prints TAP. A call that is let through may fail, for want
 * of what it asks for; one that is not ends the child with SIGSYS.
 */
#include "../seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 1024 /* above the highest number there is */
#define X32 0x40000000

enum {
	CHANNEL = 0,
	KVM = 1,
	LOG = 2,
	MEMORY = 3,
	VM = 4,
	VCPU = 5,
	OTHER = 6,
	IMAGE = 7,
	TEMPLATE = 8,
	SOURCE = 9
};

static const struct seccomp_files files = { CHANNEL, LOG,      KVM,
					    VM,      VCPU,     MEMORY,
					    IMAGE,   TEMPLATE, SOURCE };

struct call {
	const char *name;
	bool allowed;
	long number;
	long a[6];
};

static const struct call calls[] = {
	{ "recvfrom: from the channel", true, SYS_recvfrom, { CHANNEL } },
	{ "recvfrom: from another socket", false, SYS_recvfrom, { OTHER } },
	{ "sendmsg: to the channel", true, SYS_sendmsg, { CHANNEL } },
	{ "sendmsg: to another socket", false, SYS_sendmsg, { OTHER } },
	{ "write: to the log", true, SYS_write, { LOG } },
	{ "write: to the template", false, SYS_write, { TEMPLATE } },
	{ "write: to the channel", false, SYS_write, { CHANNEL } },
	{ "write: the upper half of a descriptor's register does not matter",
	  true,
	  SYS_write,
	  { LOG | 1l << 32 } },
	{ "writev: to the log", true, SYS_writev, { LOG } },
	{ "writev: to another file", false, SYS_writev, { OTHER } },
	{ "close: of the VM", true, SYS_close, { VM } },
	{ "close: of the vCPU", true, SYS_close, { VCPU } },
	{ "close: of the channel", false, SYS_close, { CHANNEL } },
	{ "mmap: memory",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1 } },
	{ "mmap: the template",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ, MAP_PRIVATE, TEMPLATE } },
	{ "mmap: the vCPU's page",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, VCPU } },
	{ "mmap: another file",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_READ, MAP_PRIVATE, OTHER } },
	{ "mmap: executable memory",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1 } },
	{ "mmap: the template, executable",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_EXEC, MAP_PRIVATE, TEMPLATE } },
	{ "mmap: the image's copy",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ, MAP_SHARED, IMAGE } },
	{ "mmap: the image's copy, executable",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_EXEC, MAP_SHARED, IMAGE } },
	{ "mmap: the image where it is",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ, MAP_SHARED, SOURCE } },
	{ "mmap: the image where it is, executable",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_EXEC, MAP_SHARED, SOURCE } },
	{ "mmap: memory that is loaded",
	  true,
	  SYS_mmap,
	  { 0, 4096, PROT_READ, MAP_PRIVATE, MEMORY } },
	{ "mmap: memory that is loaded, executable",
	  false,
	  SYS_mmap,
	  { 0, 4096, PROT_EXEC, MAP_PRIVATE, MEMORY } },
	{ "pread: of memory that is loaded",
	  true,
	  SYS_pread64,
	  { MEMORY, 0, 0, 0 } },
	{ "pread: of another file", false, SYS_pread64, { OTHER, 0, 0, 0 } },
	{ "fcntl: F_GET_SEALS of memory",
	  true,
	  SYS_fcntl,
	  { MEMORY, F_GET_SEALS } },
	{ "fcntl: F_SETFL of memory", false, SYS_fcntl, { MEMORY, F_SETFL, 0 } },
	{ "fcntl: F_GET_SEALS of another file",
	  false,
	  SYS_fcntl,
	  { OTHER, F_GET_SEALS } },
	{ "lseek: of the image's copy",
	  true,
	  SYS_lseek,
	  { IMAGE, 0, SEEK_END } },
	{ "lseek: of the image where it is",
	  true,
	  SYS_lseek,
	  { SOURCE, 0, SEEK_END } },
	{ "lseek: of the template",
	  false,
	  SYS_lseek,
	  { TEMPLATE, 0, SEEK_END } },
	{ "mprotect: writable",
	  true,
	  SYS_mprotect,
	  { 0, 0, PROT_READ | PROT_WRITE } },
	{ "mprotect: executable",
	  false,
	  SYS_mprotect,
	  { 0, 0, PROT_READ | PROT_EXEC } },
	{ "madvise: MADV_DONTNEED", true, SYS_madvise, { 0, 0, MADV_DONTNEED } },
	{ "madvise: MADV_FREE", true, SYS_madvise, { 0, 0, MADV_FREE } },
	{ "madvise: MADV_MERGEABLE",
	  false,
	  SYS_madvise,
	  { 0, 0, MADV_MERGEABLE } },
	{ "open", false, SYS_open, { (long)"/", O_RDONLY } },
	{ "openat", false, SYS_openat, { AT_FDCWD, (long)"/", O_RDONLY } },
	{ "socket", false, SYS_socket, { 2, 1 } },
	{ "execve", false, SYS_execve, { (long)"/bin/true" } },
	{ "fork", false, SYS_fork, { 0 } },
	{ "clone", false, SYS_clone, { SIGCHLD } },
	{ "ptrace", false, SYS_ptrace, { 0 } },
	{ "kill: the parent", false, SYS_kill, { 1, SIGKILL } },
	{ "tgkill: itself", false, SYS_tgkill, { 1, 1, SIGKILL } },
	{ "prctl", false, SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "setuid", false, SYS_setuid, { 0 } },
	{ "unshare", false, SYS_unshare, { 0 } },
	{ "bpf", false, SYS_bpf, { 0 } },
	{ "io_uring_setup", false, SYS_io_uring_setup, { 1 } },
	{ "userfaultfd", false, SYS_userfaultfd, { 0 } },
	{ "perf_event_open", false, SYS_perf_event_open, { 0 } },
	{ "process_vm_readv", false, SYS_process_vm_readv, { 1 } },
	{ "dup of the channel", false, SYS_dup, { CHANNEL } },
	{ "an x32 call", false, X32 | SYS_write, { LOG } },
};

/* Let through whatever their arguments are. */
static const int open_calls[] = {
	SYS_futex,        SYS_poll,
	SYS_sched_yield,  SYS_timer_settime,
	SYS_rt_sigreturn, SYS_clock_gettime,
	SYS_ppoll,        SYS_restart_syscall,
	SYS_getrandom,    SYS_munmap,
	SYS_brk,          SYS_exit_group,
};

static const struct request {
	const char *name;
	int file;
	unsigned long request;
} requests[] = {
#define REQUEST(file, name)                                                    \
	{                                                                      \
#name, file, name                                              \
	}
	REQUEST(VCPU, KVM_RUN),
	REQUEST(VCPU, KVM_SET_XCRS),
	REQUEST(VCPU, KVM_SET_XSAVE),
	REQUEST(VCPU, KVM_GET_XSAVE),
	REQUEST(VCPU, KVM_SET_DEBUGREGS),
	REQUEST(VCPU, KVM_SET_MSRS),
	REQUEST(VCPU, KVM_SET_CPUID2),
	REQUEST(VCPU, KVM_SET_SREGS),
	REQUEST(VM, KVM_GET_DIRTY_LOG),
	REQUEST(VM, KVM_CLEAR_DIRTY_LOG),
	REQUEST(VM, KVM_ENABLE_CAP),
	REQUEST(VM, KVM_SET_USER_MEMORY_REGION),
	REQUEST(VM, KVM_X86_SET_MSR_FILTER),
	REQUEST(VM, KVM_CREATE_VCPU),
	REQUEST(KVM, KVM_CREATE_VM),
};

static const unsigned long refused[] = {
	KVM_CREATE_IRQCHIP,
	KVM_CREATE_PIT2,
	KVM_CREATE_DEVICE,
	KVM_IRQFD,
	KVM_IOEVENTFD,
	KVM_SET_GSI_ROUTING,
	KVM_SET_NESTED_STATE,
	KVM_SET_SIGNAL_MASK,
	KVM_SMI,
	KVM_GET_SUPPORTED_CPUID,
	TIOCSTI,
	FIONBIO,
	FIOASYNC,
	TCGETS,
};

static int tests;

static void result(bool ok, const char *name)
{
	printf("%sok %d seccomp: %s\n", ok ? "" : "not ", ++tests, name);
}

/* How a child ends that makes this call: 0, or the signal. */
static int attempt(long number, const long a[6])
{
	struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err e;

		setrlimit(RLIMIT_CORE, &no_core);
		alarm(5);
		for (int fd = CHANNEL; fd <= OTHER; fd++)
			dup2(OTHER + 1, fd);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_enter(&files, &e) == 0)
			syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
		syscall(SYS_exit_group, 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("fork");
		exit(1);
	}
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static bool request_killed(int file, unsigned long request)
{
	return attempt(SYS_ioctl, (long[6]){ file, (long)request }) == SIGSYS;
}

static void test_requests(void)
{
	const size_t count = sizeof(requests) / sizeof(requests[0]);
	char name[128];
	bool ok = true;

	for (size_t i = 0; i < count; i++) {
		const struct request *r = &requests[i];

		snprintf(name, sizeof(name), "ioctl: %s on its own descriptor",
			 r->name);
		result(!request_killed(r->file, r->request), name);
		ok = true;
		for (int fd = CHANNEL; fd <= OTHER; fd++)
			ok = ok &&
			     (fd == r->file || request_killed(fd, r->request));
		snprintf(name, sizeof(name), "ioctl: %s on any other", r->name);
		result(ok, name);
	}
	ok = true;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		for (int fd = CHANNEL; fd <= OTHER; fd++)
			ok = ok && request_killed(fd, refused[i]);
	result(ok, "ioctl: devices, event descriptors, terminals");
	ok = true;
	for (unsigned long n = 0; n < 256; n++)
		for (int fd = KVM; fd <= VCPU; fd++) {
			unsigned long request = _IO(KVMIO, n);
			bool listed = false;

			for (size_t i = 0; i < count; i++)
				listed = listed ||
					 (requests[i].file == fd &&
					  requests[i].request == request);
			ok = ok && request_killed(fd, request) == !listed;
		}
	result(ok, "ioctl: every plain request of KVM that is not listed");
}

static void test_every_number(void)
{
	static const long ones[6] = { -1, -1, -1, -1, -1, -1 };
	char name[128];
	bool ok = true;

	for (long n = 0; n < CALLS; n++) {
		bool listed = false, killed = attempt(n, ones) == SIGSYS;

		/* uretprobe and uprobe: Linux shows them to no filter, and
		 * refuses them to who does not come from a probe. */
		if (n == 335 || n == 336)
			continue;
		for (size_t i = 0;
		     i < sizeof(open_calls) / sizeof(open_calls[0]); i++)
			listed = listed || open_calls[i] == n;
		if (killed == !listed)
			continue;
		printf("# system call %ld was%s killed\n", n,
		       killed ? "" : " not");
		ok = false;
	}
	snprintf(name, sizeof(name),
		 "every number up to %d but %zu, with arguments of -1", CALLS,
		 sizeof(open_calls) / sizeof(open_calls[0]));
	result(ok, name);
}

/* getpid by the 32-bit entry: where the kernel has none it is a fault. */
static void test_32_bit(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		struct err e;
		long n = 20;

		setrlimit(RLIMIT_CORE, &no_core);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_enter(&files, &e) == 0)
			__asm__ volatile("int $0x80"
					 : "+a"(n)
					 :
					 : "memory", "r8", "r9", "r10", "r11");
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	result(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSYS ||
				       WTERMSIG(status) == SIGSEGV),
	       "a 32-bit call");
}

int main(void)
{
	const size_t count = sizeof(calls) / sizeof(calls[0]);

	if (dup2(open("/dev/null", O_RDWR), OTHER + 1) < 0)
		return 1;
	for (size_t i = 0; i < count; i++) {
		int how = attempt(calls[i].number, calls[i].a);

		result(calls[i].allowed ? how == 0 : how == SIGSYS,
		       calls[i].name);
	}
	test_requests();
	test_every_number();
	test_32_bit();
	printf("1..%d\n", tests);
	return 0;
}
