#include "mcp_stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "loop.h"
#include "mcp_session.h"
#include "pool.h"
#include "reading.h"
#include "session.h"
#include "session_exec.h"

#define READ_SIZE ((size_t)65536)
#define OUTPUT_MAX (1u << 20) /* bytes of each stream of one run */
#define CALLS_MAX 32          /* at a time; each may have output to hold */
#define HELD_MAX (16u << 20)  /* bytes of answers: nothing is read meanwhile */

/* A request that is not answered yet. */
struct call {
	struct mcp_message message;
	struct job *job; /* NULL: the answer is the message's */
	struct pieces pieces;
	size_t held; /* bytes, while its answer waits */
	struct call *next;
};

static struct {
	int epoll;
	uint32_t outputs_max;
	struct watch in, out;
	int in_flags, out_flags;    /* as they were found; -1: as they are */
	bool in_polled, out_polled; /* others are always ready */
	uint32_t in_events, out_events;
	struct task read_task, take_task, send_task;
	char *line; /* what has come; a message is read where it is */
	size_t size, room, searched, used;
	bool skipping; /* up to the end of a line that is too long */
	bool ended, broken, begun;
	struct reading reading;
	struct call *taken;                  /* its message is being read */
	struct call *running, *first, *last; /* and those with an answer */
	unsigned open;                       /* jobs */
	size_t held;                         /* bytes of those with an answer */
	struct text sent; /* a slice of the first one's answer */
	size_t at;
} stdio;

/* ---- calls ---- */

static void drop_job(struct call *c)
{
	if (c->job)
		job_free(c->job);
	c->job = NULL;
}

static void free_call(struct call *c)
{
	drop_job(c);
	free(c->message.answer.data);
	pieces_free(&c->pieces);
	free(c);
}

/* It can be answered. */
static void queue_call(struct call *c)
{
	c->next = NULL;
	c->held = sizeof(*c) + c->message.answer.room +
		  (c->job ? c->job->payload_size : 0);
	stdio.held += c->held;
	if (stdio.last)
		stdio.last->next = c;
	else
		stdio.first = c;
	stdio.last = c;
	loop_add(&stdio.send_task);
}

/* ---- output ---- */

static void break_off(const char *why)
{
	if (why && !stdio.broken)
		log_event("error", "stdout: %s", why);
	stdio.broken = true;
}

static void watch_for(int fd, bool polled, uint32_t *now, uint32_t events,
		      struct watch *w)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	if (!polled || *now == events)
		return;
	*now = events;
	epoll_ctl(stdio.epoll, EPOLL_CTL_MOD, fd, &event);
}

static void keep_dropped(struct pieces *p)
{
	(void)p; /* goes with its call */
}

static void begin_result(struct call *c)
{
	mcp_result(&c->pieces, &c->message, c->job);
	pieces_open(&c->pieces, keep_dropped);
	if (c->pieces.failed)
		break_off("no memory for an answer");
}

/* The next slice of the first answer: false: there is none. */
static bool next_slice(void)
{
	struct call *c = stdio.first;
	struct producer *p;

	stdio.sent.size = stdio.at = 0;
	if (!c || stdio.broken)
		return false;
	p = &c->pieces.producer;
	if (c->job && !p->produce)
		begin_result(c);
	if (!c->job)
		text_add(&stdio.sent, c->message.answer.data,
			 c->message.answer.size);
	else if (!stdio.broken && p->produce(p, &stdio.sent))
		return true;
	text_put(&stdio.sent, "\n");
	stdio.first = c->next;
	if (!stdio.first)
		stdio.last = NULL;
	if (stdio.held > HELD_MAX)
		loop_add(&stdio.take_task);
	stdio.held -= c->held;
	free_call(c);
	return true;
}

/* False: it takes no more now. */
static bool write_slice(void)
{
	while (stdio.at < stdio.sent.size) {
		ssize_t n = write(STDOUT_FILENO, stdio.sent.data + stdio.at,
				  stdio.sent.size - stdio.at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_for(STDOUT_FILENO, stdio.out_polled,
				  &stdio.out_events, EPOLLOUT, &stdio.out);
			return false;
		}
		if (n < 0) {
			break_off(errno == EPIPE ? NULL : strerror(errno));
			return false;
		}
		stdio.at += (size_t)n;
	}
	return true;
}

static void send_some(struct task *t)
{
	if (stdio.at == stdio.sent.size && !next_slice())
		return;
	if (stdio.sent.failed)
		break_off("no memory for an answer");
	if (!stdio.broken && write_slice())
		loop_add(t);
}

static void out_ready(struct watch *w, uint32_t events)
{
	(void)w;
	if (events & (EPOLLERR | EPOLLHUP))
		break_off(NULL); /* nobody reads it any more */
	watch_for(STDOUT_FILENO, stdio.out_polled, &stdio.out_events, 0,
		  &stdio.out);
	loop_add(&stdio.send_task);
}

/* ---- messages ---- */

static void remove_running(struct call *c)
{
	struct call **at = &stdio.running;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	stdio.open--;
}

static void job_done(struct job *job)
{
	struct call *c = job->context;

	job_forget_parts(job);
	remove_running(c);
	queue_call(c);
}

static void run(struct call *c)
{
	struct job *job = c->job;

	job->done = job_done;
	job->context = c;
	job->submitted_ns = clock_mono();
	job->output_limit = OUTPUT_MAX;
	job->outputs_limit = job->wants_files ? stdio.outputs_max : 0;
	c->next = stdio.running;
	stdio.running = c;
	stdio.open++;
	if (stdio.open <= CALLS_MAX && pool_admit(&job, 1, 0) == POOL_TAKEN &&
	    session_submit(job->session, job) == 0)
		return;
	job->status = JOB_REFUSED;
	job_done(job);
}

/* What is to be copied is there, or the answer says that it is not. */
static void fetched(struct job *job)
{
	struct call *c = job->context;

	if (job->status == JOB_FAULT)
		c->message.failed = job->message;
	remove_running(c);
	drop_job(c);
	mcp_session_prepare(&c->message, NULL, 0, 0);
	queue_call(c);
}

/* False: nothing has to be waited for, or cannot be. */
static bool fetch(struct call *c)
{
	struct session *s = mcp_session_away(&c->message, 0);
	struct job *job = s ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return false;
	*job = (struct job){ .fetch = true, .done = fetched, .context = c };
	c->job = job;
	c->next = stdio.running;
	stdio.running = c;
	stdio.open++;
	if (session_submit(s, job) == 0)
		return true;
	remove_running(c);
	drop_job(c);
	return false;
}

static void cancel(const struct mcp_message *m)
{
	for (struct call *c = stdio.running; c; c = c->next) {
		if (c->message.id_size != m->id_size ||
		    memcmp(c->message.id, m->id, m->id_size))
			continue;
		if (!session_cancel(c->job))
			return;
		remove_running(c);
		free_call(c);
		return;
	}
}

static void handle(struct call *c)
{
	stdio.begun = stdio.begun || c->message.begins;
	if (fetch(c))
		return;
	/* Its sessions end with it. */
	mcp_session_prepare(&c->message, c->job, 0, 0);
	if (c->message.answer.failed)
		break_off("no memory for an answer");
	switch (c->message.kind) {
	case MCP_ANSWER:
		drop_job(c);
		queue_call(c);
		break;
	case MCP_RUN:
		run(c);
		break;
	case MCP_CANCEL:
		cancel(&c->message);
		free_call(c);
		break;
	default:
		free_call(c);
		break;
	}
}

static void consume(size_t size)
{
	stdio.size -= size;
	memmove(stdio.line, stdio.line + size, stdio.size);
	stdio.searched = stdio.used = 0;
}

static int parse(struct reading *r)
{
	return mcp_read(&stdio.taken->message, &r->request, stdio.begun,
			r->body, r->size);
}

static void message_read(struct reading *r)
{
	struct call *c = stdio.taken;

	stdio.taken = NULL;
	consume(stdio.used);
	if (r->request.count && c->message.kind == MCP_RUN) {
		c->job = r->request.jobs[0];
		r->request.jobs[0] = NULL;
	}
	jobs_drop(r->request.jobs, r->request.count);
	free(r->request.warnings.data);
	if (r->result) {
		free_call(c);
		break_off("no memory for a message");
		return;
	}
	handle(c);
	loop_add(&stdio.take_task);
}

static bool is_blank(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

static void refuse_line(void)
{
	struct call *c = calloc(1, sizeof(*c));

	if (!c || mcp_refuse(&c->message, "the message is too large")) {
		free(c);
		break_off("no memory for a message");
		return;
	}
	queue_call(c);
}

/* A line of so many bytes, of which used go with it. */
static void take_line(size_t size, size_t used)
{
	if (stdio.skipping || is_blank(stdio.line, size)) {
		stdio.skipping = false;
		consume(used);
		loop_add(&stdio.take_task);
		return;
	}
	stdio.taken = calloc(1, sizeof(*stdio.taken));
	if (!stdio.taken) {
		break_off("no memory for a message");
		return;
	}
	stdio.used = used;
	stdio.reading = (struct reading){ .body = stdio.line,
					  .size = size,
					  .parse = parse,
					  .done = message_read };
	reading_begin(&stdio.reading);
}

static void want_input(void)
{
	if (stdio.ended)
		return;
	watch_for(STDIN_FILENO, stdio.in_polled, &stdio.in_events, EPOLLIN,
		  &stdio.in);
	if (!stdio.in_polled)
		loop_add(&stdio.read_task);
}

/* The next line, if it is there. */
static void take_some(struct task *t)
{
	char *end = NULL;

	(void)t;
	if (stdio.taken || stdio.broken || stdio.held > HELD_MAX)
		return;
	if (stdio.size > stdio.searched)
		end = memchr(stdio.line + stdio.searched, '\n',
			     stdio.size - stdio.searched);
	stdio.searched = stdio.size;
	if (end) {
		take_line((size_t)(end - stdio.line),
			  (size_t)(end - stdio.line) + 1);
	} else if (stdio.ended && stdio.size) {
		take_line(stdio.size, stdio.size);
	} else if (stdio.size > http_body_max()) {
		if (!stdio.skipping)
			refuse_line();
		stdio.skipping = true;
		consume(stdio.size);
		want_input();
	} else {
		want_input();
	}
}

/* ---- input ---- */

static int make_room(void)
{
	size_t room = stdio.room ? stdio.room * 2 : 2 * READ_SIZE;
	char *bigger;

	if (stdio.room - stdio.size >= READ_SIZE)
		return 0;
	bigger = realloc(stdio.line, room);
	if (!bigger)
		return -ENOMEM;
	stdio.line = bigger;
	stdio.room = room;
	return 0;
}

static void read_some(struct task *t)
{
	ssize_t n;

	(void)t;
	if (stdio.taken || stdio.ended || stdio.broken)
		return;
	if (make_room()) {
		break_off("no memory for a message");
		return;
	}
	n = read(STDIN_FILENO, stdio.line + stdio.size, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		want_input();
		return;
	}
	if (n <= 0)
		stdio.ended = true;
	else
		stdio.size += (size_t)n;
	watch_for(STDIN_FILENO, stdio.in_polled, &stdio.in_events, 0,
		  &stdio.in);
	loop_add(&stdio.take_task);
}

static void in_ready(struct watch *w, uint32_t events)
{
	(void)w;
	if (stdio.ended && (events & (EPOLLHUP | EPOLLERR)))
		epoll_ctl(stdio.epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
	else if (stdio.in_events || (events & (EPOLLHUP | EPOLLERR)))
		read_some(NULL);
}

/* Terminals are left alone: others have them open, too. */
static int take_flags(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0 ||
	    !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -1;
	return flags;
}

/* Files are always ready, and cannot be waited for. */
static bool watch_fd(int fd, uint32_t events, struct watch *w, int *r)
{
	struct epoll_event event = { .events = events, .data.ptr = w };

	*r = 0;
	if (epoll_ctl(stdio.epoll, EPOLL_CTL_ADD, fd, &event) == 0)
		return true;
	if (errno != EPERM)
		*r = -errno;
	return false;
}

int mcp_stdio_open(int epoll, unsigned outputs_mib, struct err *e)
{
	int in, out;

	stdio.epoll = epoll;
	stdio.outputs_max = outputs_mib << 20;
	stdio.in.ready = in_ready;
	stdio.out.ready = out_ready;
	stdio.read_task.run = read_some;
	stdio.take_task.run = take_some;
	stdio.send_task.run = send_some;
	stdio.in_flags = take_flags(STDIN_FILENO);
	stdio.out_flags = take_flags(STDOUT_FILENO);
	stdio.in_polled = watch_fd(STDIN_FILENO, 0, &stdio.in, &in);
	stdio.out_polled = watch_fd(STDOUT_FILENO, 0, &stdio.out, &out);
	if (in || out)
		return err_set(e, in ? in : out, "epoll: %s",
			       strerror(in ? -in : -out));
	want_input();
	return 0;
}

bool mcp_stdio_ended(void)
{
	return stdio.broken ||
	       (stdio.ended && !stdio.taken && !stdio.size && !stdio.running &&
		!stdio.first && stdio.at == stdio.sent.size);
}

void mcp_stdio_close(void)
{
	if (stdio.in_flags >= 0)
		fcntl(STDIN_FILENO, F_SETFL, stdio.in_flags);
	if (stdio.out_flags >= 0)
		fcntl(STDOUT_FILENO, F_SETFL, stdio.out_flags);
	if (stdio.taken)
		reading_cancel(&stdio.reading);
	loop_remove(&stdio.read_task);
	loop_remove(&stdio.take_task);
	loop_remove(&stdio.send_task);
}
