#include "job.h"

#include <stdlib.h>

#include "clock.h"
#include "discard.h"
#include "loop.h"

#define SLICE_NS 100000
#define SMALL 65536      /* bytes that are given back at once */
#define SPARE_PARTS 1024 /* bytes of parts that stay with a job */

static size_t output;
/* Of the one before, for the next one: mostly one follows the other. */
static struct job *spare;
static struct job **spare_list;
static struct job *dropped;

struct job *job_make(void)
{
	struct job *job = spare;

	spare = NULL;
	return job ? job : calloc(1, sizeof(*job));
}

struct job **job_list(void)
{
	struct job **list = spare_list;

	spare_list = NULL;
	return list ? list : malloc(sizeof(*list));
}

static void free_list(struct job **list)
{
	if (spare_list)
		free(list);
	else
		spare_list = list;
}

void job_keep(struct job *job, char *payload, size_t size)
{
	job->payload = payload;
	job->payload_size = size;
	output += size;
}

void job_lose(struct job *job)
{
	output -= job->payload_size;
	job->payload = job->own_text = NULL;
	job->payload_size = 0;
}

void job_forget_results(struct job *job)
{
	discard(job->payload, job->payload_size);
	free(job->own_text);
	job_lose(job);
	job->message = NULL;
}

void job_keep_text(struct job *job, char *payload, const char *text)
{
	job->own_text = payload;
	job->message = text;
}

static void forget_parts(struct job *job)
{
	if (job->parts.room > SPARE_PARTS)
		discard_parts(&job->parts);
	job->parts.size = 0;
}

void job_forget_parts(struct job *job)
{
	forget_parts(job);
	state_drop(&job->state);
}

static void give_back(struct job *job)
{
	forget_parts(job);
	state_drop(&job->state);
	state_drop(&job->template);
	segment_drop(job->saved);
	free(job->warnings.data);
	discard(job->payload, job->payload_size);
	free(job->own_err);
	free(job->own_text);
	if (spare) {
		parts_drop(&job->parts);
		free(job);
		return;
	}
	*job = (struct job){ .parts = job->parts };
	spare = job;
}

void job_free(struct job *job)
{
	output -= job->payload_size;
	give_back(job);
}

/* Unmapping a page takes some 50 ns, and a batch may have 16,000. */
static void give_back_some(struct task *t)
{
	uint64_t end = clock_mono() + SLICE_NS;

	while (dropped) {
		struct job *job = dropped;

		dropped = job->next_dropped;
		give_back(job);
		if (dropped && clock_mono() > end) {
			loop_add(t);
			return;
		}
	}
}

static void drop(struct job *job)
{
	static struct task task = { .run = give_back_some };

	output -= job->payload_size;
	job->next_dropped = dropped;
	dropped = job;
	loop_add(&task);
}

void jobs_drop(struct job **jobs, size_t count)
{
	size_t left = SMALL;

	for (size_t i = 0; i < count; i++) {
		size_t size =
			jobs[i] ? jobs[i]->payload_size + jobs[i]->parts.size :
				  0;

		if (jobs[i] && size <= left)
			job_free(jobs[i]);
		else if (jobs[i])
			drop(jobs[i]);
		left -= size < left ? size : left;
	}
	free_list(jobs);
}

size_t jobs_output(void)
{
	return output;
}
