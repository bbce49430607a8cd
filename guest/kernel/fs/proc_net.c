/*
 * proc_net.c: /proc/PID/net: the headings of tables, whose lines come from net/.
 */
#include "fs/proc.h"
#include "fs/regular.h"

static const char devices[] = "Inter-|   Receive                               "
			      "                 |  Transmit\n"
			      " face |bytes    packets errs drop fifo frame "
			      "compressed multicast|bytes    packets errs drop "
			      "fifo colls carrier compressed\n";
static const char tcp[] = "  sl  local_address rem_address   st tx_queue "
			  "rx_queue tr tm->when "
			  "retrnsmt   uid  timeout inode                       "
			  "                      "
			  "        \n";
static const char tcp6[] = "  sl  local_address                         "
			   "remote_address                "
			   "        st tx_queue rx_queue tr tm->when retrnsmt  "
			   " uid  timeout inode\n";
static const char udp[] = "   sl  local_address rem_address   st tx_queue "
			  "rx_queue tr tm->when "
			  "retrnsmt   uid  timeout inode ref pointer drops     "
			  "       \n";
static const char udp6[] = "  sl  local_address                         "
			   "remote_address                "
			   "        st tx_queue rx_queue tr tm->when retrnsmt  "
			   " uid  timeout inode "
			   "ref pointer drops\n";
static const char local[] = "Num       RefCount Protocol Flags    Type St "
			    "Inode Path\n";
static const char route[] = "Iface\tDestination\tGateway "
			    "\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow"
			    "\tIRTT                   "
			    "                                    \n";
static const char arp[] = "IP address       HW type     Flags       HW address "
			  "           Mask     Device\n";
static const char loopback6[] = "00000000000000000000000000000001 01 80 10 80  "
				"     lo\n";

static const char netlink[] = "sk               Eth Pid        Groups   "
			      "Rmem     Wmem     Dump  Locks    Drops    "
			      "Inode\n";

void (*proc_net_lines)(struct text *t, enum proc_net table);

#define TABLE(name, heading, table)                                            \
	static void show_##name(struct text *t, const struct proc_subject *s)  \
	{                                                                      \
		(void)s;                                                       \
		text_add(t, "%s", heading);                                    \
		if (proc_net_lines)                                            \
			proc_net_lines(t, table);                              \
	}
TABLE(dev, devices, PROC_NET_DEV)
TABLE(tcp, tcp, PROC_NET_TCP)
TABLE(tcp6, tcp6, PROC_NET_TCP6)
TABLE(udp, udp, PROC_NET_UDP)
TABLE(udp6, udp6, PROC_NET_UDP6)
TABLE(udplite, udp, PROC_NET_UDPLITE)
TABLE(udplite6, udp6, PROC_NET_UDPLITE6)
TABLE(unix, local, PROC_NET_UNIX)
TABLE(netlink, netlink, PROC_NET_NETLINK)
TABLE(sockstat, "", PROC_NET_SOCKSTAT)
TABLE(sockstat6, "", PROC_NET_SOCKSTAT6)

#define NET_FILE(name_, show_)                                                 \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0444, .show = show_,          \
		.ops = &made_polled_ops                                        \
	}

const struct proc_row proc_net_rows[] = {
	PROC_FIXED_OPS("arp", arp, &made_polled_ops),
	NET_FILE("dev", show_dev),
	PROC_FIXED_OPS("if_inet6", loopback6, &made_polled_ops),
	NET_FILE("netlink", show_netlink),
	PROC_FIXED_OPS("raw", udp, &made_polled_ops),
	PROC_FIXED_OPS("raw6", udp6, &made_polled_ops),
	PROC_FIXED_OPS("route", route, &made_polled_ops),
	NET_FILE("sockstat", show_sockstat),
	NET_FILE("sockstat6", show_sockstat6),
	NET_FILE("tcp", show_tcp),
	NET_FILE("tcp6", show_tcp6),
	NET_FILE("udp", show_udp),
	NET_FILE("udp6", show_udp6),
	NET_FILE("udplite", show_udplite),
	NET_FILE("udplite6", show_udplite6),
	NET_FILE("unix", show_unix),
	PROC_END,
};
