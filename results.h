/*
 * results.h: what a run, or the runs of a batch, came to, as JSON: made from the
 * raw output while it is sent, which is freed run by run.
 */
#ifndef ZEROBOOT_RESULTS_H
#define ZEROBOOT_RESULTS_H

#include "answer.h"
#include "field.h"
#include "pool.h"

struct results_place {
	size_t job;
	int part;              /* of its object */
	size_t at;             /* of its output or file, in such a part */
	const char *next_file; /* where to look for it; NULL: the first */
	struct part_view file; /* the one that is told */
};

struct results {
	struct producer producer; /* first */
	struct job **jobs;        /* that have ended */
	size_t count;
	bool batch;           /* all in one object; else there is one job */
	struct text warnings; /* of a batch */
	uint64_t total_ns;    /* from the request to here */
	struct results_place next, measured;
	bool keep;   /* jobs, until they are measured */
	size_t held; /* bytes of their output */
};

/* What the answer of a run, and of a batch, has. */
extern const struct object results_one, results_many, results_exec;

/* The other fields are set. Its drop frees jobs and warnings. */
void results_open(struct results *r);
/* The program ended, or was cut off. */
bool results_ran(const struct job *job);
/* Its time was over before it was. */
bool results_late(const struct job *job);
/* How it ended: status of the API. */
const char *results_status(const struct job *job);
/* ","warnings":[...]", if there are any. */
void results_put_warnings(struct text *t, const struct text *warnings);
/* Why there is no result. */
const char *results_failure(const struct job *job);

#endif
