/*
 * worker.h: a worker: a process that owns one VM and runs code in it. It makes the VM from its
 * template ahead of time and warms it when it is told to, takes one request at
 * a time from its channel, runs it, answers, and recycles the VM or makes
 * another. The front end holds the other end; protocol.h is what they say.
 */
#ifndef ZEROBOOT_WORKER_H
#define ZEROBOOT_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors in a worker: the channel, and what it starts from (load.h). */
enum {
	WORKER_CHANNEL,
	WORKER_MEMORY,
	WORKER_IMAGE = 3,
	WORKER_FILE,
	WORKER_SOURCE
};

struct worker_options {
	const char *template;   /* the name of a *.zbt file, for people */
	const char *user;       /* see jail_enter */
	const char *host;       /* of this host; see host.h */
	bool fresh;             /* a VM runs one request only */
	unsigned long pages_mb; /* that a session may have */
};

/*
 * Runs a worker until the channel closes. Returns the process exit status; tells
 * the front end why it could not start or go on.
 */
int worker_main(const struct worker_options *o);

/*
 * What is said on stderr when output was cut at limit bytes; its length, 0 when
 * nothing was. size: at least 256.
 */
int output_note(char *buf, size_t size, uint64_t out_total, uint64_t err_total,
		uint32_t limit);

#endif
