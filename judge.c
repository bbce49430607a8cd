#include "judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "loop.h"
#include "metrics.h"
#include "pool.h"
#include "request.h"
#include "results.h"
#include "session.h"
#include "waiting.h"

#define SLICE_NS 200000 /* of handing in */

struct line { /* of jobs, by next_exec */
	struct job *first, **end;
};

enum stage {
	BEFORE,    /* the beginning is to be handed in */
	BEGINNING, /* it is under way */
	BEGUN,     /* it has ended, somehow */
	BRANCHING, /* what shares it may go on, if anything does */
};

struct judge {
	struct task task;   /* first */
	struct job *common; /* and the beginning */
	struct job **jobs;
	size_t count;
	enum stage stage;
	struct line alone, sharing;  /* not handed in yet */
	struct line ended;           /* nobody has been told */
	size_t running, left;        /* of jobs: handed in, not told */
	struct state state;          /* in which each branch begins, */
	struct share *share;         /* whose owner it is charged to */
	uint64_t number;             /* and its number, never used again */
	struct parts all;            /* what all inputs have, in whole[0] */
	struct segment *request;     /* the same, */
	struct waiting_share shared; /* and as it counts while some wait */
	struct state whole[2];       /* [1]: without arguments, once wanted */
};

/* ---- lines ---- */

static void line_open(struct line *l)
{
	*l = (struct line){ NULL, &l->first };
}

static void line_add(struct line *l, struct job *job)
{
	job->next_exec = NULL;
	*l->end = job;
	l->end = &job->next_exec;
}

static void line_put_first(struct line *l, struct job *job)
{
	job->next_exec = l->first;
	l->first = job;
	if (!job->next_exec)
		l->end = &job->next_exec;
}

static struct job *line_take(struct line *l)
{
	struct job *job = l->first;

	if (!job)
		return NULL;
	l->first = job->next_exec;
	if (!l->first)
		l->end = &l->first;
	return job;
}

/* ---- what each is made of ---- */

static bool has_arguments(const struct parts *parts)
{
	const char *at = parts->data, *end = at + parts->size;
	struct part_view p;

	while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind == PART_ARGUMENT)
			return true;
	return false;
}

/* More than its standard input. arguments: the others have some. */
static bool has_own(const struct job *job, bool arguments)
{
	const char *at = job->parts.data, *end = at + job->parts.size;
	struct part_view p;

	while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind != PART_STDIN)
			return true;
	return job->own_arguments && arguments;
}

/* Adds which files are wanted. 0 or -ENOMEM. */
static int add_outputs(struct parts *to, const struct parts *from)
{
	const char *at = from->data, *end = at + from->size;
	struct part_view p;
	int r = 0;

	while (r == 0 && at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (p.kind == PART_OUTPUT)
			r = parts_add(to, p.kind, p.name, p.name_size, p.data,
				      p.size);
	return r;
}

/* From there to there, if that is anything, in it. 0 or -ENOMEM. */
static int add_bytes(struct state *s, struct segment *all, const char *from,
		     const char *to)
{
	struct segment *some;

	if (from == to)
		return 0;
	some = segment_part(all, from, (size_t)(to - from));
	return some ? state_add(s, some, false) : -ENOMEM;
}

/* What all have but arguments. 0 or -ENOMEM. */
static int leave_arguments(struct judge *j)
{
	const char *at = j->all.data, *end = at + j->all.size, *from = at;
	struct state *s = &j->whole[1];
	int r = 0;

	while (r == 0) {
		const char *part = at;
		struct part_view p;

		if (part_take(&at, end, FROM_FRONT_END, &p) != 1)
			break;
		if (p.kind != PART_ARGUMENT)
			continue;
		r = add_bytes(s, j->request, from, part);
		from = at;
	}
	if (r == 0)
		r = add_bytes(s, j->request, from, end);
	if (r)
		state_drop(s);
	return r;
}

/* Those that make_branch has added. */
static void drop_outputs(struct parts *parts)
{
	const char *at = parts->data, *end = at + parts->size, *start = at;
	struct part_view p;

	while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1) {
		if (p.kind == PART_OUTPUT) {
			parts->size = (size_t)(start - parts->data);
			return;
		}
		start = at;
	}
}

/* A job that runs by itself: what all have comes first, as a session's state would.
 * 0 or -ENOMEM. */
static int make_whole(struct judge *j, struct job *job)
{
	struct state *s = &j->whole[job->own_arguments];
	int r = s->count ? 0 : leave_arguments(j);

	drop_outputs(&job->parts);
	state_drop(&job->state);
	job->state = state_copy(s);
	job->run_session = 0;
	job->base = 0;
	job->spent_ns = job->spent_cpu_ns = 0;
	return r;
}

static int make_branch(struct judge *j, struct job *job)
{
	job->state = state_copy(&j->state);
	job->base = j->number;
	job->run_session = RUN_BRANCH;
	job->state_limit = j->common->state_limit;
	job->spent_ns = j->common->exec_ns;
	job->spent_cpu_ns = j->common->cpu_ns;
	return add_outputs(&job->parts, &j->all);
}

/* The parts of one that is handed in for the first time. 0 or -ENOMEM. */
static int make(struct judge *j, struct job *job)
{
	int r;

	if (job->made)
		return 0;
	r = job->alone ? make_whole(j, job) : make_branch(j, job);
	job->made = r == 0;
	return r;
}

/* ---- ends ---- */

/* False: that was the last, and there may be no judge any more. */
static bool end(struct judge *j, struct job *job, enum job_status status)
{
	bool more = --j->left > 0;

	job->status = status;
	job->then(job);
	return more;
}

/* The same of all in it. */
static bool end_line(struct judge *j, struct line *l, enum job_status status)
{
	struct job *job;

	while ((job = line_take(l)))
		if (!end(j, job, status))
			return false;
	return true;
}

static void put_back(struct judge *j, struct job *job)
{
	line_put_first(job->alone ? &j->alone : &j->sharing, job);
}

/* Tells of those that have ended, but who are to be handed in again. As end. */
static bool end_some(struct judge *j)
{
	struct job *job;

	while ((job = line_take(&j->ended))) {
		/* Others had more right to its place. */
		if (job->status == JOB_REFUSED && j->running) {
			put_back(j, job);
		} else if (!job->alone && (job->status == JOB_STALE ||
					   job->status == JOB_REJECTED)) {
			/* By itself it may be taken. */
			job_forget_results(job);
			job->alone = true;
			job->made = false;
			put_back(j, job);
		} else if (!end(j, job, job->status)) {
			return false;
		}
	}
	return true;
}

static void input_done(struct job *job)
{
	struct judge *j = job->judge;

	j->running--;
	line_add(&j->ended, job);
	loop_add(&j->task);
}

/* ---- the beginning ---- */

static void beginning_done(struct job *job)
{
	struct judge *j = job->judge;

	j->stage = BEGUN;
	loop_add(&j->task);
}

static void run_whole(struct judge *j)
{
	struct job *job;

	while ((job = line_take(&j->sharing))) {
		job->alone = true;
		line_add(&j->alone, job);
	}
}

/* What came of the beginning is what comes of each. */
static void copy(struct job *to, const struct job *from)
{
	to->exit_code = from->exit_code;
	to->ended = from->ended;
	to->cut = from->cut;
	to->cpu_ns = to->spent_cpu_ns = from->cpu_ns;
	to->memory = from->memory;
	to->calls = from->calls;
	to->left_out = from->left_out;
	to->files = from->files;
	to->files_end = from->files_end;
	to->out = from->out;
	to->out_size = from->out_size;
	to->err = from->err;
	to->err_size = from->err_size;
	to->message = from->message;
	to->wait_ns = from->wait_ns;
	to->fork_ns = from->fork_ns;
	to->exec_ns = from->exec_ns;
}

/* As end. Whoever is the last to be told of has what all of them point to. */
static bool copy_to_all(struct judge *j)
{
	struct job *from = j->common, *last = NULL;

	for (struct job *job = j->sharing.first; job; job = job->next_exec) {
		copy(job, from);
		last = job;
	}
	if (last && from->payload)
		job_keep(last, from->payload, from->payload_size);
	if (last)
		last->own_text = from->own_text;
	job_lose(from);
	return end_line(j, &j->sharing, from->status);
}

/* Its state becomes where the others begin. False: it cannot be kept. */
static bool keep(struct judge *j)
{
	struct segment *saved = j->common->saved;
	uint64_t owner = j->common->node.owner;

	j->common->saved = NULL;
	j->share = share_of(owner);
	if (!j->share || !session_may_keep(owner, segment_held(saved))) {
		segment_drop(saved);
		return false;
	}
	segment_charge(saved, j->share);
	return state_add(&j->state, saved, true) == 0;
}

/* As end. */
static bool take_beginning(struct judge *j)
{
	struct job *common = j->common;

	j->stage = BRANCHING;
	if (results_ran(common))
		metrics.cpu_ns += common->cpu_ns;
	if (!common->asks)
		return copy_to_all(j);
	if (common->status != JOB_DONE || !keep(j))
		run_whole(j);
	return true;
}

/* ---- handing in ---- */

/* As many as there may be workers, and the same again to follow them. */
static size_t running_most(const struct judge *j)
{
	size_t most = 2ul * catalog_crew(j->common->language)->maximum;

	return most < REQUEST_BATCH_MAX ? most : REQUEST_BATCH_MAX;
}

/* As end. *wait: there is no place now. */
static bool hand_in(struct judge *j, struct job *job, bool *wait)
{
	int r = make(j, job);

	job->submitted_ns = clock_mono();
	j->running++;
	if (r == 0)
		r = pool_submit(job);
	if (r == 0)
		return true;
	j->running--;
	*wait = r == -EAGAIN && (j->running || j->stage == BEGINNING);
	if (!*wait)
		return end(j, job, r == -EAGAIN ? JOB_REFUSED : JOB_FAULT);
	put_back(j, job);
	return true;
}

/* As end. */
static bool begin(struct judge *j)
{
	j->stage = BEGINNING;
	if (pool_submit(j->common) == 0)
		return true;
	j->common->status = JOB_REFUSED;
	j->stage = BRANCHING;
	return copy_to_all(j);
}

static struct job *next(struct judge *j)
{
	struct job *job = line_take(&j->alone);

	return job || j->stage != BRANCHING ? job : line_take(&j->sharing);
}

static bool end_all(struct judge *j, enum job_status status)
{
	return end_line(j, &j->alone, status) &&
	       (j->stage == BEGINNING || end_line(j, &j->sharing, status));
}

/* One thing after the other, none of which is done from within another. */
static void go_on(struct task *t)
{
	struct judge *j = (struct judge *)t;
	uint64_t stop = clock_mono() + SLICE_NS;
	bool wait = false;
	struct job *job;

	if (!end_some(j) || (j->stage == BEGUN && !take_beginning(j)))
		return;
	if (pool_draining()) {
		end_all(j, JOB_DRAINED);
		return;
	}
	if (j->stage == BEFORE && !begin(j))
		return;
	while (!wait && j->running < running_most(j) && (job = next(j))) {
		if (!hand_in(j, job, &wait))
			return;
		if (clock_mono() > stop) {
			loop_add(t);
			return;
		}
	}
}

/* ---- all of it ---- */

static void take_job(struct judge *j, struct job *job, bool arguments)
{
	const struct job *common = j->common;

	job->judge = j;
	job->then = job->done;
	job->done = input_done;
	job->language = common->language;
	job->tenure = common->tenure;
	job->timeout_ms = common->timeout_ms;
	job->memory_mb = common->memory_mb;
	job->base64 = common->base64;
	job->shared = &j->shared;
	job->alone = has_own(job, arguments);
	line_add(job->alone ? &j->alone : &j->sharing, job);
}

/* What common is made of, as those that run whole have it, too. 0 or -ENOMEM. */
static int share_parts(struct judge *j, struct job *common)
{
	j->all = common->parts;
	common->parts = (struct parts){ 0 };
	j->request = segment_of_request(j->all.data, j->all.room, j->all.data,
					j->all.size);
	if (!j->request || state_add(&j->whole[0], j->request, true))
		return -ENOMEM;
	common->state = state_copy(&j->whole[0]);
	j->shared.size = j->all.size;
	common->shared = &j->shared;
	return 0;
}

struct judge *judge_make(struct job *common, struct job **jobs, size_t count)
{
	static uint64_t numbers;
	struct judge *j = calloc(1, sizeof(*j));

	if (!j || share_parts(j, common)) {
		free(j);
		return NULL;
	}
	j->task.run = go_on;
	j->common = common;
	j->jobs = jobs;
	j->count = j->left = count;
	j->number = ++numbers;
	line_open(&j->alone);
	line_open(&j->sharing);
	line_open(&j->ended);
	common->judge = j;
	common->done = beginning_done;
	common->run_session = RUN_BEGINNING;
	common->base = j->number; /* whoever has run it, has it */
	return j;
}

void judge_submit(struct judge *j)
{
	bool arguments = has_arguments(&j->all);
	struct job *first;

	j->common->state_limit = session_pages_most();
	for (size_t i = 0; i < j->count; i++)
		take_job(j, j->jobs[i], arguments);
	first = j->sharing.first;
	/* One that is for nobody else is no beginning. */
	if (!first || !first->next_exec) {
		j->stage = BRANCHING;
		run_whole(j);
	}
	loop_add(&j->task);
}

size_t judge_cancel(struct judge *j)
{
	loop_remove(&j->task);
	if (j->stage == BEGINNING)
		pool_cancel(j->common);
	for (size_t i = 0; i < j->count && j->running; i++)
		if (pool_cancel(j->jobs[i]))
			j->running--;
	return j->left;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	loop_remove(&j->task);
	state_drop(&j->state);
	state_drop(&j->whole[0]);
	state_drop(&j->whole[1]);
	share_drop(j->share);
	job_free(j->common);
	free(j);
}
