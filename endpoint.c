#include "endpoint.h"

#include <stdio.h>

#include "api.h"
#include "api_files.h"
#include "api_session.h"
#include "api_template.h"
#include "mcp_http.h"
#include "openapi.h"
#include "page.h"
#include "request.h"

/* Measured here, not for each request. */
#define SPAN(text)                                                             \
	{                                                                      \
		text, sizeof(text) - 1                                         \
	}

/* What a request with a body meets before anybody looks into it. */
#define BODY_ERRORS 400, 401, 408, 411, 413, 415, 429, 431, 500, 503

#define EVENTS(result)                                                         \
	"With stream, server-sent events: stdout and stderr, objects with "    \
	"text or base64; the last one is result, " result ", or error, an "    \
	"Error."

const struct endpoint endpoints[METRICS_PATHS] = {
	[METRICS_OTHER] = { .path = SPAN("other") },
	[METRICS_EXEC] = {
		.path = SPAN("/v1/exec"),
		.names = { SPAN("/exec") },
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_exec,
			.takes = &request_exec,
			.gives = &results_one,
			.events = EVENTS("a Result"),
			.statuses = { 200, BODY_ERRORS },
			.id = "exec",
			.summary = "Run a program.",
			.help = "In a virtual machine of its own, which is a fork "
				"of a started interpreter and is gone "
				"afterwards.",
			.example = "{\"code\":\"print(6 * 7)\"}",
		} },
	},
	[METRICS_BATCH] = {
		.path = SPAN("/v1/exec/batch"),
		.names = { SPAN("/exec/batch") },
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_exec,
			.takes = &request_batch,
			.or_takes = &request_inputs,
			.gives = &results_many,
			.statuses = { 200, BODY_ERRORS },
			.id = "execBatch",
			.summary = "Run several programs, or one over many "
				   "inputs, at the same time.",
			.help = "Each in a virtual machine of its own. The results "
				"are in the order of the request.",
			.example = "{\"executions\":[{\"code\":\"print(1)\"},"
				   "{\"code\":\"echo 2\",\"language\":\"sh\"}]}",
		} },
	},
	[METRICS_MCP] = {
		.path = SPAN("/mcp"),
		.operations = { {
			.method = SPAN("POST"),
			.handle = mcp_http_post,
			.takes = &mcp_http_message,
			/* Without a schema: it is the protocol's. */
			.statuses = { 200, 202, 403, BODY_ERRORS },
			.no_error = 400,
			.id = "mcp",
			.summary = "The Model Context Protocol, for agents.",
			.help = "A message a request.",
			.example = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
				   "\"tools/list\"}",
		} },
	},
	[METRICS_HEALTH] = {
		.path = SPAN("/v1/health"),
		.names = { SPAN("/health"), SPAN("/healthz") },
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_health,
			.gives = &api_health_answer,
			.statuses = { 200, 503 },
			.no_error = 503,
			.id = "health",
			.summary = "How the templates stand.",
			.help = "503 while one of them is not ready.",
		} },
	},
	[METRICS_METRICS] = {
		.path = SPAN("/v1/metrics"),
		.names = { SPAN("/metrics") },
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_metrics,
			.type = "text/plain; version=0.0.4; charset=utf-8",
			.statuses = { 200 },
			.id = "metrics",
			.summary = "Counters for Prometheus.",
		} },
	},
	[METRICS_OPENAPI] = {
		.path = SPAN("/v1/openapi.json"),
		.operations = { {
			.method = SPAN("GET"),
			.document = openapi_document,
			.type = "application/json",
			.statuses = { 200, 304 },
			.id = "openapi",
			.summary = "This document.",
		} },
	},
	[METRICS_PAGE] = {
		.path = SPAN("/"),
		.operations = { {
			.method = SPAN("GET"),
			.document = page_document,
			.type = "text/html; charset=utf-8",
			.statuses = { 200, 304 },
			.id = "page",
			.summary = "A page to try it on.",
		} },
	},
	[METRICS_SESSIONS] = {
		.path = SPAN("/v1/sessions"),
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_session_list,
			.gives = &api_sessions_answer,
			.keyed = true,
			.statuses = { 200, 401, 429 },
			.id = "listSessions",
			.summary = "The key's sessions, the newest first.",
			.help = "The first 1,000 of them.",
		}, {
			.method = SPAN("POST"),
			.handle = api_session_body,
			.takes = &request_session,
			.gives = &api_session_answer,
			.statuses = { 201, BODY_ERRORS, 507 },
			.id = "createSession",
			.summary = "Make a session: a program that stays.",
			.help = "It starts with its first exec.",
			.example = "{\"language\":\"python\"}",
		} },
	},
	[METRICS_SESSION] = {
		.path = SPAN("/v1/sessions/{id}"),
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_session_show,
			.gives = &api_session_answer,
			.keyed = true,
			.statuses = { 200, 401, 404, 429 },
			.id = "getSession",
			.summary = "How a session stands.",
		}, {
			.method = SPAN("DELETE"),
			.handle = api_session_delete,
			.keyed = true,
			.statuses = { 204, 401, 404, 429 },
			.id = "deleteSession",
			.summary = "Delete a session.",
			.help = "What runs of it is cut off and answered 409.",
		} },
	},
	[METRICS_SESSION_EXEC] = {
		.path = SPAN("/v1/sessions/{id}/exec"),
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_session_body,
			.takes = &request_session_exec,
			.gives = &results_exec,
			.events = EVENTS("an ExecResult"),
			.statuses = { 200, BODY_ERRORS, 404, 409, 410, 507 },
			.id = "execInSession",
			.summary = "Run code in a session.",
			.help = "What the code sets, imports, opens and writes is "
				"there for the next exec. One runs at a time; "
				"others wait.",
			.example = "{\"code\":\"x = 6 * 7\"}",
		} },
	},
	[METRICS_SESSION_FORK] = {
		.path = SPAN("/v1/sessions/{id}/fork"),
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_session_body,
			.takes = &request_fork,
			.gives = &api_forks_answer,
			.statuses = { 201, BODY_ERRORS, 404, 410 },
			.id = "forkSession",
			.summary = "Make sessions with all of a session's state.",
			.help = "As it is between its execs. The session goes on.",
			.example = "{\"count\":3}",
		} },
	},
	[METRICS_SESSION_INTERRUPT] = {
		.path = SPAN("/v1/sessions/{id}/interrupt"),
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_session_interrupt,
			.gives = &api_session_answer,
			.keyed = true,
			.statuses = { 202, 401, 404, 410, 429 },
			.id = "interruptSession",
			.summary = "Send SIGINT to what runs in a session.",
			.help = "As ^C does. Where nothing runs, nothing is done.",
		} },
	},
	[METRICS_SESSION_FILES] = {
		.path = SPAN("/v1/sessions/{id}/files/{path}"),
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_files_get,
			.gives = &api_files_answer,
			.gives_bytes = true,
			.keyed = true,
			.statuses = { 200, 400, 401, 404, 409, 410, 413, 429,
				      500, 503 },
			.id = "getSessionFile",
			.summary = "A file of a session, or what a directory "
				   "has.",
			.help = "The session stays as it is, and nothing of "
				"its program runs. A file has "
				"application/octet-stream.",
		}, {
			.method = SPAN("PUT"),
			.handle = api_files_put,
			.takes_bytes = true,
			.keyed = true,
			.statuses = { 204, 400, 401, 404, 408, 409, 410, 411,
				      413, 415, 429, 431, 500, 503, 507 },
			.id = "putSessionFile",
			.summary = "Write a file of a session.",
			.help = "With the directories that it lacks; instead "
				"of what it was. Nothing of the program runs.",
		}, {
			.method = SPAN("DELETE"),
			.handle = api_files_delete,
			.keyed = true,
			.statuses = { 204, 400, 401, 404, 409, 410, 429, 500,
				      503, 507 },
			.id = "deleteSessionFile",
			.summary = "Delete a file of a session.",
			.help = "A directory is refused.",
		} },
	},
	[METRICS_SESSION_TEMPLATE] = {
		.path = SPAN("/v1/sessions/{id}/template"),
		.operations = { {
			.method = SPAN("POST"),
			.handle = api_template_make,
			.takes = &request_template,
			.gives = &api_template_answer,
			.statuses = { 201, BODY_ERRORS, 404, 409, 410, 507 },
			.id = "templateFromSession",
			.summary = "Make a template of a session.",
			.help = "From then on its name is a language of this "
				"key: what runs of it starts with the "
				"session's state. The session goes on.",
			.example = "{\"name\":\"with-data\"}",
		} },
	},
	[METRICS_TEMPLATES] = {
		.path = SPAN("/v1/templates"),
		.operations = { {
			.method = SPAN("GET"),
			.handle = api_template_list,
			.gives = &api_templates_answer,
			.keyed = true,
			.statuses = { 200, 401, 429 },
			.id = "listTemplates",
			.summary = "The templates that the key has made of "
				   "sessions.",
		} },
	},
	[METRICS_TEMPLATE] = {
		.path = SPAN("/v1/templates/{id}"),
		.operations = { {
			.method = SPAN("DELETE"),
			.handle = api_template_delete,
			.keyed = true,
			.statuses = { 204, 401, 404, 429 },
			.id = "deleteTemplate",
			.summary = "Delete a template that was made of a "
				   "session.",
			.help = "What runs of it ends as it would; sessions of "
				"it go on.",
		} },
	},
};

static bool no_page;

void endpoint_hide_page(void)
{
	no_page = true;
}

bool endpoint_is_there(enum metrics_path path)
{
	if (path == METRICS_MCP)
		return mcp_http_is_on();
	return path != METRICS_PAGE || !no_page;
}

const char *endpoint_path(enum metrics_path path)
{
	return endpoints[path].path.data;
}

static bool same(struct http_span a, const struct http_span *b)
{
	return a.size == b->size && !memcmp(a.data, b->data, a.size);
}

#define PARAMETER "{id}"
#define REST "{path}"

static bool ends_with(const struct http_span *row, const char *text)
{
	size_t size = strlen(text);

	return row->size >= size &&
	       !memcmp(row->data + row->size - size, text, size);
}

/* A row's path, with anything but a slash where it has a parameter, and anything at
 * its end if it is open. */
static bool matches(struct http_span path, const struct http_span *row,
		    struct http_span *name, struct http_span *rest)
{
	const char *at = strstr(row->data, PARAMETER), *end, *slash;
	bool open = ends_with(row, REST);
	struct http_span tail;
	size_t before;

	if (!at)
		return same(path, row);
	before = (size_t)(at - row->data);
	if (path.size <= before || memcmp(path.data, row->data, before))
		return false;
	end = path.data + path.size;
	name->data = path.data + before;
	slash = memchr(name->data, '/', (size_t)(end - name->data));
	name->size = (size_t)((slash ? slash : end) - name->data);
	*rest = (struct http_span){ name->data + name->size,
				    (size_t)(end - name->data) - name->size };
	tail.data = at + strlen(PARAMETER);
	tail.size = row->size - before - strlen(PARAMETER) -
		    (open ? strlen(REST) : 0);
	if (name->size == 0 || rest->size < tail.size ||
	    (!open && rest->size > tail.size) ||
	    memcmp(rest->data, tail.data, tail.size))
		return false;
	rest->data += tail.size;
	rest->size -= tail.size;
	return true;
}

enum metrics_path endpoint_find(struct http_span path, struct http_span *name,
				struct http_span *rest)
{
	for (int i = METRICS_OTHER + 1; i < METRICS_PATHS; i++) {
		const struct endpoint *e = &endpoints[i];

		if (matches(path, &e->path, name, rest))
			return endpoint_is_there(i) ? (enum metrics_path)i :
						      METRICS_OTHER;
		for (int n = 0; n < ENDPOINT_NAMES && e->names[n].size; n++)
			if (same(path, &e->names[n]))
				return (enum metrics_path)i;
	}
	return METRICS_OTHER;
}

const struct operation *endpoint_operation(enum metrics_path path,
					   struct http_span method)
{
	const struct operation *o = endpoints[path].operations;

	if (http_is(method, "HEAD"))
		method = (struct http_span)SPAN("GET");
	for (int i = 0; i < ENDPOINT_OPERATIONS && o[i].method.size; i++)
		if (same(method, &o[i].method))
			return &o[i];
	return NULL;
}

static bool allows(enum metrics_path path, const char *method)
{
	struct http_span m = { method, strlen(method) };
	bool any = path != METRICS_OTHER && endpoint_operation(path, m);

	for (int i = 0; path == METRICS_OTHER && i < METRICS_PATHS; i++)
		any = any || endpoint_operation((enum metrics_path)i, m);
	return any;
}

const char *endpoint_allow(enum metrics_path path)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT",
					       "DELETE" };
	static char line[64];
	int n = snprintf(line, sizeof(line), "Allow: ");

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (allows(path, methods[i]))
			n += snprintf(line + n, sizeof(line) - (size_t)n,
				      "%s, ", methods[i]);
	snprintf(line + n, sizeof(line) - (size_t)n, "OPTIONS\r\n");
	return line;
}
