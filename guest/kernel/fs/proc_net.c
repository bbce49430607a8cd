/* proc_net.c: /proc/PID/net: the loopback device, and the headings of tables.
 */
#include "fs/proc.h"

static const char devices[] = "Inter-|   Receive                               "
			      "                 |  "
			      "Transmit\n"
			      " face |bytes    packets errs drop fifo frame "
			      "compressed multicast|bytes   "
			      " packets errs drop fifo colls carrier "
			      "compressed\n"
			      "    lo:       0       0    0    0    0     0    "
			      "      0         0        "
			      "0       0    0    0    0     0       0          "
			      "0\n";
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
			  "        \n";
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

const struct proc_row proc_net_rows[] = {
	PROC_FIXED("arp", arp),
	PROC_FIXED("dev", devices),
	PROC_FIXED("if_inet6", loopback6),
	PROC_FIXED("raw", udp),
	PROC_FIXED("raw6", udp6),
	PROC_FIXED("route", route),
	PROC_FIXED("tcp", tcp),
	PROC_FIXED("tcp6", tcp6),
	PROC_FIXED("udp", udp),
	PROC_FIXED("udp6", udp6),
	PROC_FIXED("unix", local),
	PROC_END,
};
