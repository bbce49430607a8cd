/*
 * parts.c: what the parts of a request become before its program starts: files,
 * and what stands in standard input. Arguments and environment are the agent's,
 * which reads them (fs/dev.c).
 */
#include "io/parts.h"

#include "fs/deliver.h"
#include "fs/descriptor.h"
#include "host.h"
#include "io/pipe.h"
#include "mm/frame.h"
#include "request.h"

/* A program that keeps no standard input of its own has no use for it. */
static void take_input(const struct request_part *p)
{
	struct file *f = fd_file(0);
	struct pipe *pipe = f ? pipe_of(f) : NULL;

	if (pipe && !pipe->writers && pipe_empty(pipe)) {
		if (pipe_fill(pipe, p->data, p->size, p->frames))
			host_refuse("stdin: no memory");
	} else if (p->frames) {
		frames_free(ptr_to_gpa(p->data), PAGE_UP(p->size) / PAGE_SIZE);
	}
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

static void take_file(const struct request_part *p)
{
	long r = file_deliver(p);

	if (r)
		host_refuse("files: %.*s: %s",
			    (int)MIN(p->name_size, ZB_LOG_SIZE / 2u), p->name,
			    reason(r));
}

static void take_parts(void)
{
	struct request_part p;
	u64 at = 0;

	while (request_next(&at, &p))
		if (p.kind == ZB_PART_STDIN)
			take_input(&p);
		else if (p.kind == ZB_PART_FILE)
			take_file(&p);
}

void parts_init(void)
{
	request_on_parts(take_parts);
}
