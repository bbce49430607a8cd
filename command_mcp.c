/* command_mcp.c: `zeroboot mcp`, for an agent that starts it. */
#include "api.h"
#include "command.h"
#include "host.h"
#include "http.h"
#include "server.h"

#define REQUEST_SECONDS 30 /* nobody connects, */
#define IDLE_SECONDS 75
#define QUEUE_MAX 64
#define SESSIONS_MAX 1000
#define SESSION_MIB 64    /* of one, */
#define SESSIONS_MIB 1024 /* of all: as serve has it */

static struct server_options server = { .stdio = true, .minimum = 1 };
static unsigned long workers, body, outputs;

static const struct option options[] = {
	{ .name = "--templates",
	  .value = "DIR",
	  .text = &server.templates,
	  .help = "where the languages' NAME.img and NAME.zbt are (templates, "
		  "else /var/lib/zeroboot/templates)" },
	{ .name = "--workers",
	  .value = "N",
	  .number = { &workers, 1, 64, 4 },
	  .help = "calls of each language that run at a time" },
	{ .name = "--max-body",
	  .value = "MIB",
	  .number = { &body, 1, HTTP_BODY_MIB_MOST, HTTP_BODY_MIB },
	  .help = "of a message" },
	{ .name = "--max-outputs",
	  .value = "MIB",
	  .number = { &outputs, 1, PROTOCOL_FILES_MAX >> 20, API_OUTPUTS_MIB },
	  .help = "of the files that a call returns" },
	{ .name = "--user",
	  .value = "NAME|UID[:GID]",
	  .text = &server.user,
	  .help = "whom workers run as, when started as root (the account "
		  "zeroboot, else 65534)" },
	{ 0 }
};

static int run(int count, char **operands)
{
	struct err e = { "" };

	(void)count;
	(void)operands;
	server.maximum = (unsigned)workers;
	server.max_queue = QUEUE_MAX;
	server.request_seconds = REQUEST_SECONDS;
	server.idle_seconds = IDLE_SECONDS;
	server.output_total = (size_t)1 << 30;
	server.body_mib = (unsigned)body;
	server.outputs_mib = (unsigned)outputs;
	server.pages_mb = SESSION_MIB;
	server.sessions = (struct session_options){
		.limits = { .most = SESSIONS_MAX,
			    .pages_most = (size_t)SESSION_MIB << 20,
			    .bytes_most = (size_t)SESSIONS_MIB << 20 },
	};
	server.host = host_ask(&e);
	return server.host ? server_run(&server) : command_failed(&e);
}

const struct command command_mcp = {
	.name = "mcp",
	.summary = "Offer running code to an agent: the Model Context Protocol "
		   "on stdin and stdout.",
	.options = options,
	.run = run,
};
