/*
 * request_fuzz.c: what request.c takes of a body is a list of parts that a worker
 * takes, with one code in it, or in what all have in common, within its bounds; it does not
 * depend on pauses.
 */
#include "fuzz.h"

#include "catalog.h"
#include "derived.h"
#include "json.h"
#include "request.h"

int catalog_find(const char *name, size_t size)
{
	return size == 6 && !memcmp(name, "python", 6) ? 0 : -1;
}

unsigned catalog_tenure(int language)
{
	(void)language;
	return 0;
}

int derived_language(uint64_t owner, const char *name, size_t size)
{
	(void)owner;
	return catalog_find(name, size);
}

const char *derived_problem(uint64_t owner, const char *name, size_t size)
{
	(void)owner;
	return size && name[0] == 'd' ? "damaged" : NULL;
}

bool derived_is_name(const char *name, size_t size)
{
	return size && !memchr(name, '/', size);
}

static void check_part(const struct part_view *p)
{
	switch (p->kind) {
	case PART_ARGUMENT:
		assert(!parts_string_problem(p->data, p->size));
		break;
	case PART_ENVIRONMENT:
		assert(memchr(p->data, '=', p->size) && p->data[0] != '=' &&
		       !parts_string_problem(p->data, p->size));
		break;
	case PART_FILE:
	case PART_OUTPUT:
		assert(!parts_path_problem(p->name, p->name_size));
		break;
	default:
		assert(p->kind == PART_CODE || p->kind == PART_STDIN);
	}
	assert(p->kind == PART_FILE || p->kind == PART_OUTPUT || !p->name_size);
}

static void check_job(const struct job *job, int codes_most)
{
	const char *at = job->parts.data, *end = at + job->parts.size;
	struct part_view p;
	int codes = 0, r;

	assert(job->language == 0 && job->timeout_ms >= 1000 &&
	       job->timeout_ms <= 300000);
	while ((r = part_take(&at, end, FROM_FRONT_END, &p)) == 1) {
		codes += p.kind == PART_CODE;
		check_part(&p);
	}
	assert(r == 0 && codes == codes_most);
}

static int parse(struct request *q, const char *body, size_t size,
		 struct err *e)
{
	int r = request_parse(q, body, size, e);

	assert(r == 0 || r == -EINVAL);
	assert(q->count <=
	       (q->common ? REQUEST_INPUTS_MAX : REQUEST_BATCH_MAX));
	if (r == 0 && q->common)
		check_job(q->common, 1);
	for (size_t i = 0; r == 0 && i < q->count; i++)
		check_job(q->jobs[i], !q->common);
	return r;
}

static void drop_job(struct job *job)
{
	parts_drop(&job->parts);
	free(job->warnings.data);
	free(job);
}

static void drop(struct request *q)
{
	for (size_t i = 0; i < q->count; i++)
		drop_job(q->jobs[i]);
	if (q->common)
		drop_job(q->common);
	free(q->jobs);
	free(q->warnings.data);
}

static void pause_never_ends(struct json *j)
{
	(void)j;
}

static void same(const struct request *a, const struct request *b)
{
	assert(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct parts *x = &a->jobs[i]->parts,
				   *y = &b->jobs[i]->parts;

		assert(x->size == y->size &&
		       (!x->size || !memcmp(x->data, y->data, x->size)));
	}
}

/* The first byte says whether it is a batch. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request once = { 0 }, paused = { .pause = pause_never_ends };
	struct err e = { "" };
	char *body;

	if (size < 2)
		return 0;
	once.batch = paused.batch = data[0] & 1;
	body = exact(data + 1, size - 1);
	if (parse(&once, body, size - 1, &e) == 0 &&
	    parse(&paused, body, size - 1, &e) == 0)
		same(&once, &paused);
	drop(&once);
	drop(&paused);
	free(body);
	return 0;
}
