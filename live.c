#include "live.h"

#include "pool.h"

#define LOW 16384 /* bytes of the answer that wait, and more may come */

void live_ask(struct live *l, struct answer *a, struct job *job)
{
	l->answer = a;
	l->events.base64 = job->base64;
	job->stream = LIVE_WINDOW;
}

void live_begin(struct live *l, const struct answer_head *head)
{
	struct answer_head h = *head;

	h.framing = l->framing;
	l->begun = true;
	answer_live(l->answer, &h);
}

void live_add(struct live *l, const char *parts, const char *end)
{
	events_put(&l->events, answer_more(l->answer), parts, end);
	answer_piece(l->answer);
	l->owed += (uint32_t)((size_t)(end - parts) + sizeof(struct about));
}

void live_sent(struct live *l, struct job *job)
{
	if (l->owed == 0 || answer_waiting(l->answer) > LOW)
		return;
	pool_credit(job, l->owed);
	l->owed = 0;
}

void live_probe(struct live *l)
{
	text_put(answer_more(l->answer), ":\n\n");
	answer_piece(l->answer);
}

void live_end(struct live *l, struct producer *body)
{
	struct text *t = answer_more(l->answer);

	events_put_held(&l->events, t);
	text_put(t, EVENTS_RESULT);
	answer_piece(l->answer);
	answer_live_end(l->answer, body, "\n");
}

void live_fail(struct live *l, const char *message)
{
	struct text *t = answer_more(l->answer);

	events_put_held(&l->events, t);
	events_put_error(t, message);
	answer_piece(l->answer);
	answer_live_end(l->answer, NULL, NULL);
}
