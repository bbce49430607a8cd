/*
 * worker.h: a worker is a process that owns one VM. It makes the VM from its
 * template ahead of time and warms it when it is told to, takes one request at
 * a time from its channel, runs it, answers, and recycles the VM or makes
 * another. The front end holds the other end.
 *
 * The channel is a SOCK_STREAM socketpair. Everything on it is a fixed header
 * followed by the bytes it announces. The front end treats a reply as hostile:
 * a worker that sends a header out of range is killed.
 */
#ifndef ZEROBOOT_WORKER_H
#define ZEROBOOT_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_CODE_MAX (4u << 20)            /* bytes of code in one request */
#define WORKER_OUTPUT_MAX ((1u << 20) + 4096) /* bytes of stdout, of stderr */
#define WORKER_MESSAGE_MAX 512

struct worker_request {
	uint64_t id;         /* returned as it is */
	uint32_t timeout_ms; /* from entering the guest */
	uint32_t code_size;  /* bytes of code behind this header */
	uint32_t output_limit; /* bytes of stdout, of stderr; ZB_OUTPUT_SIZE at most */
	uint32_t train;   /* 1: no code; the VM is trained, unless a request
	                      * comes meanwhile; answered by WORKER_WARM */
	uint64_t sent_ns; /* CLOCK_MONOTONIC: when the front end sent it */
};

enum worker_status {
	WORKER_READY,   /* once after start: a VM is forked and waits */
	WORKER_DONE,    /* the program ended; exit_code is valid */
	WORKER_TIMEOUT, /* cut off by timeout_ms; output so far is valid */
	WORKER_FAULT,   /* the VM failed (guest kernel bug, triple fault...) */
	WORKER_WARM,    /* the VM has been trained and is as new again */
	WORKER_COLD,    /* after a good run: its VM was thrown away for a reason
	                 * that discarded tells, and this one is not trained */
	WORKER_FAILED,  /* the last words of one that cannot go on; why */
	WORKER_STATUSES
};

struct worker_reply {
	uint64_t id;
	uint32_t status;      /* enum worker_status */
	int32_t exit_code;    /* 0-255 */
	uint32_t stdout_size; /* bytes of stdout behind this header, */
	uint32_t stderr_size; /* then of stderr, */
	uint32_t message_size; /* then of a message (FAULT, FAILED: what failed) */
	uint32_t recycled;     /* 1 when the VM had run before */
	uint32_t discarded; /* enum recycle_result: why the VM before this one
	                       * had to go; RECYCLE_DONE: it did not */
	uint32_t renew_us; /* how long the VM was made ready again, last time */
	uint64_t fork_ns;  /* from having the request to a VM ready to run it */
	uint64_t exec_ns;  /* from entering the guest to the program's end */
	uint64_t exits;    /* VM exits of this run */
};

#define WORKER_CHANNEL 0 /* the descriptor of it, in a worker */

struct worker_options {
	const char *template; /* a *.zbt file */
	const char *user;     /* see jail_enter */
	const char *paging;   /* of this host; see paging.h */
	bool fresh;           /* a VM runs one request only */
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
