#include "session_limits.h"

#include <errno.h>

#include "protocol.h"
#include "session.h"
#include "session_exec.h"

static struct session_limits limits;
static size_t promised; /* bytes, to all */

void session_limits_set(const struct session_limits *l)
{
	limits = *l;
}

/* What there is, of an owner's and of all: in memory, being read, and promised. All that
 * is decided here is decided of this. */
struct use {
	size_t own, everybody;
};

static struct use use_of(const struct share *share)
{
	return (struct use){ .own = share ? share->bytes + share->promised : 0,
			     .everybody = state_total() + session_store_held() +
					  promised };
}

/* Whether an owner's sessions may have so many bytes more, of which counted are among
 * those of all by now. What is on the disk goes, if need be. */
static bool has_memory(uint64_t owner, size_t bytes, size_t counted)
{
	for (;;) {
		const struct share *share = share_find(owner);
		struct use use = use_of(share);
		size_t most = limits.bytes_most;
		size_t everybody = use.everybody - counted;
		bool full = everybody > most || bytes > most - everybody;

		if (share_allows(owner, use.own, everybody, bytes, most))
			return true;
		if (bytes > most || !session_store_evict(full ? NULL : share))
			return false;
	}
}

int session_room(uint64_t owner, size_t count, size_t bytes)
{
	const struct share *share = share_find(owner);

	if (!share_allows(owner, share ? share->sessions : 0, session_count(),
			  count, limits.most))
		return -EAGAIN;
	return has_memory(owner, bytes, 0) ? 0 : -ENOSPC;
}

/* Sessions are about to be written, and can be evicted then. */
static bool makes_room(void)
{
	return session_store_is_behind() ||
	       (session_any_runs() && session_store_works());
}

int session_may_hold(const struct session *s, size_t bytes)
{
	size_t most = protocol_state_most(limits.pages_most);

	if (!s->begun)
		most = PROTOCOL_REQUEST_MAX + PROTOCOL_HEADS_MAX;
	if (bytes > most)
		return -EFBIG;
	if (bytes > limits.bytes_most)
		return -ENOSPC;
	if (has_memory(s->share->owner, bytes, 0))
		return 0;
	return makes_room() ? -EAGAIN : -ENOSPC;
}

bool session_may_keep(uint64_t owner, size_t bytes)
{
	return has_memory(owner, bytes, bytes);
}

bool session_promise(struct session *s, size_t bytes)
{
	if (!has_memory(s->share->owner, bytes, 0))
		return false;
	s->promised = bytes;
	s->share->promised += bytes;
	promised += bytes;
	return true;
}

void session_promise_kept(struct session *s)
{
	s->share->promised -= s->promised;
	promised -= s->promised;
	s->promised = 0;
}

size_t session_pages_most(void)
{
	return limits.pages_most;
}

bool session_may_exceed(const struct session *s, size_t bytes, bool whole)
{
	const size_t most = limits.bytes_most;
	const struct use use = use_of(s->share);
	size_t less = whole ? s->state.size : 0;

	if (!session_store_works() || bytes > most ||
	    s->state.size > most - bytes)
		return false;
	return !s->share->owner || share_count() == 1 ||
	       use.everybody <= most ||
	       use.own + bytes <= less + share_part(s->share->owner, most);
}

bool session_may_run(void)
{
	const size_t most = limits.bytes_most;

	while (use_of(NULL).everybody > most)
		if (!session_store_evict(NULL))
			return !makes_room();
	return true;
}
