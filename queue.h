/*
 * queue.h: the jobs that wait for a worker, a queue for each language. Within
 * one key's jobs first come, first served; keys take turns, so that none
 * starves the others. When all is full, the key with the most waiting gives up
 * its newest job to one that has fewer.
 */
#ifndef ZEROBOOT_QUEUE_H
#define ZEROBOOT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct lane;

/* A job's place; part of struct job. */
struct queue_node {
	struct queue_node *next, *previous;
	struct lane *lane; /* NULL: does not wait */
	uint64_t owner;    /* whose job it is: a key's id, 0 without keys */
};

struct queue {
	struct lane *turn; /* ring; the next to be served */
};

/* 0 or -ENOMEM. */
int queue_add(struct queue *q, struct queue_node *n);
/* The next in turn, taken out; NULL: empty. */
struct queue_node *queue_take(struct queue *q);
void queue_remove(struct queue_node *n);
/* How many jobs the owner has waiting. */
unsigned queue_count(const struct queue *q, uint64_t owner);
/* The newest job of the owner with the most; *count: how many those are. */
struct queue_node *queue_longest(const struct queue *q, unsigned *count);
/* How many jobs others than the owner have beyond `floor` each. */
unsigned queue_surplus(const struct queue *q, uint64_t owner, unsigned floor);

#endif
