/*
 * What the front end takes of a worker: a message in its turn, within its bounds.
 * All else breaks the rules of protocol.h.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "member.h"
#include "recycle_result.h"
#include "text.h"

#define RUN_ID 5

static struct job job;

/* A worker in a state in which it owes all that it may; the other end of its
 * channel. */
static int open_member(struct member *m, enum member_state state)
{
	int other;

	*m = (struct member){ .state = state,
			      .run_id = RUN_ID,
			      .owes_idle = true,
			      .owes_warm = true };
	m->job = state == BUSY ? &job : NULL;
	EQUAL(channel_open(&m->channel, &other), 0);
	return other;
}

static void close_member(struct member *m, int other)
{
	channel_close(&m->channel);
	close(other);
}

/* What member_hear says of a message in a state. */
static int hear(enum member_state state, enum message_kind kind,
		const void *body, size_t size, struct member_news *n)
{
	struct message head = { kind, (uint32_t)size };
	struct member m;
	int other = open_member(&m, state), r;

	EQUAL(send(other, &head, sizeof(head), 0), sizeof(head));
	EQUAL(send(other, body, size, 0), size);
	/* What is long comes in slices. */
	do
		r = member_hear(&m, n);
	while (r == 0 &&
	       recv(m.channel.fd, &head, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	if (r == 1 && kind != MESSAGE_READY && kind != MESSAGE_FAILED) {
		/* It has been said, and may not be said again. */
		CHECK(kind == MESSAGE_IDLE ? !m.owes_idle : !m.owes_warm);
		CHECK(kind != MESSAGE_RESULT || m.owes_idle);
	}
	close_member(&m, other);
	return r;
}

static bool good(const struct result *r, enum member_state state)
{
	struct member_news n;
	int said = hear(state, MESSAGE_RESULT, r, sizeof(*r), &n);

	CHECK(said == 1 || said == -EPROTO);
	return said == 1 && !memcmp(&n.result, r, sizeof(*r)) && !n.payload;
}

static void each_in_its_state(void)
{
	struct result result = { .id = RUN_ID };
	struct renewal renewal = { .warm = 1 };
	struct {
		struct part head;
		char text[8];
	} failed = { { .kind = PART_MESSAGE, .size = 4 }, "why" };
	struct member_news n;

	for (enum member_state s = STARTING; s < MEMBER_STATES; s++) {
		EQUAL(hear(s, MESSAGE_READY, NULL, 0, &n),
		      s == STARTING ? 1 : -EPROTO);
		EQUAL(hear(s, MESSAGE_RESULT, &result, sizeof(result), &n),
		      s == BUSY || s == CANCELLING ? 1 : -EPROTO);
		EQUAL(hear(s, MESSAGE_IDLE, &renewal, sizeof(renewal), &n), 1);
		CHECK(n.renewal.warm == 1);
		EQUAL(hear(s, MESSAGE_WARM, &renewal, sizeof(renewal), &n), 1);
		EQUAL(hear(s, MESSAGE_FAILED, &failed, sizeof(failed), &n), 1);
	}
}

static void once_each(void)
{
	static const enum message_kind kinds[] = { MESSAGE_IDLE, MESSAGE_WARM };

	for (int i = 0; i < 2; i++) {
		struct {
			struct message head;
			struct renewal body;
		} twice[2] = { { { kinds[i], 16 }, { 0 } },
			       { { kinds[i], 16 }, { 0 } } };
		struct member_news n;
		struct member m;
		int other = open_member(&m, READY);

		EQUAL(send(other, twice, sizeof(twice), 0), sizeof(twice));
		EQUAL(member_hear(&m, &n), 1);
		EQUAL(member_hear(&m, &n), -EPROTO);
		close_member(&m, other);
	}
}

/* That the session is not there is said of a run that was told it is, without more. */
static void away_if_it_was_to_be_there(void)
{
	static const char body[sizeof(struct result) + 24];

	for (int i = 0; i < 8; i++) {
		bool session = i & 1, stays = i & 2, more = i & 4;
		struct message head = {
			MESSAGE_RESULT, sizeof(struct result) + (more ? 24 : 0)
		};
		struct result r = { .id = RUN_ID, .status = RESULT_AWAY };
		struct member_news n;
		struct member m;
		int other = open_member(&m, BUSY);

		m.session = session || stays;
		m.stays = stays;
		EQUAL(send(other, &head, sizeof(head), 0), sizeof(head));
		EQUAL(send(other, &r, sizeof(r), 0), sizeof(r));
		if (more)
			EQUAL(send(other, body, 24, 0), 24);
		EQUAL(member_hear(&m, &n), stays && !more ? 1 : -EPROTO);
		close_member(&m, other);
	}
}

static void fields_in_their_bounds(void)
{
	for (uint32_t v = 0; v < 300; v++) {
		struct result r = { .id = RUN_ID };

		r.exit_code = v;
		EQUAL(good(&r, BUSY), v < 256);
		r.exit_code = 0;
		r.id = v;
		EQUAL(good(&r, BUSY), v == RUN_ID);
		r.id = RUN_ID;
		r.status = v;
		EQUAL(good(&r, BUSY), v < RESULT_CANCELLED);
		EQUAL(good(&r, CANCELLING), v <= RESULT_CANCELLED);
		r.status = 0;
		r.recycled = v;
		EQUAL(good(&r, BUSY), v < 2);
		r.recycled = 0;
		r.kept = v;
		EQUAL(good(&r, BUSY), v < 2);
		r.kept = 0;
		r.before.warm = v;
		EQUAL(good(&r, BUSY), v < 2);
		r.before.warm = 0;
		r.before.discarded = v;
		EQUAL(good(&r, BUSY), v < RECYCLE_RESULTS);
	}
}

static void not_before_its_request(void)
{
	size_t size = 4u << 20;
	struct message head = { MESSAGE_RESULT, sizeof(struct result) };
	struct result result = { .id = RUN_ID };
	struct job large = { .parts = { calloc(1, size), size, size, 0 } };
	struct member_news n;
	struct member m;
	int other = open_member(&m, BUSY);

	m.job = &large;
	EQUAL(member_run(&m, 1), 0);
	EQUAL(send(other, &head, sizeof(head), 0), sizeof(head));
	EQUAL(send(other, &result, sizeof(result), 0), sizeof(result));
	EQUAL(member_hear(&m, &n), -EPROTO);
	close_member(&m, other);
	parts_drop(&large.parts);
}

/* ---- parts ---- */

static void put_part(struct text *t, uint32_t kind, const char *data,
		     size_t size)
{
	static const char zero[8];
	struct part head = { .kind = kind, .size = size };

	text_add(t, &head, sizeof(head));
	text_add(t, data, size);
	text_add(t, zero, PADDED(size) - size);
}

static bool is(const struct part_view *p, const char *data, size_t size)
{
	return p->size == size && p->data && !memcmp(p->data, data, size);
}

static void outputs_arrive(void)
{
	static char output[100001];
	struct result result = { .id = RUN_ID };

	memset(output, 'o', sizeof(output));
	for (size_t size = 0; size <= sizeof(output); size += 20000) {
		struct text t = { 0 };
		struct member_news n;

		text_add(&t, &result, sizeof(result));
		put_part(&t, PART_STDOUT, output, size);
		put_part(&t, PART_STDERR, "err", 3);
		put_part(&t, PART_MESSAGE, "why", 4);
		EQUAL(hear(BUSY, MESSAGE_RESULT, t.data, t.size, &n), 1);
		CHECK(is(&n.out, output, size) && is(&n.err, "err", 3) &&
		      is(&n.text, "why", 4));
		CHECK(n.payload);
		free(n.payload);
		/* Nobody waits for it. */
		EQUAL(hear(CANCELLING, MESSAGE_RESULT, t.data, t.size, &n), 1);
		CHECK(!n.payload);
		free(t.data);
	}
}

/* Builds a message of parts and tells what is said of it. */
static int with_parts(enum message_kind kind, const struct part_view *parts,
		      size_t count)
{
	struct result result = { .id = RUN_ID };
	struct text t = { 0 };
	struct member_news n = { 0 };
	int r;

	if (kind == MESSAGE_RESULT)
		text_add(&t, &result, sizeof(result));
	for (size_t i = 0; i < count; i++)
		put_part(&t, parts[i].kind, parts[i].data, parts[i].size);
	r = hear(BUSY, kind, t.data, t.size, &n);
	free(r == 1 ? n.payload : NULL);
	free(t.data);
	return r;
}

static void parts_that_may_not_be(void)
{
	static const struct part_view out = { .kind = PART_STDOUT,
					      .data = "o",
					      .size = 1 };
	static const struct part_view err = { .kind = PART_STDERR,
					      .data = "e",
					      .size = 1 };
	static const struct part_view why = { .kind = PART_MESSAGE,
					      .data = "w",
					      .size = 2 };
	static const struct part_view open = { .kind = PART_MESSAGE,
					       .data = "w",
					       .size = 1 };
	static const struct part_view none = { .kind = PART_MESSAGE,
					       .data = "",
					       .size = 0 };
	static const struct part_view code = { .kind = PART_CODE,
					       .data = "c",
					       .size = 1 };
	const struct {
		enum message_kind kind;
		struct part_view parts[3];
		size_t count;
		bool good;
	} cases[] = {
		{ MESSAGE_RESULT, { out, err, why }, 3, true },
		{ MESSAGE_RESULT, { why, err, out }, 3, true },
		{ MESSAGE_RESULT, { err }, 1, true },
		{ MESSAGE_RESULT, { out, out }, 2, false },
		{ MESSAGE_RESULT, { err, out, err }, 3, false },
		{ MESSAGE_RESULT, { why, why }, 2, false },
		{ MESSAGE_RESULT, { open }, 1, false },
		{ MESSAGE_RESULT, { none }, 1, false },
		{ MESSAGE_RESULT, { code }, 1, false },
		{ MESSAGE_FAILED, { why }, 1, true },
		{ MESSAGE_FAILED, { open }, 1, false },
		{ MESSAGE_FAILED, { none }, 1, false },
		{ MESSAGE_FAILED, { out }, 1, false },
		{ MESSAGE_FAILED, { why, out }, 2, false },
		{ MESSAGE_FAILED, { err, why }, 2, false },
		{ MESSAGE_FAILED, { why, why }, 2, false },
		{ MESSAGE_FAILED, { code }, 1, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!EQUAL(with_parts(cases[i].kind, cases[i].parts,
				      cases[i].count),
			   cases[i].good ? 1 : -EPROTO))
			printf("# case %zu\n", i);
}

static void no_memory(void)
{
	struct result result = { .id = RUN_ID };
	struct text t = { 0 };
	struct member_news n;
	int r;

	text_add(&t, &result, sizeof(result));
	put_part(&t, PART_STDOUT, "out", 3);
	WITH_FAILING_ALLOCATIONS
	{
		r = hear(BUSY, MESSAGE_RESULT, t.data, t.size, &n);
		EQUAL(r, fail_plan->failed ? -ENOMEM : 1);
		free(r == 1 ? n.payload : NULL);
	}
	free(t.data);
}

/* ---- what it is told ---- */

static void a_cancel_outlives_its_job(void)
{
	size_t size = 4u << 20;
	struct job large = { .parts = { calloc(1, size), size, size, 0 } };
	struct member m;
	char part[65536];
	size_t total = 0;
	ssize_t n;
	int other = open_member(&m, BUSY), r;

	m.job = &large;
	EQUAL(member_run(&m, 1), 0);
	r = member_cancel(&m);
	EQUAL(r, 0);
	/* The job goes, its parts stay until they are sent. */
	CHECK(!large.parts.data && m.parts.data);
	m.job = NULL;
	while (r == 0) {
		while ((n = recv(other, part, sizeof(part), MSG_DONTWAIT)) > 0)
			total += (size_t)n;
		r = member_go_on(&m);
	}
	EQUAL(r, 1);
	CHECK(!m.parts.data);
	while ((n = recv(other, part, sizeof(part), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	EQUAL(total, 8 + sizeof(struct run) + size + 8 + 8);
	close_member(&m, other);
}

/* ---- what comes while it runs ---- */

/* What is said of an OUTPUT of so many bytes, at least 32, of a run. */
static int hear_piece(struct member *m, int other, uint64_t id, size_t size)
{
	struct message head = { MESSAGE_OUTPUT, (uint32_t)size };
	struct about about = { id };
	struct text t = { 0 };
	struct member_news n;
	int r;

	text_add(&t, &head, sizeof(head));
	text_add(&t, &about, sizeof(about));
	size -= sizeof(about) + sizeof(struct part);
	if (text_reserve(&t, sizeof(struct part) + size)) {
		struct part part = { .kind = PART_STDOUT, .size = size };

		text_add(&t, &part, sizeof(part));
		memset(t.data + t.size, 'o', size);
		t.size += size;
	}
	EQUAL(send(other, t.data, t.size, 0), t.size);
	do
		r = member_hear(m, &n);
	while (r == 0);
	free(t.data);
	return r;
}

static void output_within_its_credit(void)
{
	struct job streamed = { .stream = 4000 };
	struct message head;
	struct credit credit;
	struct run run;
	struct member m;
	int other = open_member(&m, BUSY);

	m.job = &streamed;
	EQUAL(member_run(&m, 1), 1);
	EQUAL(recv(other, &head, sizeof(head), 0), sizeof(head));
	EQUAL(recv(other, &run, sizeof(run), 0), sizeof(run));
	EQUAL(run.stream, 4000);
	EQUAL(hear_piece(&m, other, RUN_ID, 3000), 1);
	EQUAL(m.credit, 1000);
	EQUAL(member_credit(&m, 3000), 1);
	EQUAL(recv(other, &head, sizeof(head), 0), sizeof(head));
	EQUAL(recv(other, &credit, sizeof(credit), 0), sizeof(credit));
	CHECK(head.kind == MESSAGE_CREDIT && credit.id == RUN_ID &&
	      credit.bytes == 3000);
	EQUAL(hear_piece(&m, other, RUN_ID, 4000), 1);
	EQUAL(m.credit, 0);
	/* Beyond it: what is left when the program has ended. */
	for (int i = 0; i < 6; i++)
		EQUAL(hear_piece(&m, other, RUN_ID, 32768), 1);
	EQUAL(m.rest, 0);
	EQUAL(hear_piece(&m, other, RUN_ID, 32), -EPROTO);
	close_member(&m, other);
}

static void output_of_nothing_that_is_streamed(void)
{
	struct job streamed = { .stream = 4000 };

	for (enum member_state s = STARTING; s < MEMBER_STATES; s++)
		for (uint64_t id = RUN_ID; id < RUN_ID + 2; id++) {
			bool good = id == RUN_ID &&
				    (s == BUSY || s == CANCELLING);
			struct member m;
			int other = open_member(&m, s);

			m.credit = streamed.stream;
			EQUAL(hear_piece(&m, other, id, 32),
			      good ? 1 : -EPROTO);
			close_member(&m, other);
		}
	for (int i = 0; i < 2; i++) {
		struct member m;
		int other = open_member(&m, BUSY);

		m.job = i ? &streamed : &job;
		EQUAL(member_run(&m, 1), 1);
		EQUAL(hear_piece(&m, other, RUN_ID, 32), i ? 1 : -EPROTO);
		close_member(&m, other);
	}
}

/* ---- what a session has become ---- */

/* A worker that has run an exec of a session with so large a state and may have pages
 * of 1 MiB. */
static int open_saved(struct member *m, bool owes)
{
	int other = open_member(m, BUSY);

	m->owes_saved = owes;
	m->state_size = 1u << 20;
	m->state_most = protocol_state_most(1u << 20);
	return other;
}

/* What is said of the head of a SAVED of so many bytes, of which no more has come. */
static int hear_head(bool owes, size_t size)
{
	struct message head = { MESSAGE_SAVED,
				(uint32_t)(sizeof(struct saved) + size) };
	struct member_news n;
	struct member m;
	int other = open_saved(&m, owes), r;

	EQUAL(send(other, &head, sizeof(head), 0), sizeof(head));
	r = member_hear(&m, &n);
	CHECK(r == 0 || !m.channel.own);
	close_member(&m, other);
	return r;
}

static void saved_by_its_head(void)
{
	size_t most = protocol_state_most(1u << 20);

	EQUAL(hear_head(true, most), 0);
	EQUAL(hear_head(true, most + 8), -EPROTO);
	EQUAL(hear_head(true, PROTOCOL_STATE_MAX), -EPROTO);
	EQUAL(hear_head(false, 8), -EPROTO);
	EQUAL(hear_head(false, most), -EPROTO);
}

/* What is said of a state of so many segments that has become longer by so much, or has
 * become that. */
static int hear_saved(size_t count, bool whole, size_t size)
{
	struct message head = { MESSAGE_SAVED,
				(uint32_t)(sizeof(struct saved) + size) };
	struct saved saved = { .id = RUN_ID, .whole = whole };
	struct text t = { 0 };
	struct member_news n;
	struct member m;
	int other = open_saved(&m, true), r = 0;
	size_t sent = 0;

	m.state_count = count;
	text_add(&t, &head, sizeof(head));
	text_add(&t, &saved, sizeof(saved));
	if (text_reserve(&t, size)) {
		memset(t.data + t.size, 0, size);
		t.size += size;
	}
	while (r == 0 && sent < t.size) {
		size_t most = t.size - sent < 65536 ? t.size - sent : 65536;

		EQUAL(send(other, t.data + sent, most, 0), most);
		sent += most;
		for (int i = 0; i < 3 && r == 0; i++)
			r = member_hear(&m, &n);
	}
	if (r == 1)
		EQUAL(n.state_size, size);
	free(r == 1 ? n.payload : NULL);
	free(t.data);
	close_member(&m, other);
	return r;
}

static void saved_within_what_a_run_carries(void)
{
	size_t most = protocol_state_most(1u << 20);

	EQUAL(hear_saved(1, false, 8), 1);
	EQUAL(hear_saved(1, false, 0), -EPROTO);
	EQUAL(hear_saved(1, false, most - (1u << 20)), 1);
	EQUAL(hear_saved(1, false, most - (1u << 20) + 8), -EPROTO);
	EQUAL(hear_saved(1, true, most), 1);
	EQUAL(hear_saved(PROTOCOL_STATE_SEGMENTS, false, 8), -EPROTO);
	EQUAL(hear_saved(PROTOCOL_STATE_SEGMENTS, true, 8), 1);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a state that is not owed, or too large, is refused by its "
		  "head",
		  saved_by_its_head },
		{ "a state is no larger than a run may carry",
		  saved_within_what_a_run_carries },
		{ "each message is taken in its states only",
		  each_in_its_state },
		{ "IDLE and WARM are taken once", once_each },
		{ "that a session is not there is said where it was to be",
		  away_if_it_was_to_be_there },
		{ "a result's fields are within their bounds",
		  fields_in_their_bounds },
		{ "a result is not taken before its request is out",
		  not_before_its_request },
		{ "output arrives, or is left when nobody waits",
		  outputs_arrive },
		{ "output of a streamed run is taken within its credit",
		  output_within_its_credit },
		{ "output of nothing that is streamed is not",
		  output_of_nothing_that_is_streamed },
		{ "parts that may not be are refused", parts_that_may_not_be },
		{ "without memory a result is not taken", no_memory },
		{ "the code of a cancelled run stays until it is sent",
		  a_cancel_outlives_its_job },
	};

	return UNIT_RUN("member", tests);
}
