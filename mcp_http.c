#include "mcp_http.h"

#include <errno.h>
#include <stdlib.h>

#include "api.h"
#include "api_session.h"
#include "cors.h"
#include "mcp_session.h"

#define SESSION_SECONDS 3600 /* that nobody uses: people think, too */

struct mcp_exchange {
	struct pieces pieces; /* first */
	struct mcp_message message;
	struct job **jobs; /* one, which has ended */
	struct exchange *x;
};

static bool off;

static const char *const jsonrpc[] = { "2.0", NULL };

static const struct field message_fields[] = {
	{ .name = "jsonrpc",
	  .type = FIELD_WORD,
	  .required = true,
	  .words = jsonrpc,
	  .help = "Its version." },
	{ .name = "method",
	  .type = FIELD_STRING,
	  .help = "Such as tools/call." },
	{ 0 },
};

const struct object mcp_http_message = {
	.name = "Message",
	.help = "JSON-RPC 2.0, with id and params as the Model Context "
		"Protocol has them.",
	.fields = message_fields,
};

void mcp_http_set(bool on)
{
	off = !on;
}

bool mcp_http_is_on(void)
{
	return !off;
}

/*
 * A page that has made its own name lead here (DNS rebinding) may send requests as
 * if this were its server, but says its own origin.
 */
const char *mcp_http_problem(const struct http_request *r, int *status)
{
	if (r->origin.size && !cors_allows(r->origin)) {
		*status = 403;
		return "Origin: not one that --cors names";
	}
	if (r->mcp_version.size && !mcp_knows_version(r->mcp_version)) {
		*status = 400;
		return "MCP-Protocol-Version: unknown";
	}
	return NULL;
}

void mcp_http_drop(struct exchange *x)
{
	struct mcp_exchange *m = x->mcp;

	x->mcp = NULL;
	if (!m)
		return;
	free(m->message.answer.data);
	pieces_free(&m->pieces);
	jobs_drop(m->jobs, m->jobs ? 1 : 0);
	free(m);
}

static void dropped(struct pieces *p)
{
	mcp_http_drop(((struct mcp_exchange *)p)->x);
}

size_t mcp_http_held(const struct mcp_exchange *m)
{
	return m->jobs ? m->jobs[0]->payload_size : 0;
}

struct producer *mcp_http_result(struct exchange *x)
{
	struct mcp_exchange *m = x->mcp;

	m->jobs = x->jobs;
	x->jobs = NULL;
	x->count = 0;
	mcp_result(&m->pieces, &m->message, m->jobs[0]);
	if (m->pieces.failed) {
		mcp_http_drop(x);
		return NULL;
	}
	pieces_open(&m->pieces, dropped);
	return &m->pieces.producer;
}

static int parse(struct reading *r)
{
	struct exchange *x = r->context;

	return mcp_read(&x->mcp->message, &r->request, true, r->body, r->size);
}

static void answer(struct exchange *x)
{
	struct mcp_message *m = &x->mcp->message;
	struct text *t = answer_begin(&x->answer);
	bool says = m->kind == MCP_ANSWER;
	int status = !says ? 202 : m->refused ? 400 : 200;

	if (says) {
		text_add(t, m->answer.data, m->answer.size);
		text_put(t, "\n");
	}
	mcp_http_drop(x);
	api_answer(x, status, says ? "application/json" : NULL,
		   says ? "" : "Content-Length: 0\r\n");
}

/* False: no memory. */
static bool prepare(struct exchange *x)
{
	struct mcp_message *m = &x->mcp->message;

	mcp_session_prepare(m, x->count ? x->jobs[0] : NULL, x->owner,
			    SESSION_SECONDS);
	return !m->answer.failed;
}

static void starve(struct exchange *x)
{
	mcp_http_drop(x);
	api_refuse(x, 500, "", "no memory");
}

/* What is to be copied is there, or the answer says that it is not. */
static void fetched(struct job *job)
{
	struct exchange *x = job->context;

	x->open = 0;
	if (job->status == JOB_FAULT)
		x->mcp->message.failed = job->message;
	if (prepare(x))
		answer(x);
	else
		starve(x);
}

/* False: nothing has to be fetched, or cannot be. */
static bool fetch(struct exchange *x)
{
	struct session *s = mcp_session_away(&x->mcp->message, x->owner);

	return s && api_session_fetch(x, s, false, fetched) == 0;
}

static void message_read(struct reading *r)
{
	struct exchange *x = r->context;
	const struct mcp_message *m = &x->mcp->message;
	bool no_memory = r->result == -ENOMEM;

	api_take_jobs(x);
	if (!api_spend(x, m->kind == MCP_FORK ? m->copies : 1)) {
		mcp_http_drop(x);
	} else if (!no_memory && fetch(x)) {
		return;
	} else if (no_memory || !prepare(x)) {
		starve(x);
	} else if (m->kind == MCP_RUN) {
		api_submit(x);
	} else {
		answer(x);
	}
}

void mcp_http_post(struct exchange *x, const char *body, size_t size)
{
	x->mcp = calloc(1, sizeof(*x->mcp));
	if (!x->mcp) {
		x->read(x);
		api_refuse(x, 500, "", "no memory");
		return;
	}
	x->mcp->x = x;
	x->reading = (struct reading){
		.request = { .owner = x->owner },
		.parse = parse,
	};
	api_read(x, body, size, message_read);
}
