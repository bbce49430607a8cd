/* proc_sys.c: /proc/sys: the system's settings, which nobody may change. */
#include <linux/capability.h>

#include "fs/proc.h"
#include "mm/frame.h"
#include "random.h"
#include "task/limits.h"

#define STRING(x) STRING_OF(x)
#define STRING_OF(x) #x

static void add_uuid(struct text *t, const u8 r[16])
{
	for (int i = 0; i < 16; i++)
		text_add(t, "%s%02x",
			 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			 r[i]);
	text_add(t, "\n");
}

static void new_uuid(u8 r[16])
{
	random_fill(r, 16);
	r[6] = (r[6] & 0x0f) | 0x40; /* version 4, RFC 9562 */
	r[8] = (r[8] & 0x3f) | 0x80;
}

static void show_uuid(struct text *t, const struct proc_subject *s)
{
	u8 r[16];

	(void)s;
	new_uuid(r);
	add_uuid(t, r);
}

/* Made when first asked for, so that no two runs have the same. */
static void show_boot_id(struct text *t, const struct proc_subject *s)
{
	static u8 id[16];
	static bool made;

	(void)s;
	if (!made)
		new_uuid(id);
	made = true;
	add_uuid(t, id);
}

/* As Linux: for each 8 KiB of memory one. */
static void show_threads_max(struct text *t, const struct proc_subject *s)
{
	(void)s;
	text_add(t, "%lu\n", frames_total() / 2);
}

static void show_file_nr(struct text *t, const struct proc_subject *s)
{
	(void)s;
	text_add(t, "%u\t0\t9223372036854775807\n", file_count());
}

static const struct proc_row random_rows[] = {
	PROC_FILE("boot_id", show_boot_id),
	PROC_FIXED("entropy_avail", "256\n"),
	PROC_FIXED("poolsize", "256\n"),
	PROC_FIXED("urandom_min_reseed_secs", "60\n"),
	PROC_FILE("uuid", show_uuid),
	PROC_FIXED("write_wakeup_threshold", "256\n"),
	PROC_END,
};

static const struct proc_row pty_rows[] = {
	PROC_FIXED("max", "4096\n"),
	PROC_FIXED("reserve", "1024\n"),
	PROC_END,
};

static const struct proc_row tty_rows[] = {
	PROC_FIXED("ldisc_autoload", "0\n"),
	PROC_FIXED("legacy_tiocsti", "0\n"),
	PROC_END,
};

static const struct proc_row dev_rows[] = {
	PROC_DIR("tty", tty_rows),
	PROC_END,
};

static const struct proc_row kernel_rows[] = {
	PROC_FIXED("cap_last_cap", STRING(CAP_LAST_CAP) "\n"),
	PROC_FIXED("core_pattern", "core\n"),
	PROC_FIXED("core_uses_pid", "0\n"),
	PROC_FIXED("dmesg_restrict", "1\n"),
	PROC_FIXED("domainname", "(none)\n"),
	PROC_FIXED("hostname", "zeroboot\n"),
	PROC_FIXED("kptr_restrict", "1\n"),
	PROC_FIXED("msgmax", "8192\n"),
	PROC_FIXED("msgmnb", "16384\n"),
	PROC_FIXED("msgmni", "32000\n"),
	PROC_FIXED("ngroups_max", "65536\n"),
	PROC_FIXED("osrelease", "6.1.0-zeroboot\n"),
	PROC_FIXED("ostype", "Linux\n"),
	PROC_FIXED("overflowgid", "65534\n"),
	PROC_FIXED("overflowuid", "65534\n"),
	PROC_FIXED("perf_event_paranoid", "3\n"),
	PROC_FIXED("pid_max", "4194304\n"),
	PROC_FIXED("printk", "4\t4\t1\t7\n"),
	PROC_DIR("pty", pty_rows),
	PROC_DIR("random", random_rows),
	PROC_FIXED("randomize_va_space", "0\n"),
	PROC_FIXED("sched_rr_timeslice_ms", "100\n"),
	PROC_FIXED("sem", "32000\t1024000000\t500\t32000\n"),
	PROC_FIXED("shmall", "18446744073692774399\n"),
	PROC_FIXED("shmmax", "18446744073692774399\n"),
	PROC_FIXED("shmmni", "4096\n"),
	PROC_FIXED("tainted", "0\n"),
	PROC_FILE("threads-max", show_threads_max),
	PROC_FIXED("unprivileged_bpf_disabled", "2\n"),
	PROC_FIXED("version", "#1 SMP\n"),
	PROC_END,
};

static const struct proc_row inotify_rows[] = {
	PROC_FIXED("max_queued_events", "16384\n"),
	PROC_FIXED("max_user_instances", "128\n"),
	PROC_FIXED("max_user_watches", "65536\n"),
	PROC_END,
};

static const struct proc_row epoll_rows[] = {
	PROC_FIXED("max_user_watches", "1048576\n"),
	PROC_END,
};

static const struct proc_row fs_rows[] = {
	PROC_FIXED("aio-max-nr", "65536\n"),
	PROC_FIXED("aio-nr", "0\n"),
	PROC_DIR("epoll", epoll_rows),
	PROC_FIXED("file-max", "9223372036854775807\n"),
	PROC_FILE("file-nr", show_file_nr),
	PROC_DIR("inotify", inotify_rows),
	PROC_FIXED("lease-break-time", "45\n"),
	PROC_FIXED("nr_open", "1048576\n"),
	PROC_FIXED("overflowgid", "65534\n"),
	PROC_FIXED("overflowuid", "65534\n"),
	PROC_FIXED("pipe-max-size", "1048576\n"),
	PROC_FIXED("pipe-user-pages-hard", "0\n"),
	PROC_FIXED("pipe-user-pages-soft", "16384\n"),
	PROC_FIXED("protected_hardlinks", "0\n"),
	PROC_FIXED("protected_symlinks", "0\n"),
	PROC_FIXED("suid_dumpable", "0\n"),
	PROC_END,
};

static const struct proc_row vm_rows[] = {
	PROC_FIXED("max_map_count", "65530\n"),
	PROC_FIXED("mmap_min_addr", "65536\n"),
	PROC_FIXED("nr_hugepages", "0\n"),
	PROC_FIXED("overcommit_memory", "0\n"),
	PROC_FIXED("overcommit_ratio", "50\n"),
	PROC_FIXED("page-cluster", "3\n"),
	PROC_FIXED("swappiness", "60\n"),
	PROC_END,
};

static const struct proc_row core_rows[] = {
	PROC_FIXED("rmem_default", "212992\n"),
	PROC_FIXED("rmem_max", "212992\n"),
	PROC_FIXED("somaxconn", "4096\n"),
	PROC_FIXED("wmem_default", "212992\n"),
	PROC_FIXED("wmem_max", "212992\n"),
	PROC_END,
};

static const struct proc_row ipv4_rows[] = {
	PROC_FIXED("ip_default_ttl", "64\n"),
	PROC_FIXED("ip_forward", "0\n"),
	PROC_FIXED("ip_local_port_range", "32768\t60999\n"),
	PROC_FIXED("ip_unprivileged_port_start", "1024\n"),
	PROC_FIXED("tcp_allowed_congestion_control", "reno cubic\n"),
	PROC_FIXED("tcp_available_congestion_control", "reno cubic\n"),
	PROC_FIXED("tcp_congestion_control", "cubic\n"),
	PROC_FIXED("tcp_fin_timeout", "60\n"),
	PROC_FIXED("tcp_keepalive_intvl", "75\n"),
	PROC_FIXED("tcp_keepalive_probes", "9\n"),
	PROC_FIXED("tcp_keepalive_time", "7200\n"),
	PROC_FIXED("tcp_rmem", "4096\t131072\t33554432\n"),
	PROC_FIXED("tcp_syn_retries", "6\n"),
	PROC_FIXED("tcp_syncookies", "1\n"),
	PROC_END,
};

static const struct proc_row ipv6_one_rows[] = {
	PROC_FIXED("disable_ipv6", "0\n"),
	PROC_END,
};

static const struct proc_row ipv6_conf_rows[] = {
	PROC_DIR("all", ipv6_one_rows),
	PROC_DIR("default", ipv6_one_rows),
	PROC_DIR("lo", ipv6_one_rows),
	PROC_END,
};

static const struct proc_row ipv6_rows[] = {
	PROC_FIXED("bindv6only", "0\n"),
	PROC_DIR("conf", ipv6_conf_rows),
	PROC_END,
};

static const struct proc_row unix_rows[] = {
	PROC_FIXED("max_dgram_qlen", "512\n"),
	PROC_END,
};

static const struct proc_row net_rows[] = {
	PROC_DIR("core", core_rows),
	PROC_DIR("ipv4", ipv4_rows),
	PROC_DIR("ipv6", ipv6_rows),
	PROC_DIR("unix", unix_rows),
	PROC_END,
};

const struct proc_row proc_sys_rows[] = {
	PROC_DIR("dev", dev_rows),       PROC_DIR("fs", fs_rows),
	PROC_DIR("kernel", kernel_rows), PROC_DIR("net", net_rows),
	PROC_DIR("vm", vm_rows),         PROC_END,
};
