/*
 * Inputs that run whole: what all have is in memory once, and is theirs together.
 */
#include "unit.h"

#include <errno.h>
#include <stdlib.h>

#include "catalog.h"
#include "crew.h"
#include "judge.h"
#include "loop.h"
#include "pool.h"
#include "results.h"
#include "session.h"
#include "session_limits.h"
#include "waiting.h"

#define INPUTS 3
#define LARGE (8u << 20)
#define TURNS 1000

/* ---- in the place of other nouns ---- */

static uint64_t now;
static struct task *added;
static struct job *given[INPUTS + 1];
static int given_count;

uint64_t clock_mono(void)
{
	return now += 100000;
}

void loop_add(struct task *t)
{
	added = t;
}

void loop_remove(struct task *t)
{
	if (added == t)
		added = NULL;
}

struct crew *catalog_crew(int language)
{
	static struct crew crew = { .maximum = INPUTS };

	(void)language;
	return &crew;
}

int pool_submit(struct job *job)
{
	given[given_count++] = job;
	return 0;
}

bool pool_cancel(struct job *job)
{
	(void)job;
	return true;
}

bool pool_draining(void)
{
	return false;
}

size_t session_pages_most(void)
{
	return 1 << 20;
}

bool session_may_keep(uint64_t owner, size_t bytes)
{
	(void)owner, (void)bytes;
	return false;
}

bool results_ran(const struct job *job)
{
	(void)job;
	return false;
}

/* ---- a judge ---- */

static struct job *jobs[INPUTS];
static struct judge *judge;
static int ended;

static void done(struct job *job)
{
	(void)job;
	ended++;
}

static void put(struct job *job, enum part_kind kind, const char *data,
		size_t size)
{
	EQUAL(parts_add(&job->parts, kind, NULL, 0, data, size), 0);
}

static void open_judge(size_t size)
{
	struct job *common = job_make();
	char *file = calloc(1, size);

	given_count = ended = 0;
	memset(file, 'x', size);
	put(common, PART_CODE, "code", 4);
	put(common, PART_ARGUMENT, "one", 3);
	put(common, PART_FILE, file, size);
	put(common, PART_ARGUMENT, "two", 3);
	put(common, PART_OUTPUT, NULL, 0);
	free(file);
	for (int i = 0; i < INPUTS; i++) {
		jobs[i] = job_make();
		jobs[i]->done = done;
	}
	judge = judge_make(common, jobs, INPUTS);
}

static void close_judge(void)
{
	judge_free(judge);
	for (int i = 0; i < INPUTS; i++)
		job_free(jobs[i]);
	EQUAL(state_total(), 0);
}

/* Turns of the loop until nothing is left to be done; how many. */
static int turn(void)
{
	int turns = 0;

	while (added && turns < TURNS) {
		struct task *t = added;

		added = NULL;
		t->run(t);
		turns++;
	}
	return turns;
}

/* The kinds of the parts that a worker gets of it, a letter each. */
static void look(const struct job *job, char kinds[16])
{
	static const char letters[] = { [PART_CODE] = 'c',
					[PART_ENVIRONMENT] = 'e',
					[PART_FILE] = 'f',
					[PART_ARGUMENT] = 'a',
					[PART_OUTPUT] = 'o' };
	const struct iovec *v = job->state.pieces;
	const char *at;
	struct part_view p;
	size_t n = 0;

	for (size_t i = 0; i <= job->state.count; i++) {
		const char *end;

		at = i < job->state.count ? v[i].iov_base : job->parts.data;
		end = at +
		      (i < job->state.count ? v[i].iov_len : job->parts.size);
		while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1 &&
		       n < 15)
			kinds[n++] = letters[p.kind];
		CHECK(!at || at == end);
	}
	kinds[n] = 0;
}

static void is(const struct job *job, const char *expected)
{
	char kinds[16];

	look(job, kinds);
	if (!CHECK(!strcmp(kinds, expected)))
		printf("# it has %s, not %s\n", kinds, expected);
}

/* ---- tests ---- */

static void test_shared(void)
{
	open_judge(LARGE);
	put(jobs[0], PART_ENVIRONMENT, "0", 1);
	put(jobs[1], PART_ENVIRONMENT, "1", 1);
	put(jobs[2], PART_ARGUMENT, "own", 3);
	jobs[2]->own_arguments = true;
	judge_submit(judge);
	turn();
	EQUAL(given_count, INPUTS);
	is(jobs[0], "cafaoe");
	is(jobs[1], "cafaoe");
	is(jobs[2], "cfoa");
	CHECK(jobs[0]->state.pieces == jobs[1]->state.pieces);
	for (int i = 0; i < INPUTS; i++)
		CHECK(jobs[i]->parts.room < 4096 &&
		      jobs[i]->shared == jobs[0]->shared &&
		      jobs[i]->shared->size > LARGE);
	/* It is no copy, and counts as no session's. */
	CHECK(jobs[2]->state.pieces[0].iov_base ==
	      jobs[0]->state.pieces[0].iov_base);
	CHECK(state_total() < 4096);
	close_judge();
}

/* Its worker is to have the rest of it when the client, and the judge, are gone. */
static void test_kept_by_one(void)
{
	struct state left;

	open_judge(1000);
	put(jobs[0], PART_ARGUMENT, "own", 3);
	jobs[0]->own_arguments = true;
	judge_submit(judge);
	turn();
	left = jobs[0]->state;
	jobs[0]->state = (struct state){ 0 };
	judge_cancel(judge);
	judge_free(judge);
	for (int i = 0; i < INPUTS; i++)
		job_free(jobs[i]);
	for (size_t i = 0; i < left.count; i++)
		CHECK(memchr(left.pieces[i].iov_base, 'x',
			     left.pieces[i].iov_len) ||
		      left.pieces[i].iov_len < 1000);
	EQUAL(left.count, 3);
	state_drop(&left);
	EQUAL(state_total(), 0);
}

/* A beginning whose state cannot be kept, with what a branch would have had. */
static void test_not_kept(void)
{
	open_judge(1000);
	judge_submit(judge);
	turn();
	EQUAL(given_count, 1);
	given[0]->status = JOB_DONE;
	given[0]->asks = true;
	given[0]->saved = segment_make(NULL, 0, NULL, 0);
	given[0]->done(given[0]);
	turn();
	EQUAL(given_count, 1 + INPUTS);
	for (int i = 0; i < INPUTS; i++)
		is(jobs[i], "cafao");
	close_judge();
}

/* One that had its beginning's state, which is of no use where it came. */
static void test_again(void)
{
	open_judge(1000);
	put(jobs[0], PART_ENVIRONMENT, "0", 1);
	judge_submit(judge);
	turn();
	EQUAL(given_count, 2);
	put(jobs[0], PART_OUTPUT, NULL, 0); /* as a branch's */
	jobs[0]->alone = false;
	jobs[0]->status = JOB_STALE;
	jobs[0]->done(jobs[0]);
	turn();
	EQUAL(given_count, 3);
	is(jobs[0], "cafaoe");
	close_judge();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what all have is in memory once", test_shared },
		{ "what all have stays as long as one is sent it",
		  test_kept_by_one },
		{ "all run whole when the beginning cannot be kept",
		  test_not_kept },
		{ "one whose beginning is of no use has its parts once",
		  test_again },
	};

	return UNIT_RUN("judge", tests);
}
