/*
 * live.h: an answer that is sent while its run goes on: what the program writes as
 * events (events.h), and its result as the last one. A worker says no more than the
 * client takes: what waits here is at most LIVE_WINDOW, and what the guest's rings
 * hold when the program ends.
 */
#ifndef ZEROBOOT_LIVE_H
#define ZEROBOOT_LIVE_H

#include "answer.h"
#include "events.h"
#include "job.h"

#define LIVE_WINDOW (64u << 10) /* bytes of output */

struct live { /* all zero: not asked for */
	bool asked;
	bool begun; /* the answer has */
	enum answer_framing framing;
	struct answer *answer;
	struct events events;
	uint32_t owed; /* bytes that the worker is not told yet to be sent */
};

/* The job's answer is to be live: before it is submitted, with its wrote set. */
void live_ask(struct live *l, struct answer *a, struct job *job);
/* The head, as answer.h has it; once, before all that follow. */
void live_begin(struct live *l, const struct answer_head *head);
/* What job's program has written: parts. */
void live_add(struct live *l, const char *parts, const char *end);
/* Some of the answer has been sent: the job may go on. */
void live_sent(struct live *l, struct job *job);
/* The client may be gone; a comment that it takes if not. */
void live_probe(struct live *l);
/* The last event: the result that body makes, or why there is none. */
void live_end(struct live *l, struct producer *body);
void live_fail(struct live *l, const char *message);

#endif
