#include "judge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "discard.h"
#include "loop.h"
#include "metrics.h"
#include "pool.h"
#include "request.h"
#include "results.h"
#include "session.h"

#define SLICE_NS 200000    /* of handing in */
#define CHUNK (128u << 10) /* bytes that are copied at a time */

struct line { /* of jobs, by next_exec */
	struct job *first, **end;
};

enum stage {
	BEFORE,    /* the beginning is to be handed in */
	BEGINNING, /* it is under way */
	BEGUN,     /* it has ended, somehow */
	BRANCHING, /* what shares it may go on, if anything does */
};

/* The parts that all inputs have, for those that run whole, which share them: copied a
 * slice at a time. */
struct whole {
	struct state state; /* one segment, once it is there; until then: */
	char *data;
	size_t size, room;
	size_t at, part_end; /* of what is copied */
};

struct judge {
	struct task task;   /* first */
	struct job *common; /* and the beginning */
	struct job **jobs;
	size_t count;
	enum stage stage;
	struct line alone, sharing; /* not handed in yet */
	struct line ended;          /* nobody has been told */
	size_t running, left;       /* of jobs: handed in, not told */
	struct state state;         /* in which each branch begins, */
	struct share *share;        /* whose owner it is charged to */
	uint64_t number;            /* and its number, never used again */
	struct whole whole[2];      /* for whom has arguments of its own: 1 */
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

/* One that is not of the kind skip, and of no other kind than only, where these are
 * not 0. */
static bool is_meant(const struct part_view *p, uint32_t skip, uint32_t only)
{
	return p->kind != skip && (!only || p->kind == only);
}

static bool has_part(const struct parts *parts, uint32_t skip, uint32_t only)
{
	const char *at = parts->data, *end = at + parts->size;
	struct part_view p;

	while (at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (is_meant(&p, skip, only))
			return true;
	return false;
}

/* Adds those parts. 0 or -ENOMEM. */
static int add_parts(struct parts *to, const struct parts *from, uint32_t skip,
		     uint32_t only)
{
	const char *at = from->data, *end = at + from->size;
	struct part_view p;
	int r = 0;

	while (r == 0 && at && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		if (is_meant(&p, skip, only))
			r = parts_add(to, p.kind, p.name, p.name_size, p.data,
				      p.size);
	return r;
}

/* arguments: the others have some. */
static bool has_own(const struct job *job, bool arguments)
{
	return has_part(&job->parts, PART_STDIN, 0) ||
	       (job->own_arguments && arguments);
}

/* Some of the copy. 1: it is there; 0: not yet; -ENOMEM. */
static int copy_some(const struct parts *common, struct whole *w, uint32_t skip,
		     uint64_t stop)
{
	const char *at = common->data + w->at;
	const char *end = common->data + common->size;
	struct segment *made;
	struct part_view p;
	size_t n;

	if (!w->data) {
		*w = (struct whole){ .data = malloc(common->size) };
		w->room = common->size;
		at = common->data;
	}
	if (!w->data)
		return -ENOMEM;
	while (at < end) {
		const char *next = at;

		if (w->at == w->part_end) {
			if (part_take(&next, end, FROM_FRONT_END, &p) != 1)
				break;
			w->part_end += (size_t)(next - at);
			if (p.kind == skip) {
				w->at = w->part_end;
				at = next;
				continue;
			}
		}
		n = w->part_end - w->at < CHUNK ? w->part_end - w->at : CHUNK;
		memcpy(w->data + w->size, at, n);
		w->size += n;
		w->at += n;
		at += n;
		if (clock_mono() > stop && at < end)
			return 0;
	}
	made = segment_make(w->data, w->room, w->data, w->size);
	w->data = NULL;
	return !made || state_add(&w->state, made, true) ? -ENOMEM : 1;
}

static struct whole *whole_of(struct judge *j, const struct job *job)
{
	return &j->whole[job->own_arguments];
}

/* Whether what it is made of is there. As copy_some. */
static int prepare(struct judge *j, const struct job *job, uint64_t stop)
{
	struct whole *w = whole_of(j, job);

	if (!job->alone || job->made || w->state.count)
		return 1;
	return copy_some(&j->common->parts, w,
			 job->own_arguments ? PART_ARGUMENT : 0, stop);
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

/* A job that runs by itself: what all have comes first, as a session's state would. */
static void make_whole(struct judge *j, struct job *job)
{
	drop_outputs(&job->parts);
	state_drop(&job->state);
	job->state = state_copy(&whole_of(j, job)->state);
	job->run_session = 0;
	job->base = 0;
	job->spent_ns = job->spent_cpu_ns = 0;
}

static int make_branch(struct judge *j, struct job *job)
{
	job->state = state_copy(&j->state);
	job->base = j->number;
	job->run_session = RUN_BRANCH;
	job->state_limit = j->common->state_limit;
	job->spent_ns = j->common->exec_ns;
	job->spent_cpu_ns = j->common->cpu_ns;
	return add_parts(&job->parts, &j->common->parts, 0, PART_OUTPUT);
}

/* The parts of one that is handed in for the first time, and is prepared. 0 or -ENOMEM. */
static int make(struct judge *j, struct job *job)
{
	int r = 0;

	if (job->made)
		return 0;
	if (job->alone)
		make_whole(j, job);
	else
		r = make_branch(j, job);
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

/* As end. r: what it is made of is there, or -errno. *wait: there is no place now. */
static bool hand_in(struct judge *j, struct job *job, int r, bool *wait)
{
	if (r > 0)
		r = make(j, job);
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
	int r;

	if (!end_some(j) || (j->stage == BEGUN && !take_beginning(j)))
		return;
	if (pool_draining()) {
		end_all(j, JOB_DRAINED);
		return;
	}
	if (j->stage == BEFORE && !begin(j))
		return;
	while (!wait && j->running < running_most(j) && (job = next(j))) {
		r = prepare(j, job, stop);
		if (r == 0)
			put_back(j, job);
		else if (!hand_in(j, job, r, &wait))
			return;
		if (r == 0 || clock_mono() > stop) {
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
	job->alone = has_own(job, arguments);
	line_add(job->alone ? &j->alone : &j->sharing, job);
}

struct judge *judge_make(struct job *common, struct job **jobs, size_t count)
{
	static uint64_t numbers;
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	*j = (struct judge){ .task.run = go_on,
			     .common = common,
			     .jobs = jobs,
			     .count = count,
			     .left = count,
			     .number = ++numbers };
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
	bool arguments = has_part(&j->common->parts, 0, PART_ARGUMENT);
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
	for (int i = 0; i < 2; i++) {
		state_drop(&j->whole[i].state);
		discard(j->whole[i].data, j->whole[i].room);
	}
	share_drop(j->share);
	job_free(j->common);
	free(j);
}
