/* command_serve.c: `zeroboot serve`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "authority.h"
#include "catalog.h"
#include "command.h"
#include "cors.h"
#include "derived.h"
#include "host.h"
#include "api.h"
#include "http.h"
#include "mcp_http.h"
#include "server.h"

#define DEFAULT_ADDRESS "127.0.0.1:8080"
#define MAX_WORKERS 4096 /* for each language */

static struct server_options serve;
static bool no_mcp;
static unsigned long queue, drain, request, idle, output, body, outputs,
	sessions, pages, states, templates;

static int take_listen(const char *address, struct err *e)
{
	if (serve.listen_count == LISTENERS_MAX)
		return err_set(e, -E2BIG, "too many addresses");
	serve.listen[serve.listen_count++] = address;
	return listen_check(address, e);
}

static int take_log(const char *name, struct err *e)
{
	if (!strcmp(name, "logfmt"))
		serve.log = LOG_LOGFMT;
	else if (!strcmp(name, "json"))
		serve.log = LOG_JSON;
	else
		return err_set(e, -EINVAL, "wants logfmt or json");
	return 0;
}

static unsigned long digits(const char *text, char **end)
{
	*end = (char *)text;
	return *text >= '0' && *text <= '9' ? strtoul(text, end, 10) : 0;
}

/* N: always so many; MIN:MAX: as many as are of use. */
static int take_workers(const char *text, struct err *e)
{
	char *end;
	unsigned long low = digits(text, &end), high = low;

	if (low && *end == ':')
		high = digits(end + 1, &end);
	if (low == 0 || *end || low > high || high > MAX_WORKERS)
		return err_set(e, -EINVAL, "%s is not N or MIN:MAX, 1 to %d",
			       text, MAX_WORKERS);
	serve.minimum = (unsigned)low;
	serve.maximum = (unsigned)high;
	return 0;
}

static const struct option options[] = {
	{ .name = "--listen",
	  .value = "ADDRESS",
	  .take = take_listen,
	  .help = "ADDR:PORT, [ADDR6]:PORT, :PORT or unix:PATH, up to 16 times "
		  "(" DEFAULT_ADDRESS ")" },
	{ .name = "--templates",
	  .value = "DIR",
	  .text = &serve.templates,
	  .help = "where the languages' NAME.img and NAME.zbt are (templates, "
		  "else "
		  "/var/lib/zeroboot/templates)" },
	{ .name = "--workers",
	  .value = "N|MIN:MAX",
	  .take = take_workers,
	  .help = "worker processes for each language (one a CPU, up to four "
		  "a CPU while others would help)" },
	{ .name = "--max-queue",
	  .value = "N",
	  .number = { &queue, 0, 100000, 256 },
	  .help = "runs that may wait" },
	{ .name = "--drain-seconds",
	  .value = "N",
	  .number = { &drain, 0, 3600, 30 },
	  .help = "how long a stop waits for runs" },
	{ .name = "--request-seconds",
	  .value = "N",
	  .number = { &request, 1, 3600, 30 },
	  .help = "for a whole request to arrive" },
	{ .name = "--idle-seconds",
	  .value = "N",
	  .number = { &idle, 1, 3600, 75 },
	  .help = "between requests on a connection" },
	{ .name = "--max-body",
	  .value = "MIB",
	  .number = { &body, 1, HTTP_BODY_MIB_MOST, HTTP_BODY_MIB },
	  .help = "the body of a request" },
	{ .name = "--max-outputs",
	  .value = "MIB",
	  .number = { &outputs, 1, PROTOCOL_FILES_MAX >> 20, API_OUTPUTS_MIB },
	  .help = "of the files that a run returns" },
	{ .name = "--output-total",
	  .value = "MIB",
	  .number = { &output, 1, 1 << 20, 256 },
	  .help = "output held for clients that have not taken it yet" },
	{ .name = "--max-sessions",
	  .value = "N",
	  .number = { &sessions, 0, 1000000, 10000 },
	  .help = "sessions that there may be" },
	{ .name = "--session-templates",
	  .value = "N",
	  .number = { &templates, 0, CATALOG_DERIVED, DERIVED_MOST },
	  .help = "templates that may be made of sessions" },
	{ .name = "--session-memory",
	  .value = "MIB",
	  .number = { &pages, 1, PROTOCOL_PAGES_MAX >> 20, 64 },
	  .help = "what a session may have changed of its memory" },
	{ .name = "--sessions-memory",
	  .value = "MIB",
	  .number = { &states, 1, 1 << 20, 1024 },
	  .help = "what is kept of all sessions" },
	{ .name = "--state",
	  .value = "DIR",
	  .text = &serve.sessions.directory,
	  .help = "where sessions, and templates made of them, are kept: they "
		  "survive the server" },
	{ .name = "--log",
	  .value = "logfmt|json",
	  .take = take_log,
	  .help = "form of the request log (logfmt)" },
	{ .name = "--fresh",
	  .flag = &serve.fresh,
	  .help = "a VM serves one run instead of being recycled" },
	{ .name = "--no-page",
	  .flag = &serve.no_page,
	  .help = "do not serve the page to try it on at /" },
	{ .name = "--user",
	  .value = "NAME|UID[:GID]",
	  .text = &serve.user,
	  .help = "whom workers run as, when started as root (the account "
		  "zeroboot, else 65534)" },
	{ .name = "--host",
	  .value = "NAME|*",
	  .take = authority_allow,
	  .help = "a name by which it may be called on a loopback address "
		  "where it asks for no keys, beside addresses, localhost and "
		  "names without a dot; up to 16 times" },
	{ .name = "--cors",
	  .value = "ORIGIN|*",
	  .take = cors_allow,
	  .help = "web pages of this origin may ask and read the answers; up "
		  "to 16 times" },
	{ .name = "--no-mcp",
	  .flag = &no_mcp,
	  .help = "without POST /mcp, the Model Context Protocol" },
	{ 0 }
};

static int run(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	(void)operands;
	if (serve.listen_count == 0)
		serve.listen[serve.listen_count++] = DEFAULT_ADDRESS;
	mcp_http_set(!no_mcp);
	serve.max_queue = (unsigned)queue;
	serve.drain_seconds = (unsigned)drain;
	serve.request_seconds = (unsigned)request;
	serve.idle_seconds = (unsigned)idle;
	serve.output_total = output << 20;
	serve.body_mib = (unsigned)body;
	serve.outputs_mib = (unsigned)outputs;
	serve.pages_mb = (unsigned)pages;
	serve.sessions.limits.most = (unsigned)sessions;
	serve.sessions.templates = (unsigned)templates;
	serve.sessions.limits.pages_most = pages << 20;
	serve.sessions.limits.bytes_most = states << 20;
	serve.host = host_ask(&e);
	return serve.host ? server_run(&serve) : command_failed(&e);
}

const struct command command_serve = {
	.name = "serve",
	.summary = "Answer requests to run code, over HTTP.",
	.options = options,
	.run = run,
};
