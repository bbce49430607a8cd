/*
 * proc_net.c: /proc/PID/net: the headings of tables, whose lines come from net/.
 */
#include "fs/proc.h"

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

const struct proc_row proc_net_rows[] = {
	PROC_FIXED("arp", arp),
	PROC_FILE("dev", show_dev),
	PROC_FIXED("if_inet6", loopback6),
	PROC_FILE("netlink", show_netlink),
	PROC_FIXED("raw", udp),
	PROC_FIXED("raw6", udp6),
	PROC_FIXED("route", route),
	PROC_FILE("sockstat", show_sockstat),
	PROC_FILE("sockstat6", show_sockstat6),
	PROC_FILE("tcp", show_tcp),
	PROC_FILE("tcp6", show_tcp6),
	PROC_FILE("udp", show_udp),
	PROC_FILE("udp6", show_udp6),
	PROC_FILE("udplite", show_udplite),
	PROC_FILE("udplite6", show_udplite6),
	PROC_FILE("unix", show_unix),
	PROC_END,
};
