#include "queue.h"

#include <errno.h>
#include <stdlib.h>

struct lane { /* one owner's jobs; there while it has any */
	struct lane *next, *previous;
	struct queue *queue;
	struct queue_node *first, *last;
	uint64_t owner;
	unsigned count;
};

static struct lane *find(const struct queue *q, uint64_t owner)
{
	struct lane *l = q->turn;

	if (!l)
		return NULL;
	do {
		if (l->owner == owner)
			return l;
		l = l->next;
	} while (l != q->turn);
	return NULL;
}

/* A newcomer waits for everyone else's turn first. */
static struct lane *open_lane(struct queue *q, uint64_t owner)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->owner = owner;
	l->queue = q;
	if (!q->turn) {
		l->next = l->previous = l;
		q->turn = l;
		return l;
	}
	l->next = q->turn;
	l->previous = q->turn->previous;
	l->previous->next = l;
	l->next->previous = l;
	return l;
}

static void close_lane(struct lane *l)
{
	struct queue *q = l->queue;

	if (q->turn == l)
		q->turn = l->next == l ? NULL : l->next;
	l->previous->next = l->next;
	l->next->previous = l->previous;
	free(l);
}

int queue_add(struct queue *q, struct queue_node *n)
{
	struct lane *l = find(q, n->owner);

	if (!l)
		l = open_lane(q, n->owner);
	if (!l)
		return -ENOMEM;
	n->lane = l;
	n->next = NULL;
	n->previous = l->last;
	if (l->last)
		l->last->next = n;
	else
		l->first = n;
	l->last = n;
	l->count++;
	return 0;
}

void queue_remove(struct queue_node *n)
{
	struct lane *l = n->lane;

	if (n->previous)
		n->previous->next = n->next;
	else
		l->first = n->next;
	if (n->next)
		n->next->previous = n->previous;
	else
		l->last = n->previous;
	n->lane = NULL;
	if (--l->count == 0)
		close_lane(l);
}

struct queue_node *queue_take(struct queue *q)
{
	struct queue_node *n;

	if (!q->turn)
		return NULL;
	n = q->turn->first;
	q->turn = q->turn->next;
	queue_remove(n);
	return n;
}

unsigned queue_count(const struct queue *q, uint64_t owner)
{
	const struct lane *l = find(q, owner);

	return l ? l->count : 0;
}

struct queue_node *queue_longest(const struct queue *q, unsigned *count)
{
	struct lane *l = q->turn, *longest = l;

	*count = 0;
	if (!l)
		return NULL;
	for (l = l->next; l != q->turn; l = l->next)
		if (l->count > longest->count)
			longest = l;
	*count = longest->count;
	return longest->last;
}

unsigned queue_surplus(const struct queue *q, uint64_t owner, unsigned floor)
{
	const struct lane *l = q->turn;
	unsigned surplus = 0;

	if (!l)
		return 0;
	do {
		if (l->owner != owner && l->count > floor)
			surplus += l->count - floor;
		l = l->next;
	} while (l != q->turn);
	return surplus;
}
