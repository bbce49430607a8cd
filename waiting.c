#include "waiting.h"

#include <errno.h>

#include "catalog.h"

static struct {
	struct queue *queues[CATALOG_CREWS];
	int queue_count;
	unsigned most, count;
	size_t parts_size;
} all;

void waiting_open(unsigned most)
{
	all.most = most;
	all.queue_count = 0;
}

void waiting_add_queue(struct queue *q)
{
	all.queues[all.queue_count++] = q;
}

static unsigned own_count(uint64_t owner)
{
	unsigned own = 0;

	for (int i = 0; i < all.queue_count; i++)
		own += queue_count(all.queues[i], owner);
	return own;
}

/*
 * A run displaces another one while its owner has at least two fewer. The last of
 * n runs then finds n - 1 displaced, and what others have above its owner's count
 * with it must still be one more.
 */
static bool can_displace(size_t n, unsigned own, uint64_t owner)
{
	size_t surplus = 0;

	for (int i = 0; i < all.queue_count; i++)
		surplus += queue_surplus(all.queues[i], owner, own);
	return surplus >= n;
}

bool waiting_has_room(size_t count, size_t parts_size, uint64_t owner)
{
	size_t room = all.most > all.count ? all.most - all.count : 0;
	unsigned own;

	if (count > all.most || parts_size > WAITING_PARTS_MAX)
		return false;
	if (count <= room && all.parts_size + parts_size <= WAITING_PARTS_MAX)
		return true;
	own = own_count(owner) + (unsigned)count;
	return can_displace(count > room ? count - room : 1, own, owner);
}

/* By how much all of them are larger with one more, which is not among them. */
static size_t size_of(const struct job *job)
{
	bool counts = job->shared && job->shared->waiting == 0;

	return job->parts.size + (counts ? job->shared->size : 0);
}

static bool fits(const struct job *job)
{
	return all.count < all.most &&
	       all.parts_size + size_of(job) <= WAITING_PARTS_MAX;
}

struct job *waiting_displace(const struct job *job)
{
	uint64_t owner = job->node.owner;
	struct queue_node *found = NULL;
	unsigned most = 0, count;

	if (fits(job))
		return NULL;
	for (int i = 0; i < all.queue_count; i++) {
		struct queue_node *n = queue_longest(all.queues[i], &count);

		if (n && count > most) {
			most = count;
			found = n;
		}
	}
	if (!found || found->owner == owner || most <= own_count(owner) + 1)
		return NULL;
	waiting_remove((struct job *)found);
	return (struct job *)found;
}

int waiting_put(struct queue *q, struct job *job)
{
	int r = fits(job) ? queue_add(q, &job->node) : -EAGAIN;

	if (r)
		return r;
	all.count++;
	all.parts_size += size_of(job);
	if (job->shared)
		job->shared->waiting++;
	return 0;
}

static void leave(const struct job *job)
{
	all.count--;
	if (job->shared)
		job->shared->waiting--;
	all.parts_size -= size_of(job);
}

struct job *waiting_take(struct queue *q)
{
	struct job *job = (struct job *)queue_take(q);

	if (job)
		leave(job);
	return job;
}

void waiting_remove(struct job *job)
{
	queue_remove(&job->node);
	leave(job);
}

bool waiting_is(const struct job *job)
{
	return job->node.lane != NULL;
}

unsigned waiting_count(void)
{
	return all.count;
}

unsigned waiting_most(void)
{
	return all.most;
}
