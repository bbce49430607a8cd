/*
 * mcp_fuzz.c: whatever a message is, its answer is one line of JSON, and does not
 * depend on pauses; a call's answer, made in pieces, is as long as it was measured.
 */
#include "fuzz.h"

#include "catalog.h"
#include "derived.h"
#include "json.h"
#include "mcp.h"
#include "session.h"

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

const char *catalog_describe(int language, bool *ready, int *memory_mb)
{
	static const char *const names[] = { "python", "own-1", "no.name" };

	*ready = true;
	*memory_mb = 256;
	return language < 3 ? names[language] : NULL;
}

static void check_line(const char *data, size_t size)
{
	struct err e;
	struct json j;

	assert(!memchr(data, '\n', size));
	json_begin(&j, data, size, &e);
	assert(json_skip(&j) == 0 && json_end(&j) == 0);
}

static void dropped(struct pieces *p)
{
	pieces_free(p);
}

/* The input is what the program has written, and its files. */
static void fill(struct job *job, const char *data, size_t size)
{
	struct parts files = { 0 };
	size_t half = size / 2;

	job->status = size % 7;
	job->exit_code = (int)(size % 5);
	job->ended = size % 3;
	job->timeout_ms = 1000;
	job->out = data;
	job->out_size = half;
	job->err = data + half;
	job->err_size = size - half;
	job->left_out = size % 2;
	job->value = size % 4 ? data : NULL;
	job->value_size = half;
	if (job->status != JOB_DONE || !size)
		return;
	parts_add(&files, PART_BYTES, data, size % 200, data, size);
	parts_add(&files, PART_TEXT, "a.csv", 5, "text", 4);
	parts_add(&files, PART_LEFT_OUT, data, size % 100, NULL, 0);
	job->own_err = files.data; /* freed with it */
	job->files = files.data;
	job->files_end = files.data + files.size;
}

static void check_result(const struct mcp_message *m, struct job *job)
{
	struct pieces p = { .count = 0 };
	struct text all = { 0 };
	uint64_t length = 0;
	bool more;

	mcp_result(&p, m, job);
	assert(!p.failed);
	pieces_open(&p, dropped);
	while (p.producer.measure(&p.producer, &length))
		;
	do {
		struct text slice = { 0 };

		more = p.producer.produce(&p.producer, &slice);
		assert(slice.size <= ANSWER_SLICE && !slice.failed);
		text_add(&all, slice.data, slice.size);
		free(slice.data);
	} while (more);
	assert(all.size == length);
	check_line(all.data, all.size);
	p.producer.drop(&p.producer);
	free(all.data);
}

static void pause_never_ends(struct json *j)
{
	(void)j;
}

static void read_one(struct mcp_message *m, const char *body, size_t size,
		     bool begun, void (*pause)(struct json *j))
{
	struct request q = { .pause = pause };

	assert(mcp_read(m, &q, begun, body, size) == 0);
	if (m->kind == MCP_ANSWER)
		check_line(m->answer.data, m->answer.size);
	if (m->kind == MCP_RUN) {
		assert(q.count == 1 && q.jobs[0]->language < 2);
		assert(begun && m->id_size && !q.jobs[0]->base64);
		fill(q.jobs[0], body, size);
		check_result(m, q.jobs[0]);
	}
	assert(m->kind != MCP_CANCEL || m->id_size);
	assert(memchr(m->session, 0, sizeof(m->session)));
	if (m->kind == MCP_FORK || m->kind == MCP_END)
		assert(begun && m->id_size && m->copies >= 1 &&
		       m->copies <= SESSION_COPIES_MAX);
	jobs_drop(q.jobs, q.count);
	free(q.warnings.data);
}

int LLVMFuzzerInitialize(int *count, char ***words)
{
	(void)count;
	(void)words;
	request_open();
	return 0;
}

/* The first byte says whether initialize has been answered. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcp_message once = { 0 }, paused = { 0 };
	char *body;

	if (size < 2)
		return 0;
	body = exact(data + 1, size - 1);
	read_one(&once, body, size - 1, data[0] & 1, NULL);
	read_one(&paused, body, size - 1, data[0] & 1, pause_never_ends);
	assert(once.kind == paused.kind && once.id_size == paused.id_size);
	assert(once.answer.size == paused.answer.size &&
	       (!once.answer.size ||
		!memcmp(once.answer.data, paused.answer.data,
			once.answer.size)));
	free(once.answer.data);
	free(paused.answer.data);
	free(body);
	return 0;
}
