#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "cgroup.h"
#include "host.h"
#include "jail.h"
#include "options.h"
#include "seccomp.h"
#include "image_find.h"
#include "template.h"

#define WORKER_MEMORY (8ull << 20)     /* of its own, when it is warm */
#define FRONT_MEMORY (64ull << 20)     /* with some answers under way */
#define SPARE_ADDRESSES (128ull << 20) /* of a worker beside its VM */
#define WORKER_PROCESSES 2             /* itself, and KVM's thread */
#define CONNECTIONS 1024               /* fewer are worth a word */
#define MIB (1ull << 20)

enum verdict {
	GOOD,
	LESS, /* it works, but not as well as it could */
	BAD   /* no server would work */
};

static struct {
	bool bad;
	bool kvm, asked; /* vmm is open; and knows the host */
	struct vmm vmm;
	char host[512]; /* see host_ask */
	struct server_view view;
	unsigned languages;
	uint64_t addresses; /* that the largest VM takes */
	uint64_t memory;    /* that all templates take, once */
} doctor;

static void say(enum verdict v, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(enum verdict v, const char *what, const char *format, ...)
{
	static const char *const words[] = { "ok", "less", "BAD" };
	va_list ap;

	doctor.bad = doctor.bad || v == BAD;
	printf("%-5s %-16s ", words[v], what);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

/* The first word of a file; empty: there is none. */
static void read_word(const char *path, char word[64])
{
	FILE *f = fopen(path, "re");

	word[0] = 0;
	if (!f)
		return;
	if (fscanf(f, "%63s", word) != 1)
		word[0] = 0;
	fclose(f);
}

/* ---- KVM ---- */

static const char *advise_device(int error, const struct stat *st, char *text,
				 size_t size)
{
	const struct group *g;

	switch (error) {
	case ENOENT:
		if (cpu_has_vmx() || cpu_has_svm())
			return "load the module (modprobe kvm_intel or "
			       "kvm_amd), or hand the device to the container";
		return "this CPU shows no VMX or SVM: turn virtualisation on "
		       "in the firmware, or nested virtualisation in the host "
		       "of this VM, or use a kernel with kvm_pvm";
	case EACCES:
		g = getgrgid(st->st_gid);
		if (st->st_gid == 0 || !(st->st_mode & S_IWGRP))
			return "chgrp kvm /dev/kvm, chmod 660 /dev/kvm, and "
			       "join that group";
		snprintf(text, size,
			 "its group is %s (%u): usermod -aG %s NAME, and log "
			 "in again",
			 g ? g->gr_name : "without a name", st->st_gid,
			 g ? g->gr_name : "GROUP");
		return text;
	case EPERM:
		return "a control group or a sandbox denies it "
		       "(DeviceAllow=/dev/kvm rw, docker run --device "
		       "/dev/kvm)";
	default:
		return "the node is there, its driver is not: modprobe "
		       "kvm_intel or kvm_amd";
	}
}

static void look_device(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), error = errno;
	struct stat st = { 0 };
	char text[256];

	if (fd >= 0) {
		say(GOOD, "/dev/kvm", "there, and may be opened");
		close(fd);
		return;
	}
	if (stat("/dev/kvm", &st) < 0)
		error = errno;
	say(BAD, "/dev/kvm", "%s: %s", strerror(error),
	    advise_device(error, &st, text, sizeof(text)));
}

static void look_kvm(void)
{
	struct err e = { "" };
	const char *word;

	if (vmm_open(&doctor.vmm, &e)) {
		if (doctor.bad)
			return; /* no device */
		say(BAD, "KVM", "%s: a newer kernel has what is missing",
		    e.text);
		return;
	}
	doctor.kvm = true;
	say(GOOD, "KVM", "API version %d", KVM_API_VERSION);
	word = host_ask(&e);
	if (!word || host_set(&doctor.vmm, word, &e)) {
		say(BAD, "virtual machines",
		    "%s: see the limits below, and the kernel's log", e.text);
		return;
	}
	doctor.asked = true;
	snprintf(doctor.host, sizeof(doctor.host), "%s", word);
}

static const char *back_end(void)
{
	static const struct {
		const char *module, *name;
	} known[] = { { "/sys/module/kvm_pvm", "kvm-pvm" },
		      { "/sys/module/kvm_intel", "VMX" },
		      { "/sys/module/kvm_amd", "SVM" } };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (access(known[i].module, F_OK) == 0)
			return known[i].name;
	return cpu_has_vmx() ? "VMX" : cpu_has_svm() ? "SVM" : "software";
}

static void look_back_end(void)
{
	if (!doctor.asked)
		return;
	if (doctor.vmm.nested_paging)
		say(GOOD, "back end", "%s with nested paging", back_end());
	else
		say(LESS, "back end",
		    "%s with shadow paging: a run that starts processes costs "
		    "its VM; hardware with nested paging keeps it",
		    back_end());
}

/* ---- templates ---- */

/* Whether the image is there that id says, or one of which it can be made. */
static int look_image(const char *path, const struct image_id *id,
		      struct err *e)
{
	struct image_place place;
	int r = image_find(&place, path, id, e);

	if (r == 0)
		close(place.fd);
	return r;
}

static void look_template(const char *language, const char *path)
{
	struct template t;
	struct err e = { "" };
	char what[64];
	uint64_t image;
	int r;

	snprintf(what, sizeof(what), "template %s", language);
	r = template_open(&t, path, &e);
	if (r) {
		if (look_image(path, NULL, NULL))
			say(BAD, what, "%s: an image beside it would make one",
			    e.text);
		else if (r == -ENOENT)
			say(LESS, what, "it is made of its image at the start");
		else
			say(LESS, what, "%s: it is made anew from its image",
			    e.text);
		return;
	}
	image = t.head.image.size;
	if (t.head.memory_size + image > doctor.addresses)
		doctor.addresses = t.head.memory_size + image;
	doctor.memory += t.head.used_pages * TEMPLATE_PAGE;
	r = look_image(path, &t.head.image, &e);
	if (r == -ESTALE)
		say(LESS, what, "%s: it is made anew at the next start",
		    e.text);
	else if (r)
		say(BAD, what, "%s", e.text);
	else if (!doctor.asked)
		say(GOOD, what, "whole; its CPU cannot be compared");
	else if (cpu_features_check(&t.head.features, &doctor.vmm.features,
				    path, &e))
		say(LESS, what,
		    "%s: it is made anew from its image at each start", e.text);
	else
		say(GOOD, what, "fits this CPU");
	template_close(&t);
}

/* How many descriptors there are decides how many connections. */
static void look_files(int r, const struct err *e)
{
	unsigned connections = doctor.view.connections;

	if (r)
		say(BAD, "files", "%s: ulimit -n, LimitNOFILE=", e->text);
	else
		say(connections < CONNECTIONS ? LESS : GOOD, "files",
		    "enough for %u workers and %u connections%s",
		    doctor.view.workers, connections,
		    connections < CONNECTIONS ? ": ulimit -n, LimitNOFILE= for "
						"more" :
						"");
}

static void look_server(const struct server_options *o)
{
	struct err e = { "" };
	const char *name;
	int memory, r;
	bool ready;

	r = server_look(o, &doctor.view, &e);
	if (r && r != -EMFILE) {
		say(BAD, "templates", "%s: see zeroboot serve --help", e.text);
		return;
	}
	for (int i = 0; (name = catalog_describe(i, &ready, &memory)); i++) {
		look_template(name, catalog_file(i));
		doctor.languages++;
	}
	doctor.view.workers = catalog_workers();
	look_files(r, &e);
	if (r == 0 && !doctor.view.keys)
		say(LESS, "keys",
		    "no key file: anyone who can connect can run code");
	else if (r == 0)
		say(GOOD, "keys", "are asked for");
}

/* ---- limits ---- */

static uint64_t limit_of(int resource)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(resource, &limit);
	return limit.rlim_cur;
}

/* One worker for each language is the least. */
static void judge_processes(const char *what, uint64_t limit,
			    const char *advice)
{
	uint64_t least = (uint64_t)doctor.languages * WORKER_PROCESSES + 1;
	uint64_t most = (uint64_t)doctor.view.workers * WORKER_PROCESSES + 1;

	if (limit >= UINT32_MAX)
		say(GOOD, what, "no limit");
	else if (doctor.languages == 0)
		say(GOOD, what, "%llu", (unsigned long long)limit);
	else
		say(limit < least ? BAD :
		    limit < most  ? LESS :
				    GOOD,
		    what, "%llu, %u workers want %llu%s%s",
		    (unsigned long long)limit, doctor.view.workers,
		    (unsigned long long)most, limit < most ? ": " : "",
		    limit < most ? advice : "");
}

static void look_limits(void)
{
	uint64_t least = doctor.addresses + SPARE_ADDRESSES;
	uint64_t addresses = limit_of(RLIMIT_AS);
	uint64_t data = limit_of(RLIMIT_DATA);

	judge_processes("processes", limit_of(RLIMIT_NPROC),
			"ulimit -u, LimitNPROC= (all of the user's count)");
	if (data < addresses)
		addresses = data;
	if (addresses == RLIM_INFINITY)
		say(GOOD, "address space", "no limit");
	else
		say(addresses < least ? BAD : GOOD, "address space",
		    "%llu MiB, a worker wants %llu%s",
		    (unsigned long long)(addresses / MIB),
		    (unsigned long long)(least / MIB),
		    addresses < least ? ": ulimit -v, ulimit -d, LimitAS=" :
					"");
}

/* MemAvailable of proc(5); CGROUP_NONE: not known. */
static uint64_t available(void)
{
	uint64_t bytes = CGROUP_NONE;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	if (!f)
		return bytes;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "MemAvailable:", 13))
			bytes = strtoull(line + 13, NULL, 10) << 10;
	fclose(f);
	return bytes;
}

static void look_memory(const struct cgroup_room *room)
{
	uint64_t fixed = FRONT_MEMORY + doctor.memory;
	uint64_t least = fixed + doctor.languages * WORKER_MEMORY;
	uint64_t most = fixed + doctor.view.workers * WORKER_MEMORY;
	uint64_t free = available();
	bool group = room->memory < free;
	char word[64];

	if (group)
		free = room->memory;
	if (free == CGROUP_NONE)
		say(LESS, "memory", "not known: /proc is not mounted");
	else
		say(free < least ? BAD :
		    free < most  ? LESS :
				   GOOD,
		    "memory", "%llu MiB to be had%s, %u workers want %llu%s",
		    (unsigned long long)(free / MIB),
		    group ? " in this control group" : "", doctor.view.workers,
		    (unsigned long long)(most / MIB),
		    free < most ? ": fewer --workers, or more memory" : "");
	read_word("/proc/sys/vm/overcommit_memory", word);
	if (!strcmp(word, "2"))
		say(LESS, "overcommit",
		    "never: each worker takes all of its VM's memory from what "
		    "may be promised; sysctl vm.overcommit_memory=0");
}

static void look_cgroup(const struct cgroup_room *room)
{
	judge_processes("cgroup processes", room->processes,
			"TasksMax=, pids.max");
	if (room->cpus > 0)
		say(room->cpus < 1 ? LESS : GOOD, "cgroup CPUs",
		    "%.2f of %ld: --workers is chosen by the latter",
		    room->cpus, sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- the kernel ---- */

static void look_pages(void)
{
	char word[64];

	if (!doctor.kvm)
		return;
	read_word("/sys/kernel/mm/transparent_hugepage/enabled", word);
	if (!strcmp(word, "[madvise]") || !strcmp(word, "[always]"))
		say(GOOD, "huge pages", "for runs that need much memory");
	else
		say(LESS, "huge pages",
		    "none: memory of large runs comes in pages of 4 KiB, which "
		    "takes them several times as long: echo madvise "
		    ">/sys/kernel/mm/transparent_hugepage/enabled");
}

static void look_clock(void)
{
	char word[64];

	read_word("/sys/devices/system/clocksource/clocksource0/"
		  "current_clocksource",
		  word);
	if (!word[0])
		say(LESS, "clock", "not known: /sys is not mounted");
	else if (!strcmp(word, "tsc") || !strcmp(word, "kvm-clock") ||
		 !strncmp(word, "hyperv", 6))
		say(GOOD, "clock", "%s", word);
	else
		say(LESS, "clock",
		    "%s, not tsc: the CPU's counter, by which guests have "
		    "their time, was found unsteady; see the kernel's log for "
		    "why",
		    word);
}

/* In a process of its own, as nothing undoes it. */
static void look_seccomp(void)
{
	const struct seccomp_files files = {
		-1, -1, -1, -1, -1, -1, -1, -1, -1
	};
	struct err e = { "" };
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(-seccomp_enter(&files, &e) & 0xff);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0)
		say(BAD, "seccomp", "fork: %s: see the limits",
		    strerror(errno));
	else if (WIFSIGNALED(status))
		say(BAD, "seccomp",
		    "a filter that is there already ends processes (%s): start "
		    "zeroboot outside of it",
		    strsignal(WTERMSIG(status)));
	else if (status)
		say(BAD, "seccomp",
		    "%s: the kernel wants CONFIG_SECCOMP_FILTER, a container "
		    "must allow seccomp(2)",
		    strerror(WEXITSTATUS(status)));
	else
		say(GOOD, "seccomp", "workers are filtered");
}

static bool is_set(const char *path, const char *value)
{
	char word[64];

	read_word(path, word);
	return !strcmp(word, value);
}

static const char *advise_spaces(void)
{
	if (is_set("/proc/sys/user/max_user_namespaces", "0"))
		return "sysctl user.max_user_namespaces=10000";
	if (is_set("/proc/sys/kernel/unprivileged_userns_clone", "0"))
		return "sysctl kernel.unprivileged_userns_clone=1";
	if (is_set("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		   "1"))
		return "sysctl "
		       "kernel.apparmor_restrict_unprivileged_userns=0";
	return "a container or a service manager denies it "
	       "(RestrictNamespaces=)";
}

/* The last: this process is in another user namespace afterwards. */
static void look_jail(const struct server_options *o)
{
	struct err e = { "" };
	const char *missing;
	int error;

	fflush(stdout);
	if (jail_open(o->user, &e)) {
		say(BAD, "workers", "%s", e.text);
		return;
	}
	missing = jail_missing(&error);
	if (missing)
		say(LESS, "workers", "have no %s of their own: %s: %s", missing,
		    strerror(error), advise_spaces());
	else if (jail_user())
		say(GOOD, "workers", "run as %s in namespaces of their own",
		    jail_user());
	else
		say(GOOD, "workers",
		    "run as this user in namespaces of their own");
	jail_close();
}

int doctor_run(const struct server_options *o)
{
	struct cgroup_room room;

	look_device();
	look_kvm();
	look_back_end();
	look_server(o);
	look_limits();
	cgroup_look(&room);
	look_memory(&room);
	look_cgroup(&room);
	look_pages();
	look_clock();
	look_seccomp();
	look_jail(o);
	puts(doctor.bad ? "zeroboot serve would not work here." :
			  "zeroboot serve works here.");
	return doctor.bad;
}
