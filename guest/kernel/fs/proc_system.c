/* proc_system.c: what /proc says of the whole system: proc(5). */
#include "fs/lock.h"
#include "fs/proc.h"
#include "fs/quota.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/resident.h"
#include "task/numbers.h"
#include "task/process.h"

#define KIB(pages) ((pages)*4)
#define TICK (NSEC / 100) /* AT_CLKTCK */

/* ---- time ---- */

struct cpu_times {
	u64 busy, idle, switches;
};

static struct cpu_times cpu_times(void)
{
	struct usage u;
	struct cpu_times c;
	u64 now = boot_now();

	usage_of_all(&u);
	c.busy = MIN(u.cpu, now);
	c.idle = now - c.busy;
	c.switches = u.waits + u.preemptions;
	return c;
}

static u32 count_threads(bool running)
{
	u32 n = 0;

	for (const struct thread *t = threads; t; t = t->all_next)
		n += !running || (!thread_waits(t) && !thread_ended(t));
	return n;
}

static void show_stat(struct text *t, const struct proc_subject *s)
{
	struct cpu_times c = cpu_times();

	(void)s;
	text_add(t, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", c.busy / TICK,
		 c.idle / TICK);
	text_add(t, "cpu0 %lu 0 0 %lu 0 0 0 0 0 0\n", c.busy / TICK,
		 c.idle / TICK);
	text_add(t,
		 "intr 0\nctxt %lu\nbtime %lu\nprocesses %u\n"
		 "procs_running %u\nprocs_blocked 0\n"
		 "softirq 0 0 0 0 0 0 0 0 0 0 0\n",
		 c.switches, (wall_now() - boot_now()) / NSEC,
		 threads_started(), count_threads(true));
}

static void show_uptime(struct text *t, const struct proc_subject *s)
{
	u64 now = boot_now(), idle = cpu_times().idle;

	(void)s;
	text_add(t, "%lu.%02lu %lu.%02lu\n", now / NSEC, now % NSEC / TICK,
		 idle / NSEC, idle % NSEC / TICK);
}

/* Averages would need somebody who counts all the time. */
static void show_loadavg(struct text *t, const struct proc_subject *s)
{
	(void)s;
	text_add(t, "0.00 0.00 0.00 %u/%u %u\n", count_threads(true),
		 count_threads(false), (u32)number_last());
}

/* ---- memory ---- */

static void add_kib(struct text *t, const char *name, u64 pages)
{
	text_add(t, "%-15s %8lu kB\n", name, KIB(pages));
}

static void show_meminfo(struct text *t, const struct proc_subject *s)
{
	static const char *const none[] = {
		"SwapCached:",   "Active(file):", "Inactive(file):",
		"Unevictable:",  "SwapTotal:",    "SwapFree:",
		"Dirty:",        "Writeback:",    "KReclaimable:",
		"SReclaimable:", "NFS_Unstable:", "Bounce:",
		"WritebackTmp:",
	};
	u64 total = frames_total(), available = frames_available();
	u64 files = (quota_limit() - quota_left()) * UNIT / PAGE_SIZE;
	u64 used = total - available;

	(void)s;
	files = MIN(files, used);
	add_kib(t, "MemTotal:", total);
	add_kib(t, "MemFree:", available);
	add_kib(t, "MemAvailable:", available);
	add_kib(t, "Buffers:", 0);
	add_kib(t, "Cached:", files);
	add_kib(t, "Active:", used);
	add_kib(t, "Inactive:", 0);
	add_kib(t, "Active(anon):", used);
	add_kib(t, "Inactive(anon):", 0);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		add_kib(t, none[i], 0);
	add_kib(t, "Mlocked:", 0);
	add_kib(t, "AnonPages:", used - files);
	add_kib(t, "Mapped:", 0);
	add_kib(t, "Shmem:", files);
	add_kib(t, "Slab:", 0);
	add_kib(t, "SUnreclaim:", 0);
	add_kib(t, "KernelStack:", 4ul * count_threads(false));
	add_kib(t, "PageTables:", 0);
	add_kib(t, "CommitLimit:", total / 2);
	add_kib(t, "Committed_AS:", used);
	text_add(t, "VmallocTotal:   34359738367 kB\n");
	add_kib(t, "VmallocUsed:", 0);
	add_kib(t, "VmallocChunk:", 0);
	text_add(t, "HugePages_Total:       0\nHugePages_Free:        0\n"
		    "HugePages_Rsvd:        0\nHugePages_Surp:        0\n"
		    "Hugepagesize:       2048 kB\nHugetlb:               0 "
		    "kB\n");
}

static void show_vmstat(struct text *t, const struct proc_subject *s)
{
	static const char *const none[] = {
		"nr_dirty", "nr_writeback", "nr_mlock",   "pgpgin",   "pgpgout",
		"pswpin",   "pswpout",      "pgmajfault", "oom_kill",
	};
	struct usage u;

	(void)s;
	usage_of_all(&u);
	text_add(t, "nr_free_pages %lu\nnr_anon_pages %lu\npgfault %lu\n",
		 frames_available(), mm_resident_pages(), u.faults);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		text_add(t, "%s 0\n", none[i]);
}

/* ---- what is always the same ---- */

static const char version[] = "Linux version 6.1.0-zeroboot (zeroboot) #1 "
			      "SMP\n";
static const char devices[] = "Character devices:\n  1 mem\n  5 /dev/tty\n"
			      "  5 /dev/ptmx\n136 pts\n240 zeroboot\n\n"
			      "Block devices:\n";
static const char filesystems[] = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\n"
				  "nodev\tdevpts\n";
static const char swaps[] = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority"
			    "\n";
static const char cgroups[] = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";

static void show_self(struct text *t, const struct proc_subject *s)
{
	(void)s;
	text_add(t, "%d", current->process->pid);
}

static void show_locks(struct text *t, const struct proc_subject *s)
{
	(void)s;
	lock_show(t, NULL, NULL);
}

static void show_thread_self(struct text *t, const struct proc_subject *s)
{
	(void)s;
	text_add(t, "%d/task/%d", current->process->pid, current->tid);
}

static const char drivers[] =
	"/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
	"/dev/ptmx            /dev/ptmx       5       2 system\n"
	"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
	"pty_master           /dev/ptm      128 0-1048575 pty:master\n";

static const struct proc_row tty_rows[] = {
	PROC_FIXED("drivers", drivers),
	PROC_FIXED("ldiscs", "n_tty       0\n"),
	PROC_END,
};

const struct proc_row proc_system_rows[] = {
	PROC_FIXED("cgroups", cgroups),
	PROC_FIXED("cmdline", "zeroboot\n"),
	PROC_FILE("cpuinfo", proc_show_cpuinfo),
	PROC_FIXED("devices", devices),
	PROC_FIXED("diskstats", ""),
	PROC_FIXED("filesystems", filesystems),
	PROC_FIXED("interrupts", "           CPU0       \n"),
	PROC_FILE("loadavg", show_loadavg),
	PROC_FILE("meminfo", show_meminfo),
	PROC_FILE("locks", show_locks),
	PROC_FIXED("modules", ""),
	PROC_LINK_TO("mounts", "self/mounts"),
	PROC_LINK_TO("net", "self/net"),
	PROC_FIXED("partitions", "major minor  #blocks  name\n\n"),
	PROC_LINK("self", show_self),
	PROC_FIXED("softirqs", "                    CPU0       \n"),
	PROC_FILE("stat", show_stat),
	PROC_FIXED("swaps", swaps),
	PROC_DIR("sys", proc_sys_rows),
	PROC_LINK("thread-self", show_thread_self),
	PROC_DIR("tty", tty_rows),
	PROC_FILE("uptime", show_uptime),
	PROC_FIXED("version", version),
	PROC_FILE("vmstat", show_vmstat),
	PROC_END,
};
