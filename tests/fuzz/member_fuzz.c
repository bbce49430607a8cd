/*
 * member_fuzz.c: a worker that says anything at any moment. The front end hears
 * the same whatever the pieces are in which it comes, only what may be said then,
 * nothing after a broken rule, and reads no byte beyond what has come.
 *
 * channel.c and member.c are linked with recv and sendmsg from here (build.sh).
 * Input: what comes; 0xfe before a byte below 4 is a state
 * that the member is put in, as if it had been told something.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "loop.h"
#include "member.h"
#include "recycle_result.h"

#define FD 1000

static const uint8_t *input, *end, *reached;
static unsigned piece, pieces; /* how much comes at a time, how often */
static bool full;              /* nothing can be sent */

ssize_t fake_recv(int fd, void *to, size_t size, int flags)
{
	size_t n = (size_t)(reached - input);

	assert(fd == FD && size && !flags);
	if (n > size)
		n = size;
	if (n > piece)
		n = piece;
	if (n == 0 || ++pieces % 3 == 0) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(to, input, n);
	input += n;
	return (ssize_t)n;
}

ssize_t fake_sendmsg(int fd, const struct msghdr *m, int flags)
{
	size_t size = 0;

	assert(fd == FD && flags == MSG_NOSIGNAL);
	for (size_t i = 0; i < (size_t)m->msg_iovlen; i++)
		size += m->msg_iov[i].iov_len;
	assert(size);
	if (full) {
		errno = EAGAIN;
		return -1;
	}
	return (ssize_t)size;
}

/* ---- what was heard, as one number ---- */

static uint64_t digest;

static void mix(const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ p[i]) * 1099511628211u;
}

static void mix_part(const struct part_view *p)
{
	mix(&p->size, sizeof(p->size));
	if (p->size)
		mix(p->data, p->size);
}

static void check_news(const struct member *m, enum member_state before,
		       const struct member_news *n)
{
	switch (n->kind) {
	case MESSAGE_READY:
		assert(before == STARTING);
		break;
	case MESSAGE_RESULT:
		assert(before == BUSY || before == CANCELLING);
		assert(!channel_unsent(&m->channel));
		assert(n->result.id == m->run_id && n->result.exit_code < 256);
		assert(n->result.status < RESULT_STATUSES);
		assert(m->stays || n->result.status != RESULT_AWAY);
		assert(m->session || !n->result.alive);
		assert(m->owes_idle && !m->owes_warm);
		assert(!n->payload || m->job);
		break;
	case MESSAGE_OUTPUT:
		assert(before == BUSY || before == CANCELLING);
		assert(m->rest <= PROTOCOL_REST_MAX);
		mix(n->files, (size_t)(n->files_end - n->files));
		break;
	case MESSAGE_SAVED:
		assert(before == BUSY || before == CANCELLING);
		assert(m->session && !m->owes_saved);
		mix(&n->saved, sizeof(n->saved));
		break;
	case MESSAGE_IDLE:
		assert(!m->owes_idle);
		break;
	case MESSAGE_WARM:
		assert(!m->owes_warm);
		break;
	default:
		assert(n->kind == MESSAGE_FAILED && n->text.size);
	}
	assert(n->renewal.warm <= 1 && n->renewal.discarded < RECYCLE_RESULTS);
	assert(!n->text.data || n->text.data[n->text.size - 1] == 0);
	mix(&n->kind, sizeof(n->kind));
	mix(&n->result, sizeof(n->result));
	mix(&n->renewal, sizeof(n->renewal));
	mix_part(&n->out);
	mix_part(&n->err);
	mix_part(&n->text);
}

/* What the pool makes of it. */
static void move_on(struct member *m, const struct member_news *n)
{
	if (n->kind == MESSAGE_READY ||
	    (n->kind == MESSAGE_IDLE && m->state == RENEWING))
		m->state = READY;
	if ((n->kind == MESSAGE_RESULT && !n->result.alive) ||
	    n->kind == MESSAGE_SAVED) {
		m->state = RENEWING;
		m->job = NULL;
	}
	free(n->payload);
}

static struct job job;

static void tell(struct member *m, uint8_t what)
{
	switch (what & 3) {
	case 0:
		if (m->state != READY && m->state != RENEWING)
			return;
		assert(!m->parts.data || channel_unsent(&m->channel));
		m->state = BUSY;
		m->job = &job;
		if (!job.parts.data)
			parts_add(&job.parts, PART_CODE, NULL, 0, "print(1)",
				  8);
		m->run_id = 1;
		job.run_session = what & 4 ? RUN_SESSION_NEXT : 0;
		m->stays = (what & 12) == 12;
		member_run(m, 1);
		break;
	case 1:
		if (m->state != BUSY)
			return;
		member_cancel(m);
		m->state = CANCELLING;
		m->job = NULL;
		break;
	case 2:
		if (m->state == READY && !m->owes_warm)
			member_train(m);
		else if (m->state == BUSY)
			member_credit(m, 100);
		break;
	default:
		full = !full;
		if (!full)
			assert(member_go_on(m) == 1);
	}
	mix(&what, 1);
}

static int hear_all(struct member *m)
{
	struct member_news n;
	enum member_state before;
	int r = 0;

	while (input < reached || r == 1) {
		before = m->state;
		r = member_hear(m, &n);
		if (r < 0) {
			mix(&r, sizeof(r));
			return r;
		}
		if (r == 0)
			continue;
		check_news(m, before, &n);
		move_on(m, &n);
	}
	return 0;
}

static uint64_t hear(const uint8_t *data, size_t size, unsigned at_once)
{
	struct member m = { .state = STARTING, .channel.fd = FD };
	int r = 0;

	job = (struct job){ .timeout_ms = 7, .stream = 64 };
	piece = at_once;
	pieces = 0;
	full = false;
	digest = 0xcbf29ce484222325;
	input = data;
	end = data + size;
	while (input < end && r == 0) {
		reached = input;
		while (reached < end && !(reached[0] == 0xfe &&
					  reached + 1 < end && reached[1] < 4))
			reached++;
		r = hear_all(&m);
		if (r == 0 && input < end) {
			tell(&m, input[1]);
			input += 2;
		}
	}
	parts_drop(&job.parts);
	parts_drop(&m.parts);
	free(m.channel.own);
	return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = exact(data, size);
	uint64_t whole;

	if (!copy)
		return 0;
	whole = hear(copy, size, ~0u);

	assert(hear(copy, size, 1) == whole);
	assert(hear(copy, size, 7) == whole);
	loop_slices(); /* gives back what is large */
	free(copy);
	return 0;
}
