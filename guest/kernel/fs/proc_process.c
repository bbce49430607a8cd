/* proc_process.c: what /proc says of a process and its threads: proc(5). */
#include <linux/capability.h>
#include <linux/mman.h>
#include <linux/stat.h>

#include "fs/proc.h"
#include "fs/regular.h"
#include "fs/descriptor.h"
#include "fs/surroundings.h"
#include "mm/count.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/resident.h"
#include "task/process.h"
#include "task/terminal.h"
#include "task/usage.h"

#define KIB(pages) ((pages)*4)
#define TICK (NSEC / 100) /* AT_CLKTCK */

static char state_of(const struct thread *t)
{
	if (thread_ended(t))
		return 'Z';
	if (t->process->signals.stopped)
		return 'T';
	return thread_waits(t) ? 'S' : 'R';
}

static const char *state_name(char state)
{
	return state == 'Z' ? "zombie" :
	       state == 'T' ? "stopped" :
	       state == 'S' ? "sleeping" :
			      "running";
}

static u32 umask_of(const struct process *p)
{
	return p->surroundings ? p->surroundings->umask : 0;
}

/* The first one counts until the process is reaped. */
static u32 threads_of(const struct process *p)
{
	return p->thread_count + thread_ended(p->leader);
}

/* ---- status ---- */

static void add_signals(struct text *t, const struct proc_subject *s)
{
	const struct signals *signals = &s->process->signals;
	sigset ignored = 0, caught = 0;

	for (int n = 1; n <= SIGNAL_COUNT; n++) {
		u64 handler = signals->actions->of[n].handler;

		if (handler == 1) /* SIG_IGN */
			ignored |= 1ull << (n - 1);
		else if (handler)
			caught |= 1ull << (n - 1);
	}
	text_add(t,
		 "SigQ:\t%u/%lu\nSigPnd:\t%016lx\nShdPnd:\t%016lx\n"
		 "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		 signals->queued,
		 (u64)s->process->limits.of[RLIMIT_SIGPENDING].rlim_cur,
		 s->thread->pending.set, signals->pending.set,
		 s->thread->blocked, ignored, caught);
}

static void add_ids(struct text *t, const struct ids *ids)
{
	text_add(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", ids->uid,
		 ids->euid, ids->suid, ids->fsuid, ids->gid, ids->egid,
		 ids->sgid, ids->fsgid);
}

static void add_groups(struct text *t, const struct ids *ids)
{
	text_add(t, "Groups:\t");
	for (u32 i = 0; i < ids_group_count(ids); i++)
		text_add(t, "%u ", ids_group(ids, i));
	text_add(t, "%s\n", ids_group_count(ids) ? "" : " ");
}

static void add_capabilities(struct text *t, const struct ids *ids)
{
	text_add(t,
		 "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n"
		 "CapBnd:\t%016lx\nCapAmb:\t%016lx\nNoNewPrivs:\t%u\n",
		 ids->inheritable, ids->permitted, ids->effective,
		 ids->bounding, ids->ambient, ids->no_new_privs);
}

static void add_memory(struct text *t, const struct process *p)
{
	u64 text = (p->layout.code_end - p->layout.code_start) / PAGE_SIZE;
	u64 used = mm_resident_pages();
	struct mm_count c;

	mm_count(&c);
	text_add(t,
		 "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\n"
		 "VmPin:\t%8lu kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n"
		 "RssAnon:\t%8lu kB\nRssFile:\t%8lu kB\nRssShmem:\t%8lu kB\n"
		 "VmData:\t%8lu kB\nVmStk:\t%8lu kB\nVmExe:\t%8lu kB\n"
		 "VmLib:\t%8lu kB\nVmPTE:\t%8lu kB\nVmSwap:\t%8lu kB\n",
		 KIB(p->space->pages_peak), KIB(p->space->pages), KIB(c.locked),
		 0ul, KIB(mm_peak_pages()), KIB(used),
		 KIB(used - MIN(c.file, used)), KIB(c.file), 0ul, KIB(c.data),
		 KIB(c.stack), KIB(text), KIB(c.execute - MIN(text, c.execute)),
		 KIB(c.tables), 0ul);
}

static void show_status(struct text *t, const struct proc_subject *s)
{
	const struct process *p = s->process;
	const struct thread *th = s->thread;
	char state = state_of(th);
	bool ended = thread_ended(th); /* it has no memory and no umask */

	text_add(t, "Name:\t%s\n", th->name);
	if (!ended)
		text_add(t, "Umask:\t%04o\n", umask_of(p));
	text_add(t,
		 "State:\t%c (%s)\nTgid:\t%d\n"
		 "Ngid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n",
		 state, state_name(state), p->pid, s->whole ? p->pid : th->tid,
		 process_parent(p));
	add_ids(t, &th->ids);
	text_add(t, "FDSize:\t%d\n", 64);
	add_groups(t, &th->ids);
	text_add(t, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n",
		 p->pid, s->whole ? p->pid : th->tid, p->group, p->session);
	if (p->space && !ended) {
		add_memory(t, p);
		text_add(t, "CoreDumping:\t0\nTHP_enabled:\t0\n");
	}
	text_add(t, "Threads:\t%u\n", threads_of(p));
	add_signals(t, s);
	add_capabilities(t, &th->ids);
	text_add(t,
		 "Seccomp:\t0\nSeccomp_filters:\t0\nCpus_allowed:\t1\n"
		 "Cpus_allowed_list:\t0\nMems_allowed:\t1\n"
		 "Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\n"
		 "nonvoluntary_ctxt_switches:\t%lu\n",
		 th->usage.waits, th->usage.preemptions);
}

/* ---- stat, statm and others of numbers ---- */

static void show_stat(struct text *t, const struct proc_subject *s)
{
	const struct process *p = s->process;
	const struct thread *th = s->thread;
	const struct layout *l = &p->layout;
	const struct usage *c = &p->children_usage;
	struct usage u;
	bool realtime = th->priority.realtime != 0;

	if (s->whole)
		usage_of_process(p, &u);
	else
		usage_of_thread(th, &u);
	text_add(t, "%d (%s) %c %d %d %d %d %d 4194304 ",
		 s->whole ? p->pid : th->tid, th->name, state_of(th),
		 process_parent(p), p->group, p->session,
		 p->terminal ? (s32)p->terminal->device : 0,
		 p->terminal ? p->terminal->group : -1);
	text_add(t, "%lu %lu 0 0 %lu %lu %lu %lu %d %d %u 0 %lu ", u.faults,
		 c->faults, (u.cpu - u.system) / TICK, u.system / TICK,
		 (c->cpu - c->system) / TICK, c->system / TICK,
		 realtime ? -1 - (int)th->priority.realtime :
			    20 + th->priority.nice,
		 th->priority.nice, threads_of(p),
		 (s->whole ? p->started : th->started) / TICK);
	text_add(t, "%lu %lu %lu %lu %lu %lu 0 0 ",
		 p->space ? p->space->pages * PAGE_SIZE : 0,
		 p->space ? mm_resident_pages() : 0,
		 (u64)p->limits.of[RLIMIT_RSS].rlim_cur, l->code_start,
		 l->code_end, l->stack);
	/* The sets of the first 31 signals are of no use: proc(5). */
	text_add(t, "0 0 0 0 0 0 0 17 0 %u %u 0 0 0 ", th->priority.realtime,
		 th->priority.policy);
	text_add(t, "%lu %lu %lu %lu %lu %lu %lu 0\n", l->data_start,
		 l->data_end, p->space ? p->space->brk_start : 0, l->args,
		 l->args_end, l->environment, l->environment_end);
}

static void show_statm(struct text *t, const struct proc_subject *s)
{
	const struct layout *l = &s->process->layout;
	struct mm_count c;

	if (!s->process->space) {
		text_add(t, "0 0 0 0 0 0 0\n");
		return;
	}
	mm_count(&c);
	text_add(t, "%lu %lu %lu %lu 0 %lu 0\n", s->process->space->pages,
		 mm_resident_pages(), c.file,
		 (l->code_end - l->code_start) / PAGE_SIZE, c.data + c.stack);
}

static void show_io(struct text *t, const struct proc_subject *s)
{
	struct usage u;

	if (s->whole)
		usage_of_process(s->process, &u);
	else
		usage_of_thread(s->thread, &u);
	text_add(t,
		 "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\n"
		 "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n",
		 u.read_bytes, u.written_bytes, u.reads, u.writes);
}

static void show_sched(struct text *t, const struct proc_subject *s)
{
	const struct thread *th = s->thread;
	u64 cpu = thread_cpu(th);

	text_add(t, "%s (%d, #threads: %u)\n%s", th->name, th->tid,
		 threads_of(s->process),
		 "-------------------------------------------------------------"
		 "------\n");
	text_add(t, "%-45s:%14lu.%06lu\n", "se.sum_exec_runtime", cpu / 1000000,
		 cpu % 1000000);
	text_add(t, "%-45s:%21lu\n%-45s:%21lu\n%-45s:%21lu\n", "nr_switches",
		 th->usage.waits + th->usage.preemptions,
		 "nr_voluntary_switches", th->usage.waits,
		 "nr_involuntary_switches", th->usage.preemptions);
	text_add(t, "%-45s:%21u\n%-45s:%21d\n", "policy", th->priority.policy,
		 "prio", 120 + th->priority.nice);
}

static void show_schedstat(struct text *t, const struct proc_subject *s)
{
	text_add(t, "%lu 0 %lu\n", thread_cpu(s->thread),
		 s->thread->usage.waits + s->thread->usage.preemptions);
}

/* ---- limits ---- */

static void add_limit(struct text *t, u64 value)
{
	if (value == ~0ull)
		text_add(t, "%-20s ", "unlimited");
	else
		text_add(t, "%-20lu ", value);
}

static void show_limits(struct text *t, const struct proc_subject *s)
{
	static const struct {
		const char *name, *unit;
	} rows[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};

	text_add(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit",
		 "Hard Limit", "Units");
	for (size_t i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit64 *l = &s->process->limits.of[i];

		text_add(t, "%-25s ", rows[i].name);
		add_limit(t, l->rlim_cur);
		add_limit(t, l->rlim_max);
		text_add(t, *rows[i].unit ? "%-10s\n" : "%s\n", rows[i].unit);
	}
}

/* ---- the program's own memory ---- */

static void add_strings(struct text *t, const struct proc_subject *s, u64 start,
			u64 end)
{
	struct space *of = s->process->space;
	char *to = of ? text_reserve(t, end - start) : NULL;

	if (to)
		t->size += space_read(of, to, start, end - start);
}

static void show_cmdline(struct text *t, const struct proc_subject *s)
{
	const struct layout *l = &s->process->layout;

	add_strings(t, s, l->args, l->args_end);
}

static void show_environ(struct text *t, const struct proc_subject *s)
{
	const struct layout *l = &s->process->layout;

	add_strings(t, s, l->environment, l->environment_end);
}

static void show_auxv(struct text *t, const struct proc_subject *s)
{
	const struct layout *l = &s->process->layout;

	if (s->process->space)
		text_bytes(t, l->auxv, l->auxv_size);
}

/* ---- names and links ---- */

static void show_comm(struct text *t, const struct proc_subject *s)
{
	text_add(t, "%s\n", s->thread->name);
}

static long store_comm(const struct proc_subject *s, const char *text)
{
	char *name = s->thread->name;
	const char *end = strchr(text, '\n');
	size_t size = end ? (size_t)(end - text) : strlen(text);

	if (s->process != current->process)
		return -EINVAL;
	memset(name, 0, sizeof(s->thread->name));
	memcpy(name, text, MIN(size, sizeof(s->thread->name) - 1));
	return 0;
}

/* The program that it began with, wherever that is now. */
static struct file *exe_of(const struct proc_subject *s)
{
	const struct space *of = s->process->space;

	return of && of->program ? file_of_object(of->program) : NULL;
}

static void show_exe(struct text *t, const struct proc_subject *s)
{
	struct file *f = exe_of(s);
	char *to = f ? text_reserve(t, PATH_MAX) : NULL;

	if (to)
		t->size += file_describe(f, to, PATH_MAX);
}

static void add_path(struct text *t, const struct node *n)
{
	char path[PATH_MAX],
		*at = node_path(n ? n : root_node, path, sizeof(path));

	text_add(t, "%s", at ? at : "(unreachable)");
}

static void show_cwd(struct text *t, const struct proc_subject *s)
{
	if (s->process->surroundings)
		add_path(t, s->process->surroundings->cwd);
}

static void show_root(struct text *t, const struct proc_subject *s)
{
	if (s->process->surroundings)
		add_path(t, s->process->surroundings->root);
}

/* ---- the rest ---- */

static void show_children(struct text *t, const struct proc_subject *s)
{
	for (const struct process *c = s->process->children; c; c = c->sibling)
		if (c->maker == s->thread->tid)
			text_add(t, "%d ", c->pid);
}

static void show_personality(struct text *t, const struct proc_subject *s)
{
	text_add(t, "%08x\n", s->thread->personality);
}

static void show_oom_adj(struct text *t, const struct proc_subject *s)
{
	text_add(t, "%d\n", s->process->oom_score_adj);
}

static void show_oom_score(struct text *t, const struct proc_subject *s)
{
	u64 used = s->process->space ? mm_resident_pages() : 0;
	s64 points = (s64)(used * 1000 / frames_total());

	/* As Linux: 666 for one that has nothing. */
	points = (1000 + points + s->process->oom_score_adj) * 2 / 3;
	text_add(t, "%ld\n", MAX(points, 0l));
}

/* A number in a written text. 0 or -EINVAL. */
static long parse_number(const char *text, s64 *value)
{
	bool negative = *text == '-';
	const char *p = text + negative;

	*value = 0;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (*value > INT64_MAX / 10 - 10)
			return -EINVAL;
		*value = *value * 10 + *p - '0';
	}
	*value = negative ? -*value : *value;
	return *p == 0 || (*p == '\n' && p[1] == 0) ? 0 : -EINVAL;
}

static long store_oom_adj(const struct proc_subject *s, const char *text)
{
	s64 value;
	long r = parse_number(text, &value);

	if (r)
		return r;
	if (value < -1000 || value > 1000)
		return -EINVAL;
	if (value < s->process->oom_score_adj && !ids_capable(CAP_SYS_RESOURCE))
		return -EACCES;
	s->process->oom_score_adj = (s32)value;
	return 0;
}

static void show_slack(struct text *t, const struct proc_subject *s)
{
	text_add(t, "%lu\n", s->thread->timer_slack);
}

static long store_slack(const struct proc_subject *s, const char *text)
{
	s64 value;
	long r = parse_number(text, &value);

	if (r || value < 0)
		return -EINVAL;
	s->thread->timer_slack = value ? (u64)value :
					 s->thread->default_timer_slack;
	return 0;
}

/* ---- mounts, groups and namespaces: there is one of each ---- */

static const char mounts[] = "root / tmpfs rw,relatime 0 0\n"
			     "proc /proc proc rw,relatime 0 0\n"
			     "sysfs /sys sysfs ro,relatime 0 0\n"
			     "devpts /dev/pts devpts rw,relatime,gid=5,"
			     "mode=620,ptmxmode=666 0 0\n";
static const char mountinfo[] = "1 1 0:1 / / rw,relatime - tmpfs root rw\n"
				"2 1 0:2 / /proc rw,relatime - proc proc rw\n"
				"3 1 0:3 / /sys ro,relatime - sysfs sysfs ro\n"
				"4 1 0:4 / /dev/pts rw,relatime - devpts "
				"devpts rw,gid=5,mode=620,ptmxmode=666\n";
static const char mountstats[] = "device root mounted on / with fstype tmpfs\n"
				 "device proc mounted on /proc with fstype "
				 "proc\n"
				 "device sysfs mounted on /sys with fstype "
				 "sysfs\n"
				 "device devpts mounted on /dev/pts with "
				 "fstype "
				 "devpts\n";
static const char id_map[] = "         0          0 4294967295\n";

static const struct proc_row namespaces[] = {
	PROC_NAMESPACE("cgroup", "cgroup:[4026531835]"),
	PROC_NAMESPACE("ipc", "ipc:[4026531839]"),
	PROC_NAMESPACE("mnt", "mnt:[4026531841]"),
	PROC_NAMESPACE("net", "net:[4026531840]"),
	PROC_NAMESPACE("pid", "pid:[4026531836]"),
	PROC_NAMESPACE("pid_for_children", "pid:[4026531836]"),
	PROC_NAMESPACE("time", "time:[4026531834]"),
	PROC_NAMESPACE("time_for_children", "time:[4026531834]"),
	PROC_NAMESPACE("user", "user:[4026531837]"),
	PROC_NAMESPACE("uts", "uts:[4026531838]"),
	PROC_END,
};

static const struct proc_row thread_row = {
	.mode = S_IFDIR | 0555,
	.rows = proc_thread_rows,
};

/* ---- the tables ---- */

#define ROWS_OF_BOTH                                                           \
	PROC_FIXED("cgroup", "0::/\n"), PROC_FILE("cmdline", show_cmdline),    \
		PROC_WRITABLE("comm", show_comm, store_comm),                  \
		PROC_FIXED("cpuset", "/\n"),                                   \
		PROC_INTIMATE_LINK("cwd", show_cwd, NULL),                     \
		PROC_PRIVATE("auxv", show_auxv),                               \
		PROC_PRIVATE("environ", show_environ),                         \
		PROC_INTIMATE_LINK("exe", show_exe, exe_of),                   \
		PROC_NUMBERS("fd", 0500, PROC_DESCRIPTORS, &proc_fd_row),      \
		PROC_NUMBERS("fdinfo", 0555, PROC_DESCRIPTORS,                 \
			     &proc_fdinfo_row),                                \
		PROC_FIXED("gid_map", id_map), PROC_PRIVATE("io", show_io),    \
		PROC_FILE("limits", show_limits),                              \
		PROC_FIXED("loginuid", "4294967295"),                          \
		PROC_INTIMATE("maps", proc_show_maps),                         \
		{ .name = "mem",                                               \
		  .mode = S_IFREG | 0600,                                      \
		  .ops = &proc_mem_ops },                                      \
		PROC_FIXED_OPS("mountinfo", mountinfo, &made_mounts_ops),      \
		PROC_FIXED_OPS("mounts", mounts, &made_mounts_ops),            \
		PROC_DIR("net", proc_net_rows),                                \
		PROC_INTIMATE_DIR("ns", namespaces),                           \
		PROC_FILE("oom_score", show_oom_score),                        \
		PROC_WRITABLE("oom_score_adj", show_oom_adj, store_oom_adj),   \
		PROC_PRIVATE("personality", show_personality),                 \
		PROC_INTIMATE_LINK("root", show_root, NULL),                   \
		PROC_FILE("sched", show_sched),                                \
		PROC_FILE("schedstat", show_schedstat),                        \
		PROC_FIXED("sessionid", "4294967295"),                         \
		PROC_FIXED("setgroups", "allow\n"),                            \
		PROC_INTIMATE("smaps", proc_show_smaps),                       \
		PROC_INTIMATE("smaps_rollup", proc_show_rollup),               \
		PROC_FILE("stat", show_stat), PROC_FILE("statm", show_statm),  \
		PROC_FILE("status", show_status),                              \
		PROC_FIXED("uid_map", id_map), PROC_FIXED("wchan", "0")

const struct proc_row proc_thread_rows[] = {
	ROWS_OF_BOTH,
	PROC_FILE("children", show_children),
	PROC_END,
};

const struct proc_row proc_process_rows[] = {
	ROWS_OF_BOTH,
	PROC_FIXED("coredump_filter", "00000033\n"),
	PROC_FIXED_OPS("mountstats", mountstats, &made_sent_ops),
	PROC_NUMBERS("task", 0555, PROC_THREADS, &thread_row),
	PROC_WRITABLE("timerslack_ns", show_slack, store_slack),
	PROC_END,
};
