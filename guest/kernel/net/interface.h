/* interface.h: the loopback, the one network interface that there is. */
#ifndef NET_INTERFACE_H
#define NET_INTERFACE_H

#include "net/socket.h"

/* Values of <linux/if.h>, which brings in headers of the C library. */
#define IFF_UP 1
#define IFF_LOOPBACK 8
#define IFF_RUNNING 0x40
#define IFF_LOWER_UP 0x10000
#define ARPHRD_LOOPBACK 772

#define LO_NAME "lo"
#define LO_INDEX 1
#define LO_MTU 65536
#define LO_QUEUE 1000
#define LO_ADDRESS 0x7f000001u /* 127.0.0.1 */
#define LO_PREFIX 8

/* The SIOC* that ask about interfaces: netdevice(7). 0 or -errno. */
long interface_ioctl(const struct socket *s, u64 command, u64 arg);

/* What went through the loopback, in both directions. */
extern u64 interface_bytes, interface_packets;
void interface_count(u64 bytes); /* of a packet's data */

#endif
