#include "results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "id.h"
#include "json.h"

#define FIXED_MAX 16384 /* bytes of what is around output, but warnings */
#define NAME_MAX_ESCAPED 25600 /* and of what is around a file */
#define SHOWN_NAME_MAX 128     /* bytes of a name in a warning */
#define MEASURE_BYTES 65536u   /* of output, at a time */

/* The parts of a run's object; those of a file as often as there is one. */
enum {
	BEFORE,
	OUT,
	BETWEEN,
	ERR,
	VALUE_BEFORE,
	VALUE,
	AFTER,
	FILE_BEFORE,
	FILE_DATA,
	FILE_AFTER,
	END,
	PARTS
};

/* ---- what comes out ---- */

enum { OK, ERROR, TIMEOUT, SIGNAL, OUT_OF_MEMORY, STATUSES };

static const char *const statuses[STATUSES + 1] = {
	[OK] = "ok",
	[ERROR] = "error",
	[TIMEOUT] = "timeout",
	[SIGNAL] = "signal",
	[OUT_OF_MEMORY] = "out_of_memory",
};

static const struct field usage_fields[] = {
	{ .name = "cpu_ms",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "CPU time." },
	{ .name = "peak_memory_mb",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "The most memory that was in use, interpreter and files "
		  "included." },
	{ .name = "system_calls",
	  .type = FIELD_INTEGER,
	  .required = true,
	  .help = "How many." },
	{ 0 },
};

static const struct object usage = {
	.name = "Usage",
	.help = "What the run used, with all of its processes.",
	.fields = usage_fields,
};

/* Those of a session's exec first, which others do not have. */
static const struct field results_exec_fields[] = {
	{ .name = "result",
	  .type = FIELD_STRING,
	  .help = "The value of the last expression, where there is one." },
	{ .name = "result_truncated",
	  .type = FIELD_BOOLEAN,
	  .help = "There was more of it than 64 KiB." },
	{ .name = "session_ended",
	  .type = FIELD_BOOLEAN,
	  .help = "Its program has ended, and with it the session." },
	{ .name = "id",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "A UUID of version 7." },
	{ .name = "stdout",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "As UTF-8: other bytes become U+FFFD. Or base64." },
	{ .name = "stderr",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "The same of standard error." },
	{ .name = "exit_code",
	  .type = FIELD_INTEGER,
	  .least = -1,
	  .required = true,
	  .help = "128 and its number of who was ended by a signal; -1 of a "
		  "run that its time cut off." },
	{ .name = "fork_time_ms",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "To a VM that is ready, the queue not counted." },
	{ .name = "exec_time_ms",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "From there to the program's end." },
	{ .name = "total_time_ms",
	  .type = FIELD_NUMBER,
	  .required = true,
	  .help = "From the request read to the answer ready." },
	{ .name = "status",
	  .type = FIELD_WORD,
	  .required = true,
	  .words = statuses,
	  .help = "How it ended; ok is exit code 0." },
	{ .name = "signal",
	  .type = FIELD_STRING,
	  .help = "Of status signal: its name." },
	{ .name = "usage",
	  .type = FIELD_OBJECT,
	  .required = true,
	  .of = &usage,
	  .help = "What it used." },
	{ .name = "stdout_truncated",
	  .type = FIELD_BOOLEAN,
	  .help = "True when some is missing." },
	{ .name = "stderr_truncated",
	  .type = FIELD_BOOLEAN,
	  .help = "The same of standard error." },
	{ .name = "files",
	  .type = FIELD_FILES,
	  .of = &content_file,
	  .help = "By path, when outputs asked for some: a string where a file "
		  "is UTF-8." },
	{ .name = "warnings",
	  .type = FIELD_STRINGS,
	  .help = "When there are any." },
	{ 0 },
};

const struct object results_one = {
	.name = "Result",
	.help = "What a run came to.",
	.fields = results_exec_fields + 3,
};

const struct object results_exec = {
	.name = "ExecResult",
	.help = "What an exec of a session came to.",
	.fields = results_exec_fields,
};

static const struct field failure_fields[] = {
	{ .name = "id",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "A UUID of version 7." },
	{ .name = "error",
	  .type = FIELD_STRING,
	  .required = true,
	  .help = "Why." },
	{ .name = "warnings",
	  .type = FIELD_STRINGS,
	  .help = "When there are any." },
	{ 0 },
};

static const struct object failure = {
	.name = "Failure",
	.help = "Of an execution of a batch that could not be run.",
	.fields = failure_fields,
};

static const struct field results_many_fields[] = {
	{ .name = "results",
	  .type = FIELD_OBJECTS,
	  .required = true,
	  .of = &results_one,
	  .or = &failure,
	  .help = "One for each execution." },
	{ .name = "warnings",
	  .type = FIELD_STRINGS,
	  .help = "About the batch itself, when there are any." },
	{ 0 },
};

const struct object results_many = {
	.name = "Results",
	.help = "What the runs of a batch came to, in the order of the "
		"request.",
	.fields = results_many_fields,
};

/* ---- how it ended ---- */

bool results_late(const struct job *job)
{
	return job->status == JOB_TIMEOUT ||
	       (job->status == JOB_DONE && job->overran);
}

bool results_ran(const struct job *job)
{
	return job->status == JOB_DONE || job->status == JOB_TIMEOUT;
}

const char *results_failure(const struct job *job)
{
	bool told = job->message && job->message[0];

	switch (job->status) {
	case JOB_DRAINED:
		return "the server is draining";
	case JOB_REFUSED:
		return "the queue is full";
	case JOB_DELETED:
		return "the session is being deleted";
	case JOB_UNSERVED:
		return told ? job->message : "no worker can be started";
	default:
		return told ? job->message : "the worker failed";
	}
}

/* ---- what is around the output ---- */

void results_put_warnings(struct text *t, const struct text *warnings)
{
	if (!warnings->size)
		return;
	text_put(t, ",\"warnings\":[");
	text_add(t, warnings->data, warnings->size);
	text_put(t, "]");
}

/* One more, of a run: it is an array already when there are others. */
static void add_warning(struct text *t, bool *open, const char *text,
			size_t size)
{
	text_put(t, *open ? "," : ",\"warnings\":[");
	*open = true;
	text_json_string(t, text, size);
}

static void put_left_out(struct text *t, const struct part_view *p, bool *open)
{
	static const char what[] = ": left out of files";
	char text[SHOWN_NAME_MAX + 3 + sizeof(what)];
	size_t size = p->name_size, n;

	n = size < SHOWN_NAME_MAX ? size : SHOWN_NAME_MAX;
	while (n < size && n && (p->name[n] & 0xc0) == 0x80)
		n--;
	memcpy(text, p->name, n);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
			      n < size ? "..." : "", what);
	add_warning(t, open, text, n);
}

/* Those of the request, and of files that are not there. */
static void put_run_warnings(struct text *t, const struct job *job)
{
	const char *at = job->files;
	bool open = job->warnings.size;
	struct part_view p;
	char text[64];
	int n;

	if (open) {
		text_put(t, ",\"warnings\":[");
		text_add(t, job->warnings.data, job->warnings.size);
	}
	while (at && part_take(&at, job->files_end, FROM_WORKER, &p) == 1)
		if (p.kind == PART_LEFT_OUT)
			put_left_out(t, &p, &open);
	if (job->left_out) {
		n = snprintf(text, sizeof(text), "%u more files left out",
			     job->left_out);
		add_warning(t, &open, text, (size_t)n);
	}
	if (open)
		text_put(t, "]");
}

static void put_before(struct text *t, const struct results *r, size_t i)
{
	const struct job *job = r->jobs[i];
	char id[ID_SIZE];

	if (r->batch)
		text_put(t, i ? "," : "{\"results\":[");
	id_make(id);
	text_put(t, "{\"id\":\"");
	text_add(t, id, ID_SIZE - 1);
	if (results_ran(job)) {
		text_put(t, "\",\"stdout\":\"");
		return;
	}
	text_put(t, "\",\"error\":");
	text_json_string(t, results_failure(job), strlen(results_failure(job)));
}

/* Whether a line is open at the end of stderr. */
static bool is_line_open(const struct job *job)
{
	return job->err_size ? job->err[job->err_size - 1] != '\n' :
			       job->open_line;
}

/* What stderr has on top, inside its string. */
static void put_timeout(struct text *t, const struct job *job)
{
	if (!results_late(job) || job->base64)
		return;
	text_format(t, "%sExecution timed out after %us",
		    is_line_open(job) ? "\\n" : "", job->timeout_ms / 1000);
}

const char *results_status(const struct job *job)
{
	if (results_late(job))
		return statuses[TIMEOUT];
	if (job->ended == ENDED_MEMORY)
		return statuses[OUT_OF_MEMORY];
	if (job->ended == ENDED_SIGNAL)
		return statuses[SIGNAL];
	return statuses[job->exit_code ? ERROR : OK];
}

/* As signal(7) numbers them for programs: the C library keeps two for itself. */
#define RTMIN 34
#define RTMAX 64

static void put_signal(struct text *t, unsigned number)
{
	static const char *const names[] = {
		"",      "HUP",  "INT",    "QUIT", "ILL",  "TRAP",   "ABRT",
		"BUS",   "FPE",  "KILL",   "USR1", "SEGV", "USR2",   "PIPE",
		"ALRM",  "TERM", "STKFLT", "CHLD", "CONT", "STOP",   "TSTP",
		"TTIN",  "TTOU", "URG",    "XCPU", "XFSZ", "VTALRM", "PROF",
		"WINCH", "IO",   "PWR",    "SYS"
	};

	if (number < sizeof(names) / sizeof(names[0]))
		text_format(t, ",\"signal\":\"SIG%s\"", names[number]);
	else if (number < RTMIN || number > RTMAX)
		text_format(t, ",\"signal\":\"SIG%u\"", number);
	else if (number == RTMIN || number == RTMAX)
		text_format(t, ",\"signal\":\"SIGRT%s\"",
			    number == RTMIN ? "MIN" : "MAX");
	else
		text_format(t, ",\"signal\":\"SIGRTMIN+%u\"", number - RTMIN);
}

static void put_accounts(struct text *t, const struct job *job)
{
	const char *status = results_status(job);

	text_put(t, ",\"status\":\"");
	text_put(t, status);
	text_put(t, "\"");
	if (!strcmp(status, "signal"))
		put_signal(t, (unsigned)job->exit_code & 127);
	text_put(t, ",\"usage\":{\"cpu_ms\":");
	text_put_ms(t, job->cpu_ns);
	text_put(t, ",\"peak_memory_mb\":");
	/* In thousandths of a MiB. */
	text_put_ms(t, job->memory / 4096 * 390625 / 100);
	text_put(t, ",\"system_calls\":");
	text_put_number(t, (int64_t)job->calls);
	text_put(t, "}");
	if (job->cut & RESULT_CUT_STDOUT)
		text_put(t, ",\"stdout_truncated\":true");
	if (job->cut & RESULT_CUT_STDERR)
		text_put(t, ",\"stderr_truncated\":true");
	if (job->cut & RESULT_CUT_VALUE)
		text_put(t, ",\"result_truncated\":true");
	if (job->session_ended)
		text_put(t, ",\"session_ended\":true");
	if (job->wants_files)
		text_put(t, ",\"files\":{");
}

static void put_after(struct text *t, const struct results *r, size_t i)
{
	const struct job *job = r->jobs[i];

	if (!results_ran(job))
		return;
	put_timeout(t, job);
	text_put(t, "\",\"exit_code\":");
	text_put_number(t, job->status == JOB_TIMEOUT ? -1 : job->exit_code);
	text_put(t, ",\"fork_time_ms\":");
	text_put_ms(t, job->fork_ns);
	text_put(t, ",\"exec_time_ms\":");
	text_put_ms(t, job->exec_ns);
	text_put(t, ",\"total_time_ms\":");
	text_put_ms(t, r->total_ns);
	put_accounts(t, job);
}

static void put_end(struct text *t, const struct results *r, size_t i)
{
	const struct job *job = r->jobs[i];

	if (results_ran(job) && job->wants_files)
		text_put(t, "}");
	put_run_warnings(t, job);
	text_put(t, "}");
	if (i + 1 < r->count)
		return;
	if (r->batch) {
		text_put(t, "]");
		results_put_warnings(t, &r->warnings);
		text_put(t, "}");
	}
	text_put(t, "\n");
}

/* Whether it is the first that is told. */
static bool is_first(const struct job *job, const struct part_view *f)
{
	const char *at = job->files;
	struct part_view p;

	while (part_take(&at, job->files_end, FROM_WORKER, &p) == 1)
		if (p.kind == PART_TEXT || p.kind == PART_BYTES)
			return p.name == f->name;
	return true;
}

static void put_file(struct text *t, const struct results *r,
		     const struct results_place *p)
{
	const struct part_view *f = &p->file;

	if (p->part == FILE_AFTER) {
		text_put(t, "\"");
		if (f->kind != PART_BYTES)
			return;
		text_put(t, ",\"size\":");
		text_put_number(t, (int64_t)f->size);
		text_put(t, "}");
		return;
	}
	if (!is_first(r->jobs[p->job], f))
		text_put(t, ",");
	text_json_string(t, f->name, f->name_size);
	text_put(t, f->kind == PART_BYTES ? ":{\"base64\":\"" : ":\"");
}

static void put_fixed(struct text *t, const struct results *r,
		      const struct results_place *p)
{
	if (p->part == BEFORE)
		put_before(t, r, p->job);
	else if (p->part == BETWEEN)
		text_put(t, "\",\"stderr\":\"");
	else if (p->part == VALUE_BEFORE)
		text_put(t, "\",\"result\":\"");
	else if (p->part == AFTER)
		put_after(t, r, p->job);
	else if (p->part == END)
		put_end(t, r, p->job);
	else
		put_file(t, r, p);
}

/* ---- going through it ---- */

static bool is_output(const struct results_place *p)
{
	return p->part == OUT || p->part == ERR || p->part == VALUE ||
	       p->part == FILE_DATA;
}

/* The output of this part; *base64: it is told so. */
static const char *output(const struct results *r,
			  const struct results_place *p, size_t *size,
			  bool *base64)
{
	const struct job *job = r->jobs[p->job];

	if (p->part == FILE_DATA) {
		*size = p->file.size;
		*base64 = p->file.kind == PART_BYTES;
		return p->file.data;
	}
	if (p->part == VALUE) {
		*size = job->value_size;
		*base64 = false;
		return job->value;
	}
	*size = p->part == OUT ? job->out_size : job->err_size;
	*base64 = job->base64;
	return p->part == OUT ? job->out : job->err;
}

/* To the next file, or the end. */
static int next_file(const struct job *job, struct results_place *p)
{
	if (!p->next_file)
		p->next_file = job->files;
	while (p->next_file && part_take(&p->next_file, job->files_end,
					 FROM_WORKER, &p->file) == 1)
		if (p->file.kind == PART_TEXT || p->file.kind == PART_BYTES)
			return FILE_BEFORE;
	p->next_file = NULL;
	return END;
}

/* To the next part; false: that was the last. */
static bool advance(const struct results *r, struct results_place *p)
{
	const struct job *job = r->jobs[p->job];

	p->at = 0;
	if ((p->part == BEFORE && !results_ran(job)) ||
	    (p->part == ERR && !job->value))
		p->part = AFTER;
	else if (p->part == AFTER || p->part == FILE_AFTER)
		p->part = results_ran(job) && job->wants_files ?
				  next_file(job, p) :
				  END;
	else if (++p->part == PARTS) {
		p->part = BEFORE;
		p->job++;
	}
	return p->job < r->count;
}

/* False: t is full. */
static bool add_output(const struct results *r, struct results_place *p,
		       struct text *t)
{
	size_t size, left, room;
	bool base64;
	const char *data = output(r, p, &size, &base64);

	while (p->at < size) {
		room = t->size < ANSWER_SLICE ? ANSWER_SLICE - t->size : 0;
		left = (base64 ? (size - p->at) / 3 * 4 : size - p->at) +
		       JSON_ESCAPED_MAX;
		if (room < JSON_ESCAPED_MAX ||
		    !text_reserve(t, left < room ? left : room))
			return false;
		if (t->room - t->size < room)
			room = t->room - t->size;
		t->size += base64 ? content_encode(t->data + t->size, room,
						   data, size, &p->at) :
				    json_escape(t->data + t->size, room, data,
						size, &p->at);
	}
	return true;
}

/* The most that such a part takes. */
static size_t fixed_max(const struct results *r, const struct results_place *p)
{
	if (p->part == FILE_BEFORE)
		return NAME_MAX_ESCAPED;
	return FIXED_MAX + r->jobs[p->job]->warnings.size + r->warnings.size;
}

static bool produce(struct producer *producer, struct text *t)
{
	struct results *r = (struct results *)producer;
	struct results_place *p = &r->next;
	size_t job;
	bool more;

	do {
		job = p->job;
		if (is_output(p)) {
			if (!add_output(r, p, t))
				return true;
		} else {
			if (t->size + fixed_max(r, p) > ANSWER_SLICE)
				return true;
			put_fixed(t, r, p);
		}
		more = advance(r, p);
		if (p->job != job && !r->keep) {
			r->held -= r->jobs[job]->payload_size;
			job_free(r->jobs[job]);
			r->jobs[job] = NULL;
		}
	} while (more);
	return false;
}

static bool measure(struct producer *producer, uint64_t *length)
{
	static struct text fixed; /* kept between calls */
	struct results *r = (struct results *)producer;
	struct results_place *p = &r->measured;
	size_t left = MEASURE_BYTES, at, size;
	const char *data;
	bool base64;

	while (left > 0) {
		if (is_output(p)) {
			data = output(r, p, &size, &base64);
			at = p->at;
			if (base64) {
				*length += (size + 2) / 3 * 4;
				p->at = at = size;
			} else {
				*length += json_escaped_size(data, size, &p->at,
							     left);
			}
			left -= p->at - at < left ? p->at - at : left;
			if (p->at < size)
				continue;
		} else {
			fixed.size = 0;
			fixed.failed = false;
			put_fixed(&fixed, r, p);
			*length += fixed.size;
			left -= FIXED_MAX < left ? FIXED_MAX : left;
		}
		if (!advance(r, p)) {
			r->keep = false;
			return false;
		}
	}
	return true;
}

static void drop(struct producer *producer)
{
	struct results *r = (struct results *)producer;

	jobs_drop(r->jobs, r->count);
	free(r->warnings.data);
	*r = (struct results){ 0 };
}

/* What put_timeout says, where it is to be encoded with the rest: 0 or -ENOMEM,
 * then it is left out. */
static int fold_timeout(struct job *job)
{
	char note[64], *all;
	int n = snprintf(note, sizeof(note), "%sExecution timed out after %us",
			 is_line_open(job) ? "\n" : "", job->timeout_ms / 1000);

	all = malloc(job->err_size + (size_t)n);
	if (!all)
		return -ENOMEM;
	if (job->err_size)
		memcpy(all, job->err, job->err_size);
	memcpy(all + job->err_size, note, (size_t)n);
	job->err = job->own_err = all;
	job->err_size += (size_t)n;
	return 0;
}

void results_open(struct results *r)
{
	r->producer = (struct producer){ .produce = produce,
					 .measure = measure,
					 .drop = drop };
	r->next = r->measured = (struct results_place){ 0 };
	r->keep = true;
	r->held = 0;
	for (size_t i = 0; i < r->count; i++) {
		r->held += r->jobs[i]->payload_size;
		if (r->jobs[i]->base64 && results_late(r->jobs[i]))
			(void)fold_timeout(r->jobs[i]);
	}
}
