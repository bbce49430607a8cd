/* proc.c: the parts of /proc and /sys that programs read. */
#include "fs/proc.h"

#include "fs/open.h"
#include "fs/mount.h"
#include "heap.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "random.h"
#include "task/clock.h"
#include "task/mlock.h"
#include "task/process.h"

#define KIB(pages) ((pages) * 4)

static size_t gen_maps(char *buf, size_t size)
{
	return mm_format_maps(buf, size);
}

static size_t gen_status(char *buf, size_t size)
{
	u32 count = 0;

	for (struct thread *t = threads; t; t = t->all_next)
		count++;
	return (size_t)ksnprintf(
		buf, size,
		"Name:\t%s\nUmask:\t0022\nState:\tR (running)\nTgid:\t%d\nNgid:\t0\n"
		"Pid:\t%d\nPPid:\t1\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n"
		"VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t%8lu kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n"
		"Threads:\t%u\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n",
		current->name, current->process->pid, current->process->pid, KIB(mm_mapped_pages()),
		KIB(mm_mapped_pages()), KIB(mm_locked_pages()),
		KIB(mm_resident_pages()), KIB(mm_resident_pages()), count);
}

static size_t gen_stat(char *buf, size_t size)
{
	return (size_t)ksnprintf(
		buf, size,
		"%d (%s) R 1 %d %d 0 -1 0 0 0 0 0 %lu 0 0 0 20 0 1 0 0 %lu %lu "
		"18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		current->process->pid, current->name, current->process->pid, current->process->pid,
		thread_cpu(current) / (NSEC / 100), mm_mapped_pages() * PAGE_SIZE,
		mm_resident_pages());
}

static size_t gen_statm(char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "%lu %lu 0 0 0 %lu 0\n",
				 mm_mapped_pages(), mm_resident_pages(),
				 mm_resident_pages());
}

/* argv (or the environment behind it) as the VMM has handed it over. */
static size_t copy_strings(char *buf, size_t size, bool environment)
{
	const char *args = (const char *)control->args;
	size_t total = MIN((size_t)control->args_size, (size_t)ZB_ARGS_SIZE);
	size_t split = 0;

	for (u32 i = 0; i < control->argc && split < total; i++)
		split += strnlen(args + split, total - split) + 1;
	split = MIN(split, total);
	if (environment) {
		args += split;
		total -= split;
	} else {
		total = split;
	}
	total = MIN(total, size);
	memcpy(buf, args, total);
	return total;
}

static size_t gen_cmdline(char *buf, size_t size)
{
	return copy_strings(buf, size, false);
}

static size_t gen_environ(char *buf, size_t size)
{
	return copy_strings(buf, size, true);
}

static size_t gen_comm(char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "%s\n", current->name);
}

static size_t gen_exe(char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "%s", current->process->exec_path);
}

static size_t gen_cwd(char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "/");
}

static size_t gen_meminfo(char *buf, size_t size)
{
	u64 total = KIB(frames_total()), available = KIB(frames_available());

	return (size_t)ksnprintf(
		buf, size,
		"MemTotal:       %8lu kB\nMemFree:        %8lu kB\n"
		"MemAvailable:   %8lu kB\nBuffers:               0 kB\n"
		"Cached:                0 kB\nSwapTotal:             0 kB\n"
		"SwapFree:              0 kB\n",
		total, available, available);
}

static size_t gen_cpuinfo(char *buf, size_t size)
{
	u32 name[13] = { 0 };

	for (size_t i = 0; i < 3; i++)
		__asm__ volatile("cpuid"
				 : "=a"(name[4 * i]), "=b"(name[4 * i + 1]),
				   "=c"(name[4 * i + 2]), "=d"(name[4 * i + 3])
				 : "a"(0x80000002 + (u32)i), "c"(0));
	return (size_t)ksnprintf(
		buf, size,
		"processor\t: 0\nmodel name\t: %s\ncpu MHz\t\t: %lu.000\n"
		"physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n\n",
		(const char *)name, control->tsc_khz / 1000);
}

static size_t gen_system_stat(char *buf, size_t size)
{
	return (size_t)ksnprintf(
		buf, size,
		"cpu  %lu 0 0 0 0 0 0 0 0 0\ncpu0 %lu 0 0 0 0 0 0 0 0 0\nbtime %lu\n",
		mono_now() / (NSEC / 100), mono_now() / (NSEC / 100),
		(wall_now() - mono_now()) / NSEC);
}

static size_t gen_uptime(char *buf, size_t size)
{
	u64 now = mono_now();

	return (size_t)ksnprintf(buf, size, "%lu.%02lu 0.00\n", now / NSEC,
				 now % NSEC / (NSEC / 100));
}

static size_t gen_uuid(char *buf, size_t size)
{
	u8 r[16];

	random_fill(r, sizeof(r));
	r[6] = (r[6] & 0x0f) | 0x40; /* version 4, RFC 9562 */
	r[8] = (r[8] & 0x3f) | 0x80;
	return (size_t)ksnprintf(
		buf, size,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
		r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9],
		r[10], r[11], r[12], r[13], r[14], r[15]);
}

static const struct {
	const char *path;
	size_t (*generate)(char *buf, size_t size);
} generated[] = {
	{ "/proc/self/maps", gen_maps },
	{ "/proc/self/status", gen_status },
	{ "/proc/self/stat", gen_stat },
	{ "/proc/self/statm", gen_statm },
	{ "/proc/self/cmdline", gen_cmdline },
	{ "/proc/self/environ", gen_environ },
	{ "/proc/self/comm", gen_comm },
	{ "/proc/meminfo", gen_meminfo },
	{ "/proc/cpuinfo", gen_cpuinfo },
	{ "/proc/stat", gen_system_stat },
	{ "/proc/uptime", gen_uptime },
	{ "/proc/sys/kernel/random/uuid", gen_uuid },
};

static const struct {
	const char *path, *content;
} fixed[] = {
	{ "/proc/self/cgroup", "0::/\n" },
	{ "/proc/self/mounts", "root / tmpfs rw 0 0\nproc /proc proc rw 0 0\n" },
	{ "/proc/self/mountinfo", "1 1 0:1 / / rw - tmpfs root rw\n" },
	{ "/proc/mounts", "root / tmpfs rw 0 0\nproc /proc proc rw 0 0\n" },
	{ "/proc/filesystems", "nodev\ttmpfs\nnodev\tproc\n" },
	{ "/proc/loadavg", "0.00 0.00 0.00 1/1 2\n" },
	{ "/proc/version", "Linux version 6.1.0-zeroboot\n" },
	{ "/proc/sys/kernel/osrelease", "6.1.0-zeroboot\n" },
	{ "/proc/sys/kernel/ostype", "Linux\n" },
	{ "/proc/sys/kernel/hostname", "zeroboot\n" },
	{ "/proc/sys/kernel/pid_max", "32768\n" },
	{ "/proc/sys/kernel/cap_last_cap", "40\n" },
	{ "/proc/sys/vm/overcommit_memory", "0\n" },
	{ "/proc/sys/vm/max_map_count", "65530\n" },
	{ "/proc/sys/net/core/somaxconn", "4096\n" },
	{ "/sys/devices/system/cpu/online", "0\n" },
	{ "/sys/devices/system/cpu/possible", "0\n" },
	{ "/sys/devices/system/cpu/present", "0\n" },
	{ "/sys/kernel/mm/transparent_hugepage/enabled",
	  "always madvise [never]\n" },
	{ "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n" },
};

static const char *const directories[] = {
	"/proc/self", "/proc/self/fd", "/proc/self/task", "/proc/self/task/2",
	"/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random",
	"/proc/sys/vm", "/proc/sys/net", "/proc/sys/net/core", "/sys/devices",
	"/sys/devices/system", "/sys/devices/system/cpu",
	"/sys/devices/system/cpu/cpu0", "/sys/kernel", "/sys/kernel/mm",
	"/sys/kernel/mm/transparent_hugepage", "/sys/fs", "/sys/fs/cgroup",
};

static void make_link(const char *path, const char *target,
		      size_t (*generate)(char *buf, size_t size))
{
	struct node *n = vfs_make(path, S_IFLNK | 0777);

	if (!n)
		return;
	n->generate = generate;
	n->target = target ? kstrdup(target) : NULL;
}

void proc_init(void)
{
	struct node *n;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		vfs_make(directories[i], S_IFDIR | 0555);
	for (size_t i = 0; i < ARRAY_SIZE(generated); i++) {
		n = vfs_make(generated[i].path, S_IFREG | 0444);
		if (n)
			n->generate = generated[i].generate;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		file_make(fixed[i].path, fixed[i].content,
			  strlen(fixed[i].content), 0444);
	n = vfs_make("/proc/self/fd", S_IFDIR | 0555);
	if (n)
		n->fds = true;
	make_link("/proc/2", "self", NULL);
	make_link("/proc/thread-self", "self", NULL);
	make_link("/proc/self/exe", NULL, gen_exe);
	make_link("/proc/self/cwd", NULL, gen_cwd);
	make_link("/proc/self/root", "/", NULL);
}
