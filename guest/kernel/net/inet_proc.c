/* inet_proc.c: what /proc/net says of sockets: proc(5). */
#include "fs/proc.h"
#include "net/inet.h"
#include "net/interface.h"

#include <linux/in.h>
#include <linux/netlink.h>

#define TCP_WIDTH 149 /* of a line about IPv4, padded */
#define UDP_WIDTH 127
#define TICKS 100 /* a second: USER_HZ */
#define FLAG_LISTENING 0x10000
#define CONNECTED 3 /* SS_* */
#define UNCONNECTED 1

static void add_endpoint(char *buf, size_t size, const struct endpoint *e,
			 s32 domain)
{
	if (domain == AF_INET)
		ksnprintf(buf, size, "%08X:%04X", e->words[3], e->port);
	else
		ksnprintf(buf, size, "%08X%08X%08X%08X:%04X", e->words[0],
			  e->words[1], e->words[2], e->words[3], e->port);
}

struct ends {
	char local[48], remote[48];
};

static struct ends ends_of(const struct binding *b, s32 domain)
{
	struct ends e = { "", "" };

	add_endpoint(e.local, sizeof(e.local), &b->local, domain);
	add_endpoint(e.remote, sizeof(e.remote), &b->remote, domain);
	return e;
}

/* A line; those about IPv4 have one length. */
static void add_line(struct text *t, const char *line, s32 domain, int width)
{
	text_add(t, "%-*s\n", domain == AF_INET ? width : 0, line);
}

/* ---- TCP ---- */

static void tcp_line(struct text *t, const struct socket *s, u32 *index)
{
	struct ends e = ends_of(&s->inet->binding, s->domain);
	u64 unread = s->listening ? s->pending_count : s->queued;
	char line[256];

	ksnprintf(line, sizeof(line),
		  "%4u: %s %s %02X %08X:%08X 00:00000000 00000000 %5u        0 "
		  "%lu %u 0000000000000000 %s",
		  (*index)++, e.local, e.remote, s->tcp->state, 0, (u32)unread,
		  s->uid, s->file ? s->inode : 0ul, s->refs,
		  s->listening ? "100 0 0 10 0" : "20 4 30 10 -1");
	add_line(t, line, s->domain, TCP_WIDTH);
}

static void ended_lines(struct text *t, s32 domain, u32 *index)
{
	const struct ended *e = port_next_ended(NULL);
	char line[256];

	for (; e; e = port_next_ended(e)) {
		const struct binding *b = port_ended_binding(e);
		struct ends ends = ends_of(b, domain);

		if ((endpoint_is_v4(&b->local) ? AF_INET : AF_INET6) != domain)
			continue;
		ksnprintf(line, sizeof(line),
			  "%4u: %s %s 06 00000000:00000000 03:%08lX 00000000 "
			  "    0        0 0 3 0000000000000000",
			  (*index)++, ends.local, ends.remote,
			  port_ended_left(e) / (NSEC / TICKS));
		add_line(t, line, domain, TCP_WIDTH);
	}
}

static void tcp_lines(struct text *t, s32 domain)
{
	u32 index = 0;

	for (const struct socket *s = sockets; s; s = s->all_next)
		if (s->tcp && s->domain == domain && s->listening)
			tcp_line(t, s, &index);
	for (const struct socket *s = sockets; s; s = s->all_next)
		if (s->tcp && s->domain == domain &&
		    s->tcp->state != STATE_CLOSE && !s->listening)
			tcp_line(t, s, &index);
	ended_lines(t, domain, &index);
}

/* ---- UDP ---- */

static void udp_lines(struct text *t, s32 domain, u16 protocol)
{
	char line[256];

	for (const struct socket *s = sockets; s; s = s->all_next) {
		const struct binding *b = s->udp ? &s->inet->binding : NULL;
		struct ends e;

		if (!b || s->domain != domain || b->protocol != protocol ||
		    !b->link)
			continue;
		e = ends_of(b, domain);
		ksnprintf(line, sizeof(line),
			  "%5u: %s %s %02X %08X:%08X 00:00000000 00000000 %5u "
			  "       0 %lu 2 0000000000000000 %u",
			  (u32)b->local.port, e.local, e.remote,
			  b->remote.port ? STATE_ESTABLISHED : STATE_CLOSE, 0,
			  (u32)s->queued, s->uid, s->inode, s->udp->drops);
		add_line(t, line, domain, UDP_WIDTH);
	}
}

/* ---- others ---- */

static void unix_lines(struct text *t)
{
	for (const struct socket *s = sockets; s; s = s->all_next) {
		const char *name = (const char *)s->name.bytes + 2;

		if (s->domain != AF_UNIX || s->dead)
			continue;
		text_add(t, "%016x: %08X 00000000 %08X %04X %02X %5lu", 0,
			 s->refs + 1, s->listening ? FLAG_LISTENING : 0,
			 s->type, s->peer ? CONNECTED : UNCONNECTED, s->inode);
		if (s->name.size > 2)
			text_add(t, " ");
		for (u32 i = 0; i + 2 < s->name.size; i++)
			if (name[i] || name[0] == 0)
				text_add(t, "%c", name[i] ? name[i] : '@');
		text_add(t, "\n");
	}
}

static void netlink_lines(struct text *t)
{
	for (const struct socket *s = sockets; s; s = s->all_next) {
		const struct sockaddr_nl *n =
			(const struct sockaddr_nl *)s->name.bytes;

		if (s->domain != AF_NETLINK)
			continue;
		text_add(t,
			 "0000000000000000 %-3d %-10u %08x %-8u %-8u %-5d "
			 "%-8d %-8d %-8lu\n",
			 s->protocol, n->nl_pid, n->nl_groups, (u32)s->queued,
			 0, 0, 2, 0, s->inode);
	}
}

static void dev_line(struct text *t)
{
	u64 bytes = interface_bytes, packets = interface_packets;

	text_add(t,
		 "    lo: %7lu %7lu    0    0    0     0          0         0 "
		 "%8lu %7lu    0    0    0     0       0          0\n",
		 bytes, packets, bytes, packets);
}

/* How many sockets there are: all, of TCP with a port, and so on. */
struct counts {
	u32 used, tcp, tcp_all, udp, udplite, ended;
};

static struct counts count(s32 domain)
{
	struct counts n = { 0 };

	for (const struct socket *s = sockets; s; s = s->all_next) {
		n.used += s->file != NULL;
		if (s->domain != domain)
			continue;
		n.tcp_all += s->tcp != NULL;
		n.tcp += s->tcp && s->tcp->state != STATE_CLOSE;
		n.udp += s->udp && s->protocol == IPPROTO_UDP &&
			 s->inet->binding.link;
		n.udplite += s->udp && s->protocol == IPPROTO_UDPLITE &&
			     s->inet->binding.link;
	}
	for (const struct ended *e = port_next_ended(NULL); e;
	     e = port_next_ended(e))
		n.ended++;
	return n;
}

static void sockstat(struct text *t)
{
	struct counts n = count(AF_INET);
	u64 pages = PAGE_UP(inet_buffered) / PAGE_SIZE;

	text_add(t,
		 "sockets: used %u\nTCP: inuse %u orphan 0 tw %u alloc %u mem "
		 "%lu\nUDP: inuse %u mem 0\nUDPLITE: inuse %u\nRAW: inuse 0\n"
		 "FRAG: inuse 0 memory 0\n",
		 n.used, n.tcp, n.ended, n.tcp_all, pages, n.udp, n.udplite);
}

static void sockstat6(struct text *t)
{
	struct counts n = count(AF_INET6);

	text_add(t,
		 "TCP6: inuse %u\nUDP6: inuse %u\nUDPLITE6: inuse %u\nRAW6: "
		 "inuse 0\nFRAG6: inuse 0 memory 0\n",
		 n.tcp, n.udp, n.udplite);
}

static void show_lines(struct text *t, enum proc_net table)
{
	switch (table) {
	case PROC_NET_DEV:
		return dev_line(t);
	case PROC_NET_TCP:
		return tcp_lines(t, AF_INET);
	case PROC_NET_TCP6:
		return tcp_lines(t, AF_INET6);
	case PROC_NET_UDP:
		return udp_lines(t, AF_INET, IPPROTO_UDP);
	case PROC_NET_UDP6:
		return udp_lines(t, AF_INET6, IPPROTO_UDP);
	case PROC_NET_UDPLITE:
		return udp_lines(t, AF_INET, IPPROTO_UDPLITE);
	case PROC_NET_UDPLITE6:
		return udp_lines(t, AF_INET6, IPPROTO_UDPLITE);
	case PROC_NET_UNIX:
		return unix_lines(t);
	case PROC_NET_NETLINK:
		return netlink_lines(t);
	case PROC_NET_SOCKSTAT:
		return sockstat(t);
	case PROC_NET_SOCKSTAT6:
		return sockstat6(t);
	}
}

void inet_proc_init(void)
{
	proc_net_lines = show_lines;
}
