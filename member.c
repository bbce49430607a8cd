#include "member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "discard.h"
#include "recycle_result.h"

/* Between signals: all that are told while a worker does not look find room. */
#define SIGNAL_NS 50000000ull

/* ---- what it says ---- */

static int take_renewal(struct renewal *r)
{
	return r->warm > 1 || r->discarded >= RECYCLE_RESULTS ? -EPROTO : 1;
}

/* The parts of a message: each kind once at most, but files. */
static int take_parts(struct member_news *n, const char *at, const char *end)
{
	unsigned files = 0, left_out = 0;
	struct part_view p, *to;
	int r;

	n->files = at;
	n->files_end = end;
	while ((r = part_take(&at, end, FROM_WORKER, &p)) > 0) {
		if (p.kind == PART_TEXT || p.kind == PART_BYTES ||
		    p.kind == PART_LEFT_OUT) {
			left_out += p.kind == PART_LEFT_OUT;
			files += p.kind != PART_LEFT_OUT;
			if (n->kind != MESSAGE_RESULT ||
			    left_out > PROTOCOL_LEFT_OUT_MAX ||
			    files > PROTOCOL_FILES)
				return -EPROTO;
			continue;
		}
		to = p.kind == PART_STDOUT  ? &n->out :
		     p.kind == PART_STDERR  ? &n->err :
		     p.kind == PART_VALUE   ? &n->value :
		     p.kind == PART_ENTRIES ? &n->entries :
					      &n->text;
		if (to->data ||
		    (to == &n->text && (!p.size || p.data[p.size - 1])))
			return -EPROTO;
		*to = p;
	}
	return r;
}

/* Whether a run of that kind can come to this. */
static bool may_be(uint32_t session, const struct result *r)
{
	if (r->status == RESULT_ASKS)
		return session == RUN_BEGINNING && r->alive;
	if (r->status == RESULT_STALE && !session)
		return false;
	return !r->alive ||
	       (r->status == RESULT_DONE && session && session < RUN_BEGINNING);
}

static bool is_text_alone(const struct member_news *n)
{
	return n->text.data && !n->out.data && !n->err.data && !n->value.data &&
	       !n->entries.data;
}

static int hear_result(struct member *m, struct member_news *n,
		       const struct message *head, const char *body)
{
	struct result *r = &n->result;

	/* It cannot know the end of what it has not got; behind that a CANCEL may
	 * still wait for room, which there is by now. */
	if (channel_unsent(&m->channel) && member_go_on(m) != 1)
		return -EPROTO;
	memcpy(r, body, sizeof(*r));
	n->renewal = r->before;
	if (r->id != m->run_id || r->status >= RESULT_STATUSES ||
	    r->exit_code > 255 || r->recycled > 1 || r->kept > 1 ||
	    r->ended >= RESULT_ENDS || r->cut > RESULT_CUTS || r->alive > 1 ||
	    r->overran > 1 || !may_be(m->session, r) ||
	    (r->status == RESULT_AWAY &&
	     (!m->stays || head->size > sizeof(*r))) ||
	    (r->status == RESULT_CANCELLED && m->state != CANCELLING) ||
	    take_renewal(&n->renewal) < 0)
		return -EPROTO;
	if (m->job && head->size > sizeof(*r)) {
		n->payload = channel_take(&m->channel, head, &body);
		if (!n->payload)
			return -ENOMEM;
	}
	if (take_parts(n, body + sizeof(*r), body + head->size) < 0) {
		discard(n->payload, head->size);
		return -EPROTO;
	}
	m->owes_idle = true;
	m->owes_saved = r->alive;
	m->owes_warm = false;
	return 1;
}

/* Of a run that is streamed, within its credit. */
static int hear_output(struct member *m, struct member_news *n,
		       const struct message *head, const char *body)
{
	const char *at = body + sizeof(struct about);
	struct part_view p;
	struct about about;
	uint32_t beyond;
	int r;

	memcpy(&about, body, sizeof(about));
	if (about.id != m->run_id || head->size == sizeof(about))
		return -EPROTO;
	beyond = head->size > m->credit ? head->size - m->credit : 0;
	if (beyond > m->rest)
		return -EPROTO;
	m->credit -= head->size - beyond;
	m->rest -= beyond;
	n->files = at;
	n->files_end = body + head->size;
	while ((r = part_take(&at, n->files_end, FROM_WORKER, &p)) > 0)
		if ((p.kind != PART_STDOUT && p.kind != PART_STDERR) || !p.size)
			return -EPROTO;
	return r < 0 ? r : 1;
}

/* The state with so much more is one that a RUN may carry. */
static bool may_become(const struct member *m, const struct saved *s,
		       size_t size)
{
	size_t before = s->whole ? 0 : m->state_size;

	return size && before + size <= m->state_most &&
	       (s->whole || m->state_count < PROTOCOL_STATE_SEGMENTS);
}

static int hear_saved(struct member *m, struct member_news *n,
		      const struct message *head, const char *body)
{
	struct saved *s = &n->saved;
	const size_t size = head->size - sizeof(*s);

	memcpy(s, body, sizeof(*s));
	if (s->id != m->run_id || s->status >= SAVED_STATUSES || s->whole > 1 ||
	    (s->status == SAVED_DONE && !may_become(m, s, size)))
		return -EPROTO;
	m->owes_saved = false;
	if (m->job) {
		n->payload = channel_take(&m->channel, head, &body);
		if (!n->payload)
			return -ENOMEM;
	}
	if (s->status == SAVED_DONE) {
		n->state = body + sizeof(*s);
		n->state_size = size;
		return 1;
	}
	if (take_parts(n, body + sizeof(*s), body + head->size) == 0 &&
	    is_text_alone(n))
		return 1;
	discard(n->payload, head->size);
	return -EPROTO;
}

/* IDLE or WARM, once. */
static int hear_renewal(bool *owes, struct member_news *n, const char *body)
{
	*owes = false;
	memcpy(&n->renewal, body, sizeof(n->renewal));
	return take_renewal(&n->renewal);
}

/* The kinds that may come now. */
static uint32_t expected(const struct member *m)
{
	uint32_t kinds = 1u << MESSAGE_FAILED;

	if (m->owes_saved)
		return kinds | 1u << MESSAGE_SAVED;
	if (m->state == STARTING)
		kinds |= 1u << MESSAGE_READY;
	if (m->state == BUSY || m->state == CANCELLING)
		kinds |= 1u << MESSAGE_RESULT | 1u << MESSAGE_OUTPUT;
	if (m->owes_idle)
		kinds |= 1u << MESSAGE_IDLE;
	if (m->owes_warm)
		kinds |= 1u << MESSAGE_WARM;
	return kinds;
}

int member_hear(struct member *m, struct member_news *n)
{
	struct message head;
	const char *body;
	int r;

	m->channel.expected = expected(m);
	m->channel.saved_most = sizeof(struct saved) + m->state_most;
	r = channel_receive(&m->channel, &head, &body);
	if (r <= 0)
		return r;
	*n = (struct member_news){ .kind = head.kind };
	switch (n->kind) {
	case MESSAGE_READY:
		return 1;
	case MESSAGE_RESULT:
		return hear_result(m, n, &head, body);
	case MESSAGE_OUTPUT:
		return hear_output(m, n, &head, body);
	case MESSAGE_SAVED:
		return hear_saved(m, n, &head, body);
	case MESSAGE_IDLE:
		return hear_renewal(&m->owes_idle, n, body);
	case MESSAGE_WARM:
		return hear_renewal(&m->owes_warm, n, body);
	default: /* FAILED */
		r = take_parts(n, body, body + head.size);
		return r < 0 || !is_text_alone(n) ? -EPROTO : 1;
	}
}

/* ---- what it is told ---- */

void member_forget(struct member *m)
{
	discard_parts(&m->parts);
	state_drop(&m->kept);
}

/* What sending has come to. The parts of a job that went are not needed any more
 * once they are out. */
static int sent(struct member *m, int r)
{
	if (r == 1)
		member_forget(m);
	return r;
}

int member_run(struct member *m, uint64_t now)
{
	const struct job *job = m->job;
	struct run run = { .id = m->run_id,
			   .sent_ns = now,
			   .timeout_ms = job_time_left(job),
			   .output_limit = job->output_limit,
			   .memory_mb = job->memory_mb,
			   .stream = job->stream,
			   .outputs_limit = job->outputs_limit,
			   .session = !m->stays ? job->run_session :
				      job->base ? RUN_AGAIN :
						  RUN_SESSION_STAYED,
			   .state_limit = job->state_limit,
			   .stayed = m->stays ? job->stayed_run : 0,
			   .spent_ns = job->spent_ns,
			   .spent_cpu_ns = job->spent_cpu_ns,
			   .grace_ms = job->grace_ms,
			   .look = job->look,
			   .settle = job->settle };

	m->credit = run.stream;
	m->rest = run.stream ? PROTOCOL_REST_MAX : 0;
	m->due = 0;
	m->signal = job->signal;
	m->signalled = 0;
	m->session = run.session;
	m->base = job->base;
	m->state_size = run_has_state(job->run_session) ? job->state.size : 0;
	m->state_count = job->state.count;
	m->state_most = protocol_state_most((size_t)job->state_limit);
	return channel_run(&m->channel, &run, m->stays ? NULL : &job->state,
			   job->parts.data, job->parts.size);
}

int member_cancel(struct member *m)
{
	struct about about = { m->run_id };

	if (channel_unsent(&m->channel)) {
		m->parts = m->job->parts;
		m->job->parts = (struct parts){ 0 };
		m->kept = m->job->state;
		m->job->state = (struct state){ 0 };
	}
	return sent(m, channel_send(&m->channel, MESSAGE_CANCEL, &about,
				    sizeof(about)));
}

/* One message at a time: what comes due meanwhile is in the next. */
int member_remind(struct member *m)
{
	struct interrupt i = { .id = m->run_id, .signal = m->signal };
	uint64_t now = clock_mono();

	if (m->signal == 0 || channel_unsent(&m->channel) ||
	    (m->signalled && now < m->signalled + SIGNAL_NS))
		return 1;
	m->signal = 0;
	m->signalled = now;
	return channel_send(&m->channel, MESSAGE_INTERRUPT, &i, sizeof(i));
}

int member_interrupt(struct member *m, uint32_t signal)
{
	m->signal = signal;
	return member_remind(m);
}

static int send_credit(struct member *m)
{
	struct credit c = { .id = m->run_id, .bytes = m->due };

	if (m->due == 0 || channel_unsent(&m->channel))
		return 1;
	m->credit += m->due;
	m->due = 0;
	return channel_send(&m->channel, MESSAGE_CREDIT, &c, sizeof(c));
}

int member_credit(struct member *m, uint32_t bytes)
{
	m->due += bytes;
	return send_credit(m);
}

int member_train(struct member *m)
{
	m->owes_warm = true;
	m->base = 0;
	return channel_send(&m->channel, MESSAGE_TRAIN, NULL, 0);
}

int member_go_on(struct member *m)
{
	int r = sent(m, channel_flush(&m->channel));

	if (r == 1)
		r = member_remind(m);
	return r == 1 ? send_credit(m) : r;
}
