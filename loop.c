#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

#define EVENT_BURST 64
#define EVENTS_NS 500000 /* of a turn, for events, and */
#define SLICES_NS 100000 /* for slices; the last of each comes on top */
#define AWAY_NS 1000000000ull

static struct {
	int epoll;
	struct epoll_event events[EVENT_BURST];
	int at, count; /* of them: the next, and how many there are */
	struct task *first, *last;
	uint64_t now, away;
	bool events_only; /* this turn has no time for slices: the next is theirs */
} loop = { .epoll = -1 };

int loop_open(void)
{
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.now = clock_mono();
	return loop.epoll < 0 ? -errno : loop.epoll;
}

void loop_close(void)
{
	if (loop.epoll >= 0)
		close(loop.epoll);
	loop.epoll = -1;
}

/* ---- slices ---- */

bool loop_has(const struct task *t)
{
	return t->previous || loop.first == t;
}

void loop_add(struct task *t)
{
	if (loop_has(t))
		return;
	t->next = NULL;
	t->previous = loop.last;
	if (loop.last)
		loop.last->next = t;
	else
		loop.first = t;
	loop.last = t;
}

void loop_remove(struct task *t)
{
	if (!loop_has(t))
		return;
	if (t->previous)
		t->previous->next = t->next;
	else
		loop.first = t->next;
	if (t->next)
		t->next->previous = t->previous;
	else
		loop.last = t->previous;
	t->next = t->previous = NULL;
}

void loop_slices(void)
{
	uint64_t end = loop.first ? clock_mono() : 0;

	loop.events_only = end > loop.now + EVENTS_NS;
	if (!loop.first || loop.events_only)
		return;
	end += SLICES_NS;
	do {
		struct task *t = loop.first;

		loop_remove(t);
		t->run(t);
	} while (loop.first && clock_mono() < end);
}

/* ---- turns ---- */

#ifdef ZEROBOOT_TURNS
#include "log.h"

#define TOO_LONG_NS 2000000

static uint64_t longest, begun;

static void begin_turn(void)
{
	begun = clock_thread();
}

static void end_turn(void)
{
	uint64_t took = begun ? clock_thread() - begun : 0;

	if (took > longest)
		longest = took;
	if (took > TOO_LONG_NS)
		log_event("warning",
			  "a turn of the loop took %llu us, %d events",
			  (unsigned long long)took / 1000, loop.count);
}

uint64_t loop_longest(void)
{
	uint64_t found = longest;

	longest = 0;
	return found;
}
#else
static void begin_turn(void)
{
}

static void end_turn(void)
{
}

uint64_t loop_longest(void)
{
	return 0;
}
#endif

bool loop_drained(void)
{
	return loop.at == loop.count;
}

/* What has happened, unless something is left from last time. */
static int gather(int wait_ms)
{
	uint64_t before = loop.now;
	int count = 0;

	if (loop_drained() && !loop.events_only) {
		loop.at = 0;
		count = epoll_wait(loop.epoll, loop.events, EVENT_BURST,
				   loop.first ? 0 : wait_ms);
		loop.count = count > 0 ? count : 0; /* -1: EINTR */
	}
	loop.now = clock_mono();
	if (loop.now - before > AWAY_NS + (uint64_t)wait_ms * 1000000)
		loop.away += loop.now - before;
	return count;
}

int loop_events(int wait_ms)
{
	int events;

	end_turn();
	events = gather(wait_ms);
	begin_turn();
	while (loop.at < loop.count && !loop.events_only) {
		const struct epoll_event *e = &loop.events[loop.at++];
		struct watch *w = e->data.ptr;

		w->ready(w, e->events);
		if (loop.at < loop.count && clock_mono() - loop.now > EVENTS_NS)
			break;
	}
	return events;
}

uint64_t loop_now(void)
{
	return loop.now;
}

uint64_t loop_clock(uint64_t now)
{
	return now - loop.away;
}
