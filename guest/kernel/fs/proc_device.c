/* proc_device.c: /sys: one CPU, one memory node, the loopback device. */
#include "fs/proc.h"

static const struct proc_row topology_rows[] = {
	PROC_FIXED("core_cpus", "1\n"),
	PROC_FIXED("core_cpus_list", "0\n"),
	PROC_FIXED("core_id", "0\n"),
	PROC_FIXED("core_siblings", "1\n"),
	PROC_FIXED("core_siblings_list", "0\n"),
	PROC_FIXED("die_id", "0\n"),
	PROC_FIXED("package_cpus", "1\n"),
	PROC_FIXED("package_cpus_list", "0\n"),
	PROC_FIXED("physical_package_id", "0\n"),
	PROC_FIXED("thread_siblings", "1\n"),
	PROC_FIXED("thread_siblings_list", "0\n"),
	PROC_END,
};

static const struct proc_row cpu0_rows[] = {
	PROC_DIR("topology", topology_rows),
	PROC_END,
};

static const struct proc_row cpu_rows[] = {
	PROC_DIR("cpu0", cpu0_rows),     PROC_FIXED("isolated", "\n"),
	PROC_FIXED("kernel_max", "0\n"), PROC_FIXED("offline", "\n"),
	PROC_FIXED("online", "0\n"),     PROC_FIXED("possible", "0\n"),
	PROC_FIXED("present", "0\n"),    PROC_END,
};

static const struct proc_row node0_rows[] = {
	PROC_FIXED("cpulist", "0\n"),
	PROC_FIXED("cpumap", "1\n"),
	PROC_FIXED("distance", "10\n"),
	PROC_END,
};

static const struct proc_row node_rows[] = {
	PROC_FIXED("has_cpu", "0\n"),  PROC_FIXED("has_memory", "0\n"),
	PROC_DIR("node0", node0_rows), PROC_FIXED("online", "0\n"),
	PROC_FIXED("possible", "0\n"), PROC_END,
};

static const struct proc_row system_rows[] = {
	PROC_DIR("cpu", cpu_rows),
	PROC_DIR("node", node_rows),
	PROC_END,
};

static const struct proc_row devices_rows[] = {
	PROC_DIR("system", system_rows),
	PROC_END,
};

static const struct proc_row statistics_rows[] = {
	PROC_FIXED("rx_bytes", "0\n"),
	PROC_FIXED("rx_dropped", "0\n"),
	PROC_FIXED("rx_errors", "0\n"),
	PROC_FIXED("rx_packets", "0\n"),
	PROC_FIXED("tx_bytes", "0\n"),
	PROC_FIXED("tx_dropped", "0\n"),
	PROC_FIXED("tx_errors", "0\n"),
	PROC_FIXED("tx_packets", "0\n"),
	PROC_END,
};

static const struct proc_row lo_rows[] = {
	PROC_FIXED("addr_len", "6\n"),
	PROC_FIXED("address", "00:00:00:00:00:00\n"),
	PROC_FIXED("broadcast", "00:00:00:00:00:00\n"),
	PROC_FIXED("carrier", "1\n"),
	PROC_FIXED("flags", "0x9\n"), /* IFF_UP, IFF_LOOPBACK */
	PROC_FIXED("ifindex", "1\n"),
	PROC_FIXED("iflink", "1\n"),
	PROC_FIXED("mtu", "65536\n"),
	PROC_FIXED("operstate", "unknown\n"),
	PROC_DIR("statistics", statistics_rows),
	PROC_FIXED("tx_queue_len", "1000\n"),
	PROC_FIXED("type", "772\n"), /* ARPHRD_LOOPBACK */
	PROC_END,
};

static const struct proc_row interface_rows[] = {
	PROC_DIR("lo", lo_rows),
	PROC_END,
};

static const struct proc_row empty_rows[] = { PROC_END };

static const struct proc_row class_rows[] = {
	PROC_DIR("block", empty_rows),
	PROC_DIR("net", interface_rows),
	PROC_DIR("power_supply", empty_rows),
	PROC_DIR("thermal", empty_rows),
	PROC_END,
};

static const struct proc_row fs_rows[] = {
	PROC_DIR("cgroup", empty_rows),
	PROC_END,
};

static const struct proc_row huge_rows[] = {
	PROC_FIXED("defrag", "always defer defer+madvise madvise [never]\n"),
	PROC_FIXED("enabled", "always madvise [never]\n"),
	PROC_FIXED("hpage_pmd_size", "2097152\n"),
	PROC_FIXED("shmem_enabled", "always within_size advise [never] deny "
				    "force\n"),
	PROC_END,
};

static const struct proc_row mm_rows[] = {
	PROC_DIR("transparent_hugepage", huge_rows),
	PROC_END,
};

static const struct proc_row kernel_rows[] = {
	PROC_DIR("mm", mm_rows),
	PROC_END,
};

const struct proc_row proc_device_rows[] = {
	PROC_DIR("block", empty_rows),     PROC_DIR("class", class_rows),
	PROC_DIR("devices", devices_rows), PROC_DIR("fs", fs_rows),
	PROC_DIR("kernel", kernel_rows),   PROC_END,
};
