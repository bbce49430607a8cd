/* request.h: the body of an exec request: from JSON to jobs. */
#ifndef ZEROBOOT_REQUEST_H
#define ZEROBOOT_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "derived.h"
#include "err.h"
#include "field.h"
#include "id.h"
#include "pool.h"

#define REQUEST_BATCH_MAX 100
#define REQUEST_INPUTS_MAX 1000

enum request_kind {
	REQUEST_EXEC,
	REQUEST_SESSION,
	REQUEST_SESSION_EXEC,
	REQUEST_FORK,
	REQUEST_TEMPLATE,
	/* Of the Model Context Protocol: as REQUEST_EXEC, in a session or not; and
	 * what is done to one. */
	REQUEST_CALL,
	REQUEST_CALL_FORK,
	REQUEST_CALL_END,
	REQUEST_KINDS
};

struct request {
	/* set by the caller */
	bool batch;
	enum request_kind kind;        /* if it is no batch */
	uint64_t owner;                /* of its jobs, see queue.h */
	void (*pause)(struct json *j); /* see json.h; or NULL */
	bool stream; /* the answer comes as it is written, unless the body has
		      * another wish */
	bool given;  /* its language is: */
	int language;
	/* for each execution one; done and context are the caller's to set */
	struct job **jobs;
	size_t count;
	/* Or for each input: this is the program, and the parts of jobs are what
	 * each has beside it. NULL: there are none. */
	struct job *common;
	struct text warnings; /* of a batch itself, as a job's */
	/* of a session that is to be made, whose job has its language and its
	 * first parts; of a fork */
	uint32_t idle_seconds, copies;
	char session[ID_SIZE];       /* that a call names; empty: none */
	char name[DERIVED_NAME + 1]; /* that a session's template is to have */
};

/* What a body has, of one program and of a batch. */
extern const struct object request_exec, request_batch, request_inputs;
extern const struct object request_session, request_session_exec, request_fork,
	request_template;

/* Before the first of them is used. */
void request_open(void);

/*
 * 0, or -errno with what is wrong, and where. jobs and warnings hold what
 * has been made until then in both cases, and are freed by the caller.
 */
int request_parse(struct request *q, const char *body, size_t size,
		  struct err *e);

#endif
