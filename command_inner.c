/* command_inner.c: the processes that the server starts; see pool.c, stock.c. They
 * have the descriptors that they were given, and no more. */
#include <fcntl.h>
#include <unistd.h>

#include "command.h"
#include "jail.h"
#include "load.h"
#include "worker.h"

static struct worker_options worker;

static const struct option worker_rows[] = { { .name = "--user",
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
					     { .name = "--fresh",
					       .flag = &worker.fresh,
					       .help = "a VM runs one request "
						       "only" },
					     { 0 } };

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

static const struct option load_rows[] = { { .name = "--host",
					     .value = "WORD",
					     .text = &load.host,
					     .required = true,
					     .help = "what this host has" },
					   { .name = "--anew",
					     .flag = &load.anew,
					     .help = "make one anew that is of "
						     "no use here" },
					   { 0 } };

static int run_load(int count, char **operands)
{
	(void)count;
	load.name = operands[0];
	load.file = jail_file(0);
	load.memory = jail_file(1);
	load.image = jail_file(2);
	load.pipe = jail_file(3);
	if (fcntl(load.image, F_GETFD) < 0)
		load.image = -1;
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
