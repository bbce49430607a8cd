#include "pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "template.h"
#include "worker.h"

#define SYSTEM_TEMPLATES "/var/lib/zeroboot/templates"
#define GRACE_NS 2000000000ull   /* over its timeout, then a worker is hung */
#define RESTART_NS 500000000ull  /* between starts of one that dies at once */

enum state { STOPPED, STARTING, READY, BUSY };

struct worker {
	struct watch watch; /* first */
	int language, channel;
	pid_t pid;
	enum state state;
	struct job *job;
	uint64_t deadline;   /* of the running job */
	uint64_t not_before; /* of the next start */
	/* what is under way on the channel */
	struct worker_request request;
	size_t sent;
	struct worker_reply reply;
	char *payload;
	size_t received;
};

struct language {
	char name[64], path[PATH_MAX];
	int memory_mb;
};

struct pool_stats pool_stats;

static struct language languages[POOL_LANGUAGES];
static int language_count;
static struct worker *workers;
static size_t worker_count;
static struct job *queue_first, *queue_last;
static unsigned queue_max;
static int epoll_fd;
static uint64_t next_id;

void job_free(struct job *job)
{
	free(job->code);
	free(job->out);
	free(job->err);
	free(job->message);
	free(job);
}

/* ---- processes ---- */

_Noreturn static void child(int channel, const char *path)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the front end decides when to end */
	signal(SIGPIPE, SIG_IGN);
	/* Nothing of the front end's goes along: not a client, not a peer. */
	for (int fd = 3; fd < 65536; fd++)
		if (fd != channel)
			close(fd);
	_exit(worker_main(channel, path));
}

static void start(struct worker *w, uint64_t now)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };
	int pair[2];

	w->not_before = now + RESTART_NS;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	w->pid = fork();
	if (w->pid == 0)
		child(pair[1], languages[w->language].path);
	close(pair[1]);
	if (w->pid < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event) < 0) {
		close(pair[0]);
		return;
	}
	w->channel = pair[0];
	w->state = STARTING;
	w->received = w->sent = 0;
}

static void finish(struct job *job, enum job_status status)
{
	job->worker = NULL;
	job->status = status;
	job->done(job);
}

/* The process is gone or must go; its job, if any, is answered honestly. */
static void stop(struct worker *w, const char *why)
{
	struct job *job = w->job;

	if (w->state == STOPPED)
		return;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	close(w->channel);
	free(w->payload);
	w->payload = NULL;
	w->job = NULL;
	w->state = STOPPED;
	pool_stats.restarts++;
	if (!job)
		return;
	pool_stats.running--;
	pool_stats.faults++;
	job->message = strdup(why);
	finish(job, JOB_FAULT);
}

/* ---- the channel ---- */

static void watch_output(struct worker *w, bool output)
{
	struct epoll_event event = { .events = EPOLLIN |
					       (output ? EPOLLOUT : 0),
				     .data.ptr = w };

	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->channel, &event);
}

/* Sends header and code as far as the channel takes them. */
static bool send_request(struct worker *w)
{
	const size_t head = sizeof(w->request);
	size_t total = head + w->job->code_size;

	while (w->sent < total) {
		struct iovec v[2] = {
			{ (char *)&w->request + w->sent, head - w->sent },
			{ w->job->code, w->job->code_size }
		};
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		ssize_t n;

		if (w->sent >= head) {
			v[0] = (struct iovec){ w->job->code + w->sent - head,
					       total - w->sent };
			m.msg_iovlen = 1;
		}
		n = sendmsg(w->channel, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			watch_output(w, true);
			return true;
		}
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			w->sent += (size_t)n;
	}
	return true;
}

static void give(struct worker *w, struct job *job)
{
	w->job = job;
	w->state = BUSY;
	w->sent = w->received = 0;
	w->request = (struct worker_request){ .id = ++next_id,
					      .timeout_ms = job->timeout_ms,
					      .code_size =
						      (uint32_t)job->code_size };
	w->deadline = clock_mono() + (uint64_t)job->timeout_ms * 1000000 +
		      GRACE_NS;
	job->worker = w;
	pool_stats.running++;
	if (!send_request(w))
		stop(w, "the worker ended before the run began");
}

static void dispatch(void)
{
	struct job **link = &queue_first, *previous = NULL;

	while (*link) {
		struct job *job = *link;
		struct worker *w = NULL;

		for (size_t i = 0; i < worker_count && !w; i++)
			if (workers[i].state == READY &&
			    workers[i].language == job->language)
				w = &workers[i];
		if (!w) {
			previous = job;
			link = &job->next;
			continue;
		}
		*link = job->next;
		if (queue_last == job)
			queue_last = previous;
		pool_stats.queued--;
		give(w, job);
	}
}

static bool reply_ok(const struct worker *w)
{
	const struct worker_reply *r = &w->reply;

	if (r->stdout_size > WORKER_OUTPUT_MAX ||
	    r->stderr_size > WORKER_OUTPUT_MAX ||
	    r->message_size > WORKER_MESSAGE_MAX || r->status > WORKER_FAULT)
		return false;
	if (w->state == STARTING)
		return r->status == WORKER_READY;
	return w->state == BUSY && r->status != WORKER_READY &&
	       r->id == w->request.id && r->exit_code >= 0 &&
	       r->exit_code <= 255;
}

static char *copy(const char *from, size_t size)
{
	char *to = malloc(size + 1);

	if (!to)
		return NULL;
	memcpy(to, from, size);
	to[size] = 0;
	return to;
}

static void complete(struct worker *w)
{
	const struct worker_reply *r = &w->reply;
	struct job *job = w->job;
	enum job_status status = JOB_FAULT;

	w->received = 0;
	if (w->state == STARTING) {
		w->state = READY;
		w->not_before = 0;
		dispatch();
		return;
	}
	job->out = copy(w->payload, r->stdout_size);
	job->err = copy(w->payload + r->stdout_size, r->stderr_size);
	job->message = copy(w->payload + r->stdout_size + r->stderr_size,
			    r->message_size);
	job->out_size = job->out ? r->stdout_size : 0;
	job->err_size = job->err ? r->stderr_size : 0;
	job->exit_code = r->exit_code;
	job->fork_ns = r->fork_ns;
	job->exec_ns = r->exec_ns;
	if (r->status == WORKER_DONE) {
		status = JOB_DONE;
		pool_stats.done++;
	} else if (r->status == WORKER_TIMEOUT) {
		status = JOB_TIMEOUT;
		pool_stats.timeouts++;
	} else {
		pool_stats.faults++;
	}
	free(w->payload);
	w->payload = NULL;
	w->job = NULL;
	w->state = READY;
	pool_stats.running--;
	finish(job, status);
	dispatch();
}

static void receive(struct worker *w)
{
	const size_t head = sizeof(w->reply);

	for (;;) {
		size_t total = head;
		char *to = (char *)&w->reply + w->received;
		ssize_t n;

		if (w->received >= head) {
			total += w->reply.stdout_size + w->reply.stderr_size +
				 w->reply.message_size;
			to = w->payload + (w->received - head);
		}
		n = recv(w->channel, to, total - w->received, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			stop(w, "the worker ended during the run");
			return;
		}
		w->received += (size_t)n;
		if (w->received < head)
			continue;
		if (w->received == head) {
			if (!reply_ok(w)) {
				stop(w, "the worker sent a bad answer");
				return;
			}
			total = head + w->reply.stdout_size +
				w->reply.stderr_size + w->reply.message_size;
			w->payload = malloc(total - head + 1);
			if (!w->payload) {
				stop(w, "no memory for the output");
				return;
			}
		}
		if (w->received == total) {
			complete(w);
			return;
		}
	}
}

static void worker_ready(struct watch *watch, uint32_t events)
{
	struct worker *w = (struct worker *)watch;

	if (w->state == STOPPED)
		return;
	if ((events & EPOLLOUT) && w->state == BUSY) {
		watch_output(w, false);
		if (!send_request(w)) {
			stop(w, "the worker ended before the run began");
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(w);
}

/* ---- the interface ---- */

int pool_submit(struct job *job)
{
	bool free_worker = false;

	for (size_t i = 0; i < worker_count; i++)
		free_worker |= workers[i].state == READY &&
			       workers[i].language == job->language;
	if (!free_worker && pool_stats.queued >= queue_max)
		return -EAGAIN;
	job->next = NULL;
	job->worker = NULL;
	if (queue_last)
		queue_last->next = job;
	else
		queue_first = job;
	queue_last = job;
	pool_stats.queued++;
	dispatch();
	return 0;
}

void pool_cancel(struct job *job)
{
	struct job *previous = NULL;

	if (job->worker) {
		struct worker *w = job->worker;

		w->job = NULL;
		pool_stats.running--;
		stop(w, "");
		w->not_before = 0;
		return;
	}
	for (struct job *i = queue_first; i; previous = i, i = i->next) {
		if (i != job)
			continue;
		if (previous)
			previous->next = job->next;
		else
			queue_first = job->next;
		if (queue_last == job)
			queue_last = previous;
		pool_stats.queued--;
		return;
	}
}

void pool_drain(void)
{
	while (queue_first) {
		struct job *job = queue_first;

		queue_first = job->next;
		if (!queue_first)
			queue_last = NULL;
		pool_stats.queued--;
		finish(job, JOB_DRAINED);
	}
}

void pool_tick(uint64_t now)
{
	for (size_t i = 0; i < worker_count; i++) {
		struct worker *w = &workers[i];

		if (w->state == BUSY && now > w->deadline)
			stop(w, "the worker hung and was killed");
		if (w->state == STOPPED && now >= w->not_before)
			start(w, now);
	}
}

int pool_language(const char *name, size_t size)
{
	if (size == 10 && !memcmp(name, "javascript", 10)) {
		name = "node";
		size = 4;
	}
	for (int i = 0; i < language_count; i++)
		if (strlen(languages[i].name) == size &&
		    !memcmp(languages[i].name, name, size))
			return i;
	return -1;
}

const char *pool_describe(int language, bool *ready, int *memory_mb)
{
	if (language >= language_count)
		return NULL;
	*ready = false;
	*memory_mb = languages[language].memory_mb;
	for (size_t i = 0; i < worker_count; i++)
		*ready |= workers[i].language == language &&
			  workers[i].state >= READY;
	return languages[language].name;
}

static int add_language(const char *directory, const char *file,
			struct err *e)
{
	struct language *l = &languages[language_count];
	size_t size = strlen(file);
	int n;

	if (size <= 4 || size - 4 >= sizeof(l->name) ||
	    strcmp(file + size - 4, ".zbt"))
		return 0;
	if (language_count == POOL_LANGUAGES)
		return err_set(e, -E2BIG, "%s: more than %d templates",
			       directory, POOL_LANGUAGES);
	memcpy(l->name, file, size - 4);
	l->name[size - 4] = 0;
	n = snprintf(l->path, sizeof(l->path), "%s/%s", directory, file);
	if (n < 0 || (size_t)n >= sizeof(l->path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", file);
	l->memory_mb = template_memory_mb(l->path, e);
	if (l->memory_mb < 0)
		return l->memory_mb;
	language_count++;
	return 0;
}

int pool_open(int epoll, const char *directory, unsigned count,
	      unsigned max_queue, struct err *e)
{
	struct dirent *entry;
	int r = 0;
	DIR *d;

	if (!directory)
		directory = access("templates", F_OK) == 0 ? "templates" :
							     SYSTEM_TEMPLATES;
	d = opendir(directory);
	if (!d)
		return err_set(e, -errno, "templates: %s: %s", directory,
			       strerror(errno));
	while (r == 0 && (entry = readdir(d)))
		r = add_language(directory, entry->d_name, e);
	closedir(d);
	if (r)
		return r;
	if (language_count == 0)
		return err_set(e, -ENOENT, "templates: %s: no *.zbt in it",
			       directory);
	epoll_fd = epoll;
	queue_max = max_queue;
	worker_count = (size_t)language_count * count;
	workers = calloc(worker_count, sizeof(*workers));
	if (!workers)
		return err_set(e, -ENOMEM, "no memory");
	for (size_t i = 0; i < worker_count; i++) {
		workers[i].watch.ready = worker_ready;
		workers[i].language = (int)(i % (size_t)language_count);
	}
	pool_tick(clock_mono());
	return 0;
}

void pool_close(void)
{
	for (size_t i = 0; i < worker_count; i++)
		stop(&workers[i], "the server is ending");
	free(workers);
	workers = NULL;
	worker_count = 0;
}
