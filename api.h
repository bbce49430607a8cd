/* api.h: the endpoints: from a parsed request to an answer's bytes. */
#ifndef ZEROBOOT_API_H
#define ZEROBOOT_API_H

#include "answer.h"
#include "auth.h"
#include "derived.h"
#include "endpoint.h"
#include "http.h"
#include "id.h"
#include "json.h"
#include "live.h"
#include "metrics.h"
#include "pool.h"
#include "reading.h"
#include "results.h"

#define API_OUTPUTS_MIB 8 /* of files that a run returns, unless it is set */
#define API_ID_MAX 128    /* of an X-Request-Id that is taken over */

struct judge;
struct mcp_exchange;

/* One request under way; its jobs are answered one by one. */
struct exchange {
	void (*read)(struct exchange *x); /* its body is not needed any more */
	void (*progress)(
		struct exchange *x); /* there is more of a live answer */
	void (*finished)(struct exchange *x); /* answer is complete */
	void (*told)(struct exchange *x);     /* instead of results: its job has
					   * ended; or NULL */
	void *context;
	struct job **jobs;
	size_t count, open;   /* jobs in all, not yet done */
	struct job *common;   /* what they have in common; or NULL */
	struct judge *judge;  /* who runs them then */
	struct text warnings; /* of a batch, a fork; see struct job */
	bool batch, close, head_only, draining;
	bool local; /* it comes to an address of this machine's alone */
	struct auth_key *auth; /* valid while api_handle runs */
	struct reading reading;
	uint64_t owner; /* the key's id; 0: no keys are asked for */
	bool trusted;   /* of who asks after health: may see what is inside */
	uint64_t start_ns;
	const char *cors; /* header lines for the client's origin, or NULL */
	struct answer answer;
	struct live live;            /* it is sent while its run goes on */
	struct results results;      /* that it is made of */
	uint32_t copies;             /* of a session, once it has been read */
	char name[DERIVED_NAME + 1]; /* of a template, the same, */
	struct making *making;       /* which is being made; or NULL */
	size_t listed;               /* bytes of what a list is made of */
	struct mcp_exchange *mcp;    /* of a message of mcp_http.h; else NULL */
	/* what the log and the metrics say about it */
	enum metrics_path path;
	char session[ID_SIZE]; /* that the path names; empty: none can be it */
	/* Of the path, what is behind that: encoded, and where the request lies, which
	 * whoever moves it has to correct. */
	struct http_span rest;
	const struct operation *operation; /* that is asked for, admitted */
	bool known; /* the client has the document that it asks for */
	int status, exit_code;
	unsigned executions;
	const char *language; /* of a single run */
	uint64_t wait_ns, fork_ns, exec_ns, total_ns;
	char id[API_ID_MAX + 1], key[AUTH_MASK_SIZE];
	char method[17], target[97]; /* their beginnings */
};

void api_set_outputs_max(unsigned mib);
/*
 * Looks at a request's head: path, method, key, type. 0: its body is wanted;
 * -1: refused, the answer is written (finished is not called). May be asked
 * again when more has come.
 */
int api_admit(struct exchange *x, const struct http_request *r);
/*
 * Handles an admitted request whose body is there, and stays. Calls read, and then
 * finished, each at once or later.
 */
void api_handle(struct exchange *x, const char *body, size_t body_size);
/* What a row of endpoint.h does, to an admitted request. */
void api_exec(struct exchange *x, const char *body, size_t size);
void api_health(struct exchange *x, const char *body, size_t size);
void api_metrics(struct exchange *x, const char *body, size_t size);
/* What they answer, and what an error does. */
extern const struct object api_health_answer, api_error_answer;

/* For those that answer in a file of their own: has x->reading read the body, as what
 * it says; then done is called. */
void api_read(struct exchange *x, const char *body, size_t size,
	      void (*done)(struct reading *r));
/* There: what has been read becomes x's. */
void api_take_jobs(struct exchange *x);
/* What its one job is warned of is x's, for an answer of another kind. */
void api_keep_warnings(struct exchange *x);
/* Takes what the request costs from its key's bucket; false: answered. */
bool api_spend(struct exchange *x, size_t cost);
/* Runs the jobs, or refuses them. */
void api_submit(struct exchange *x);
/* Instead: an error, the body that is in x->answer (type NULL: none), or one that a
 * producer makes. */
void api_refuse(struct exchange *x, int status, const char *extra,
		const char *message);
void api_answer(struct exchange *x, int status, const char *type,
		const char *extra);
void api_produce(struct exchange *x, const char *type, struct producer *body);
/* Why its job has no result; status 0: the job's. */
void api_fail(struct exchange *x, int status);

/* Writes an error answer into x->answer; does not call finished. */
void api_error(struct exchange *x, int status, const char *extra_header,
	       const char *message);
/* Some of a live answer has been sent. */
void api_sent(struct exchange *x);
/* Bytes of output that x holds. */
size_t api_held(const struct exchange *x);
/* The client is gone: its jobs are cancelled. Frees what x holds, not x. */
void api_abandon(struct exchange *x);

#endif
