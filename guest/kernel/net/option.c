/*
 * option.c: setsockopt and getsockopt. Options that change nothing here
 * (there is no network) are kept, so that they read back as they were set.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/time_types.h>

#include "mm/user.h"
#include "net/socket.h"
#include "syscalls.h"
#include "task/process.h"

/* Options of SOL_SOCKET that are on or off. */
#define FLAG(name) (1ull << (name))
#define FLAGS                                                                  \
	(FLAG(SO_DEBUG) | FLAG(SO_REUSEADDR) | FLAG(SO_DONTROUTE) |            \
	 FLAG(SO_BROADCAST) | FLAG(SO_KEEPALIVE) | FLAG(SO_OOBINLINE) |        \
	 FLAG(SO_NO_CHECK) | FLAG(SO_REUSEPORT) | FLAG(SO_PASSCRED) |          \
	 FLAG(SO_TIMESTAMP_OLD) | FLAG(SO_TIMESTAMPNS_OLD) |                   \
	 FLAG(SO_PASSSEC) | FLAG(SO_RXQ_OVFL))

#define BUFFER_MAX 212992         /* net.core.wmem_max, rmem_max */
#define TCP_LOW_MAX (16ull << 20) /* half of net.ipv4.tcp_rmem */
#define SEND_MIN 4608
#define RECEIVE_MIN 2304

static bool is_flag(s32 name)
{
	return name > 0 && name < 64 && FLAGS >> name & 1;
}

/* ---- set ---- */

static long timeout_set(u64 *timeout, u64 user, s32 size)
{
	struct __kernel_old_timeval tv;
	long r;

	if (size < (s32)sizeof(tv))
		return -EINVAL;
	r = copy_from_user(&tv, user, sizeof(tv));
	if (r)
		return r;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	*timeout = FOREVER;
	if (tv.tv_sec < 0)
		*timeout = 0;
	else if ((tv.tv_sec || tv.tv_usec) &&
		 (u64)tv.tv_sec < (FOREVER >> 2) / NSEC)
		*timeout = (u64)tv.tv_sec * NSEC + (u64)tv.tv_usec * 1000;
	return 0;
}

static long linger_set(struct socket *s, u64 user, s32 size)
{
	if (size < (s32)sizeof(s->linger))
		return -EINVAL;
	return copy_from_user(&s->linger, user, sizeof(s->linger));
}

/* Linux doubles what is asked for, to make room for its own overhead. */
static u64 buffer_size(s32 value, u64 min)
{
	u64 size = (u64)MIN((u32)value, (u32)BUFFER_MAX) * 2;

	return MAX(size, min);
}

/* Keeps the value of an option that changes nothing. */
static long other_set(struct socket *s, s32 name, s32 value)
{
	for (u64 i = 0; i < ARRAY_SIZE(s->other); i++) {
		if (s->other[i].name && s->other[i].name != name)
			continue;
		s->other[i].name = name;
		s->other[i].value = value;
		break;
	}
	return 0;
}

static void send_buffer_set(struct socket *s, s32 value)
{
	s->send_buffer = buffer_size(value, SEND_MIN);
	s->send_fixed = true;
	if (s->family->resized)
		s->family->resized(s, SO_SNDBUF);
}

static void receive_buffer_set(struct socket *s, s32 value)
{
	s->receive_buffer = buffer_size(value, RECEIVE_MIN);
	s->receive_fixed = true;
	if (s->family->resized)
		s->family->resized(s, SO_RCVBUF);
}

static void low_set(struct socket *s, s32 value)
{
	u64 most = s->receive_fixed ? s->receive_buffer / 2 : TCP_LOW_MAX;

	value = value < 0 ? 0x7fffffff : MAX(value, 1);
	s->low = s->tcp ? (s32)MIN((u64)value, most) : value;
	if (s->family->resized)
		s->family->resized(s, SO_RCVLOWAT);
}

static long integer_set(struct socket *s, s32 name, s32 value)
{
	if (is_flag(name)) {
		s->options &= ~FLAG(name);
		s->options |= value ? FLAG(name) : 0;
		return 0;
	}
	switch (name) {
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
		send_buffer_set(s, value);
		return 0;
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		receive_buffer_set(s, value);
		return 0;
	case SO_PRIORITY:
		s->priority = value;
		return 0;
	case SO_RCVLOWAT:
		low_set(s, value);
		return 0;
	case SO_MARK: /* for routing, polling of devices, and CPUs: of these */
	case SO_BUSY_POLL: /* there are none, or one */
	case SO_INCOMING_CPU:
		return other_set(s, name, value);
	}
	return -ENOPROTOOPT;
}

/* What a family without options of its own says. */
static long no_level(const struct socket *s)
{
	return s->domain == AF_UNIX ? -EOPNOTSUPP : -ENOPROTOOPT;
}

long option_set(struct socket *s, s32 level, s32 name, u64 user, s32 size)
{
	s32 value = 0;
	long r;

	if (size < 0)
		return -EINVAL;
	if (level != SOL_SOCKET)
		return s->family->option_set ?
			       s->family->option_set(s, level, name, user,
						     size) :
			       no_level(s);
	if (name == SO_LINGER)
		return linger_set(s, user, size);
	if (name == SO_RCVTIMEO_OLD)
		return timeout_set(&s->receive_timeout, user, size);
	if (name == SO_SNDTIMEO_OLD)
		return timeout_set(&s->send_timeout, user, size);
	if (size < (s32)sizeof(value))
		return -EINVAL;
	r = copy_from_user(&value, user, sizeof(value));
	return r ? r : integer_set(s, name, value);
}

/* ---- get ---- */

union value {
	s32 integer;
	s32 linger[2];
	struct __kernel_old_timeval timeout;
	struct credentials creds;
	u64 cookie;
	u8 bytes[OPTION_MAX];
};

static void timeout_get(union value *v, u64 timeout)
{
	if (timeout == FOREVER)
		timeout = 0;
	v->timeout.tv_sec = (s64)(timeout / NSEC);
	v->timeout.tv_usec = (s64)(timeout % NSEC / 1000);
}

static s32 error_take(struct socket *s)
{
	s32 error = s->error;

	s->error = 0;
	return error;
}

/* The value that was kept, or one that stands for none. */
static long kept_get(const struct socket *s, s32 name, s32 none, s32 *value)
{
	*value = none;
	for (u64 i = 0; i < ARRAY_SIZE(s->other); i++)
		if (s->other[i].name == name)
			*value = s->other[i].value;
	return sizeof(*value);
}

static long integer_get(struct socket *s, s32 name, s32 *value)
{
	switch (name) {
	case SO_ERROR:
		*value = error_take(s);
		return sizeof(*value);
	case SO_TYPE:
		*value = s->type;
		return sizeof(*value);
	case SO_DOMAIN:
		*value = s->domain;
		return sizeof(*value);
	case SO_PROTOCOL:
		*value = s->protocol;
		return sizeof(*value);
	case SO_ACCEPTCONN:
		*value = s->listening;
		return sizeof(*value);
	case SO_SNDBUF:
		*value = (s32)s->send_buffer;
		return sizeof(*value);
	case SO_RCVBUF:
		*value = (s32)s->receive_buffer;
		return sizeof(*value);
	case SO_PRIORITY:
		*value = s->priority;
		return sizeof(*value);
	case SO_RCVLOWAT:
		*value = s->low;
		return sizeof(*value);
	case SO_SNDLOWAT:
		*value = 1;
		return sizeof(*value);
	case SO_MARK:
	case SO_BUSY_POLL:
		return kept_get(s, name, 0, value);
	case SO_INCOMING_CPU:
		return kept_get(s, name, -1, value);
	}
	if (!is_flag(name))
		return -ENOPROTOOPT;
	*value = socket_option(s, name);
	return sizeof(*value);
}

static u64 last_cookie;

/* The size of the value, or -errno. */
static long socket_get(struct socket *s, s32 name, union value *v)
{
	switch (name) {
	case SO_LINGER:
		v->linger[0] = s->linger.on;
		v->linger[1] = s->linger.seconds;
		return sizeof(v->linger);
	case SO_RCVTIMEO_OLD:
		timeout_get(v, s->receive_timeout);
		return sizeof(v->timeout);
	case SO_SNDTIMEO_OLD:
		timeout_get(v, s->send_timeout);
		return sizeof(v->timeout);
	case SO_PEERCRED:
		v->creds = s->peer_credentials;
		return sizeof(v->creds);
	case SO_COOKIE:
		if (s->cookie == 0)
			s->cookie = ++last_cookie;
		v->cookie = s->cookie;
		return sizeof(v->cookie);
	}
	return integer_get(s, name, &v->integer);
}

static long family_get(struct socket *s, s32 level, s32 name, s32 room,
		       union value *v)
{
	if (!s->family->option_get)
		return no_level(s);
	return s->family->option_get(s, level, name, (u32)room, v->bytes);
}

long option_get(struct socket *s, s32 level, s32 name, u64 user, u64 user_size)
{
	union value v = { 0 };
	s32 room;
	long r = copy_from_user(&room, user_size, sizeof(room)), size;

	if (r)
		return r;
	if (room < 0)
		return -EINVAL;
	size = level == SOL_SOCKET ? socket_get(s, name, &v) :
				     family_get(s, level, name, room, &v);
	if (size < 0)
		return size;
	room = MIN(room, (s32)size);
	r = copy_to_user(user, &v, (u64)room);
	return r ? r : copy_to_user(user_size, &room, sizeof(room));
}
