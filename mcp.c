#include "mcp.h"

#include <errno.h>
#include <stdio.h>

#include "json.h"
#include "mcp_tools.h"

#ifndef ZEROBOOT_VERSION
#define ZEROBOOT_VERSION "unknown"
#endif

#define NAME_MAX_BYTES 64 /* of a method, a version, a tool */

/* JSON-RPC 2.0, 5.1. */
enum {
	PARSE_ERROR = -32700,
	INVALID_REQUEST = -32600,
	UNKNOWN_METHOD = -32601,
	INVALID_PARAMS = -32602,
};

/* The latest first, which is offered to a client that asks for another one. */
static const char *const versions[] = { "2025-06-18", "2025-03-26",
					"2024-11-05" };

/* A value of the message, as it is written; size 0: there is none. */
struct value {
	enum json_kind kind;
	const char *text;
	size_t size;
};

struct parse {
	struct mcp_message *message;
	struct request *request;
	struct err e;
	struct value jsonrpc, id, method, params, result, error;
	/* of params */
	struct value version, name, arguments, cursor, cancelled;
};

/* ---- answers ---- */

static void begin_answer(struct parse *p)
{
	struct mcp_message *m = p->message;

	m->kind = MCP_ANSWER;
	text_put(&m->answer, "{\"jsonrpc\":\"2.0\",\"id\":");
	if (m->id_size)
		text_add(&m->answer, m->id, m->id_size);
	else
		text_put(&m->answer, "null");
}

static void fail(struct parse *p, int code, const char *what)
{
	struct text *t = &p->message->answer;

	p->message->refused = code == PARSE_ERROR || code == INVALID_REQUEST;
	begin_answer(p);
	text_put(t, ",\"error\":{\"code\":");
	text_put_number(t, code);
	text_put(t, ",\"message\":");
	text_json_string(t, what, strlen(what));
	text_put(t, "}}");
}

/* ---- values ---- */

static int take_value(struct json *j, struct value *v)
{
	int r;

	v->kind = json_peek(j);
	v->text = j->text + j->at;
	r = json_skip(j);
	v->size = (size_t)(j->text + j->at - v->text);
	return r;
}

struct member {
	const char *name;
	struct value *to;
};

struct members {
	const struct member *list;
	size_t count;
};

static int take_member(struct json *j, const char *key, size_t size,
		       void *context)
{
	const struct members *m = context;

	for (size_t i = 0; i < m->count; i++)
		if (strlen(m->list[i].name) == size &&
		    !memcmp(m->list[i].name, key, size))
			return take_value(j, m->list[i].to);
	return json_skip(j);
}

/* Takes those members of an object. 0 or -EINVAL. */
static int take_members(struct json *j, const struct member *list, size_t count)
{
	struct members m = { list, count };

	return json_object(j, take_member, &m);
}

/* A short string as it is meant, with a NUL; false: it is none. */
static bool string_of(const struct value *v, char to[NAME_MAX_BYTES])
{
	struct err e;
	struct json j;
	size_t size = 0;

	if (!v->size || v->kind != JSON_STRING)
		return false;
	json_begin(&j, v->text, v->size, &e);
	if (json_string(&j, to, NAME_MAX_BYTES - 1, &size) ||
	    memchr(to, 0, size))
		return false;
	to[size] = 0;
	return true;
}

/* As it is written, so that it comes back the same. */
static bool take_id(struct mcp_message *m, const struct value *v)
{
	if (!v->size || v->size > MCP_ID_MAX ||
	    (v->kind != JSON_STRING && v->kind != JSON_NUMBER))
		return false;
	memcpy(m->id, v->text, v->size);
	m->id_size = v->size;
	return true;
}

/* ---- methods ---- */

bool mcp_knows_version(struct http_span version)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (http_is(version, versions[i]))
			return true;
	return false;
}

static void initialize(struct parse *p)
{
	char wanted[NAME_MAX_BYTES];
	struct text *t = &p->message->answer;
	bool known;

	if (!string_of(&p->version, wanted)) {
		fail(p, INVALID_PARAMS, "protocolVersion: missing, or no name");
		return;
	}
	known = mcp_knows_version((struct http_span){ wanted, strlen(wanted) });
	p->message->begins = true;
	begin_answer(p);
	text_put(t, ",\"result\":{\"protocolVersion\":\"");
	text_put(t, known ? wanted : versions[0]);
	text_put(t, "\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{"
		    "\"name\":\"zeroboot\",\"version\":\"" ZEROBOOT_VERSION
		    "\"},\"instructions\":");
	text_json_string(t, mcp_instructions, strlen(mcp_instructions));
	text_put(t, "}}");
}

static void ping(struct parse *p)
{
	begin_answer(p);
	text_put(&p->message->answer, ",\"result\":{}}");
}

static void list_tools(struct parse *p)
{
	if (p->cursor.size) { /* all is on one page */
		fail(p, INVALID_PARAMS, "cursor: unknown");
		return;
	}
	begin_answer(p);
	text_put(&p->message->answer, ",\"result\":{\"tools\":");
	mcp_tools_write(&p->message->answer);
	text_put(&p->message->answer, "}}");
}

static int read_arguments(struct parse *p, enum request_kind kind,
			  enum mcp_kind wanted)
{
	struct request *q = p->request;
	int r;

	q->batch = false;
	q->kind = kind;
	q->copies = 1;
	r = request_parse(q, p->arguments.size ? p->arguments.text : "{}",
			  p->arguments.size ? p->arguments.size : 2, &p->e);
	if (r == -ENOMEM)
		return r;
	if (r) {
		fail(p, INVALID_PARAMS, p->e.text);
		return 0;
	}
	q->jobs[0]->base64 = false;
	p->message->kind = wanted;
	p->message->copies = q->copies;
	memcpy(p->message->session, q->session, ID_SIZE);
	return 0;
}

static int call_tool(struct parse *p)
{
	char name[NAME_MAX_BYTES], what[NAME_MAX_BYTES + 32];
	bool is_name = string_of(&p->name, name);
	bool forks = is_name && !strcmp(name, MCP_TOOL_FORK);
	bool ends = is_name && !strcmp(name, MCP_TOOL_END);
	int language = is_name ? mcp_tool_language(name) : -1;

	if (language < 0 && !forks && !ends) {
		snprintf(what, sizeof(what), "unknown tool: %s",
			 is_name ? name : "no such name");
		fail(p, INVALID_PARAMS, p->name.size ? what : "name: missing");
		return 0;
	}
	if (p->arguments.size && p->arguments.kind != JSON_OBJECT) {
		fail(p, INVALID_PARAMS, "arguments: not an object");
		return 0;
	}
	p->request->given = true;
	p->request->language = language;
	return forks ? read_arguments(p, REQUEST_CALL_FORK, MCP_FORK) :
	       ends  ? read_arguments(p, REQUEST_CALL_END, MCP_END) :
		       read_arguments(p, REQUEST_CALL, MCP_RUN);
}

/* 0 or -EINVAL: they are no object. */
static int read_params(struct parse *p)
{
	const struct member members[] = {
		{ "protocolVersion", &p->version }, { "name", &p->name },
		{ "arguments", &p->arguments },     { "cursor", &p->cursor },
		{ "requestId", &p->cancelled },
	};
	struct json j;

	if (!p->params.size)
		return 0;
	if (p->params.kind != JSON_OBJECT)
		return -EINVAL;
	json_begin(&j, p->params.text, p->params.size, &p->e);
	j.pause = p->request->pause;
	return take_members(&j, members, sizeof(members) / sizeof(members[0]));
}

static void notice(struct parse *p, const char *method)
{
	if (strcmp(method, "notifications/cancelled") || read_params(p))
		return;
	if (take_id(p->message, &p->cancelled))
		p->message->kind = MCP_CANCEL;
}

static int answer(struct parse *p, const char *method, bool begun)
{
	bool begins = !strcmp(method, "initialize");

	if (read_params(p)) {
		fail(p, INVALID_PARAMS, "params: not an object");
	} else if (!strcmp(method, "ping")) {
		ping(p);
	} else if (begins) {
		initialize(p);
	} else if (!begun) {
		fail(p, INVALID_REQUEST, "initialize comes first");
	} else if (!strcmp(method, "tools/list")) {
		list_tools(p);
	} else if (!strcmp(method, "tools/call")) {
		return call_tool(p);
	} else {
		fail(p, UNKNOWN_METHOD, "no such method");
	}
	return 0;
}

/* ---- messages ---- */

/* 0 or -EINVAL: it is answered. */
static int read_envelope(struct parse *p, const char *body, size_t size)
{
	const struct member members[] = {
		{ "jsonrpc", &p->jsonrpc }, { "id", &p->id },
		{ "method", &p->method },   { "params", &p->params },
		{ "result", &p->result },   { "error", &p->error },
	};
	bool object, array;
	struct json j;
	int r;

	json_begin(&j, body, size, &p->e);
	j.pause = p->request->pause;
	object = json_peek(&j) == JSON_OBJECT;
	array = json_peek(&j) == JSON_ARRAY;
	r = object ? take_members(&j, members,
				  sizeof(members) / sizeof(members[0])) :
		     json_skip(&j);
	if (r == 0)
		r = json_end(&j);
	if (r)
		fail(p, PARSE_ERROR, p->e.text);
	else if (!object)
		fail(p, INVALID_REQUEST,
		     array ? "no batches: one message at a time" :
			     "not an object");
	return r || !object ? -EINVAL : 0;
}

static int read_message(struct parse *p, bool begun)
{
	char method[NAME_MAX_BYTES], version[NAME_MAX_BYTES];
	bool has_id = take_id(p->message, &p->id);

	if (p->id.size && !has_id)
		fail(p, INVALID_REQUEST, "id: neither a string nor a number");
	else if (!string_of(&p->jsonrpc, version) || strcmp(version, "2.0"))
		fail(p, INVALID_REQUEST, "jsonrpc: not \"2.0\"");
	else if (p->method.size && p->method.kind != JSON_STRING)
		fail(p, INVALID_REQUEST, "method: not a string");
	else if (!p->method.size && !p->result.size && !p->error.size)
		fail(p, INVALID_REQUEST, "method: missing");
	if (p->message->kind == MCP_ANSWER || !p->method.size)
		return 0; /* an answer to us, who have asked nothing */
	if (!string_of(&p->method, method))
		method[0] = 0; /* no method is as long as that */
	if (has_id)
		return answer(p, method, begun);
	notice(p, method);
	return 0;
}

int mcp_read(struct mcp_message *m, struct request *q, bool begun,
	     const char *body, size_t size)
{
	struct parse p = { .message = m, .request = q, .e = { "" } };
	int r = 0;

	if (read_envelope(&p, body, size) == 0)
		r = read_message(&p, begun);
	return m->answer.failed ? -ENOMEM : r;
}

int mcp_refuse(struct mcp_message *m, const char *why)
{
	struct parse p = { .message = m };

	fail(&p, INVALID_REQUEST, why);
	return m->answer.failed ? -ENOMEM : 0;
}
