/* group.c: multicast groups that sockets are members of, on the loopback. */
#include "net/inet.h"

#include "heap.h"

#define MEMBERS_MAX 20 /* net.ipv4.igmp_max_memberships */

struct membership {
	struct membership *next;
	struct endpoint group;
};

static struct membership **find(struct socket *s, const struct endpoint *group)
{
	struct membership **m = &s->inet->groups;

	while (*m && !endpoint_same_address(&(*m)->group, group))
		m = &(*m)->next;
	return m;
}

long group_join(struct socket *s, const struct endpoint *group)
{
	struct membership *m = s->inet->groups;
	u32 count = 0;

	if (*find(s, group))
		return -EADDRINUSE;
	for (; m; m = m->next)
		count++;
	m = count < MEMBERS_MAX ? kmalloc(sizeof(*m)) : NULL;
	if (!m)
		return -ENOBUFS;
	m->group = *group;
	m->next = s->inet->groups;
	s->inet->groups = m;
	return 0;
}

long group_leave(struct socket *s, const struct endpoint *group)
{
	struct membership **at = find(s, group), *m = *at;

	if (!m)
		return -EADDRNOTAVAIL;
	*at = m->next;
	kfree(m);
	return 0;
}

void group_drop(struct socket *s)
{
	struct membership *m;

	while ((m = s->inet->groups)) {
		s->inet->groups = m->next;
		kfree(m);
	}
}

bool group_reachable(const struct socket *s, const struct endpoint *group)
{
	return inet_wants(s, endpoint_is_v4(group) ? VALUE_IP_MULTICAST_IF :
						     VALUE_IPV6_MULTICAST_IF);
}

bool group_takes(struct socket *s, const struct endpoint *to,
		 const struct endpoint *from)
{
	const struct endpoint *local = inet_local(s), *remote = inet_remote(s);

	if (remote->port && !endpoint_same(remote, from))
		return false;
	if (!endpoint_is_any(local) && !endpoint_same_address(local, to))
		return false;
	if (endpoint_is_v4(local) != endpoint_is_v4(to) &&
	    (endpoint_is_v4(local) || s->inet->binding.v6only))
		return false;
	return endpoint_reach(to) == REACH_BROADCAST || *find(s, to);
}
