/*
 * parts.c: what the parts of a request become before its program starts: files,
 * and what stands in standard input. Arguments and environment are the agent's,
 * which reads them (fs/dev.c).
 */
#include "io/parts.h"

#include "fs/deliver.h"
#include "fs/descriptor.h"
#include "fs/outputs.h"
#include "host.h"
#include "io/pipe.h"
#include "mm/frame.h"
#include "request.h"
#include "session.h"

static void drop(const struct request_part *p)
{
	if (p->frames)
		frames_free(ptr_to_gpa(p->data), PAGE_UP(p->size) / PAGE_SIZE);
}

/* The standard input that requests fill; NULL: the program keeps none. */
static struct pipe *input(void)
{
	struct file *f = fd_file(0);
	struct pipe *pipe = f ? pipe_of(f) : NULL;

	return pipe && !pipe->writers ? pipe : NULL;
}

static bool fill(struct pipe *pipe, const struct request_part *p)
{
	if (!pipe_fill(pipe, p->data, p->size, p->frames))
		return true;
	drop(p);
	host_refuse("stdin: no memory");
	return false;
}

/* A program that keeps no standard input of its own has no use for it. */
static bool take_input(const struct request_part *p)
{
	struct pipe *pipe = input();

	if (!pipe || !pipe_empty(pipe)) {
		drop(p);
		return true;
	}
	if (!fill(pipe, p))
		return false;
	pipe_filled(pipe);
	return true;
}

/* Nobody can wait for what comes: whoever wanted to look has come here first. */
static void ask(struct pipe *pipe)
{
	struct request_part p;
	u64 at = 0;

	request_ask();
	while (control->parts && request_next(&at, &p)) {
		if (p.kind != ZB_PART_STDIN)
			drop(&p);
		else if (!fill(pipe, &p))
			host_exit(1, ZB_STATUS_REFUSED);
	}
}

static void ask_later(void)
{
	struct pipe *pipe = input();

	if (pipe)
		pipe->ask = ask;
}

/* What an exec has left unread is not the next one's. */
static void clear_input(void)
{
	struct pipe *pipe = input();

	while (pipe && !pipe_empty(pipe))
		pipe_consume(pipe, pipe_slot(pipe, pipe->head)->size);
}

static const char *reason(long error)
{
	switch (error) {
	case -EISDIR:
		return "is a directory";
	case -ENOTDIR:
		return "leads through what is no directory";
	case -EXDEV:
		return "leaves the working directory";
	case -ELOOP:
		return "leads through a link that is not followed";
	case -ENAMETOOLONG:
		return "has a name that is too long";
	case -ENOSPC:
	case -ENOMEM:
		return "finds no room";
	case -ETXTBSY:
		return "is a program that runs";
	default:
		return "is not a place for a file";
	}
}

static void refuse_file(const char *before, const struct request_part *p,
			long error, const char *why)
{
	host_refuse("%s%.*s: %s", before,
		    (int)MIN(p->name_size, ZB_LOG_SIZE / 2u), p->name, why);
	control->exit_code = (u32)-error;
}

static bool take_file(const struct request_part *p)
{
	long r = file_deliver(p);

	if (r)
		refuse_file("files: ", p, r, reason(r));
	return r == 0;
}

/* One that is asked for by itself. */
static bool serve_file(const struct request_part *p)
{
	long r = p->kind == ZB_PART_LOOK ? outputs_look(p) : file_remove(p);

	if (r)
		refuse_file("", p, r,
			    r == -ENOENT ? "is not there" :
			    r == -EINVAL ? "is no regular file" :
					   reason(r));
	return r == 0;
}

/* An agent has room for so much. */
static bool strings_fit(void)
{
	u64 at = 0, count = 0, size = 0;
	struct request_part p;

	while (control->parts && request_next(&at, &p)) {
		if (p.kind != ZB_PART_ARGUMENT && p.kind != ZB_PART_ENVIRONMENT)
			continue;
		count++;
		size += p.size + 1;
	}
	if (count <= ZB_STRINGS_COUNT && size <= ZB_STRINGS_MAX)
		return true;
	host_refuse("args and env: too many, or too long");
	return false;
}

static bool take_parts(void)
{
	bool good = strings_fit();
	struct request_part p;
	u64 at = 0;

	request_start_here();
	if (session_open())
		clear_input();
	if (control->flags & ZB_FLAG_ASK)
		ask_later();
	while (control->parts && request_next(&at, &p)) {
		if (p.kind == ZB_PART_LOOK || p.kind == ZB_PART_REMOVE)
			good = good && serve_file(&p);
		if (p.kind != ZB_PART_STDIN && p.kind != ZB_PART_FILE)
			continue;
		if (!good)
			drop(&p);
		else if (p.kind == ZB_PART_STDIN)
			good = take_input(&p);
		else
			good = take_file(&p);
	}
	return good;
}

void parts_init(void)
{
	request_on_parts(take_parts);
}
