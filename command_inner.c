/* command_inner.c: the processes that the server starts; see pool.c, stock.c. They
 * have the descriptors that they were given, and no more. */
#include <fcntl.h>
#include <unistd.h>

#include "command.h"
#include "jail.h"
#include "keeper.h"
#include "load.h"
#include "protocol.h"
#include "template.h"
#include "worker.h"

static struct worker_options worker;

static const struct option worker_rows[] = {
	{ .name = "--user",
	  .value = "UID:GID",
	  .text = &worker.user,
	  .help = "whom it becomes" },
	{ .name = "--template",
	  .value = "FILE",
	  .text = &worker.template,
	  .required = true,
	  .help = "its template's name" },
	{ .name = "--host",
	  .value = "WORD",
	  .text = &worker.host,
	  .required = true,
	  .help = "what this host has" },
	{ .name = "--pages",
	  .value = "MIB",
	  .number = { &worker.pages_mb, 0, PROTOCOL_PAGES_MAX >> 20, 0 },
	  .help = "that a session has" },
	{ .name = "--foreign",
	  .flag = &template_any_maker,
	  .help = "its template is of whoever's making" },
	{ .name = "--fresh",
	  .flag = &worker.fresh,
	  .help = "a VM runs one request "
		  "only" },
	{ 0 }
};

static int run_worker(int count, char **operands)
{
	(void)count;
	(void)operands;
	_exit(worker_main(&worker));
}

const struct command command_worker = {
	.name = "worker",
	.summary = "Run code for zeroboot serve.",
	.options = worker_rows,
	.run = run_worker,
	.inner = true,
};

static struct load_options load;
static bool build, keep, store, derive;

static const struct option load_rows[] = {
	{ .name = "--host",
	  .value = "WORD",
	  .text = &load.host,
	  .required = true,
	  .help = "what this host has" },
	{ .name = "--image",
	  .value = "IMAGE",
	  .text = &load.image,
	  .required = true,
	  .help = "its image's name" },
	{ .name = "--build", .flag = &build, .help = "make it of the image" },
	{ .name = "--keep", .flag = &keep, .help = "write it to FILE" },
	{ .name = "--store",
	  .flag = &store,
	  .help = "write both to FILE and IMAGE" },
	{ .name = "--derive",
	  .flag = &derive,
	  .help = "make it of another one and a session" },
	{ .name = "--foreign",
	  .flag = &template_any_maker,
	  .help = "of whoever's making" },
	{ 0 }
};

/* A descriptor that was given, or -1. */
static int given(size_t n)
{
	int fd = jail_file(n);

	return fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

static int run_load(int count, char **operands)
{
	(void)count;
	load.name = operands[0];
	load.file = given(0);
	load.memory = given(1);
	load.copy = given(2);
	load.source = given(3);
	load.pipe = given(4);
	load.job = build  ? LOAD_BUILD :
		   keep   ? LOAD_KEEP :
		   store  ? LOAD_STORE :
		   derive ? LOAD_DERIVE :
			    LOAD_LOAD;
	_exit(load_main(&load));
}

const struct command command_load = {
	.name = "load",
	.operands = "FILE",
	.summary = "Load a template for zeroboot serve.",
	.options = load_rows,
	.run = run_load,
	.least = 1,
	.most = 1,
	.inner = true,
};

static int run_keep(int count, char **operands)
{
	(void)count;
	(void)operands;
	_exit(keeper_main(jail_file(0), jail_file(1)));
}

const struct command command_keep = {
	.name = "keep",
	.summary = "Write and read sessions for zeroboot serve.",
	.run = run_keep,
	.inner = true,
};
