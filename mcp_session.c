#include "mcp_session.h"

#include <errno.h>
#include <stdio.h>

#include "session.h"

/* ---- answers ---- */

static void begin(struct mcp_message *m)
{
	m->kind = MCP_ANSWER;
	text_put(&m->answer, "{\"jsonrpc\":\"2.0\",\"id\":");
	text_add(&m->answer, m->id, m->id_size);
	text_put(&m->answer, ",\"result\":{\"content\":[{\"type\":\"text\","
			     "\"text\":\"");
}

static void end(struct mcp_message *m, bool good)
{
	text_put(&m->answer,
		 good ? "\"}],\"isError\":false}}" : "\"}],\"isError\":true}}");
}

static void say(struct mcp_message *m, const char *what, bool good)
{
	char part[256];
	size_t size = strlen(what), at = 0;

	begin(m);
	while (at < size) {
		size_t n = json_escape(part, sizeof(part), what, size, &at);

		text_add(&m->answer, part, n);
	}
	end(m, good);
}

/* ---- sessions ---- */

/* NULL: answered. */
static struct session *find(struct mcp_message *m, uint64_t owner)
{
	struct session *s = session_find(m->session, strlen(m->session), owner);

	if (!s)
		say(m,
		    "no such session: it was ended, or not used for too long",
		    false);
	return s;
}

/* The same, of one whose program goes on. */
static struct session *find_alive(struct mcp_message *m, uint64_t owner)
{
	struct session *s = find(m, owner);

	if (s && s->ended) {
		say(m, s->ended, false);
		s = NULL;
	}
	return s;
}

static bool has_room(struct mcp_message *m, uint64_t owner, size_t count)
{
	int r = session_room(owner, count, 0);

	if (r)
		say(m, "there are too many sessions: end_session ends one",
		    false);
	return r == 0;
}

static struct session *make(struct mcp_message *m, int language, uint64_t owner,
			    unsigned idle_seconds)
{
	struct parts none = { 0 };
	struct session *s;

	if (!has_room(m, owner, 1))
		return NULL;
	s = session_make(owner, language, &none);
	if (!s) {
		say(m, "no memory", false);
		return NULL;
	}
	s->idle_seconds = idle_seconds;
	/* An agent cannot know how far a run came that was cut off. */
	s->on_timeout = OVERRUN_ROLLBACK;
	memcpy(m->session, s->id, ID_SIZE);
	m->made = true;
	return s;
}

static void run(struct mcp_message *m, struct job *job, uint64_t owner,
		unsigned idle_seconds)
{
	struct session *s = strcmp(m->session, MCP_SESSION_NEW) ?
				    find_alive(m, owner) :
				    make(m, job->language, owner, idle_seconds);

	if (!s)
		return;
	if (s->language != job->language)
		say(m, "the session is of another language", false);
	else
		job->session = s;
}

static void copy(struct mcp_message *m, uint64_t owner)
{
	struct session *s = find_alive(m, owner), *made[SESSION_COPIES_MAX];

	if (!s || !has_room(m, owner, m->copies))
		return;
	if (s->running) {
		say(m, "too many requests wait for the session", false);
		return;
	}
	if (session_is_away(s)) {
		say(m, "the session cannot be read from the disk now", false);
		return;
	}
	if (m->failed) {
		say(m, m->failed, false);
		return;
	}
	if (!session_fork_many(s, made, m->copies)) {
		say(m, "no memory", false);
		return;
	}
	begin(m);
	text_put(&m->answer, "sessions:");
	for (uint32_t i = 0; i < m->copies; i++)
		text_format(&m->answer, "\\n%s", made[i]->id);
	end(m, true);
}

static void forget(struct mcp_message *m, uint64_t owner)
{
	struct session *s = find(m, owner);

	if (!s)
		return;
	session_delete(s);
	say(m, "ended", true);
}

struct session *mcp_session_away(const struct mcp_message *m, uint64_t owner)
{
	struct session *s =
		m->kind == MCP_FORK ?
			session_find(m->session, strlen(m->session), owner) :
			NULL;

	return s && !s->ended && session_is_away(s) ? s : NULL;
}

void mcp_session_prepare(struct mcp_message *m, struct job *job, uint64_t owner,
			 unsigned idle_seconds)
{
	if (m->kind == MCP_RUN && m->session[0])
		run(m, job, owner, idle_seconds);
	else if (m->kind == MCP_FORK)
		copy(m, owner);
	else if (m->kind == MCP_END)
		forget(m, owner);
}
